import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from services.audit import AuditLog, EventQuery
from services.errors import Blocked, Conflict, InvalidInput, NotFound, Unreachable
from services.identity import Actor, Role
from services.registry.approved import Approved
from services.registry.artifact_watch import ArtifactWatch
from services.registry.drift import Drifts
from services.registry.drift_values import Drift, DriftState
from services.registry.fake import FakeRegistry
from services.registry.index import Index
from services.registry.protection import Protection
from services.registry.sync import Sync
from services.registry.values import Stage
from services.registry.writes import Watched
from services.store import Store
from tests.conftest import FakeClock

WORKER = Actor(name="system:worker", roles=frozenset(), origin="worker")
ADA = Actor(name="ada", roles=frozenset({Role.RELEASE_MANAGER}), origin="cli")


class Guarded:
    """A registry that Gatehouse watches: `ours` writes through the port, `theirs` is what anybody else does."""

    def __init__(self, store: Store, clock: FakeClock, home: Path) -> None:
        self.store = store
        self.clock = clock
        self.protection = Protection()
        self.approved = Approved(store, clock=clock, protection=lambda: self.protection)
        self.ours = FakeRegistry(clock=clock, announce=self.approved.announce)
        self.theirs = FakeRegistry(clock=clock)
        for name in ("_models", "_versions", "_last_version", "_runs", "_files", "_logged", "_origins"):
            setattr(self.theirs, name, getattr(self.ours, name))
        self.audit = AuditLog(store, clock=clock, home=home)
        self.drifts = Drifts(
            store, self.ours, self.approved, self.audit, clock=clock, protection=lambda: self.protection
        )
        self.watch = ArtifactWatch(store, self.ours, self.approved, self.drifts, clock=clock)
        self.index = Index(store, clock=clock)
        self.sync = Sync(self.ours, store, clock=clock, signature_state=lambda _: "present")

    def look(self, *, is_full: bool = False) -> Sequence[Drift]:
        """Sync and detect, a little later."""
        self.clock.advance(seconds=15)
        self.sync.run(is_full=is_full)
        return [*self.drifts.detect(actor=WORKER), *self.watch.check(actor=WORKER)]

    def actions(self) -> list[str]:
        return [event.action for event in self.audit.list_events(EventQuery(), limit=100).events]


@pytest.fixture
def guarded(any_store: Store, clock: FakeClock, tmp_path: Path) -> Guarded:
    return with_models(Guarded(any_store, clock, tmp_path))


@pytest.fixture
def small(store: Store, clock: FakeClock, tmp_path: Path) -> Guarded:
    return with_models(Guarded(store, clock, tmp_path))


def with_models(guarded: Guarded) -> Guarded:
    for _ in range(3):
        guarded.ours.add_version("fraud_detector", mlmodel="signature: {}")
    guarded.ours.add_version("churn_predictor", mlmodel="signature: {}")
    guarded.look()
    guarded.ours.set_alias("fraud_detector", "production", 1)
    guarded.ours.set_stage("fraud_detector", 1, Stage.PRODUCTION)
    guarded.ours.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "abc")
    guarded.look()
    return guarded


def test_what_goes_through_the_port_is_no_drift(guarded: Guarded) -> None:
    guarded.ours.set_alias("fraud_detector", "production", 2)
    guarded.ours.set_alias("fraud_detector", "staging", 3)
    guarded.ours.set_stage("fraud_detector", 2, Stage.PRODUCTION)
    guarded.ours.set_stage("fraud_detector", 1, Stage.ARCHIVED)
    guarded.ours.delete_alias("fraud_detector", "staging")
    guarded.ours.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "def")
    guarded.ours.delete_version_tag("fraud_detector", 1, "gatehouse.checkpoint")
    assert guarded.look(is_full=True) == []
    assert guarded.drifts.list_drifts() == []


