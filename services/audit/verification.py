"""Verifying the whole log: every leaf against its hash and columns, and every kept hash, count and checkpoint.

It is read once in one snapshot. What can be pinned to one event names its number; a hash over several events names the
first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.audit.checkpoints import Checkpoints
from services.audit.log import AuditLog
from services.audit.merkle import HASH_BYTES, CompactRange
from services.audit.notes import Verifier, check_note, parse_checkpoint
from services.audit.scan import Scan
from services.audit.sealing import MOST_WAITING, to_rows
from services.errors import Unverified
from services.store import UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS

MAX_PROBLEMS = 20
_MAX_LEVEL = 63
_BEYOND = 2**63 - 1

Progress = Callable[[int, int], None]
"""Told how many events are verified, and how many there are."""

_RESTORE = "Restore the store from a backup, and find out who changed it."


class _Report(Protocol):
    def __call__(self, seq: int | None, message: str, next_step: str = ..., /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong, and the first event it can be about; None where it is about no event."""

    seq: int | None
    message: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying found.

    Args:
        size: how many events were read.
        root: the root over them.
        checkpoints: how many signed checkpoints they agree with.
        problems: what is wrong, single events first; empty when all is well.
        notes: what is worth knowing and no tampering, such as a clock that was set back.
    """

    size: int
    root: bytes
    checkpoints: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def check(self) -> None:
        """Check that nothing is wrong.

        Raises:
            Unverified: something is; the message is about the first.
        """
        if self.problems:
            raise Unverified(self.problems[0].message, next_step=self.problems[0].next_step)


def verify_log(audit: AuditLog, progress: Progress | None = None) -> Verification:
    """Verify every event, every kept hash and count, and every checkpoint.

    Raises:
        Unreachable: the database cannot be read, as when its file is damaged.
    """
    problems: list[Problem] = []

    def report(seq: int | None, message: str, next_step: str = _RESTORE) -> None:
        problem = Problem(seq=seq, message=message, next_step=next_step)
        if len(problems) < MAX_PROBLEMS and problem not in problems:
            problems.append(problem)

    with audit.store.read() as unit:
        scan = Scan(report, sealed=audit_log.count_sealed(unit))
        try:
            _verify(unit, audit.checkpoints, scan, report, progress)
        except Unverified as error:
            report(None, error.message, error.next_step)
    problems.sort(key=lambda problem: problem.seq is None)
    tree = scan.tree
    return Verification(
        size=tree.size,
        root=tree.root,
        checkpoints=scan.kept_promises,
        problems=tuple(problems),
        notes=tuple(_tell_setbacks(scan)),
    )


def _tell_setbacks(scan: Scan) -> Iterable[str]:
    for seq, behind_s in scan.clock.setbacks[:MAX_PROBLEMS]:
        yield f"A clock was set back: event {seq} is dated {behind_s:,} seconds before one recorded earlier."


def _verify(unit: UnitOfWork, checkpoints: Checkpoints, scan: Scan, report: _Report, progress: Progress | None) -> None:
    head = audit_log.find_head(unit)
    total = 0 if head is None else head.size
    scan.expect(_list_promises(unit, checkpoints, report))
    scan.read(unit, lambda done: None if progress is None else progress(done, max(done, total)))
    _check_size(unit, scan, report)
    _check_kept(unit, scan, report)
    _check_root(unit, scan, report)


def _list_promises(unit: UnitOfWork, checkpoints: Checkpoints, report: _Report) -> dict[int, list[tuple[str, bytes]]]:
    promises: dict[int, list[tuple[str, bytes]]] = {}
    verifiers: Sequence[Verifier] = ()
    try:
        verifiers = checkpoints.keys.list_verifiers()
        outside = checkpoints.list_outside()
    except Unverified as error:
        report(None, error.message, error.next_step)
    else:
        for path, checkpoint in outside:
            promises.setdefault(checkpoint.size, []).append((f"the checkpoint in {path}", checkpoint.root))
        if checkpoints.path not in dict(outside) and (lost := checkpoints.find_lost_file(unit)) is not None:
            report(None, lost)
    for size, note in audit_log.list_checkpoints(unit):
        try:
            checkpoint = parse_checkpoint(check_note(note, verifiers))
        except ValueError as error:
            report(None, f"The checkpoint of {size} events in the database is not to be trusted: {error}.")
            continue
        if checkpoint.size != size:
            report(None, f"The checkpoint of {size} events in the database is one of {checkpoint.size}.")
        promises.setdefault(checkpoint.size, []).append((f"the checkpoint of {size} in the database", checkpoint.root))
    return promises


def _check_size(unit: UnitOfWork, scan: Scan, report: _Report) -> None:
    head, size = audit_log.find_head(unit), scan.tree.size
    if head is None:
        report(None, "The audit log has lost its head.")
    elif head.size != size:
        report(min(head.size, size), f"The audit log counts {head.size} events and has {size} without a gap.")
    last = audit_log.find_last_seq(unit)
    if last is not None and last >= size and (head is None or last >= head.size):
        report(last, f"Event {last} stands beyond the end of the audit log.")
    for promised, name in scan.list_open_promises():
        report(size, f"The audit log has {size} events, but {name} covers {promised}.")
    for row in audit_log.list_disclosures(unit, size, _BEYOND):
        report(row.seq, f"The personal value {row.name} of event {row.seq} belongs to no event.")
    scan.personal.finish()


def _check_root(unit: UnitOfWork, scan: Scan, report: _Report) -> None:
    head, tree = audit_log.find_head(unit), scan.tree
    if head is not None and head.size == tree.size and (head.root, head.frontier) != (tree.root, tree.frontier):
        first = _find_first(head.frontier, tree)
        report(first, f"The head of the audit log is not the root of its {head.size} events.")


def _find_first(frontier: bytes, tree: CompactRange) -> int | None:
    """Return the first event below a peak that a head of the same size has otherwise, or None if its root alone is."""
    first = 0
    for at in range(0, len(tree.frontier), HASH_BYTES):
        if frontier[at : at + HASH_BYTES] != tree.frontier[at : at + HASH_BYTES]:
            return first
        first += 1 << ((tree.size - first).bit_length() - 1)
    return None


def _check_kept(unit: UnitOfWork, scan: Scan, report: _Report) -> None:
    """Hold what was kept for speed against what the leaves say."""
    sealed, due = audit_log.count_sealed(unit) * CHUNK_EVENTS, scan.tree.size // MOST_WAITING * MOST_WAITING
    if sealed < due:
        report(sealed, f"Events {sealed} to {due - 1} are not in the search index.")
    for level, index, _ in _differences(audit_log.list_nodes(unit), scan.nodes):
        first = index << level if isinstance(level, int) and 0 <= level <= _MAX_LEVEL else None
        report(first, f"The hash that was kept at level {level}, index {index} is not the one of its events.")
    for chunk, _, _ in _differences(audit_log.list_spans(unit), scan.spans):
        first = chunk * CHUNK_EVENTS
        report(first, f"The times that were kept of events {first} to {first + CHUNK_EVENTS - 1} are not theirs.")
    for field, value, _, _ in _differences(audit_log.list_tallies(unit), to_rows(scan.tallies)):
        report(None, f"The number of events that was kept for {field} {value!r} is not theirs.")


def _differences(kept: Iterable[tuple[Hashable, ...]], computed: Iterable[tuple[Hashable, ...]]) -> list[Any]:
    return sorted(set(kept) ^ set(computed), key=repr)
