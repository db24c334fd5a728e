from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import Forbidden, GatehouseError, InvalidInput, NotFound
from services.gates.checklists import Answer, ChecklistCollector
from services.identity.actors import Actor
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import MAYA, MEERA, NOBODY, add_version, build_world, subject


def test_an_answer_stands_with_who_gave_it_and_can_be_changed(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.checklists.answer(MAYA, "fraud_detector", 1, "model_card", Answer.NO)
    world.checklists.answer(MEERA, "fraud_detector", 1, "model_card", Answer.YES, note="see https://wiki/card")
    given = world.checklists.list_answers("fraud_detector", 1)["model_card"]
    assert (given.answer, given.actor, given.note, given.at) == (
        Answer.YES,
        "meera",
        "see https://wiki/card",
        clock.now,
    )
    assert world.checklists.list_answers("fraud_detector", 2) == {}
    event = world.audit.list_events(limit=100).events[-1]
    assert event.action == "checklist:item:answered"
    assert event.before == {"item": "model_card", "answer": "no"}


@pytest.mark.parametrize(
    ("actor", "item", "answer", "note", "error"),
    [
        (NOBODY, "model_card", Answer.YES, "", Forbidden),
        (MAYA, "poem", Answer.YES, "", NotFound),
        (MAYA, "model_card", Answer.NOT_APPLICABLE, " ", InvalidInput),
        (MAYA, "model_card", Answer.YES, "x" * 5000, InvalidInput),
    ],
)
def test_an_answer_that_is_refused_is_not_kept(
    store: Store,
    clock: FakeClock,
    tmp_path: Path,
    actor: Actor,
    item: str,
    answer: Answer,
    note: str,
    error: type[GatehouseError],
) -> None:
    world = build_world(store, clock, tmp_path)
    with pytest.raises(error):
        world.checklists.answer(actor, "fraud_detector", 1, item, answer, note=note)
    assert world.checklists.list_answers("fraud_detector", 1) == {}


def test_answers_of_people_and_of_evidence_are_gathered(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    version = add_version(world.registry)
    world.checklists.answer(MAYA, version.name, version.version, "runbook", Answer.NOT_APPLICABLE, note="batch only")
    world.checklists.answer(MAYA, version.name, version.version, "input_validation", Answer.NO)
    found = ChecklistCollector(world.checklists, world.readiness).collect(subject(world.registry, version))
    assert len(found.items) == 7
    assert found.answers["runbook"] == "not_applicable"
    assert found.answers["model_versioning"] == "yes"
    assert found.answers["input_validation"] == "no"
    assert "rollback_tested" not in found.answers


def test_a_rollback_that_was_done_answers_that_it_was_tested(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    version = add_version(world.registry)
    with store.write() as unit:
        world.audit.record(
            unit, actor=MEERA, action="rollback:execution:completed", subject="fraud_detector/1", model=version.name
        )
        unit.commit()
    evidence = world.readiness.list_evidence(version)
    assert evidence["rollback_tested"].startswith("Done for fraud_detector/1 at ")
    states = {
        state.item: state
        for state in world.checklists.list_states(version.name, version.version, evidence, made_at=version.created_at)
    }
    assert (states["rollback_tested"].answer, states["rollback_tested"].by) == (Answer.YES, "evidence")
    assert states["tracing"].answer is None


def test_a_yes_of_a_person_needs_a_link(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    with pytest.raises(InvalidInput, match="needs a link"):
        world.checklists.answer(MAYA, "fraud_detector", 1, "runbook", Answer.YES, note="done")


def test_answers_do_not_pass_to_a_version_that_takes_the_number_of_a_deleted_one(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    version = add_version(world.registry)
    world.checklists.answer(MAYA, version.name, version.version, "runbook", Answer.NOT_APPLICABLE, note="batch only")
    clock.advance(hours=1)
    collector = ChecklistCollector(world.checklists, world.readiness)
    about = subject(world.registry, version)
    assert collector.collect(about).answers["runbook"] == "not_applicable"
    assert "runbook" not in collector.collect(replace(about, candidate=replace(version, created_at=clock()))).answers
