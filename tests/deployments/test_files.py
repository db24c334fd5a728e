"""Exports are held to what each platform takes: schemas of Kubernetes and KServe, a shell, YAML itself."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.deployments import PinSet, Ramp, RampState, to_configmap, to_env, to_kserve, to_yaml
from services.errors import Conflict, InvalidInput
from tests.conftest import FakeClock

SCHEMAS = Path(__file__).parent / "kubernetes"
NOW = FakeClock()()
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=80).filter(str.strip)


def pinned(model: str, *versions: int) -> PinSet:
    current, previous, fallback, *_ = [*versions, None, None]
    assert current is not None
    return PinSet(
        id=1, model=model, current=current, previous=previous, fallback=fallback, since=NOW, change_id=1, actor="meera"
    )


def pins(**versions: int) -> dict[str, PinSet]:
    return {model: pinned(model, version) for model, version in versions.items()}


def ramp(*, champion: int = 3, candidate: int = 4, traffic_ratio: float = 0.1) -> Ramp:
    return Ramp(
        id=1, model="fraud_detector", champion=champion, candidate=candidate, state=RampState.RUNNING, step=1,
        traffic_ratio=traffic_ratio, step_started_at=NOW, due_at=NOW + timedelta(hours=1), checked_at=NOW,
        attention="", guardrails=(), plan_revision="ramp_plan/default/1", change_id=2, actor="meera", started_at=NOW,
        ended_at=None,
    )  # fmt: skip


def check(schema: str, document: Any) -> None:
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(document)


def test_the_yaml_document_is_that_of_the_practice() -> None:
    found = {"fraud_detector": pinned("fraud_detector", 42, 41, 40), "churn_predictor": pinned("churn_predictor", 15)}
    assert to_yaml(found) == (
        "models:\n"
        "  churn_predictor:\n    current: 15\n    previous: null\n    fallback: null\n"
        "  fraud_detector:\n    current: 42\n    previous: 41\n    fallback: 40\n"
    )


@given(st.dictionaries(NAMES, st.integers(1, 2**31), max_size=4))
def test_the_yaml_document_reads_back_whatever_models_are_called(versions: dict[str, int]) -> None:
    found = yaml.safe_load(to_yaml(pins(**versions)))
    assert {model: entry["current"] for model, entry in found["models"].items()} == versions


def test_a_configmap_is_one_that_kubernetes_takes() -> None:
    document = yaml.safe_load(to_configmap(pins(fraud_detector=42, **{"risk.cards.churn predictor": 15})))
    check("configmap.v1.schema.json", document)
    assert document["metadata"] == {"name": "model-versions", "namespace": "default"}
    assert document["data"] == {"fraud_detector": "42", "risk.cards.churn_predictor": "15"}


@given(NAMES)
def test_every_name_makes_a_key_a_service_and_a_variable_that_are_taken(name: str) -> None:
    found = pins(**{name: 1})
    check("configmap.v1.schema.json", yaml.safe_load(to_configmap(found)))
    check("inferenceservice.v1beta1.schema.json", yaml.safe_load(to_kserve(found)))
    variable, _, value = to_env(found).strip().partition("=")
    assert variable.isascii()
    assert variable.isidentifier()
    assert value == "1"


def test_models_that_would_fall_together_are_refused() -> None:
    found = pins(**{"fraud detector": 1, "fraud_detector": 2})
    for write in (to_configmap, to_kserve, to_env):
        with pytest.raises(Conflict, match="fraud detector and fraud_detector would both have"):
            write(found)


def test_more_models_than_a_configmap_holds_are_refused() -> None:
    with pytest.raises(Conflict, match="1 MiB"):
        to_configmap(pins(**{f"{'m' * 240}{number}": 1 for number in range(4500)}))


def test_variables_are_set_by_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "pins.env"
    file.write_text(to_env(pins(fraud_detector=42, **{"3ds.checker": 7})))
    script = f'. {file}; echo "$FRAUD_DETECTOR_VERSION $_3DS_CHECKER_VERSION"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "42 7\n"


# KServe


def services(text: str) -> list[Any]:
    found = list(yaml.safe_load_all(text))
    for each in found:
        check("inferenceservice.v1beta1.schema.json", each)
    return found


def test_a_service_a_model_names_its_current_version() -> None:
    first, second = services(to_kserve(pins(fraud_detector=3, churn_predictor=1), namespace="risk"))
    assert [each["metadata"]["name"] for each in (first, second)] == ["churn-predictor", "fraud-detector"]
    assert second["metadata"]["namespace"] == "risk"
    assert second["spec"]["predictor"] == {
        "model": {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": "models:/fraud_detector/3"}
    }


@pytest.mark.parametrize(
    ("traffic_ratio", "percent", "version"),
    [(0.0, None, 3), (0.004, None, 3), (0.01, 1, 4), (0.25, 25, 4), (0.29, 29, 4), (1.0, 100, 4)],
)
def test_the_share_of_a_ramp_is_the_canary_percentage_of_its_candidate(
    traffic_ratio: float, percent: int | None, version: int
) -> None:
    (found,) = services(to_kserve(pins(fraud_detector=3), {"fraud_detector": ramp(traffic_ratio=traffic_ratio)}))
    predictor = found["spec"]["predictor"]
    assert predictor.get("canaryTrafficPercent") == percent
    assert predictor["model"]["storageUri"] == f"models:/fraud_detector/{version}"


def test_a_ramp_from_another_version_than_is_pinned_counts_for_nothing() -> None:
    (found,) = services(to_kserve(pins(fraud_detector=2), {"fraud_detector": replace(ramp(), champion=3)}))
    assert found["spec"]["predictor"]["model"]["storageUri"] == "models:/fraud_detector/2"


def test_where_versions_lie_is_said_by_whoever_runs_the_cluster() -> None:
    (found,) = services(to_kserve(pins(fraud_detector=3), storage_uri="s3://models/{model}/v{version}"))
    assert found["spec"]["predictor"]["model"]["storageUri"] == "s3://models/fraud_detector/v3"
    with pytest.raises(InvalidInput, match="does not say where the version goes"):
        to_kserve(pins(fraud_detector=3), storage_uri="s3://models/{model}")
