"""The scoring servers that run, as each says of itself in the store every few seconds, and whether they follow pins.

A server that has not spoken for three times as long is silent: killed, cut off from the store, or on a machine that is
down. What it said last is shown as old, never as how things are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.clock import Clock, from_micros, to_text
from services.store import Store
from services.store import servers as rows

SPEAKS_EVERY_S = 5.0
SILENT_AFTER = timedelta(seconds=3 * SPEAKS_EVERY_S)
FORGOTTEN_AFTER = timedelta(days=1)
FOLLOWS_WITHIN_S = 5.0
MAX_SERVERS = 1000
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What a server said last.

    Args:
        status: `ok`, `degraded` or `down`; see `problems`.
        version: whose answers callers get, but for the share of the candidate.
        loaded: the versions that are loaded, standbys included.
        paired: requests that both versions scored.
        dropped: requests that were not paired, since the queue was full or for another reason.
        lost_rows: rows of the paired log that could not be written.
    """

    id: str
    model: str
    address: str
    host: str
    actor: str
    started_at: datetime
    seen_at: datetime
    is_silent: bool
    status: str
    version: int | None
    candidate: int | None
    candidate_ratio: float
    policy_revision: str | None
    loaded: tuple[int, ...]
    problems: tuple[str, ...]
    requests: int
    paired: int
    dropped: int
    lost_rows: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as commands print it."""
        return {
            "model": self.model,
            "address": self.address,
            "host": self.host,
            "started": to_text(self.started_at),
            "seen": to_text(self.seen_at),
            "status": "silent" if self.is_silent else self.status,
            "version": self.version,
            "candidate": self.candidate,
            "candidate_ratio": self.candidate_ratio,
            "policy_revision": self.policy_revision,
            "loaded": list(self.loaded),
            "problems": list(self.problems),
            "requests": self.requests,
            "paired": self.paired,
            "dropped": self.dropped,
            "lost_log_rows": self.lost_rows,
        }


class Servers:
    """The servers that report to a store.

    Args:
        pause: waits for some seconds.
    """

    def __init__(self, store: Store, *, clock: Clock, pause: Callable[[float], object] = time.sleep) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause

    def list_servers(self, model: str | None = None, *, limit: int = MAX_SERVERS) -> Sequence[ServerReport]:
        """Return the servers of all models, or of one, by model."""
        with self._store.read() as unit:
            found = rows.list_servers(unit, model=model, limit=limit)
        now = self._clock()
        return [_to_report(row, now) for row in found]

    def await_version(
        self, model: str, version: int, *, patience_s: float = FOLLOWS_WITHIN_S
    ) -> Sequence[ServerReport]:
        """Return the servers of a model once all that speak answer with a version, or when patience is at its end."""
        for _ in range(round(patience_s / _PAUSE_S)):
            found = self.list_servers(model)
            if all(server.is_silent or server.version == version for server in found):
                return found
            self._pause(_PAUSE_S)
        return self.list_servers(model)


def describe_following(servers: Sequence[ServerReport], model: str, version: int) -> tuple[str, ...]:
    """Return in sentences whether servers answer with a version."""
    if not servers:
        return (f"No `gatehouse serve {model}` reports here; what else serves it has to follow the pins by itself.",)
    told = []
    for server in servers:
        if server.is_silent:
            since = to_text(server.seen_at)[:19]
            told.append(f"{server.address} has said nothing since {since}Z: look whether it runs.")
        elif server.version == version:
            told.append(f"{server.address} answers with version {version}.")
        else:
            why = f": {' '.join(server.problems)}" if server.problems else "."
            told.append(f"{server.address} still answers with version {server.version}{why}")
    return tuple(told)


def _to_report(row: Mapping[str, Any], now: datetime) -> ServerReport:
    state = row["state"]
    seen_at = from_micros(row["seen_us"])
    return ServerReport(
        id=row["id"],
        model=row["model"],
        address=row["address"],
        host=row["host"],
        actor=row["actor"],
        started_at=from_micros(row["started_us"]),
        seen_at=seen_at,
        is_silent=now - seen_at > SILENT_AFTER,
        status=state["status"],
        version=state.get("champion"),
        candidate=state.get("candidate"),
        candidate_ratio=state.get("candidate_ratio", 0.0),
        policy_revision=state.get("policy_revision"),
        loaded=tuple(state["loaded"]),
        problems=tuple(state["problems"]),
        requests=state["requests"],
        paired=state["paired"],
        dropped=state["dropped"],
        lost_rows=state["lost_rows"],
    )