def test_what_was_there_before_the_first_look_is_taken_as_it_is(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    guarded = Guarded(any_store, clock, tmp_path)
    version = guarded.theirs.add_version(
        "fraud_detector", mlmodel="x", aliases=["production", "mine"], stage=Stage.STAGING
    )
    assert guarded.look() == []
    assert guarded.look() == []
    assert guarded.actions() == ["registry:baseline:taken"]
    assert guarded.index.get_sync_state().watched_since is not None
    guarded.theirs.add_version("fraud_detector")
    guarded.theirs.set_alias("fraud_detector", "mine", 2)
    assert guarded.look() == []
    guarded.theirs.set_alias("fraud_detector", "production", 2)
    guarded.theirs.put_file(version, "MLmodel", b"changed")
    assert [(drift.kind, drift.approved, drift.found) for drift in guarded.look()[:1]] == [(Watched.ALIAS, "1", "2")]
    assert [drift.kind for drift in guarded.drifts.list_drifts()] == [Watched.ARTIFACTS, Watched.ALIAS]


@pytest.mark.parametrize(
    ("change", "kind", "approved", "found", "sentence"),
    [
        (
            lambda registry: registry.set_alias("fraud_detector", "production", 3),
            Watched.ALIAS, "1", "3",
            "The alias production of fraud_detector points at version 3; version 1 was approved.",
        ),
        (
            lambda registry: registry.delete_alias("fraud_detector", "production"),
            Watched.ALIAS, "1", None,
            "The alias production of fraud_detector was removed; version 1 was approved.",
        ),
        (
            lambda registry: registry.set_alias("churn_predictor", "staging", 1),
            Watched.ALIAS, None, "1",
            "The alias staging of churn_predictor points at version 1; nobody approved one.",
        ),
        (
            lambda registry: registry.set_alias("fraud_detector", "Production", 2),
            Watched.ALIAS, None, "2",
            "The alias Production of fraud_detector points at version 2; nobody approved one.",
        ),
        (
            lambda registry: registry.set_stage("fraud_detector", 2, Stage.PRODUCTION),
            Watched.STAGE, "None", "Production",
            "fraud_detector/2 is in the stage Production; None was approved.",
        ),
        (
            lambda registry: registry.set_stage("fraud_detector", 1, Stage.NONE),
            Watched.STAGE, "Production", "None",
            "fraud_detector/1 is in the stage None; Production was approved.",
        ),
        (
            lambda registry: registry.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "forged"),
            Watched.TAG, "abc", "forged",
            "The tag gatehouse.checkpoint of fraud_detector/1 is 'forged'; 'abc' was approved.",
        ),
        (
            lambda registry: registry.delete_version_tag("fraud_detector", 1, "gatehouse.checkpoint"),
            Watched.TAG, "abc", None,
            "The tag gatehouse.checkpoint of fraud_detector/1 is ''; 'abc' was approved.",
        ),
        (
            lambda registry: registry.remove_version("fraud_detector", 2),
            Watched.VERSION, None, None,
            "fraud_detector/2 was deleted from the registry.",
        ),
        (
            lambda registry: registry.remove_model("churn_predictor"),
            Watched.MODEL, None, None,
            "churn_predictor was deleted from the registry.",
        ),
    ],
)  # fmt: skip
def test_each_change_by_others_is_found_once_and_recorded(
    guarded: Guarded,
    change: Callable[[FakeRegistry], None],
    kind: Watched,
    approved: str | None,
    found: str | None,
    sentence: str,
) -> None:
    change(guarded.theirs)
    (drift,) = guarded.look(is_full=True)
    assert (drift.kind, drift.approved, drift.found, drift.state) == (kind, approved, found, DriftState.OPEN)
    assert drift.describe() == sentence
    assert guarded.look(is_full=True) == []
    assert [open_drift.id for open_drift in guarded.drifts.list_drifts()] == [drift.id]
    assert guarded.actions().count(f"drift:{kind}:detected") == 1
    if kind is not Watched.MODEL:
        assert guarded.index.get_model(drift.model).open_drifts == 1
        assert guarded.index.get_model(drift.model).health == "drift"


