"""An installation's identity on a temporary store, with an admin to act with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.audit import AuditLog, EventQuery
from services.identity import Actor, GroupMapping, Identity, Role
from services.store import Store
from tests.conftest import FakeClock

PASSWORD = "four small green boats"
OTHER_PASSWORD = "seven tall copper doors"
ADMIN = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    store: Store
    clock: FakeClock
    audit: AuditLog
    identity: Identity
    home: Path

    def actions(self, subject: str | None = None) -> list[str]:
        page = self.audit.list_events(EventQuery(subject=subject), limit=1000)
        return [event.action for event in page.events]

    def add(self, name: str, *roles: Role) -> str:
        """Add an account and return a token of it."""
        self.identity.accounts.add(ADMIN, name, roles or [Role.DATA_SCIENTIST])
        return self.identity.tokens.issue(ADMIN, name)

    def add_with_password(self, name: str, *roles: Role) -> None:
        self.identity.credentials.choose_password(self.add(name, *roles), PASSWORD, origin="test")


def build_world(store: Store, clock: FakeClock, home: Path, groups: GroupMapping | None = None) -> World:
    audit = AuditLog(store, clock=clock, home=home)
    identity = Identity(store, audit, clock=clock, home=home, groups=groups)
    return World(store=store, clock=clock, audit=audit, identity=identity, home=home)
