"""Who answers: the versions of the route in force, each loaded, and the change from one line-up to the next.

A new version answers once it is loaded and has scored its example, so no request meets a gap; the old one goes on with
what it has begun and is let go afterwards. A champion that cannot be loaded is not switched to: what served goes on
serving, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.deployments.routes import Route
from services.serving.kept import KeptModel, Seat
from services.serving.router import Router
from services.serving.spares import Spares


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """The versions that answer now."""

    route: Route
    router: Router
    champion: KeptModel
    candidate: KeptModel | None

    @property
    def candidate_version(self) -> int | None:
        """The version that scores beside the champion."""
        return None if self.candidate is None else self.candidate.seat.version

    def get_kept(self, version: int) -> KeptModel:
        """Return the champion or the candidate, by its version."""
        if self.candidate is not None and version == self.candidate_version:
            return self.candidate
        return self.champion


class Fleet:
    """Every version that is loaded, by what it is loaded for."""

    def __init__(
        self,
        *,
        fetch: Callable[[int], Awaitable[Path]],
        spares: Spares,
        on_failure: Callable[[Seat, str], object],
    ) -> None:
        self._fetch = fetch
        self._spares = spares
        self._on_failure = on_failure
        self._kept: dict[Seat, KeptModel] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def keep(self, seat: Seat) -> KeptModel:
        """Return the version kept for a purpose, beginning to load it if it is not."""
        if seat not in self._kept:
            self._kept[seat] = KeptModel(seat, fetch=self._fetch, spares=self._spares, on_failure=self._on_failure)
        return self._kept[seat]

    def list_kept(self) -> Sequence[KeptModel]:
        """Return what is kept."""
        return list(self._kept.values())

    def let_go_of_others(self, seats: set[Seat]) -> None:
        """Let go of everything but these, each once it has answered what waits for it."""
        for seat in self._kept.keys() - seats:
            leaving = asyncio.create_task(self._kept.pop(seat).let_go())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Let go of everything."""
        self.let_go_of_others(set())
        await self._spares.close()
        if self._leaving:
            await asyncio.wait(self._leaving)


async def line_up(fleet: Fleet, route: Route, before: Lineup | None = None) -> Lineup:
    """Return the line-up of a route once its champion is loaded, or failed to be.

    Nobody waits for a candidate, but for one that has scored in shadow and shall now answer callers: it goes on in
    shadow until the process that answers them is loaded, so that a step of a ramp leaves no gap.
    """
    champion = fleet.keep(Seat(version=route.champion, is_live=True))
    candidate = None
    if route.candidate is not None and route.candidate != route.champion:
        candidate = fleet.keep(Seat(version=route.candidate, is_live=route.candidate_ratio > 0))
    await champion.wait_for_first_try()
    if candidate is not None and before is not None and _gives_more(route, before.route):
        await candidate.wait_for_first_try()
    router = Router(
        champion=route.champion,
        candidate=None if candidate is None else route.candidate,
        candidate_ratio=0.0 if candidate is None else route.candidate_ratio,
        salt=str(route.plan_id or 0),
    )
    return Lineup(route=route, router=router, champion=champion, candidate=candidate)


def _gives_more(route: Route, before: Route) -> bool:
    is_same = (route.champion, route.candidate) == (before.champion, before.candidate)
    return is_same and route.candidate_ratio > before.candidate_ratio
