"""A what-if is kept under the draft it was run for, and a policy of tier 1 does not come into force without one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pandas as pd
import pytest

from services.audit import AuditLog
from services.changes import Change, Changes, ChangeState
from services.documents import DocumentInvalid, Documents, RevisionState
from services.documents.activation import Activation, propose
from services.errors import Forbidden, GatehouseError, InvalidInput, NotFound, Unreachable
from services.identity import Identity
from services.identity.actors import Actor, Role
from services.jobs.jobs import Jobs, JobState
from services.jobs.queue import open_queue
from services.jobs.worker import Worker
from services.policies import what_if
from services.policies.activation_evidence import PolicyEvidence
from services.policies.document import DECISION_POLICY
from services.policies.what_if import LOG_SOURCE, MAX_SLICES_KEPT, WhatIfs
from services.store import Store
from tests.changes.builders import JUN, MAYA, MEERA
from tests.conftest import FakeClock
from tests.policies.builders import CARDS
from tests.policies.test_simulation import traffic

MODEL = "fraud_detector"
LOOSER = CARDS.replace("block: 0.7", "block: 0.9")
LOOSEST = CARDS.replace("block: 0.7", "block: 0.95")


@dataclass(kw_only=True)
class World:
    store: Store
    documents: Documents
    audit: AuditLog
    jobs: Jobs
    what_ifs: WhatIfs
    changes: Changes
    logs: Path
    tiers: dict[str, str] = field(default_factory=dict)
    is_registry_away: bool = False

    def record(self, rows: int = 200) -> None:
        folder = self.logs / MODEL / "dt=2026-03-01"
        folder.mkdir(parents=True)
        traffic(rows).rename(columns={"score": "champion_score"}).to_parquet(folder / "part-0.parquet")

    def propose(self, text: str, base: int | None) -> Change:
        reason = "fewer wrong blocks"
        return propose(self.documents, self.changes, MAYA, DECISION_POLICY.name, MODEL, text, reason=reason, base=base)

    def in_force(self) -> int | None:
        found = self.documents.find_in_force(DECISION_POLICY.name, MODEL)
        return None if found is None else found.number

    def find_tier(self, model: str) -> str:
        if self.is_registry_away:
            raise Unreachable("The registry does not answer.", next_step="Start it.")
        return self.tiers.get(model, "")


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> Iterator[World]:
    audit = AuditLog(store, clock=clock, home=tmp_path)
    identity = Identity(store, audit, clock=clock, home=tmp_path)
    documents = Documents(store, audit, identity, [DECISION_POLICY], clock=clock)
    queue = open_queue(f"sqlite:///{tmp_path / 'jobs.db'}")
    jobs = Jobs(store, audit, identity, queue, clock=clock)
    what_ifs = WhatIfs(documents, store, audit, identity, jobs, find_log=lambda model: tmp_path / "shadow" / model)
    made = World(
        store=store,
        documents=documents,
        audit=audit,
        jobs=jobs,
        what_ifs=what_ifs,
        changes=Changes(store, audit, identity, [], clock=clock),
        logs=tmp_path / "shadow",
    )
    evidence = PolicyEvidence(what_ifs, made.find_tier)
    activation = Activation(documents, {DECISION_POLICY.name: evidence})
    made.changes = Changes(store, audit, identity, [activation], clock=clock)
    yield made
    queue.close()


def bring_into_force(world: World, text: str = CARDS) -> None:
    change = world.propose(text, world.documents.find_head(DECISION_POLICY.name, MODEL))
    assert world.changes.approve(change.id, actor=JUN, reason="agreed").state is ChangeState.COMPLETED


def test_a_what_if_is_kept_as_an_event_and_found_by_its_draft(world: World) -> None:
    bring_into_force(world)
    found = world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic(), source="march.csv")
    assert found.simulation.flow["block"]["manual_review"] > 0
    event = world.audit.get_event(found.event)
    assert (event.actor, event.action, event.model) == ("maya", what_if.ACTION, MODEL)
    assert event.policy_revision == f"decision_policy/{MODEL}/1"
    assert world.what_ifs.find(MODEL, LOOSER) == found
    assert world.what_ifs.find(MODEL, LOOSEST) is None


def test_one_that_was_run_against_another_revision_proves_nothing(world: World) -> None:
    world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic())
    assert world.what_ifs.find(MODEL, LOOSER) is not None
    bring_into_force(world)
    assert world.what_ifs.find(MODEL, LOOSER) is None


def test_recorded_traffic_counts_before_a_file_that_somebody_chose(world: World) -> None:
    world.record()
    recorded = world.what_ifs.run(MAYA, MODEL, LOOSER)
    world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic(3), source="three.csv")
    assert recorded.source == LOG_SOURCE
    assert world.what_ifs.find(MODEL, LOOSER) == recorded


def test_with_nothing_in_force_the_draft_alone_is_shown(world: World) -> None:
    found = world.what_ifs.run(MAYA, MODEL, CARDS, traffic=traffic())
    assert (found.simulation.in_force, found.simulation.flips.count) == ("", 0)
    assert "Nothing is in force yet" in found.simulation.notes[0]


def test_no_more_slices_are_kept_than_people_read(world: World) -> None:
    frame = traffic(1000).assign(slice_shop=[f"shop {number}" for number in range(1000)])
    found = world.what_ifs.run(MAYA, MODEL, CARDS, traffic=frame)
    assert len(found.simulation.slices) == MAX_SLICES_KEPT
    assert "slices with fewer flips are left out" in found.simulation.notes[-1]


def test_what_cannot_be_replayed_leaves_no_event(world: World) -> None:
    with pytest.raises(NotFound, match="No traffic"):
        world.what_ifs.run(MAYA, MODEL, CARDS)
    with pytest.raises(InvalidInput, match="no column score"):
        world.what_ifs.run(MAYA, MODEL, CARDS, traffic=pd.DataFrame({"amount": [1.0]}))
    with pytest.raises(DocumentInvalid):
        world.what_ifs.run(MAYA, MODEL, CARDS.replace("0.7", "7"), traffic=traffic())
    service = Actor(name="bot", roles=frozenset({Role.SERVICE_ACCOUNT}), origin="test")
    with pytest.raises(Forbidden):
        world.what_ifs.run(service, MODEL, CARDS, traffic=traffic())
    events = world.audit.list_events(limit=50).events
    assert [event for event in events if event.action == what_if.ACTION] == []


def test_a_long_log_is_replayed_by_the_worker(world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    world.record()
    assert not world.what_ifs.is_long(MODEL)
    monkeypatch.setattr(what_if, "LARGE_LOG_BYTES", 100)
    assert world.what_ifs.is_long(MODEL)
    job_id = world.what_ifs.start(MAYA, MODEL, LOOSER)
    assert world.what_ifs.start(MAYA, MODEL, LOOSER) == job_id, "asked for twice while it waits, it is one job"
    queue = open_queue(f"sqlite:///{world.logs.parent / 'jobs.db'}")
    stop = Event()
    worker = Thread(target=Worker(world.store, world.jobs, queue, clock=clock, threads=1).run, args=(stop,))
    worker.start()
    try:
        for _ in range(600):
            if world.jobs.get(job_id).state not in {JobState.QUEUED, JobState.RUNNING}:
                break
            stop.wait(0.05)
    finally:
        stop.set()
        worker.join()
        queue.close()
    job = world.jobs.get(job_id)
    assert job.state is JobState.DONE, job.error
    kept = world.what_ifs.find(MODEL, LOOSER)
    assert kept is not None
    assert (kept.event, kept.actor, kept.simulation.rows) == (job.result["event"], "maya", 200)


def test_a_policy_of_tier_1_waits_for_a_what_if_and_keeps_it_as_evidence(world: World) -> None:
    bring_into_force(world)
    world.tiers[MODEL] = "tier1"
    change = world.propose(LOOSER, 1)
    assert change.state is ChangeState.BLOCKED
    assert "needs a what-if" in change.blocker
    with pytest.raises(GatehouseError):
        world.changes.approve(change.id, actor=JUN, reason="trust me")
    kept = world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic(), source="march.csv")
    renewed = world.changes.renew(change.id, actor=MAYA)
    assert renewed.state is ChangeState.AWAITING_APPROVAL
    assert renewed.findings["what_if"] == kept.to_json()
    with pytest.raises(Forbidden):
        world.changes.approve(change.id, actor=MAYA, reason="mine")
    assert world.changes.approve(change.id, actor=JUN, reason="few flips").state is ChangeState.COMPLETED
    assert world.in_force() == 2


def test_where_traffic_is_recorded_the_what_if_is_run_when_it_is_asked_for(world: World) -> None:
    bring_into_force(world)
    world.tiers[MODEL] = "Tier 1"
    world.record()
    change = world.propose(LOOSER, 1)
    assert change.state is ChangeState.AWAITING_APPROVAL
    assert change.findings["what_if"]["rows"] == 200
    assert change.findings["what_if"]["source"] == LOG_SOURCE


def test_traffic_without_a_single_score_is_no_evidence(world: World) -> None:
    bring_into_force(world)
    world.tiers[MODEL] = "tier1"
    empty = traffic(5).assign(score=float("nan"))
    world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=empty, source="empty.csv")
    assert world.propose(LOOSER, 1).state is ChangeState.BLOCKED


def test_an_empty_file_does_not_hide_the_recorded_traffic(world: World) -> None:
    bring_into_force(world)
    world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic(5).assign(score=float("nan")), source="empty.csv")
    world.record()
    assert world.propose(LOOSER, 1).findings["what_if"]["rows"] == 200


def test_other_tiers_are_told_why_there_is_none(world: World) -> None:
    change = world.propose(CARDS, None)
    assert change.state is ChangeState.AWAITING_APPROVAL
    assert change.findings["what_if"] is None
    assert "No traffic" in change.findings["why_no_what_if"]


def test_a_model_that_becomes_tier_1_voids_what_was_asked_for_before(world: World) -> None:
    change = world.propose(CARDS, None)
    world.tiers[MODEL] = "tier1"
    with pytest.raises(GatehouseError):
        world.changes.approve(change.id, actor=JUN, reason="quickly")
    assert world.changes.get(change.id).state is ChangeState.VOID
    assert world.changes.renew(change.id, actor=MEERA).state is ChangeState.BLOCKED
    assert world.in_force() is None


def test_a_proposal_whose_evidence_cannot_be_gathered_stands_in_nobodys_way(world: World) -> None:
    world.is_registry_away = True
    with pytest.raises(Unreachable):
        world.propose(CARDS, None)
    (revision,) = world.documents.list_revisions(DECISION_POLICY.name, MODEL)
    assert revision.state is RevisionState.REJECTED
    world.is_registry_away = False
    assert world.propose(CARDS, None).state is ChangeState.AWAITING_APPROVAL


def test_a_file_that_somebody_chose_is_no_evidence_where_traffic_is_recorded(world: World) -> None:
    bring_into_force(world)
    world.record()
    world.what_ifs.run(MAYA, MODEL, LOOSER, traffic=traffic(3), source="three.csv")
    found = world.propose(LOOSER, 1).findings["what_if"]
    assert (found["source"], found["rows"]) == (LOG_SOURCE, 200)


def test_a_file_cannot_be_called_the_recorded_traffic(world: World) -> None:
    found = world.what_ifs.run(MAYA, MODEL, CARDS, traffic=traffic(3), source=LOG_SOURCE)
    assert found.source == "a file named the recorded traffic"
