"""What was approved of the registry: whatever went through the port is ours, and all else is drift.

A fact is written before the registry is, with the value it replaces: until the write is known to have happened, either
is as approved. So neither a crash nor an answer that got lost makes drift out of our own write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.clock import Clock, to_micros, utc_now
from services.errors import GatehouseError, Unreachable
from services.registry.aliases import normalise_alias
from services.registry.index_rows import bounded_value
from services.registry.protection import Protection, ReadProtection
from services.registry.stages import PROTECTED_ALIASES
from services.registry.writes import RegistryWrite, Watched
from services.store import Store, UnitOfWork
from services.store import registry_drift as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that is approved: `value` is None where nothing should be; `version` is 0 where it is about none."""

    kind: Watched
    model: str
    version: int = 0
    key: str = ""
    value: str | None = None
    former: str | None = None
    is_settled: bool = True
    at_us: int = 0

    @property
    def place(self) -> tuple[Watched, str, int, str]:
        """What it is about."""
        return self.kind, self.model, self.version, self.key

    def allows(self, found: str | None) -> bool:
        """Return whether what was found is as approved."""
        return found == self.value or (not self.is_settled and found == self.former)

    @classmethod
    def from_row(cls, row: Any) -> Fact:
        """Read a row."""
        return cls(
            kind=Watched(row.kind),
            model=row.model,
            version=row.version,
            key=row.key,
            value=row.value,
            former=row.former,
            is_settled=row.is_settled,
            at_us=row.at_us,
        )


class Approved:
    """The ledger of what is approved; `announce` goes into the registry adapter.

    Args:
        protection: returns what is protected now.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now, protection: ReadProtection = Protection) -> None:
        self._store = store
        self._clock = clock
        self._protection = protection

    @contextmanager
    def announce(self, write: RegistryWrite) -> Iterator[None]:
        """Hold as approved what is about to be written, and take it back if the registry refuses it."""
        if write.kind is Watched.TAG and not self._protection().holds_tag(write.key):
            yield
            return
        key = key_of(write)
        with self._store.write() as unit:
            before = rows.find_fact(unit, key)
            # An earlier attempt whose outcome is unknown may not have happened: then what it replaces is still there.
            former = None if before is None else before.value if before.is_settled else before.former
            self._put(unit, key, value=_text(write.value), former=former, is_settled=False)
            if is_protected_alias(write) and write.version is not None:
                self.watch_artifacts(unit, write.model, write.version)
            unit.commit()
        try:
            yield
        except Unreachable:
            raise
        except GatehouseError:
            with self._store.write() as unit:
                if before is None:
                    rows.delete_facts(unit, **key)
                else:
                    self._put(unit, key, value=before.value, former=before.former, is_settled=before.is_settled)
                unit.commit()
            raise
        with self._store.write() as unit:
            self._put(unit, key, value=_text(write.value), former=former, is_settled=True)
            unit.commit()

    def accept(self, unit: UnitOfWork, fact: Fact) -> None:
        """Hold a fact as approved in the caller's transaction."""
        key = {"model": fact.model, "kind": fact.kind.value, "version": fact.version, "key": fact.key}
        self._put(unit, key, value=fact.value, former=None, is_settled=True)

    def accept_artifacts(self, unit: UnitOfWork, model: str, version: int, digest: str) -> None:
        """Hold the bytes of a version's model folder as approved."""
        self.accept(unit, Fact(kind=Watched.ARTIFACTS, model=model, version=version, value=digest))

    def watch_artifacts(self, unit: UnitOfWork, model: str, version: int) -> None:
        """Have a version's bytes watched from their next reading on, unless they are already."""
        key = {"model": model, "kind": Watched.ARTIFACTS.value, "version": version, "key": ""}
        if rows.find_fact(unit, key) is None:
            self._put(unit, key, value=None, former=None, is_settled=True)

    def _put(self, unit: UnitOfWork, key: Mapping[str, Any], **values: Any) -> None:
        rows.put_fact(unit, key, **values, at_us=to_micros(self._clock()))


def is_protected_alias(write: RegistryWrite) -> bool:
    """Return whether a write sets an alias that stands for a stage."""
    return write.kind is Watched.ALIAS and normalise_alias(write.key) in PROTECTED_ALIASES


def key_of(write: RegistryWrite) -> dict[str, Any]:
    """Return the key of the fact that a write makes; an alias belongs to the model, all else to a version."""
    version = 0 if write.kind is Watched.ALIAS else write.version
    return {"model": write.model, "kind": write.kind.value, "version": version, "key": write.key}


def _text(value: int | str | None) -> str | None:
    """Return a value as the index will have it."""
    return None if value is None else bounded_value(str(value))
