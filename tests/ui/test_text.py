from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.text import count, facts, figure, md, strong
from app.ui.times import ago, duration, exact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_facts_join_what_is_there_and_keep_the_exact_times_for_hovering() -> None:
    line = facts(("Requested by Mei", NOW - timedelta(hours=5)), None, "", strong("v4"), NOW, now=NOW)
    assert line.markdown == "Requested by Mei 5 h ago · **v4** · just now"
    assert line.help == "Requested by Mei 2026-03-01 07:00:00 UTC  \n2026-03-01 12:00:00 UTC"


def test_facts_without_times_have_nothing_to_hover() -> None:
    assert facts("one", now=NOW).help is None


def test_empty_text_is_not_emboldened() -> None:
    assert strong("  ") == ""


@given(st.floats() | st.none(), st.sampled_from(["", "ms", "%"]))
def test_any_figure_can_be_written(value: float | None, unit: str) -> None:
    assert figure(value, unit=unit)


def test_a_figure_that_is_no_number_says_so() -> None:
    assert figure(float("nan")) == "nan"
    assert figure(float("inf")) == "inf"


def test_a_large_figure_is_rounded_to_whole_ones() -> None:
    assert figure(1234.56) == "1,235"
    assert figure(-1234.56) == "-1,235"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_the_past_and_the_future_are_the_same_distance_away(distance: timedelta) -> None:
    past, future = ago(NOW - distance, NOW), ago(NOW + distance, NOW)
    assert past == future == "just now" or (
        past == f"{duration(distance)} ago" and future == f"in {duration(distance)}"
    )


def test_exact_times_are_utc_wherever_they_come_from() -> None:
    assert exact(datetime.fromisoformat("2026-03-01T13:00:00+01:00")) == "2026-03-01 12:00:00 UTC"


@pytest.mark.parametrize(("number", "said"), [(0, "0 models"), (1, "1 model"), (2400, "2,400 models")])
def test_counts_agree_with_their_noun(number: int, said: str) -> None:
    assert count(number, "model") == said


def test_md_takes_anything_that_has_a_text() -> None:
    assert md(None) == "None"