@pytest.mark.parametrize(
    ("change", "approved", "found"),
    [
        (lambda registry: registry.set_version_tag("fraud_detector", 1, "risk", "low"), "high", "low"),
        (lambda registry: registry.delete_version_tag("fraud_detector", 1, "risk"), "high", None),
        (lambda registry: registry.set_version_tag("fraud_detector", 1, "deprecated", "true"), None, "true"),
    ],
)
def test_a_tag_that_the_policy_protects_is_held_as_it_was_first_seen(
    small: Guarded, change: Callable[[FakeRegistry], None], approved: str | None, found: str | None
) -> None:
    small.theirs.set_version_tag("fraud_detector", 1, "risk", "high")
    small.theirs.set_version_tag("fraud_detector", 2, "risk", "high")
    small.protection = Protection(tags=frozenset({"risk", "deprecated"}))
    for _ in range(2):
        assert small.look(is_full=True) == [], "what was there is taken as it is"
    small.theirs.set_version_tag("fraud_detector", 1, "colour", "red")
    small.theirs.set_version_tag("fraud_detector", 2, "risk", "low")
    assert small.look(is_full=True) == [], "no policy protects this tag, and Gatehouse has not marked version 2"
    change(small.theirs)
    (drift,) = small.look(is_full=True)
    assert (drift.kind, drift.version, drift.approved, drift.found) == (Watched.TAG, 1, approved, found)
    small.drifts.revert(drift.id, actor=ADA, reason="nobody decided on that")
    assert small.ours.get_version("fraud_detector", 1).tags.get(drift.key) == approved
    assert small.look(is_full=True) == []


def test_what_gatehouse_writes_to_a_protected_tag_is_no_drift_before_all_tags_are_read_again(small: Guarded) -> None:
    small.protection = Protection(tags=frozenset({"deprecated"}))
    for _ in range(2):
        small.look(is_full=True)
    small.ours.set_version_tag("fraud_detector", 1, "deprecated", "true")
    assert small.look() == []
    assert small.look(is_full=True) == []
    assert small.look() == []
    small.protection = Protection()
    small.theirs.set_version_tag("fraud_detector", 1, "deprecated", "false")
    assert small.look(is_full=True) == [], "the policy protects it no more"


def test_a_version_just_promoted_is_held_to_its_tags_from_the_next_reading_of_all_tags(small: Guarded) -> None:
    small.look(is_full=True)
    small.theirs.set_version_tag("fraud_detector", 2, "risk", "high")
    small.protection = Protection(tags=frozenset({"risk"}))
    small.ours.set_version_tag("fraud_detector", 2, "gatehouse.checkpoint", "def")
    for is_full in (False, True, True):
        assert small.look(is_full=is_full) == []
    small.theirs.set_version_tag("fraud_detector", 2, "risk", "low")
    (drift,) = small.look(is_full=True)
    assert (drift.version, drift.approved, drift.found) == (2, "high", "low")


def test_a_very_long_protected_tag_is_held_to_its_last_letter_and_not_written_back_in_part(small: Guarded) -> None:
    small.protection = Protection(tags=frozenset({"card"}))
    small.theirs.set_version_tag("fraud_detector", 1, "card", "x" * 5000)
    for _ in range(3):
        assert small.look(is_full=True) == []
    small.ours.set_version_tag("fraud_detector", 1, "card", "y" * 5000)
    assert small.look(is_full=True) == [], "Gatehouse itself wrote it"
    small.theirs.set_version_tag("fraud_detector", 1, "card", "y" * 4999 + "z")
    (drift,) = small.look(is_full=True)
    assert not drift.can_be_reverted
    with pytest.raises(Blocked):
        small.drifts.revert(drift.id, actor=ADA, reason="back")
    assert small.ours.get_version("fraud_detector", 1).tags["card"] == "y" * 4999 + "z"


def test_an_alias_that_the_policy_protects_is_drift_until_somebody_decides(small: Guarded) -> None:
    small.theirs.set_alias("fraud_detector", "Blue", 2)
    assert small.look() == []
    small.protection = Protection(aliases=frozenset({"blue"}))
    (drift,) = small.look()
    assert (drift.kind, drift.key, drift.approved, drift.found) == (Watched.ALIAS, "Blue", None, "2")
    small.protection = Protection()
    assert small.look() == []
    assert small.drifts.get_drift(drift.id).state is DriftState.SETTLED


def test_changed_and_lost_files_are_found_after_the_next_sync(guarded: Guarded) -> None:
    version = guarded.ours.get_version("fraud_detector", 1)
    guarded.theirs.put_file(version, "MLmodel", b"tampered")
    (drift,) = guarded.look()
    assert drift.describe() == "The files of fraud_detector/1 are not those that were approved."
    assert guarded.look() == []
    guarded.theirs.put_file(version, "MLmodel", b"signature: {}")
    assert guarded.look() == []
    assert guarded.drifts.get_drift(drift.id).state is DriftState.SETTLED
    guarded.theirs.remove_files(version)
    (gone,) = guarded.look()
    assert gone.describe() == "The files of fraud_detector/1 are gone."


