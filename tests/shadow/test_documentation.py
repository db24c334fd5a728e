"""The guide speaks of every column of a log, every threshold with its default, and every verdict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from services.shadow.judge import Verdict
from services.shadow.policy import ShadowPolicy
from services.shadow.schema import LOG_SCHEMA

GUIDE = (Path(__file__).parents[2] / "docs" / "shadow.md").read_text(encoding="utf-8")


def test_every_column_of_a_log_is_in_the_guide() -> None:
    assert [name for name in LOG_SCHEMA.names if f"`{name}`" not in GUIDE] == []


def test_every_threshold_is_in_the_guide_with_what_it_is_unless_named() -> None:
    rows = [line.split("|") for line in GUIDE.splitlines() if line.startswith(("| `min_", "| `max_"))]
    told = {}
    for _, names, values, *_ in rows:
        for name, value in zip(names.split(","), [*values.split(","), ""], strict=False):
            told[name.strip(" `")] = float(value) if value.strip() else None
    assert told == {name: value for name, value in asdict(ShadowPolicy()).items() if name != "named"}


def test_every_verdict_is_in_the_guide() -> None:
    assert [verdict.value for verdict in Verdict if f"| `{verdict.value}` |" not in GUIDE] == []
