"""Pins: current, previous and fallback version of a model (practice 4), with everything that ever was pinned.

Pins name versions, never stages: what serves is said in so many words, and going back is one number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.clock import Clock, from_micros, to_micros, to_text
from services.errors import NotFound
from services.store import Store, UnitOfWork
from services.store import pins as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSet:
    """What is pinned for one model since a moment."""

    id: int
    model: str
    current: int
    previous: int | None
    fallback: int | None
    since: datetime
    change_id: int | None
    actor: str

    @property
    def versions(self) -> tuple[int, ...]:
        """The pinned versions, current first."""
        return tuple(version for version in (self.current, self.previous, self.fallback) if version is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the interface's JSON."""
        return {
            "current": self.current,
            "previous": self.previous,
            "fallback": self.fallback,
            "since": to_text(self.since),
        }


def rotate(pinned: Sequence[int], version: int) -> tuple[int, int | None, int | None]:
    """Return current, previous and fallback after `version` became current, each version once.

    >>> rotate([42, 41, 40], 43)
    (43, 42, 41)
    >>> rotate([42, 41, 40], 41)
    (41, 42, 40)
    >>> rotate([42, 41, 40], 40)
    (40, 42, 41)
    """
    others = [other for other in pinned if other != version]
    previous, fallback, *_ = [*others[:2], None, None]
    return version, previous, fallback


class Pins:
    """The pins of every model."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, model: str) -> PinSet | None:
        """Return the pins of a model, or None when nothing of it was ever in production."""
        with self._store.read() as unit:
            row = rows.find_pins(unit, model)
        return _to_pins(row) if row else None

    def get(self, model: str) -> PinSet:
        """Return the pins of a model.

        Raises:
            NotFound: nothing of it was ever in production.
        """
        with self._store.read() as unit:
            return self.get_in(unit, model)

    def get_in(self, unit: UnitOfWork, model: str) -> PinSet:
        """Return the pins of a model as a transaction sees them; raises as `get`."""
        row = rows.find_pins(unit, model)
        if row is None:
            raise NotFound(
                f"{model} has no pins: nothing of it has been in production.",
                next_step="Promote a version to production first; `gatehouse pins show` lists what is pinned.",
            )
        return _to_pins(row)

    def list_pins(
        self,
        *,
        model: str | None = None,
        at: datetime | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Mapping[str, PinSet]:
        """Return the pins by model, as they were at a moment; the next page begins after the last model."""
        with self._store.read() as unit:
            at_us = None if at is None else to_micros(at)
            found = rows.list_pins(unit, at_us=at_us, model=model, after=after, limit=limit)
        return {row["model"]: _to_pins(row) for row in found}

    def list_history(self, model: str, *, before_id: int | None = None, limit: int = 50) -> Sequence[PinSet]:
        """Return what was pinned for a model, newest first."""
        with self._store.read() as unit:
            return [_to_pins(row) for row in rows.list_pin_history(unit, model, before_id=before_id, limit=limit)]

    def was_current(self, model: str, version: int) -> bool:
        """Return whether a version has ever been in production through here."""
        with self._store.read() as unit:
            return rows.was_current(unit, model, version)

    def move(self, unit: UnitOfWork, *, model: str, version: int, change_id: int, actor: str) -> PinSet:
        """Make `version` current within a transaction; the same move twice writes once."""
        row = rows.find_pins(unit, model)
        if row is not None and row["change_id"] == change_id and row["current"] == version:
            return _to_pins(row)
        pinned = _to_pins(row).versions if row else ()
        current, previous, fallback = rotate(pinned, version)
        rows.add_pins(
            unit,
            {
                "model": model,
                "current": current,
                "previous": previous,
                "fallback": fallback,
                "since_us": to_micros(self._clock()),
                "change_id": change_id,
                "actor": actor,
            },
        )
        moved = rows.find_pins(unit, model)
        assert moved is not None
        return _to_pins(moved)


def _to_pins(row: Mapping[str, Any]) -> PinSet:
    same = ("id", "model", "current", "previous", "fallback", "change_id", "actor")
    return PinSet(**{name: row[name] for name in same}, since=from_micros(row["since_us"]))