def test_a_difference_that_is_mended_is_settled(guarded: Guarded) -> None:
    guarded.theirs.set_alias("fraud_detector", "production", 3)
    (drift,) = guarded.look()
    guarded.theirs.set_alias("fraud_detector", "production", 1)
    assert guarded.look() == []
    assert guarded.drifts.get_drift(drift.id).state is DriftState.SETTLED
    assert guarded.index.get_model("fraud_detector").open_drifts == 0
    assert guarded.actions().count("drift:alias:settled") == 1


def test_a_difference_that_changes_again_is_another_one(guarded: Guarded) -> None:
    guarded.theirs.set_alias("fraud_detector", "production", 3)
    (first,) = guarded.look()
    guarded.theirs.set_alias("fraud_detector", "production", 2)
    (second,) = guarded.look()
    assert (second.approved, second.found) == ("1", "2")
    assert guarded.drifts.get_drift(first.id).state is DriftState.SETTLED
    assert guarded.index.get_model("fraud_detector").open_drifts == 1


def test_a_deleted_champion_shows_as_deleted_and_as_a_lost_alias(guarded: Guarded) -> None:
    guarded.theirs.remove_version("fraud_detector", 1)
    assert {drift.kind for drift in guarded.look()} == {Watched.VERSION, Watched.ALIAS}
    (gone,) = guarded.index.list_gone(model="fraud_detector")
    assert gone.record["tags"] == {"gatehouse.checkpoint": "abc"}


def test_adopting_makes_what_was_found_approved(guarded: Guarded) -> None:
    guarded.theirs.set_alias("fraud_detector", "production", 3)
    guarded.theirs.set_stage("fraud_detector", 2, Stage.STAGING)
    guarded.theirs.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "new")
    guarded.theirs.put_file(guarded.ours.get_version("fraud_detector", 1), "MLmodel", b"changed")
    guarded.theirs.remove_model("churn_predictor")
    found = guarded.look(is_full=True)
    assert len(found) == 5
    for drift in found:
        with guarded.store.write() as unit:
            guarded.drifts.adopt(unit, drift, actor=ADA, reason="it was us", change_id=7)
            unit.commit()
    assert guarded.look(is_full=True) == []
    assert guarded.drifts.list_drifts() == []
    closed = guarded.drifts.get_drift(found[0].id)
    assert (closed.state, closed.closed_by, closed.reason) == (DriftState.ADOPTED, "ada", "it was us")
    guarded.theirs.put_file(guarded.ours.get_version("fraud_detector", 3), "MLmodel", b"changed")
    assert [drift.kind for drift in guarded.look()] == [Watched.ARTIFACTS]


def test_adopting_a_deletion_forgets_what_was_approved_of_it(guarded: Guarded) -> None:
    guarded.theirs.remove_version("fraud_detector", 1)
    for drift in guarded.look():
        with guarded.store.write() as unit:
            guarded.drifts.adopt(unit, drift, actor=ADA, reason="retired")
            unit.commit()
    assert guarded.look(is_full=True) == []
    guarded.theirs.add_version("fraud_detector")
    assert guarded.look(is_full=True) == []


def test_adopting_lost_files_ends_the_watch(small: Guarded) -> None:
    small.theirs.remove_files(small.ours.get_version("fraud_detector", 1))
    (drift,) = small.look()
    with small.store.write() as unit:
        small.drifts.adopt(unit, drift, actor=ADA, reason="archived elsewhere")
        unit.commit()
    assert small.look() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.set_alias("fraud_detector", "production", 3),
        lambda registry: registry.delete_alias("fraud_detector", "production"),
        lambda registry: registry.set_alias("churn_predictor", "staging", 1),
        lambda registry: registry.set_stage("fraud_detector", 2, Stage.PRODUCTION),
        lambda registry: registry.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "forged"),
        lambda registry: registry.delete_version_tag("fraud_detector", 1, "gatehouse.checkpoint"),
    ],
)
def test_reverting_writes_back_what_was_approved(guarded: Guarded, change: Callable[[FakeRegistry], None]) -> None:
    before = [guarded.ours.get_model("fraud_detector").aliases, guarded.ours.get_version("fraud_detector", 1).tags]
    change(guarded.theirs)
    (drift,) = guarded.look(is_full=True)
    assert drift.can_be_reverted
    closed = guarded.drifts.revert(drift.id, actor=ADA, reason="not agreed")
    assert (closed.state, closed.closed_by) == (DriftState.REVERTED, "ada")
    assert guarded.look(is_full=True) == []
    after = [guarded.ours.get_model("fraud_detector").aliases, guarded.ours.get_version("fraud_detector", 1).tags]
    assert after == before
    assert guarded.ours.get_version("fraud_detector", 2).stage is Stage.NONE
    with pytest.raises(Conflict, match="closed"):
        guarded.drifts.revert(drift.id, actor=ADA, reason="again")


