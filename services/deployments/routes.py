"""Routes: which versions score the requests for a model and whose answer its callers get, for routers to re-read.

The pins say what serves; an open ramp from exactly that version says which candidate runs beside it, and for what share
of requests the candidate's answer is the one that is given. A ramp from any other version counts for nothing: once the
pins have moved, by a rollback for instance, its candidate reaches nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.store import Store
from services.store import ramps as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How requests for a model are answered.

    Args:
        champion: the version that serves.
        candidate: the version that scores every request beside it, if one does.
        candidate_ratio: of the requests, those that get the candidate's answer: 0 is shadow only, 1 is all.
        plan_id: what the sticky split is salted with, so that a key falls anew in each ramp and stays during one.
        revision: moves up with every change of pins or ramp.
    """

    model: str
    champion: int
    candidate: int | None
    candidate_ratio: float
    plan_id: int | None
    revision: int


class Routes:
    """The routes of every model."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_route(self, model: str) -> Route | None:
        """Return how requests for a model are answered now, or None where nothing is pinned.

        Raises:
            Unreachable: the store does not answer.
        """
        with self._store.read() as unit:
            row = rows.find_route(unit, model)
        if row is None:
            return None
        return Route(
            model=model,
            champion=row["current"],
            candidate=row["candidate"],
            candidate_ratio=row["traffic_ratio"] or 0.0,
            plan_id=row["ramp_id"],
            revision=row["pins_id"] + row["entry_id"],
        )
