"""Fill a home with people and an index of many models, through the services: `python -m tests.browser.seed HOME COUNT`.

The registry behind it is the in-memory one that the contract suite holds to MLflow; its clock goes back in time, so
that models were touched hours and days ago.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.facade import Gatehouse
from services.audit import Personal
from services.identity import Role
from services.identity.actors import Actor
from services.registry.fake import FakeRegistry
from services.registry.sync import Sync
from services.registry.tags import GIT_COMMIT_TAG
from services.registry.values import Dataset
from services.settings import load_settings
from services.shadow.engines import DuckDbEngine
from services.shadow.places import get_log_folder
from services.shadow.reading import read_log
from tests.shadow.builders import write_days

SUBJECTS = ("credit", "fraud", "churn", "claims", "pricing", "routing", "search", "kyc", "reco", "demand", "returns")
KINDS = ("detector", "ranker", "segmenter", "classifier", "forecaster", "embedder", "scorer")
TEAMS = ("Risk ML", "Search", "Pricing", "Platform")
OWNERS = ("s.novak", "j.chen", "r.patel", "m.silva", "a.okafor")
PEOPLE = {
    "ada.okafor": [Role.RELEASE_MANAGER],
    "jun.chen": [Role.ML_ENGINEER],
    "mei.silva": [Role.DATA_SCIENTIST],
    "rui.patel": [Role.COMPLIANCE_REVIEWER],
    "sam.novak": [Role.ADMIN],
}
MLMODEL = """signature:
  inputs: '[{"name": "amount", "type": "double"}]'
  outputs: '[{"type": "long"}]'
"""
LOGGED = "churn_detector"
"""The model that has a shadow log, of four days."""
PERSONAL_MAIL = "erika.mustermann@example.org"
HOSTILE = "<b>bold</b>:red-badge[x]\u202eexe"


class BackwardClock:
    """A clock for the registry that is set before each version is added."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def fill(home: Path, count: int) -> None:
    """Make the people and the index of one installation."""
    gatehouse = Gatehouse(load_settings({}, home=home))
    root = Actor(name="local:test", roles=frozenset({Role.ADMIN}), origin="test")
    gatehouse.identity.sign_in.mark_demo(root)
    for name, roles in PEOPLE.items():
        gatehouse.identity.accounts.add(root, name, roles)
    _note_something_personal(gatehouse)
    sync = Sync(make_registry(count), gatehouse.store, signature_state=_signature_state)
    sync.run(is_full=True, details_budget_s=600)
    log = write_days(get_log_folder(gatehouse.shadow_logs, LOGGED), slice_shop=[HOSTILE] + ["other"] * 399)
    read_log(log, engine=DuckDbEngine(), home=home)
    gatehouse.close()


def _note_something_personal(gatehouse: Gatehouse) -> None:
    sam = Actor(name="sam.novak", roles=frozenset({Role.ADMIN}), origin="test")
    after = {"mail": Personal(PERSONAL_MAIL)}
    with gatehouse.store.write() as unit:
        gatehouse.audit.record(unit, actor=sam, action="account:note:made", subject="person/erika", after=after)
        unit.commit()


def make_registry(count: int) -> FakeRegistry:
    """Return a registry of `count` models; the same for the same count, but for the time of day."""
    chance = random.Random(7)
    clock = BackwardClock()
    end = clock.now
    registry = FakeRegistry(clock=clock)
    for number in range(count):
        name = f"{SUBJECTS[number % 11]}_{KINDS[(number // 11) % 7]}" + (f"_{number // 77}" if number >= 77 else "")
        touched = end - timedelta(hours=1.7) * number - timedelta(minutes=chance.randint(2, 50))
        _add_model(registry, clock, name, touched, chance, is_whole=number % 9 != 4)
    clock.now = end - timedelta(minutes=5)
    registry.add_version(HOSTILE, description="*not* <i>markup</i>", metrics={"auc": 0.5}, tags={"team": HOSTILE})
    return registry


def _add_model(
    registry: FakeRegistry, clock: BackwardClock, name: str, touched: datetime, chance: random.Random, *, is_whole: bool
) -> None:
    versions = chance.randint(2, 18)
    clock.now = touched - timedelta(days=9) * versions
    tier = chance.choice(("tier1", "tier2", "tier3"))
    tags = {"team": chance.choice(TEAMS), "owner": chance.choice(OWNERS), "risk": tier}
    registry.add_model(name, description=f"Scores {name.replace('_', ' ')} events.", tags=tags if is_whole else {})
    serving = versions - 1 if chance.random() < 0.7 else None
    value = chance.uniform(0.72, 0.84)
    for version in range(1, versions + 1):
        clock.now = touched - timedelta(days=9) * (versions - version)
        value = min(0.97, value + chance.uniform(-0.012, 0.02))
        latency_ms = round(chance.uniform(9, 30), 1)
        registry.add_version(
            name,
            run_id=_add_run(registry, f"{name}-{version}", chance) if is_whole else None,
            metrics={"auc": round(value, 4), "accuracy": round(value + 0.05, 4), "p95_ms": latency_ms},
            mlmodel=MLMODEL if is_whole else "flavors: {}\n",
            author=tags["owner"],
            description=f"Retrained on {clock.now:%B} data" if is_whole or version % 2 else "",
            aliases=["production"] if version == serving else ["staging"] if version == versions and serving else [],
        )


def _add_run(registry: FakeRegistry, run_id: str, chance: random.Random) -> str:
    events = Dataset(name="events", digest=f"{chance.getrandbits(32):08x}", context="training")
    tags = {GIT_COMMIT_TAG: f"{chance.getrandbits(160):040x}"}
    return registry.add_run(run_id, datasets=[events], params={"depth": "6"}, tags=tags).run_id


def _signature_state(mlmodel: bytes) -> str:
    return "present" if b"signature" in mlmodel else "absent"


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
