from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.changes import Change, ChangeState, Execution
from services.errors import Conflict, Forbidden, InvalidInput, NotFound, Unreachable
from services.identity.actors import Actor, Permission
from services.store import Store, UnitOfWork
from services.store import changes as rows
from tests.changes.builders import ADA, JUN, MAYA, MEERA, WORKER, build_world
from tests.conftest import FakeClock


def test_a_request_goes_through_approval_and_execution_and_leaves_an_event_at_each_step(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path / "w")
    asked = world.ask()
    assert asked.state is ChangeState.AWAITING_APPROVAL
    approved = world.changes.approve(asked.id, actor=MEERA, reason="looks right")
    assert (approved.state, approved.missing_approvals) == (ChangeState.APPROVED, 0)
    done = world.changes.execute(asked.id, actor=MEERA)
    assert done.state is ChangeState.COMPLETED
    assert world.dial.value == 7
    assert world.actions() == [
        "dial:request:opened",
        "dial:approval:granted",
        "dial:execution:started",
        "dial:execution:completed",
    ]


def test_the_requester_cannot_approve_even_with_the_permission(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask(actor=MEERA)
    with pytest.raises(Forbidden, match="asked for this yourself"):
        world.changes.approve(asked.id, actor=MEERA, reason="mine is fine")
    assert world.changes.get(asked.id).approvals == ()
    assert any("refused" in action for action in world.actions())


def test_somebody_barred_by_the_proof_cannot_approve(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w", barred={"jun": "trained this"})
    with pytest.raises(Forbidden, match="You trained this, so somebody else"):
        world.changes.approve(world.ask().id, actor=JUN, reason="mine is fine")


@pytest.mark.parametrize("actor", [MAYA, ADA])
def test_who_lacks_the_permission_cannot_decide(store: Store, clock: FakeClock, tmp_path: Path, actor: object) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask(actor=JUN)
    for decide in (world.changes.approve, world.changes.reject, world.changes.ask_for_changes):
        with pytest.raises(Forbidden):
            decide(asked.id, actor=actor, reason="because")  # type: ignore[arg-type]


def test_two_approvals_take_two_people(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w", required_approvals=2)
    asked = world.ask()
    first = world.changes.approve(asked.id, actor=MEERA, reason="fine")
    assert (first.state, first.missing_approvals) == (ChangeState.AWAITING_APPROVAL, 1)
    with pytest.raises(Forbidden, match="approved this already"):
        world.changes.approve(asked.id, actor=MEERA, reason="fine again")
    assert world.changes.approve(asked.id, actor=JUN, reason="fine").state is ChangeState.APPROVED


def test_a_rejection_ends_the_request(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    assert world.changes.reject(asked.id, actor=MEERA, reason="too risky").state is ChangeState.REJECTED
    with pytest.raises(Conflict, match="is rejected"):
        world.changes.approve(asked.id, actor=JUN, reason="no, fine")


def test_what_is_blocked_cannot_be_approved_until_its_evidence_is_renewed(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w", blocker="The gate failed.")
    asked = world.ask()
    assert (asked.state, asked.blocker) == (ChangeState.BLOCKED, "The gate failed.")
    with pytest.raises(Conflict):
        world.changes.approve(asked.id, actor=MEERA, reason="never mind")
    world.dial.blocker = ""
    assert world.changes.renew(asked.id, actor=MAYA).state is ChangeState.AWAITING_APPROVAL


def test_asking_for_changes_blocks_until_the_evidence_is_renewed(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    sent_back = world.changes.ask_for_changes(asked.id, actor=MEERA, reason="say more")
    assert sent_back.state is ChangeState.BLOCKED
    assert "say more" in sent_back.blocker
    assert world.changes.renew(asked.id, actor=MAYA).state is ChangeState.AWAITING_APPROVAL


def test_evidence_that_changed_voids_the_approvals_given_on_it(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w", required_approvals=2)
    asked = world.ask()
    world.changes.approve(asked.id, actor=MEERA, reason="fine")
    world.dial.value = 3
    with pytest.raises(Conflict, match="value was 0 and is 3"):
        world.changes.approve(asked.id, actor=JUN, reason="fine")
    assert world.changes.get(asked.id).state is ChangeState.VOID
    renewed = world.changes.renew(asked.id, actor=MAYA)
    assert (renewed.state, renewed.missing_approvals) == (ChangeState.AWAITING_APPROVAL, 2)
    assert "dial:approvals:voided" in world.actions()


def test_what_moved_between_approval_and_execution_is_not_executed(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    world.dial.value = 3
    with pytest.raises(Conflict):
        world.changes.execute(approved.id, actor=MEERA)
    assert world.dial.value == 3
    assert world.changes.get(approved.id).state is ChangeState.VOID


def test_a_second_request_learns_that_the_first_moved_the_world(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    first, second = world.approved(7), world.approved(9)
    world.changes.execute(first.id, actor=MEERA)
    assert world.changes.get(second.id).state is ChangeState.VOID
    assert world.actions()[-1] == "dial:approvals:voided"
    with pytest.raises(Conflict, match="value was 0 and is 7"):
        world.changes.execute(second.id, actor=MEERA)


def test_a_second_request_that_cannot_be_looked_at_holds_nothing_up(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    first, second = world.approved(7), world.approved(9)
    completed = world.dial.completed

    def complete_and_go(unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        completed(unit, change, execution, actor)
        world.dial.is_away = True

    world.dial.completed = complete_and_go  # type: ignore[method-assign]
    assert world.changes.execute(first.id, actor=MEERA).state is ChangeState.COMPLETED
    assert world.changes.get(second.id).state is ChangeState.APPROVED
    world.dial.is_away = False
    with pytest.raises(Conflict, match="value was 0 and is 7"):
        world.changes.execute(second.id, actor=MEERA)


def test_executing_what_is_completed_changes_nothing(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    done = world.changes.execute(world.approved().id, actor=MEERA)
    assert world.changes.execute(done.id, actor=JUN) == done
    assert world.dial.writes == ["7"]


def test_a_kind_may_execute_with_the_last_approval(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w", executes_on_approval=True)
    assert world.approved().state is ChangeState.COMPLETED
    assert world.dial.value == 7


def test_a_kind_may_need_no_approval(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w", required_approvals=0)
    assert world.ask().state is ChangeState.APPROVED


def test_pending_requests_expire_and_say_so(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked, approved = world.ask(), world.approved()
    assert world.changes.expire_due(actor=WORKER) == []
    clock.advance(days=8)
    assert {change.id for change in world.changes.expire_due(actor=WORKER)} == {asked.id, approved.id}
    assert world.changes.get(approved.id).state is ChangeState.EXPIRED
    with pytest.raises(Conflict):
        world.changes.execute(approved.id, actor=MEERA)


def test_what_has_expired_is_neither_approved_nor_executed_though_no_worker_ended_it(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked, approved = world.ask(), world.approved()
    clock.advance(days=7)
    with pytest.raises(Conflict, match="expired on"):
        world.changes.approve(asked.id, actor=MEERA, reason="fine")
    with pytest.raises(Conflict, match="expired on"):
        world.changes.execute(approved.id, actor=MEERA)
    assert {world.changes.get(each.id).state for each in (asked, approved)} == {ChangeState.EXPIRED}
    assert world.dial.writes == []
    assert world.actions().count("dial:request:expired") == 2


def test_evidence_gathered_anew_asks_everybody_anew_even_if_it_is_the_same(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    world.changes.ask_for_changes(approved.id, actor=JUN, reason="say more")
    renewed = world.changes.renew(approved.id, actor=MAYA)
    assert renewed.evidence_digest == approved.evidence_digest
    assert (renewed.state, renewed.missing_approvals) == (ChangeState.AWAITING_APPROVAL, 1)
    assert world.changes.approve(approved.id, actor=MEERA, reason="now too").state is ChangeState.APPROVED


def test_the_requester_takes_a_request_back_and_a_stranger_does_not(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    with pytest.raises(Forbidden):
        world.changes.cancel(asked.id, actor=ADA)
    assert world.changes.cancel(asked.id, actor=MAYA).state is ChangeState.CANCELLED


@pytest.mark.parametrize("reason", ["", "   ", "x" * 5000])
def test_a_decision_needs_a_reason_of_sensible_length(
    store: Store, clock: FakeClock, tmp_path: Path, reason: str
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    with pytest.raises(InvalidInput):
        world.changes.request("dial", {"to": 1}, actor=MAYA, reason=reason)
    with pytest.raises(InvalidInput):
        world.changes.approve(world.ask().id, actor=MEERA, reason=reason)


def test_when_the_other_system_is_away_nothing_is_decided(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    world.dial.is_away = True
    with pytest.raises(Unreachable):
        world.changes.approve(asked.id, actor=MEERA, reason="fine")
    assert world.changes.get(asked.id).state is ChangeState.AWAITING_APPROVAL


def test_an_unknown_change_is_not_found(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no change 99"):
        build_world(store, clock, tmp_path / "w").changes.get(99)


def test_the_inbox_pages_newest_first_and_counts_what_is_open(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    ids = [world.ask(number).id for number in range(5)]
    world.changes.reject(ids[0], actor=MEERA, reason="no")
    page = world.changes.list_changes(limit=2)
    assert [change.id for change in page] == [ids[4], ids[3]]
    assert [change.id for change in world.changes.list_changes(before_id=ids[3], limit=2)] == [ids[2], ids[1]]
    assert [c.id for c in world.changes.list_changes(states=[ChangeState.REJECTED])] == [ids[0]]
    assert world.changes.count_open()[ChangeState.AWAITING_APPROVAL] == 4
    assert world.changes.list_changes(requester="nobody") == []
    assert world.changes.list_changes(model="other", kinds=["dial"]) == []


def test_evidence_renewed_while_somebody_approves_is_not_what_they_approved(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked, bind = world.ask(), world.dial.bind

    def bind_and_renew(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        found = bind(payload)
        world.dial.bind = bind  # type: ignore[method-assign]
        world.dial.value = 3
        world.changes.renew(asked.id, actor=MAYA)
        return found

    world.dial.bind = bind_and_renew  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="was renewed while you approved"):
        world.changes.approve(asked.id, actor=MEERA, reason="fine")
    assert world.changes.get(asked.id).approvals == ()


def test_what_expires_first_comes_first_page_by_page(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path / "w")
    asked = []
    for hours in range(5):
        clock.advance(hours=hours)
        asked.append(world.ask(hours).id)
    clock.advance(hours=1)
    world.changes.renew(asked[0], actor=MAYA)  # which gives it the longest time of all
    world.changes.reject(asked[1], actor=MEERA, reason="no")
    first = world.changes.list_open(limit=2)
    second = world.changes.list_open(after=first[-1], limit=2)
    assert [change.id for change in [*first, *second]] == [asked[2], asked[3], asked[4], asked[0]]
    assert world.changes.list_open(after=second[-1], limit=2) == []


def test_what_waits_for_somebody_is_what_they_can_still_decide_on(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path / "w", required_approvals=2)
    own, half, other = world.ask(1, MEERA), world.ask(2), world.ask(3)
    world.changes.approve(half.id, actor=MEERA, reason="fine")
    whole = world.ask(4)
    for actor in (MEERA, JUN):
        world.changes.approve(whole.id, actor=actor, reason="fine")

    def waiting(actor: Actor) -> list[int]:
        found = world.changes.list_open(waiting_for=actor)
        return [change.id for change in found if world.changes.waits_for(change, actor)]

    assert waiting(MEERA) == [other.id, whole.id]
    assert waiting(JUN) == [own.id, half.id, other.id, whole.id]
    assert waiting(MAYA) == []
    world.changes.renew(half.id, actor=MAYA)
    assert half.id in waiting(MEERA), "evidence gathered anew asks everybody anew"


def test_a_comment_is_kept_and_decides_nothing(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    commented = world.changes.comment(world.ask().id, actor=JUN, text="what of weekends?")
    assert commented.state is ChangeState.AWAITING_APPROVAL
    assert [(record.actor, record.reason) for record in commented.decisions] == [("jun", "what of weekends?")]


def test_a_kind_that_needs_no_approval_needs_none_either_when_its_evidence_is_renewed(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w", required_approvals=0, blocker="not yet")
    asked = world.ask()
    world.dial.blocker = ""
    renewed = world.changes.renew(asked.id, actor=MAYA)
    assert (renewed.state, renewed.missing_approvals) == (ChangeState.APPROVED, 0)


def test_what_is_renewed_while_the_worker_looks_for_what_is_due_does_not_expire(
    store: Store, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world(store, clock, tmp_path / "w", required_approvals=2)
    first, second, third = world.ask(), world.ask(), world.ask()
    clock.advance(days=6)
    list_due = rows.list_due

    def look_slowly(unit: UnitOfWork, **when: Any) -> Sequence[int]:
        found = list_due(unit, **when)
        clock.advance(days=-1)
        world.changes.renew(first.id, actor=MAYA)
        world.changes.cancel(second.id, actor=MAYA)
        clock.advance(days=1)
        return found

    clock.advance(days=1)
    monkeypatch.setattr(rows, "list_due", look_slowly)
    assert [each.id for each in world.changes.expire_due(actor=WORKER)] == [third.id]
    assert world.changes.get(first.id).state is ChangeState.AWAITING_APPROVAL
    assert world.changes.get(second.id).state is ChangeState.CANCELLED


@pytest.mark.parametrize("name", ["Meera", "@meera", " meera", "meera@bank.example"])
def test_somebody_is_barred_under_whatever_name_they_are_known_elsewhere(
    store: Store, clock: FakeClock, tmp_path: Path, name: str
) -> None:
    world = build_world(store, clock, tmp_path / "w", barred={name: "made this version"})
    with pytest.raises(Forbidden, match="You made this version"):
        world.changes.approve(world.ask().id, actor=MEERA, reason="fine")
    assert world.changes.approve(world.ask().id, actor=JUN, reason="fine").state is ChangeState.APPROVED


def test_a_token_that_may_only_look_takes_nothing_back(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    with pytest.raises(Forbidden):
        world.changes.cancel(asked.id, actor=replace(MAYA, scopes=frozenset({Permission.READ_MODEL})))
    with pytest.raises(InvalidInput):
        world.changes.cancel(asked.id, actor=MAYA, reason="x" * 5000)


def test_what_has_expired_is_not_carried_out_for_a_ramp_either(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    clock.advance(days=7)
    with pytest.raises(Conflict, match="expired"):
        world.changes.carry_out(approved.id, actor=WORKER)
    assert world.dial.value == 0


def test_what_was_looked_at_is_approved_and_nothing_newer(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    asked = world.ask()
    world.dial.value = 3
    world.changes.renew(asked.id, actor=MAYA)
    with pytest.raises(Conflict, match="was renewed while you approved"):
        world.changes.approve(asked.id, actor=MEERA, reason="fine", seen=asked.evidence_digest)
    seen = world.changes.get(asked.id).evidence_digest
    approved = world.changes.approve(asked.id, actor=MEERA, reason="fine", seen=seen)
    assert approved.state is ChangeState.APPROVED
