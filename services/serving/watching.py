"""Reading again, twice a second, what is to serve: route, pins and decision policy, in a thread of its own.

While the store does not answer, what was read last goes on, and how old it is can be told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.deployments.pins import Pins
from services.deployments.routes import Route, Routes
from services.documents.reading import DocumentReader
from services.errors import GatehouseError, NotFound
from services.policies.document import DECISION_POLICY
from services.policies.policy import Policy
from services.policies.reading import read_revision

READ_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to serve.

    Args:
        standbys: versions to have loaded besides: the previous and the fallback.
        policy: the decision policy in force, or None.
    """

    route: Route
    standbys: tuple[int, ...]
    policy: Policy | None


class Watch:
    """Reads what is to serve for one model.

    Args:
        standbys: how many of the previous versions are wanted loaded.
        on_change: told what is wanted, in the watch's thread, whenever that has changed.
    """

    def __init__(
        self,
        model: str,
        *,
        routes: Routes,
        pins: Pins,
        documents: DocumentReader,
        standbys: int,
        on_change: Callable[[Wanted], object],
    ) -> None:
        self._model = model
        self._routes = routes
        self._pins = pins
        self._documents = documents
        self._standbys = standbys
        self._on_change = on_change
        self._last: Wanted | None = None
        self._read_s = time.monotonic()
        self._policy: Policy | None = None
        self.problem: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def age_s(self) -> float:
        """How long ago the store last answered."""
        return time.monotonic() - self._read_s

    def start(self) -> None:
        """Begin to read.

        Raises:
            NotFound: nothing of the model is in production.
            Unreachable: the store does not answer.
            DocumentInvalid: the decision policy in force cannot be used.
        """
        if self._read() is None:
            raise NotFound(
                f"{self._model} has no pins: nothing of it has been in production.",
                next_step="Promote a version to production first; `gatehouse pins show` lists what is pinned.",
            )
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(READ_S):
            try:
                self._read()
            except GatehouseError as error:
                self.problem = error.message
            except Exception as error:  # noqa: BLE001 - whatever it is, what serves must go on and be read again
                self.problem = f"{type(error).__name__}: {error}"

    def _read(self) -> Wanted | None:
        route = self._routes.find_route(self._model)
        if route is None:
            return None
        pinned = self._pins.find(self._model)
        others = [version for version in (pinned.versions if pinned else ()) if version != route.champion]
        wanted = Wanted(route=route, standbys=tuple(others[: self._standbys]), policy=self._read_policy())
        self._read_s, self.problem = time.monotonic(), None
        if wanted != self._last:
            self._last = wanted
            self._on_change(wanted)
        return wanted

    def _read_policy(self) -> Policy | None:
        revision = self._documents.find_in_force(DECISION_POLICY.name, self._model)
        if revision is None:
            self._policy = None
        elif self._policy is None or revision.reference != self._policy.revision:
            self._policy = read_revision(revision)
        return self._policy
