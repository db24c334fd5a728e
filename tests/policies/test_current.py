"""Serving reads the policy in force again after a set time, and goes on with the last good one."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from services.clock import from_micros
from services.documents.revisions import Revision, RevisionState
from services.errors import GatehouseError, NotFound, Unreachable
from services.policies.current import CurrentPolicy
from services.policies.reading import digest_text
from tests.conftest import FakeClock
from tests.policies.builders import CARDS, cards


def revision(number: int, text: str = CARDS) -> Revision:
    return Revision(
        kind="decision_policy",
        name="fraud_detector",
        number=number,
        base=None,
        text=text,
        digest=digest_text(text),
        author="maya",
        reason="",
        created_at=from_micros(0),
        state=RevisionState.IN_FORCE,
    )


@dataclass
class Shelf:
    """What is in force, or the error that reading it ends with."""

    found: Revision | GatehouseError | None
    asked: list[int] = field(default_factory=list)

    def find(self) -> Revision | None:
        self.asked.append(1)
        if isinstance(self.found, GatehouseError):
            raise self.found
        return self.found


AWAY = Unreachable("The store does not answer.", next_step="Start it.")


def current(shelf: Shelf, clock: FakeClock, **options: object) -> CurrentPolicy:
    return CurrentPolicy(shelf.find, refresh=timedelta(seconds=60), clock=clock, **options)  # type: ignore[arg-type]


def test_a_new_revision_counts_after_the_set_time_and_not_before(clock: FakeClock) -> None:
    shelf = Shelf(revision(1))
    policy = current(shelf, clock)
    assert policy.get().decider.policy.revision.endswith("/1")
    shelf.found = revision(2, CARDS.replace("block: 0.7", "block: 0.9"))
    clock.advance(seconds=59)
    assert policy.get().decider.policy.revision.endswith("/1")
    assert len(shelf.asked) == 1
    clock.advance(seconds=1)
    standing = policy.get()
    assert standing.decider.policy.revision.endswith("/2")
    assert standing.decider.decide(0.8, {"amount": 1.0, "country": "US"}).action == "manual_review"
    assert standing.note == ""


def test_an_unchanged_revision_is_not_compiled_again(clock: FakeClock) -> None:
    policy = current(Shelf(revision(1)), clock)
    first = policy.get().decider
    clock.advance(seconds=61)
    assert policy.get().decider is first


@pytest.mark.parametrize(
    "trouble", [AWAY, None, revision(2, CARDS.replace("0.7", "7"))], ids=["away", "nothing in force", "unreadable"]
)
def test_the_last_good_one_decides_and_says_so_until_it_can_be_read_again(
    clock: FakeClock, trouble: Revision | GatehouseError | None
) -> None:
    shelf = Shelf(revision(1))
    policy = current(shelf, clock)
    policy.get()
    shelf.found = trouble
    clock.advance(seconds=61)
    standing = policy.get()
    assert standing.decider.policy.revision.endswith("/1")
    assert "Decided by decision_policy/fraud_detector/1, as read at" in standing.note
    asked = len(shelf.asked)
    policy.get()
    assert len(shelf.asked) == asked, "what is away is not asked at every decision"
    shelf.found = revision(3)
    clock.advance(seconds=61)
    assert policy.get().note == ""
    assert policy.get().decider.policy.revision.endswith("/3")


def test_what_travels_with_the_model_decides_where_the_store_was_never_reached(clock: FakeClock) -> None:
    standing = current(Shelf(AWAY), clock, last_good=cards()).get()
    assert standing.decider.policy.revision == "2.1"
    assert standing.note == "The store does not answer. Decided by 2.1, from when the model was logged."


@pytest.mark.parametrize(("found", "error"), [(AWAY, Unreachable), (None, NotFound)])
def test_with_nothing_to_fall_back_on_it_is_an_error(
    clock: FakeClock, found: GatehouseError | None, error: type[GatehouseError]
) -> None:
    policy = current(Shelf(found), clock)
    for _ in range(2):
        with pytest.raises(error):
            policy.get()
