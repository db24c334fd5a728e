"""Which personal values a log promises, shows and has forgotten, held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.audit.canonical import PERSONAL, commit_to, list_personal
from services.store.audit_log import DisclosureRow

REDACTED = "audit:disclosure:redacted"
"""The action of the event that says what was forgotten."""

_MARK = f'"{PERSONAL}"'.encode()

Place = tuple[int, str]
"""The number of an event, and the JSON pointer of the value in its leaf."""


class PersonalLedger:
    """Which personal values a whole log promises, shows and has forgotten."""

    def __init__(self, report: Callable[[int | None, str], None]) -> None:
        self._report = report
        self._promised: dict[Place, str] = {}
        self._shown: set[Place] = set()
        self._gone: set[Place] = set()
        self._forgotten: set[Place] = set()

    def take(self, seq: int, leaf: bytes, fields: Mapping[str, Any]) -> None:
        """Note what an event promises, or says to be forgotten."""
        if _MARK in leaf:
            self._promised.update({(seq, name): found for name, found in list_personal(dict(fields)).items()})
        if fields["action"] == REDACTED:
            self._forgotten.update((place["seq"], place["name"]) for place in fields["after"]["disclosures"])

    def check(self, rows: Iterable[DisclosureRow]) -> None:
        """Hold what is kept about some events against what they promise."""
        for row in rows:
            if not _is_kept(self._promised.pop((row.seq, row.name), None), row):
                self._report(row.seq, f"The personal value {row.name} of event {row.seq} is not the one in its leaf.")
            self._shown.add((row.seq, row.name))
        self._gone |= self._promised.keys()
        self._promised = {}

    def finish(self) -> None:
        """Hold what is gone against what was forgotten."""
        for seq, name in sorted(self._gone - self._forgotten):
            self._report(
                seq, f"The personal value {name} of event {seq} is gone, and no event says that it was redacted."
            )
        for seq, name in sorted(self._shown & self._forgotten):
            self._report(seq, f"The personal value {name} of event {seq} is there, although it was redacted.")


def _is_kept(promised: str | None, row: DisclosureRow) -> bool:
    try:
        return promised == commit_to(row.salt, row.value)
    except (TypeError, AttributeError):  # the database may hold anything by now
        return False