def test_a_tag_that_nobody_approved_is_taken_away_when_reverted(small: Guarded) -> None:
    small.ours.delete_version_tag("fraud_detector", 1, "gatehouse.checkpoint")
    small.theirs.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "forged")
    (drift,) = small.look(is_full=True)
    small.drifts.revert(drift.id, actor=ADA, reason="forged")
    assert small.ours.get_version("fraud_detector", 1).tags == {}


def test_what_was_deleted_cannot_be_written_back(small: Guarded) -> None:
    small.theirs.remove_model("churn_predictor")
    (drift,) = small.look()
    assert not drift.can_be_reverted
    with pytest.raises(Blocked, match="churn_predictor was deleted"):
        small.drifts.revert(drift.id, actor=ADA, reason="bring it back")


def test_an_alias_that_moved_again_is_not_reverted_blindly(small: Guarded) -> None:
    small.theirs.set_alias("fraud_detector", "production", 3)
    (drift,) = small.look()
    small.theirs.set_alias("fraud_detector", "production", 2)
    with pytest.raises(Conflict, match="moved again, to 2"):
        small.drifts.revert(drift.id, actor=ADA, reason="back")
    assert small.ours.find_alias("fraud_detector", "production") == 2


def test_a_registry_that_is_down_leaves_the_drift_open(small: Guarded) -> None:
    small.theirs.set_alias("fraud_detector", "production", 3)
    (drift,) = small.look()
    small.ours.faults.fail("set_alias")
    with pytest.raises(Unreachable):
        small.drifts.revert(drift.id, actor=ADA, reason="back")
    assert small.drifts.get_drift(drift.id).state is DriftState.OPEN


def test_adopting_twice_is_a_conflict(small: Guarded) -> None:
    small.theirs.set_alias("fraud_detector", "production", 3)
    (drift,) = small.look()
    for attempt in range(2):
        with small.store.write() as unit:
            if attempt:
                with pytest.raises(Conflict, match="closed meanwhile"):
                    small.drifts.adopt(unit, drift, actor=ADA, reason="again")
            else:
                small.drifts.adopt(unit, drift, actor=ADA, reason="ours")
            unit.commit()


def test_a_drift_that_does_not_exist_is_not_found(small: Guarded) -> None:
    with pytest.raises(NotFound, match="no drift 99"):
        small.drifts.get_open(99)


def test_a_write_that_the_registry_refuses_leaves_the_approval_as_it_was(small: Guarded) -> None:
    for alias, version in (("production", 99), ("staging", 99)):
        with pytest.raises(NotFound):
            small.ours.set_alias("fraud_detector", alias, version)
    assert small.look() == []


@pytest.mark.parametrize("happened", [False, True])
def test_a_write_whose_answer_was_lost_is_no_drift_either_way(small: Guarded, *, happened: bool) -> None:
    if happened:
        small.theirs.set_alias("fraud_detector", "production", 2)
    small.ours.faults.fail("set_alias")
    with pytest.raises(Unreachable):
        lose_answer(small, 2)
    with pytest.raises(Unreachable):
        lose_answer(small, 2)
    small.ours.faults.heal()
    assert small.look() == []
    small.theirs.set_alias("fraud_detector", "production", 3)
    assert [drift.found for drift in small.look()] == ["3"]


def lose_answer(guarded: Guarded, version: int) -> None:
    from services.registry.writes import RegistryWrite

    write = RegistryWrite(kind=Watched.ALIAS, model="fraud_detector", version=version, key="production", value=version)
    with guarded.approved.announce(write):
        raise Unreachable("The registry does not answer.", next_step="Start it.")


