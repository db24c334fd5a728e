"""Thresholds from a file: a mapping of them, such a mapping under `shadow`, or the shadow gates of a gate policy.

Of a gate policy the gates of stage production count (those of staging where it has none): `days`, `pairs`, `agreement`
and `candidate_error_rate`. Thresholds that a file does not name stay as they are by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.errors import InvalidInput, NotFound
from services.shadow.policy import ShadowPolicy
from services.untrusted.yaml_reader import MAX_BYTES, YamlDocument, read_yaml

_Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]

_GATE_MEASURES = {
    "days": ("at_least", "min_days"),
    "pairs": ("at_least", "min_pairs"),
    "agreement": ("at_least", "min_agreement"),
    "candidate_error_rate": ("at_most", "max_error_rate"),
}
_STAGES = ("production", "staging")


class _Thresholds(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    min_days: _Count = ShadowPolicy().min_days
    min_pairs: _Count = ShadowPolicy().min_pairs
    min_agreement: _Ratio | None = ShadowPolicy().min_agreement
    min_slice_agreement: _Ratio | None = ShadowPolicy().min_slice_agreement
    max_error_rate: _Ratio | None = ShadowPolicy().max_error_rate
    max_latency_p99_ms: _Size | None = ShadowPolicy().max_latency_p99_ms
    max_latency_ratio: _Size | None = ShadowPolicy().max_latency_ratio
    max_psi: _Size | None = ShadowPolicy().max_psi
    max_accuracy_loss: _Ratio | None = ShadowPolicy().max_accuracy_loss
    max_mae_increase: _Size | None = ShadowPolicy().max_mae_increase
    max_mean_abs_difference: _Size | None = ShadowPolicy().max_mean_abs_difference
    max_unread_files: _Count = ShadowPolicy().max_unread_files


def read_policy_file(path: Path) -> ShadowPolicy:
    """Return the policy in a YAML file.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is no YAML, names no threshold, or one that is not known or cannot be.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no policy file {str(path)!r}.", next_step="Check the path.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next_step="Name a YAML file.") from error
    document = read_yaml(text)
    if not isinstance(document.data, dict) or not document.data:
        raise InvalidInput(f"{path} names no threshold.", next_step="Write such as `min_agreement: 0.95`.")
    if "shadow" in document.data:
        return _parse(document, document.data["shadow"], "shadow")
    if "stages" in document.data:
        return _parse(document, thresholds_of_gates(_find_gates(document.data)), "stages")
    return _parse(document, document.data, "")


def _parse(document: YamlDocument, thresholds: Any, place: str) -> ShadowPolicy:
    if not isinstance(thresholds, dict) or not thresholds:
        raise InvalidInput(
            f"Line {document.line_of(place)}: {place or 'the file'} names no threshold of a shadow comparison.",
            next_step="Name thresholds such as `min_agreement: 0.95`, or gates of kind shadow.",
        )
    try:
        return ShadowPolicy.naming(**_Thresholds.model_validate(thresholds).model_dump(exclude_unset=True))
    except ValidationError as error:
        told = [_tell(document, place, problem) for problem in error.errors()]
        raise InvalidInput(
            "; ".join(told) + ".", next_step=f"The thresholds are {', '.join(_Thresholds.model_fields)}."
        ) from error


def _tell(document: YamlDocument, place: str, problem: Mapping[str, Any]) -> str:
    location = (place, *problem["loc"]) if place else problem["loc"]
    return f"Line {document.line_of(location)}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def thresholds_of_gates(gates: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the thresholds that the shadow gates among the gates of a stage stand for, by their names here."""
    found = {}
    for gate in gates:
        bound, threshold = _GATE_MEASURES.get(str(gate.get("measure")), ("", ""))
        if gate.get("kind") == "shadow" and gate.get(bound) is not None:
            found[threshold] = _whole(gate[bound]) if threshold in {"min_days", "min_pairs"} else gate[bound]
    return found


def _find_gates(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the gates of the first stage that has one of kind shadow."""
    stages = policy["stages"] if isinstance(policy["stages"], dict) else {}
    for name in _STAGES:
        stage = stages.get(name)
        listed = stage.get("gates") if isinstance(stage, dict) else None
        gates: list[Mapping[str, Any]] = [gate for gate in listed or () if isinstance(gate, dict)]
        if any(gate.get("kind") == "shadow" for gate in gates):
            return gates
    return []


def _whole(number: Any) -> Any:
    """Return a bound that counts as a whole number, rounded up: 2.5 days are passed by no less than 3."""
    return -int(-number // 1) if isinstance(number, float) and abs(number) < MAX_BYTES else number
