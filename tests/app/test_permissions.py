"""Every permission against every action of every service: who lacks what it takes is refused, and that is an event.

An action is a public method of a part of the facade, or of what a part is made of, that is told which `Actor` acts and
is given no unit of work. The table has to name each of them, or why it takes no permission of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.facade import Gatehouse
from services.audit import EventQuery
from services.audit.report import EvidenceParts
from services.changes import Changes
from services.documents.checklist import CHECKLIST_KIND
from services.errors import Forbidden, GatehouseError
from services.gates.checklists import Answer
from services.identity.actors import Actor, Permission, Role
from services.registry.fake import FakeRegistry
from services.registry.references import parse_reference
from services.registry.values import ModelVersion, Stage
from services.settings import load_settings
from services.store import accounts, registry_drift
from tests.changes.builders import Dial

P = Permission
EVERYBODY = frozenset(Role)
ROOT = Actor(name="root", roles=EVERYBODY, origin="test")
RAVI = Actor(name="ravi", roles=EVERYBODY, origin="test")


@dataclass(frozen=True)
class World:
    """An installation with something of everything to act on."""

    gatehouse: Gatehouse
    folder: Path
    decisions: Changes
    numbers: Iterator[int]

    @property
    def version(self) -> ModelVersion:
        return self.gatehouse.registry.get_version("fraud_detector", 2)

    def change(self) -> int:
        """Ask for something that needs a yes."""
        return self.decisions.request("dial", {"to": next(self.numbers)}, actor=RAVI, reason="asked").id

    def approved(self) -> int:
        change_id = self.change()
        self.decisions.approve(change_id, actor=ROOT, reason="fine")
        return change_id

    def drift(self) -> int:
        with self.gatehouse.store.write() as unit:
            model, kind = f"model_{next(self.numbers)}", "alias"
            drift_id = registry_drift.add_drift(
                unit, model=model, kind=kind, version=0, key="production", approved=None, found="2", detected_us=0
            )
            unit.commit()
        return drift_id

    def person(self) -> str:
        name = f"person.{next(self.numbers)}"
        self.gatehouse.identity.accounts.add(ROOT, name, [Role.DATA_SCIENTIST])
        return name

    def session(self) -> str:
        name, identity = self.person(), self.gatehouse.identity
        with self.gatehouse.store.write() as unit:
            row = accounts.find_account(unit, name)
            assert row is not None
            identity.sessions.begin(unit, row, way="password", origin="test")
            unit.commit()
        return identity.sessions.list_open(ROOT, name)[0].id

    def token(self) -> str:
        return self.gatehouse.identity.tokens.issue(ROOT, self.person())

    def waiver(self) -> int:
        gate = f"gate_{next(self.numbers)}"
        waived = self.gatehouse.gates.waivers.grant(
            ROOT, self.version, Stage.STAGING, gate, reason="for now", days=1, longest_days=3
        )
        return waived.id

    def job(self) -> int:
        return self.gatehouse.jobs.enqueue("nothing", {"number": next(self.numbers)}, RAVI)

    def path(self) -> Path:
        return self.folder / f"out-{next(self.numbers)}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    gatehouse = Gatehouse(load_settings({}, home=folder / "home"))
    registry = FakeRegistry()
    registry.add_model("fraud_detector")
    for _ in range(2):
        registry.create_version("fraud_detector", source="models:/m-1", run_id=None, description="")
    vars(gatehouse)["registry"] = registry
    gatehouse.jobs.register("nothing", lambda _payload, _context: None)
    with gatehouse.store.write() as unit:
        for version in (1, 2):
            gatehouse.pins.move(unit, model="fraud_detector", version=version, change_id=-version, actor="ravi")
        unit.commit()
    dial = Dial(folder=folder, audit=gatehouse.audit)
    decisions = Changes(gatehouse.store, gatehouse.audit, gatehouse.identity, [dial], clock=gatehouse.clock)
    yield World(gatehouse=gatehouse, folder=folder, decisions=decisions, numbers=count(100))
    gatehouse.close()


Call = Callable[[Actor], object]
Prepare = Callable[["World"], "Call"]
"""Makes something to act on, and returns the action."""


@dataclass(frozen=True)
class Action:
    """What an action takes: any of the permissions, and beside it all that it does on the way."""

    takes: frozenset[Permission]
    also: frozenset[Permission]
    prepare: Prepare


def action(*takes: Permission, also: Collection[Permission] = ()) -> Callable[[Prepare], Action]:
    return lambda prepare: Action(frozenset(takes), frozenset(also), prepare)


def reading_the_record(name: str, *arguments: Any) -> Action:
    return action(P.READ_AUDIT)(lambda w: lambda by: getattr(w.gatehouse.auditing, name)(by, *arguments))


ACTIONS: Mapping[str, Action] = {
    # The record
    **{
        f"auditing.{name}": reading_the_record(name, *arguments)
        for name, arguments in {
            "list_events": (),
            "get_event": (0,),
            "count_days": (),
            "count_values": (),
            "verify": (),
            "prove": (0,),
            "sign_checkpoint": (),
            "list_personal": (0,),
        }.items()
    },
    "auditing.export_leaves": action(P.EXPORT_AUDIT)(
        lambda w: lambda by: w.gatehouse.auditing.export_leaves(by, w.path())
    ),
    "auditing.export_archive": action(P.EXPORT_AUDIT)(
        lambda w: lambda by: w.gatehouse.auditing.export_archive(by, w.path())
    ),
    "auditing.export_table": action(P.EXPORT_AUDIT)(
        lambda w: lambda by: w.gatehouse.auditing.export_table(by, w.path())
    ),
    "auditing.write_evidence": action(P.EXPORT_AUDIT)(
        lambda w: (
            lambda by: w.gatehouse.auditing.write_evidence(
                by, w.path(), change_id=1, parts=EvidenceParts(title="x", summary={})
            )
        )
    ),
    "auditing.redact": action(P.REDACT_AUDIT)(lambda w: lambda by: w.gatehouse.auditing.redact(by, [], reason="x")),
    "keeping.create": action(P.MANAGE_SETTINGS)(
        lambda w: lambda by: w.gatehouse.keeping.create(by, w.path(), artifacts={})
    ),
    # Changes
    "changes.request": action(P.REQUEST_CHANGE)(
        lambda w: lambda by: w.decisions.request("dial", {"to": next(w.numbers)}, actor=by, reason="x")
    ),
    "changes.renew": action(P.REQUEST_CHANGE)(lambda w: _on(w.change(), lambda i, by: w.decisions.renew(i, actor=by))),
    "changes.approve": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.change(), lambda i, by: w.decisions.approve(i, actor=by, reason="x"))
    ),
    "changes.reject": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.change(), lambda i, by: w.decisions.reject(i, actor=by, reason="x"))
    ),
    "changes.ask_for_changes": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.change(), lambda i, by: w.decisions.ask_for_changes(i, actor=by, reason="x"))
    ),
    "changes.cancel": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.change(), lambda i, by: w.decisions.cancel(i, actor=by, reason="x"))
    ),
    "changes.execute": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.approved(), lambda i, by: w.decisions.execute(i, actor=by))
    ),
    "changes.comment": action(P.READ_MODEL)(
        lambda w: _on(w.change(), lambda i, by: w.decisions.comment(i, actor=by, text="x"))
    ),
    "promotions.request": action(P.REQUEST_CHANGE, also=[P.RUN_GATES])(
        lambda w: (
            lambda by: w.gatehouse.promotions.request(
                parse_reference("fraud_detector/2"), Stage.STAGING, actor=by, reason="x"
            )
        )
    ),
    "deployments.roll_back": action(P.ROLL_BACK)(
        lambda w: lambda by: w.gatehouse.deployments.roll_back("fraud_detector", "previous", actor=by, reason="x")
    ),
    "drift_decisions.adopt": action(P.REQUEST_CHANGE)(
        lambda w: _on(w.drift(), lambda i, by: w.gatehouse.drift_decisions.adopt(i, actor=by, reason="x"))
    ),
    "drift_decisions.revert": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: _on(w.drift(), lambda i, by: w.gatehouse.drift_decisions.revert(i, actor=by, reason="x"))
    ),
    # Ramps
    "ramps.start": action(P.PROMOTE_TO_PRODUCTION)(
        lambda w: lambda by: w.gatehouse.ramps.start("fraud_detector", candidate=2, actor=by, reason="x")
    ),
    **{
        f"ramps.{name}": action(takes)(
            lambda w, n=name: lambda by: getattr(w.gatehouse.ramps, n)("fraud_detector", actor=by, reason="x")  # type: ignore[misc]
        )
        for name, takes in {
            "advance": P.PROMOTE_TO_PRODUCTION,
            "resume": P.PROMOTE_TO_PRODUCTION,
            "pause": P.ROLL_BACK,
            "abort": P.ROLL_BACK,
        }.items()
    },
    # Gates
    "gates.run": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.gates.run(w.version, Stage.STAGING, actor=by, collectors=[])
    ),
    "gates.run_records": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.gates.run_records(Stage.STAGING, actor=by)
    ),
    "gates.waive": action(P.WAIVE_GATE)(
        lambda w: lambda by: w.gatehouse.gates.waive(by, w.version, Stage.STAGING, "story", reason="x", days=1)
    ),
    "gates.waivers.grant": action(P.WAIVE_GATE)(
        lambda w: (
            lambda by: w.gatehouse.gates.waivers.grant(
                by, w.version, Stage.STAGING, "story", reason="x", days=1, longest_days=3
            )
        )
    ),
    "gates.waivers.revoke": action(P.WAIVE_GATE)(
        lambda w: _on(w.waiver(), lambda i, by: w.gatehouse.gates.waivers.revoke(by, i, reason="x"))
    ),
    "checklists.answer": action(P.REQUEST_CHANGE)(
        lambda w: lambda by: w.gatehouse.checklists.answer(by, "fraud_detector", 2, "x", next(iter(Answer)))
    ),
    "signature_runs.test": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.signature_runs.test(w.version, actor=by)
    ),
    "signature_runs.predict": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.signature_runs.predict(w.version, w.path(), w.path(), actor=by)
    ),
    # Documents
    **{
        f"documents.{name}": action(P.EDIT_DOCUMENT)(
            lambda w, n=name: (
                lambda by: getattr(w.gatehouse.documents, n)(  # type: ignore[misc]
                    by, CHECKLIST_KIND.name, f"list_{next(w.numbers)}", "items: []", reason="x", base=None
                )
            )
        )
        for name in ("propose", "save_draft")
    },
    "documents.revert": action(P.EDIT_DOCUMENT)(
        lambda w: lambda by: w.gatehouse.documents.revert(by, CHECKLIST_KIND.name, "default", 1, reason="x")
    ),
    "documents.withdraw": action(P.APPROVE_DOCUMENT)(
        lambda w: (
            lambda by: w.gatehouse.documents.withdraw(
                by, w.gatehouse.documents.get_revision(CHECKLIST_KIND.name, "default", 1), reason="x"
            )
        )
    ),
    "what_ifs.run": action(P.READ_METRICS)(lambda w: lambda by: w.gatehouse.what_ifs.run(by, "fraud_detector", "x: 1")),
    "what_ifs.start": action(P.READ_METRICS)(
        lambda w: lambda by: w.gatehouse.what_ifs.start(by, "fraud_detector", "x: 1")
    ),
    # Models
    "registrations.register": action(P.REGISTER_MODEL)(
        lambda w: lambda by: w.gatehouse.registrations.register("fraud_detector", actor=by, source="x", description="x")
    ),
    "deprecations.declare": action(P.WRITE_MODEL, P.ARCHIVE_MODEL)(
        lambda w: (
            lambda by: w.gatehouse.deprecations.declare(
                by, w.version, sunset=date(2099, 1, 1), replacement=None, reason="x"
            )
        )
    ),
    "deprecations.withdraw": action(P.WRITE_MODEL, P.ARCHIVE_MODEL)(
        lambda w: lambda by: w.gatehouse.deprecations.withdraw(by, w.version, reason="x")
    ),
    # Shadow
    **{
        f"shadow.{name}": action(P.READ_METRICS)(
            lambda w, n=name: lambda by: getattr(w.gatehouse.shadow, n)(w.path(), actor=by)  # type: ignore[misc]
        )
        for name in ("ask_to_read", "find_reading", "find_state")
    },
    **{
        f"shadow.{name}": action(P.READ_METRICS)(
            lambda w, n=name: lambda by: getattr(w.gatehouse.shadow, n)("fraud_detector", actor=by)  # type: ignore[misc]
        )
        for name in ("list_logs", "list_replays")
    },
    **{
        f"shadow.{name}": action(P.RUN_GATES)(
            lambda w, n=name: (
                lambda by: getattr(w.gatehouse.shadow, n)("fraud_detector", 1, 2, w.path(), w.path(), actor=by)
            )  # type: ignore[misc]
        )
        for name in ("ask_to_replay", "replay")
    },
    "shadow.join_labels": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.shadow.join_labels(w.path(), w.path(), actor=by)
    ),
    "shadow.replay_upload": action(P.RUN_GATES)(
        lambda w: lambda by: w.gatehouse.shadow.replay_upload("fraud_detector", 1, 2, b"", suffix=".csv", actor=by)
    ),
    # People
    "identity.accounts.add": action(P.MANAGE_USERS)(
        lambda w: lambda by: w.gatehouse.identity.accounts.add(by, f"new.{next(w.numbers)}", [Role.ADMIN])
    ),
    "identity.add_person": action(P.MANAGE_USERS)(
        lambda w: lambda by: w.gatehouse.identity.add_person(by, f"new.{next(w.numbers)}", [Role.ADMIN])
    ),
    "identity.accounts.list_accounts": action(P.MANAGE_USERS, P.READ_AUDIT)(
        lambda w: w.gatehouse.identity.accounts.list_accounts
    ),
    **{
        f"identity.accounts.{name}": action(P.MANAGE_USERS)(
            lambda w, n=name, a=arguments: _on(
                w.person(), lambda i, by: getattr(w.gatehouse.identity.accounts, n)(by, i, *a)
            )  # type: ignore[misc]
        )
        for name, arguments in {"set_roles": ([Role.ADMIN],), "disable": (), "enable": ()}.items()
    },
    "identity.tokens.issue": action(P.MANAGE_USERS)(
        lambda w: _on(w.person(), lambda i, by: w.gatehouse.identity.tokens.issue(by, i))
    ),
    "identity.tokens.list_tokens": action(P.MANAGE_USERS, P.READ_AUDIT)(
        lambda w: w.gatehouse.identity.tokens.list_tokens
    ),
    "identity.tokens.revoke": action(P.MANAGE_USERS)(
        lambda w: _on(w.token(), lambda i, by: w.gatehouse.identity.tokens.revoke(by, i))
    ),
    "identity.sessions.end_all": action(P.MANAGE_USERS)(
        lambda w: _on(w.person(), lambda i, by: w.gatehouse.identity.sessions.end_all(by, i))
    ),
    "identity.sessions.end_one": action(P.MANAGE_USERS)(
        lambda w: _on(w.session(), lambda i, by: w.gatehouse.identity.sessions.end_one(by, i))
    ),
    "identity.sessions.list_open": action(P.MANAGE_USERS)(
        lambda w: _on(w.person(), lambda i, by: w.gatehouse.identity.sessions.list_open(by, i))
    ),
    "identity.sign_in.mark_demo": action(P.MANAGE_SETTINGS)(lambda w: w.gatehouse.identity.sign_in.mark_demo),
    # Work
    "jobs.cancel": action(P.MANAGE_SETTINGS)(lambda w: _on(w.job(), w.gatehouse.jobs.cancel)),
    "outbox.retry": action(P.MANAGE_SETTINGS)(lambda w: lambda by: w.gatehouse.outbox.retry(1, by)),
}

NONE_OF_THEIR_OWN = {
    "identity.demand": "is what asks for permission",
    "identity.refuse": "is what refuses",
    "changes.find_bar": "tells whether somebody is barred, and does nothing",
    "changes.may_execute": "tells whether somebody may, and does nothing",
    "changes.waits_for": "tells what waits for somebody, and does nothing",
    "changes.check_evidence": "looks whether evidence still stands, and voids what does not",
    "changes.carry_out": "is asked by ramps, which ask for permission themselves",
    "changes.expire_due": "follows from the clock",
    "ramp_ticks.tick": "follows from the clock and from health",
    "deprecations.remind": "follows from the clock",
    "documents.install_defaults": "happens at the first start, before anybody is there",
    "jobs.enqueue": "leaves it to whoever enqueues: the permission is that of the work",
    "migrations.apply": "asks through changes.request, where its kind names the permission",
    "vocabulary_fixes.apply": "asks through changes.request, where its kind names the permission",
}


def _on(thing: Any, act: Callable[[Any, Actor], object]) -> Call:
    return lambda by: act(thing, by)


def holding(*permissions: Permission) -> Actor:
    return Actor(name="probe", roles=EVERYBODY, origin="test", scopes=frozenset(permissions))


def list_actions(gatehouse: Gatehouse) -> set[str]:
    """Return every action that the facade offers."""
    found: set[str] = set()
    parts = [name for name, value in vars(Gatehouse).items() if isinstance(value, cached_property)]
    pending = [(name, getattr(gatehouse, name)) for name in parts]
    pending += [
        (f"{name}.{inner}", value)
        for name in ("identity", "gates")
        for inner, value in vars(getattr(gatehouse, name)).items()
        if not inner.startswith("_")
    ]
    for path, part in pending:
        for name, method in inspect.getmembers(type(part), inspect.isfunction):
            given = inspect.signature(method).parameters
            is_told_who = "actor" in given and given["actor"].annotation == "Actor"
            if is_told_who and "unit" not in given and not name.startswith("_"):
                found.add(f"{path}.{name}")
    return found


def test_every_action_is_in_the_table(world: World) -> None:
    assert list_actions(world.gatehouse) == ACTIONS.keys() | NONE_OF_THEIR_OWN.keys()
    assert not ACTIONS.keys() & NONE_OF_THEIR_OWN.keys()


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_for_whoever_holds_its_permission_and_for_nobody_else(world: World, name: str) -> None:
    asked = ACTIONS[name]
    refusals = EventQuery(actor="probe", action="access:permission:refused")
    call = asked.prepare(world)
    before = len(world.gatehouse.audit.list_events(refusals, limit=10_000).events)
    lacking = [permission for permission in Permission if permission not in asked.takes]
    for permission in lacking:
        with pytest.raises(Forbidden):
            call(holding(permission))
    with pytest.raises(Forbidden):
        call(holding(*lacking))
    recorded = world.gatehouse.audit.list_events(refusals, limit=10_000).events[before:]
    assert len(recorded) == len(lacking) + 1
    assert {event.after["permission"] for event in recorded} <= asked.takes
    for permission in asked.takes:
        # Whatever else stands in the way, it is not the permission.
        with suppress(GatehouseError):
            check_permitted(call, holding(permission, *asked.also))
        call = asked.prepare(world)


def check_permitted(call: Call, actor: Actor) -> None:
    try:
        call(actor)
    except Forbidden as error:
        pytest.fail(f"{actor.scopes} suffices, and was refused: {error.message}")