def test_a_write_after_the_look_began_is_not_judged_by_it(small: Guarded) -> None:
    small.clock.advance(seconds=15)
    small.sync.run()
    small.ours.set_alias("fraud_detector", "production", 2)
    assert small.drifts.detect(actor=WORKER) == []
    assert small.look() == []


def test_before_the_first_sync_nothing_is_detected(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    guarded = Guarded(store, clock, tmp_path)
    assert guarded.drifts.detect(actor=WORKER) == []
    assert guarded.actions() == []


def test_many_tags_do_not_push_a_reserved_one_out_of_sight(small: Guarded) -> None:
    for number in range(150):
        small.theirs.set_version_tag("fraud_detector", 1, f"a{number}", "x")
    assert small.look(is_full=True) == []


def test_operation_marks_and_other_tags_are_free(small: Guarded) -> None:
    small.ours.set_version_tag("fraud_detector", 1, "gatehouse.operation", "1")
    small.ours.set_version_tag("fraud_detector", 1, "note", "1")
    small.theirs.set_version_tag("fraud_detector", 1, "gatehouse.operation", "2")
    small.theirs.set_version_tag("fraud_detector", 1, "note", "2")
    assert small.look(is_full=True) == []


@pytest.mark.parametrize("error", [InvalidInput("too many files", next_step=""), Unreachable("500", next_step="")])
def test_files_that_cannot_be_read_now_are_no_drift_and_hold_nothing_up(
    small: Guarded, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    small.ours.set_alias("churn_predictor", "production", 1)
    small.look()
    small.theirs.put_file(small.ours.get_version("churn_predictor", 1), "MLmodel", b"changed")
    small.ours.faults.fail_once("get_artifact_digest", error)
    caplog.clear()
    assert [drift.model for drift in small.look()] in ([], ["churn_predictor"])
    assert ["are not watched" in record.message for record in caplog.records] == [True]
    small.look()
    assert [drift.model for drift in small.drifts.list_drifts()] == ["churn_predictor"]


def test_a_registry_that_is_down_says_nothing_about_files(small: Guarded) -> None:
    small.clock.advance(seconds=15)
    small.ours.faults.fail()
    with pytest.raises(Unreachable):
        small.watch.check(actor=WORKER)
    assert small.drifts.list_drifts() == []


def test_files_are_read_within_the_budget_and_seldom_where_that_takes_long(
    small: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("services.registry.artifact_watch.time.monotonic", lambda: now[0])
    small.ours.set_alias("fraud_detector", "staging", 2)
    small.look()
    small.clock.advance(seconds=15)
    small.ours.faults.calls.clear()

    def slowly() -> None:
        now[0] += 2

    small.ours.faults.hook("get_artifact_digest", slowly)
    small.watch.check(actor=WORKER)
    assert small.ours.faults.calls.count("get_artifact_digest") == 1
    for seconds, calls in ((20, 2), (20, 3), (61, 5)):
        small.clock.advance(seconds=seconds)
        small.watch.check(actor=WORKER)
        assert small.ours.faults.calls.count("get_artifact_digest") == calls


def test_drifts_are_paged_and_chosen_by_model_and_state(small: Guarded) -> None:
    for version in (2, 3):
        small.theirs.set_stage("fraud_detector", version, Stage.STAGING)
    small.theirs.set_alias("churn_predictor", "production", 1)
    assert len(small.look()) == 3
    first = small.drifts.list_drifts(limit=2)
    assert [drift.id for drift in first] == [3, 2]
    assert [drift.id for drift in small.drifts.list_drifts(before_id=2)] == [1]
    assert len(small.drifts.list_drifts(model="fraud_detector")) == 2
    assert small.drifts.list_drifts(state=DriftState.ADOPTED) == []
    assert len(small.drifts.list_drifts(state=None)) == 3


def test_the_json_of_a_drift_says_all(small: Guarded) -> None:
    small.theirs.set_stage("fraud_detector", 2, Stage.STAGING)
    (drift,) = small.look()
    document = drift.as_json()
    assert document["message"] == "fraud_detector/2 is in the stage Staging; None was approved."
    assert (document["id"], document["kind"], document["version"], document["state"]) == (1, "stage", 2, "open")
    assert dataclasses.replace(drift, version=None).subject == "fraud_detector"


def test_a_drift_that_was_approved_meanwhile_is_not_reverted(guarded: Guarded) -> None:
    guarded.theirs.set_alias("fraud_detector", "production", 3)
    guarded.theirs.set_stage("fraud_detector", 2, Stage.STAGING)
    guarded.theirs.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "forged")
    found = guarded.look(is_full=True)
    guarded.ours.set_alias("fraud_detector", "production", 3)
    guarded.ours.set_stage("fraud_detector", 2, Stage.STAGING)
    guarded.ours.set_version_tag("fraud_detector", 1, "gatehouse.checkpoint", "forged")
    assert len(found) == 3
    for drift in found:
        with pytest.raises(Conflict, match="something else was approved"):
            guarded.drifts.revert(drift.id, actor=ADA, reason="back")
    assert guarded.ours.find_alias("fraud_detector", "production") == 3
    assert guarded.ours.get_version("fraud_detector", 2).stage is Stage.STAGING
    assert guarded.look(is_full=True) == []
    assert guarded.drifts.list_drifts() == []


def test_a_deletion_is_settled_once_what_was_deleted_is_back_as_it_was(guarded: Guarded) -> None:
    models, versions = (
        dict(guarded.theirs._models),
        {name: dict(held) for name, held in guarded.theirs._versions.items()},
    )
    guarded.theirs.remove_version("fraud_detector", 2)
    guarded.theirs.remove_model("churn_predictor")
    assert {drift.kind for drift in guarded.look()} == {Watched.VERSION, Watched.MODEL}
    guarded.theirs._models.update(models)
    guarded.theirs._versions.update(versions)
    assert guarded.look(is_full=True) == []
    assert {drift.state for drift in guarded.drifts.list_drifts(state=None)} == {DriftState.SETTLED}
    assert guarded.index.get_model("churn_predictor").open_drifts == 0
    assert guarded.index.get_model("fraud_detector").health != "drift"


def test_a_name_that_is_registered_anew_still_shows_that_the_one_before_was_deleted(guarded: Guarded) -> None:
    guarded.theirs.remove_model("churn_predictor")
    guarded.look()
    guarded.theirs.add_version("churn_predictor", mlmodel="signature: {}")
    assert guarded.look() == []
    assert [drift.kind for drift in guarded.drifts.list_drifts()] == [Watched.MODEL]
    assert guarded.index.get_model("churn_predictor").health == "drift"


def test_what_a_slower_sync_saw_before_a_promotion_is_no_drift(guarded: Guarded) -> None:
    guarded.theirs.add_version("fraud_detector", mlmodel="signature: {}")
    slow = Sync(guarded.ours, guarded.store, clock=guarded.clock, signature_state=lambda _: "present")
    found: list[Drift] = []

    def promote_and_look() -> None:
        guarded.clock.advance(seconds=1)
        guarded.ours.set_alias("fraud_detector", "production", 2)
        guarded.clock.advance(seconds=1)
        guarded.sync.run()
        guarded.ours.faults.hook("list_runs", lambda: found.extend(guarded.drifts.detect(actor=WORKER)))

    guarded.clock.advance(seconds=15)
    guarded.ours.faults.hook("list_versions", promote_and_look)
    slow.run(is_full=True)
    found += guarded.drifts.detect(actor=WORKER)
    assert found == []
    assert guarded.look() == []
    assert guarded.index.get_model("fraud_detector").aliases["production"] == 2


def test_what_a_slower_sync_writes_while_another_ends_is_no_drift(guarded: Guarded) -> None:
    guarded.theirs.add_version("fraud_detector", mlmodel="signature: {}")
    slow = Sync(guarded.ours, guarded.store, clock=guarded.clock, signature_state=lambda _: "present")
    stale: list[Callable[[], None]] = []
    write = slow._writer.replace
    slow._writer.replace = lambda *args: stale.append(lambda: write(*args))  # type: ignore[method-assign]
    guarded.clock.advance(seconds=15)
    slow.run(is_full=True, details_budget_s=0)
    guarded.clock.advance(seconds=1)
    guarded.ours.set_alias("fraud_detector", "production", 2)
    guarded.clock.advance(seconds=1)
    guarded.ours.faults.hook("list_runs", stale[0])
    guarded.sync.run(is_full=True)
    assert guarded.drifts.detect(actor=WORKER) == []
    assert guarded.look() == []
