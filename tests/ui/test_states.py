from enum import StrEnum

import pytest

from app.ui.states import STATES, Tone, state_markdown, style_of
from services.changes.values import ChangeState, Decision
from services.registry.values import Stage

DRAWN: list[type[StrEnum]] = [ChangeState, Decision, Stage]


@pytest.mark.parametrize("state", [member for kind in DRAWN for member in kind])
def test_every_state_that_services_know_has_a_look_of_its_own(state: str) -> None:
    assert style_of(state) in STATES.values()


@pytest.mark.parametrize("outcome", ["inconclusive", "error", "failed", "not_run", "unknown", "blocked", "void"])
def test_nothing_but_a_pass_is_green(outcome: str) -> None:
    assert style_of(outcome).tone is not Tone.GOOD


def test_a_state_that_nobody_foresaw_is_grey_and_drawn_as_written() -> None:
    style = style_of("passed\u202e")
    assert (style.tone, style.label) == (Tone.QUIET, "passed⟨U+202E⟩")


def test_a_state_may_be_given_in_any_case_and_with_spaces() -> None:
    assert style_of("Awaiting approval") is STATES["awaiting_approval"]
    assert style_of(Stage.PRODUCTION) is STATES["production"]


def test_a_label_from_outside_cannot_leave_its_badge() -> None:
    assert state_markdown("passed", label="] :red-badge[x").count("\\]") == 1
