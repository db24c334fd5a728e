"""A small kind of document, a library on a store, and people who edit it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.audit import AuditLog
from services.documents import DocumentKind, Documents, Fault
from services.identity import Identity
from services.identity.actors import Actor, Role
from services.store import Store
from tests.conftest import FakeClock

ADA = Actor(name="ada", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
BEN = Actor(name="ben", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
BOT = Actor(name="bot", roles=frozenset({Role.SERVICE_ACCOUNT}), origin="test")
SYSTEM = Actor(name="system:gatehouse", roles=frozenset({Role.ADMIN}), origin="test")

TEXT = "# kept\nstep: 1  # also kept\nlimits:\n- name: a\n  value: 1\n- name: b\n  value: 2\n"


class Limit(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    value: Annotated[float, Field(ge=0)]


class Limits(BaseModel):
    model_config = ConfigDict(extra="forbid")
    step: int
    limits: tuple[Limit, ...] = ()


def find_rising(document: Limits) -> Iterator[Fault]:
    for index, (before, after) in enumerate(zip(document.limits, document.limits[1:], strict=False)):
        if after.value <= before.value:
            yield Fault(location=("limits", index + 1, "value"), message="does not rise")
    if document.step > 10:
        yield Fault(location=("step",), message="is too large a step", rests_on=(("limits",),))


LIMITS: DocumentKind[Any] = DocumentKind(
    name="limits", title="Limits", adapter=TypeAdapter(Limits), find_faults=find_rising
)


def build_library(store: Store, clock: FakeClock, folder: Path, *kinds: DocumentKind[Any]) -> Documents:
    audit = AuditLog(store, clock=clock, home=folder)
    identity = Identity(store, audit, clock=clock, home=folder)
    return Documents(store, audit, identity, kinds or [LIMITS], clock=clock)


def list_actions(store: Store, clock: FakeClock, folder: Path) -> list[str]:
    return [event.action for event in AuditLog(store, clock=clock, home=folder).list_events(limit=100).events]
