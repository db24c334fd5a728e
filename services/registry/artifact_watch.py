"""Whether the files of approved versions are still the bytes that were approved.

Who can write to the artifact store can change a model without any record in MLflow. The digest that was approved, or
else that of the first reading after approval, is compared again and again: a small folder after every sync, a large one
so seldom that reading it takes a fiftieth of the time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from services.audit import Acting
from services.clock import Clock, to_micros, utc_now
from services.errors import GatehouseError, NotFound
from services.registry.approved import Approved, Fact
from services.registry.drift import Drifts
from services.registry.drift_values import Drift
from services.registry.entries import VersionEntry
from services.registry.port import RegistryReader
from services.registry.writes import Watched
from services.store import Store
from services.store import registry_catalog as catalog
from services.store import registry_drift as rows

FOLDERS_AT_ONCE = 100
BUDGET_S = 1.0
MIN_PAUSE_S = 10
PAUSE_PER_READING = 50
_MICROS = 1_000_000
_log = logging.getLogger(__name__)


class ArtifactWatch:
    """Compares files with digests."""

    def __init__(
        self, store: Store, registry: RegistryReader, approved: Approved, drifts: Drifts, *, clock: Clock = utc_now
    ) -> None:
        self._store = store
        self._registry = registry
        self._approved = approved
        self._drifts = drifts
        self._clock = clock

    def check(self, *, actor: Acting, budget_s: float = BUDGET_S) -> Sequence[Drift]:
        """Read what is due, the longest unread first, for about `budget_s`; return what is newly found to differ.

        Raises:
            Unreachable: the registry does not answer.
        """
        deadline = time.monotonic() + budget_s
        with self._store.read() as unit:
            now_us = to_micros(self._clock())
            due = rows.list_due_facts(unit, Watched.ARTIFACTS.value, now_us=now_us, limit=FOLDERS_AT_ONCE)
            keys = [(row.model, row.version) for row in due]
            entries = map(VersionEntry.from_row, catalog.list_chosen_versions(unit, keys))
            versions = {(entry.name, entry.version): entry for entry in entries}
        found: list[Drift] = []
        for row in due:
            if time.monotonic() > deadline:
                break
            found += self._check_one(row, versions.get((row.model, row.version)), actor)
        return found

    def _check_one(self, row: Any, version: VersionEntry | None, actor: Acting) -> Sequence[Drift]:
        started = time.monotonic()
        is_read, digest = (False, None) if version is None else self._read_digest(version)
        pause_s = max(MIN_PAUSE_S, PAUSE_PER_READING * (time.monotonic() - started))
        fact = Fact.from_row(row)
        found: Sequence[Drift] = ()
        with self._store.write() as unit:
            if is_read and fact.value is not None:
                found = self._drifts.file_artifacts(unit, fact, digest, actor=actor)
            elif digest is not None:
                self._approved.accept_artifacts(unit, fact.model, fact.version, digest)
            next_us = to_micros(self._clock()) + int(pause_s * _MICROS)
            rows.postpone_check(unit, fact.kind.value, fact.model, fact.version, next_check_us=next_us)
            unit.commit()
        return found

    def _read_digest(self, version: VersionEntry) -> tuple[bool, str | None]:
        """Return whether anything can be said, and the digest, or None where the files are gone."""
        try:
            return True, self._registry.get_artifact_digest(version.as_record())
        except NotFound:
            return True, None
        except GatehouseError as error:
            # One folder's store may be down while the registry is up; if it is not, this raises.
            self._registry.ping()
            _log.warning("The files of %s are not watched: %s", version.reference, error.message)
            return False, None
