"""All versions against each other."""

from __future__ import annotations

import dataclasses

import pytest

from services.signatures import matrix
from services.signatures.compare import judge
from services.signatures.matrix import compare_all
from services.signatures.reader import read_signature
from services.signatures.values import SignatureReading
from services.signatures.verdicts import Direction, Verdict
from tests.signatures.builders import columns, reading

READINGS = {
    1: reading(columns(a="long")),
    2: reading(columns(a="long", b_="double")),
    3: reading(columns(a="string")),
    4: read_signature(b"["),
    5: reading(columns(a="long")),
}


def test_every_ordered_pair_has_its_verdicts() -> None:
    found = compare_all(READINGS)
    assert len(found) == 25
    assert {pair: found[pair].verdict for pair in [(1, 1), (1, 5), (1, 2), (1, 3), (1, 4), (4, 4)]} == {
        (1, 1): Verdict.IDENTICAL,
        (1, 5): Verdict.IDENTICAL,
        (1, 2): Verdict.COMPATIBLE,
        (1, 3): Verdict.BREAKING,
        (1, 4): Verdict.UNKNOWN,
        (4, 4): Verdict.UNKNOWN,
    }


def test_each_direction_has_its_own_verdicts() -> None:
    found = compare_all({1: READINGS[1], 6: reading(columns(a="long", c="double"))}, Direction.FORWARD)
    assert found[1, 6].verdict is Verdict.COMPATIBLE
    assert found[6, 1].verdict is Verdict.BREAKING


def test_equal_signatures_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Direction] = []

    def counted(old: SignatureReading, new: SignatureReading, direction: Direction) -> tuple[Verdict, Verdict]:
        calls.append(direction)
        return judge(old, new, direction)

    monkeypatch.setattr(matrix, "judge", counted)
    matrix._kept.clear()
    one, other = reading(columns(x="long")), reading(columns(x="double"))
    compare_all({version: (one if version % 2 else other) for version in range(50)})
    assert len(calls) == 4
    compare_all({1: one, 2: dataclasses.replace(other, digest="")})
    assert len(calls) == 4 + 3


def test_only_so_many_verdicts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "MAX_KEPT", 5)
    matrix._kept.clear()
    compare_all(READINGS)
    assert len(matrix._kept) == 5
