"""Promotions of one model over any registry, with a short gate policy that two people brought into force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.audit import AuditLog, EventQuery
from services.changes import Change, ChangeKind, Changes
from services.clock import Clock
from services.deployments import Pins, PinsFollowPromotions
from services.documents import Documents
from services.documents.activation import Activation, propose
from services.documents.checklist import CHECKLIST_KIND
from services.documents.vocabulary import VOCABULARY_KIND
from services.gates import GATE_POLICY, Gates
from services.gates.collectors.records import MetricsCollector
from services.identity import Identity
from services.identity.actors import Actor, Role
from services.promotions import Promotion, Promotions, StageMover
from services.registry.port import Registry
from services.registry.references import parse_reference
from services.registry.values import Stage
from services.store import Store
from tests.gates.builders import SYSTEM

MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
JUN = Actor(name="jun", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER, Role.RELEASE_MANAGER}), origin="test")

MODEL = "fraud_detector"
POLICY = """\
kind: gate_policy
expires_after_hours: 24
waiver_days: 3
stages:
  staging:
    approvals: {default: 1}
    gates:
    - {gate: auc, kind: champion, metric: auc, tolerance: 0.01, without_champion: measured}
  production:
    approvals: {default: 1, tiers: {tier1: 2}}
    includes: staging
    gates:
    - {gate: accuracy, kind: metric, metric: accuracy, at_least: 0.9}
  archived:
    approvals: {default: 1}
    gates:
    - {gate: not_serving, kind: not_serving}
"""


@dataclass(kw_only=True)
class World:
    registry: Registry
    audit: AuditLog
    documents: Documents
    gates: Gates
    pins: Pins
    changes: Changes
    promotions: Promotions

    def ask(self, version: int, to: Stage = Stage.PRODUCTION, *, by: Actor = MAYA, model: str = MODEL) -> Change:
        """Ask for a move."""
        return self.promotions.request(parse_reference(f"{model}/{version}"), to, actor=by, reason="it is better")

    def approve(self, change: Change, by: Actor = MEERA) -> Change:
        """Say yes."""
        return self.changes.approve(change.id, actor=by, reason="looks right")

    def execute(self, change: Change, by: Actor = MEERA) -> Change:
        """Make it so."""
        return self.changes.execute(change.id, actor=by)

    def promote(self, version: int, to: Stage = Stage.PRODUCTION, *, model: str = MODEL) -> Change:
        """Take a version the whole way."""
        return self.execute(self.approve(self.ask(version, to, model=model)))

    def list_actions(self, change: Change) -> list[str]:
        """Return what happened to a change."""
        return [event.action for event in self.audit.list_events(EventQuery(change_id=change.id), limit=100).events]


def build_world(
    store: Store,
    clock: Clock,
    folder: Path,
    registry: Registry,
    *,
    policy: str = POLICY,
    reached: Callable[[str], None] = lambda _step: None,
) -> World:
    """Build promotions; a store that has them already is gone on with."""
    audit = AuditLog(store, clock=clock, home=folder)
    identity = Identity(store, audit, clock=clock, home=folder)
    documents = Documents(store, audit, identity, [GATE_POLICY, VOCABULARY_KIND, CHECKLIST_KIND], clock=clock)
    documents.install_defaults(SYSTEM)
    gates = Gates(store, registry, audit, identity, documents, [MetricsCollector(registry)], clock=clock)
    pins = Pins(store, clock=clock)
    mover = StageMover(registry, legacy_stages=True, clock=clock, sign=lambda: audit.checkpoints.write().note)
    promotion = Promotion(registry, gates, mover, audit, [PinsFollowPromotions(pins)])
    kinds: list[ChangeKind] = [promotion, Activation(documents)]
    changes = Changes(store, audit, identity, kinds, clock=clock, reached=reached)
    world = World(
        registry=registry,
        audit=audit,
        documents=documents,
        gates=gates,
        pins=pins,
        changes=changes,
        promotions=Promotions(registry, changes),
    )
    if documents.get_in_force("gate_policy", "default").text != policy:
        bring_into_force(world, policy)
    return world


def bring_into_force(world: World, policy: str, *, author: Actor = RAVI, approver: Actor = MEERA) -> None:
    """Put a gate policy into force, as two people do."""
    head = world.documents.find_head("gate_policy", "default")
    proposed = propose(
        world.documents, world.changes, author, "gate_policy", "default", policy, reason="ours", base=head
    )
    world.changes.approve(proposed.id, actor=approver, reason="agreed")


def outcomes_of(runs: Sequence[Callable[[], object]]) -> list[object]:
    """Run functions at once and return what each returned or raised."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(runs)) as pool:
        futures = [pool.submit(run) for run in runs]
    return [future.exception() or future.result() for future in futures]
