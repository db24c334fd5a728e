"""Thresholds from files: named ones count, unknown ones are refused by line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from services.errors import InvalidInput, NotFound
from services.shadow.policy import ShadowPolicy
from services.shadow.policy_file import read_policy_file


def read(tmp_path: Path, text: str) -> ShadowPolicy:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return read_policy_file(path)


def test_a_mapping_of_thresholds_replaces_those_it_names(tmp_path: Path) -> None:
    found = read(tmp_path, "min_days: 1\nmin_agreement: 0.99\nmax_latency_p99_ms: null\n")
    assert found == ShadowPolicy.naming(min_days=1, min_agreement=0.99, max_latency_p99_ms=None)


def test_thresholds_may_stand_under_shadow(tmp_path: Path) -> None:
    assert read(tmp_path, "kind: whatever\nshadow:\n  min_pairs: 7\n") == ShadowPolicy.naming(min_pairs=7)


def test_the_shadow_gates_of_a_gate_policy_are_thresholds(tmp_path: Path) -> None:
    text = """\
kind: gate_policy
stages:
  staging:
    gates:
    - {gate: early, kind: shadow, measure: days, at_least: 1}
  production:
    gates:
    - {gate: name, kind: name}
    - {gate: days, kind: shadow, measure: days, at_least: 4.5}
    - {gate: pairs, kind: shadow, measure: pairs, at_least: 9000}
    - {gate: agreement, kind: shadow, measure: agreement, at_least: 0.97}
    - {gate: errors, kind: shadow, measure: candidate_error_rate, at_most: 0.002}
"""
    expected = ShadowPolicy.naming(min_days=5, min_pairs=9000, min_agreement=0.97, max_error_rate=0.002)
    assert read(tmp_path, text) == expected


def test_staging_counts_where_production_says_nothing(tmp_path: Path) -> None:
    text = (
        "stages:\n  staging:\n    gates:\n    - {kind: shadow, measure: days, at_least: 1}\n  production: {gates: []}\n"
    )
    assert read(tmp_path, text) == ShadowPolicy.naming(min_days=1)


def test_the_policy_that_is_shipped_can_be_read() -> None:
    shipped = resources.files("services.gates.defaults").joinpath("gate_policy.yaml")
    with resources.as_file(shipped) as path:
        assert read_policy_file(path).min_days == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no threshold"),
        ("[1, 2]", "names no threshold"),
        ("shadow: 3\n", "Line 1: shadow names no threshold"),
        ("a: 1\nshadow:\n  min_pears: 3\n", "Line 3: min_pears: Extra inputs"),
        ("min_days: 1\nmin_agreement: 1.5\n", "Line 2: min_agreement: .* less than or equal to 1"),
        ("max_psi: .nan\n", "Line 1"),
        ("min_days: -1\n", "Line 1: min_days"),
        ("min_pairs: 3.5\n", "Line 1: min_pairs"),
        ("stages: {production: {gates: []}}\n", "Line 1: stages names no threshold"),
        ("stages: 5\n", "names no threshold"),
        ("stages:\n  production:\n    gates: [{kind: shadow, measure: days, at_least: soon}]\n", "min_days"),
        ("min_days: [\n", "Line"),
        ("a: &a 1\nb: *a\n", "anchors"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read(tmp_path, text)


def test_a_file_has_to_be_there_and_be_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        read_policy_file(tmp_path / "nowhere.yaml")
    with pytest.raises(InvalidInput):
        read_policy_file(tmp_path)


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        read(tmp_path, "# " + "x" * 300_000)
