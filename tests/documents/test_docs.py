"""The documentation speaks of every gate, operator and file, and its examples are documents that validate."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from services.deployments import StandbyState
from services.deployments.ramp_plan import RAMP_PLAN
from services.documents import DocumentKind, validate
from services.gates.collectors import measured_files, prediction_table
from services.gates.kinds import Gate
from services.gates.policy import GATE_POLICY
from services.lineage import artifacts
from services.policies.conditions import Operator
from services.policies.document import DECISION_POLICY

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "kind"), [("gates.md", GATE_POLICY), ("policies.md", DECISION_POLICY), ("deployments.md", RAMP_PLAN)]
)
def test_the_examples_are_documents_that_validate(page: str, kind: DocumentKind[Any]) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert examples
    assert [problem for text in examples for problem in validate(kind, text)] == []


def test_every_kind_of_gate_with_its_keys_is_documented() -> None:
    text = (DOCS / "gates.md").read_text()
    shared = {"gate", "kind", "dry_run", "tasks", "description", "at_least", "at_most", "unit"}
    for model in get_args(get_args(Gate)[0]):
        (kind,) = get_args(model.model_fields["kind"].annotation)
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        for key in set(model.model_fields) - shared:
            assert f"`{key}`" in row, (kind, key)
    for key in shared - {"at_least", "at_most"}:
        assert key in text


def test_every_file_of_evidence_is_documented() -> None:
    text = (DOCS / "gates.md").read_text()
    names = [artifacts.PREDICTIONS, prediction_table.PREDICTIONS_CSV, artifacts.SLICES]
    names += [getattr(measured_files, name) for name in vars(measured_files) if name.endswith("_FILE")]
    assert len(names) == 7
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_operator_and_key_of_a_policy_is_documented() -> None:
    text = (DOCS / "policies.md").read_text()
    assert [operator for operator in Operator if f"`{operator}`" not in text] == []
    definitions = DECISION_POLICY.json_schema()["$defs"]
    keys = {
        key
        for name in ("PolicyText", "RuleText", "ShortRules", "Guardrails")
        for key in definitions[name]["properties"]
    }
    assert sorted(key for key in keys if key not in text) == []


def test_every_key_of_a_ramp_plan_and_every_state_of_a_standby_is_documented() -> None:
    text = (DOCS / "deployments.md").read_text()
    definitions = RAMP_PLAN.json_schema()["$defs"]
    names = ("StepText", "GuardrailsText", "QueryText")
    keys = {key for name in names for key in definitions[name]["properties"]} | set(
        RAMP_PLAN.json_schema()["properties"]
    )
    assert sorted(key for key in keys if key not in text) == []
    assert [state for state in StandbyState if f"`{state}`" not in text] == []
