"""Proofs that outsiders can check: that an event is in the log, and that one state of the log continues another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.audit.log import AuditLog
from services.audit.merkle import check_inclusion, leaf_hash, prove_consistency, prove_inclusion
from services.audit.tree import StoredTree
from services.errors import InvalidInput, NotFound, Unverified
from services.store import UnitOfWork, audit_log
from services.store.audit_log import EventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """The path from one event's leaf to the root over `tree_size` events (RFC 6962, section 2.1.1)."""

    seq: int
    tree_size: int
    leaf_hash: bytes
    path: tuple[bytes, ...]
    root: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the proof as others read it, hashes in hexadecimal."""
        return {
            "seq": self.seq,
            "tree_size": self.tree_size,
            "leaf_hash": self.leaf_hash.hex(),
            "path": [sibling.hex() for sibling in self.path],
            "root": self.root.hex(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the log of `old_size` events is the beginning of the log of `new_size` (RFC 6962, section 2.1.2)."""

    old_size: int
    new_size: int
    old_root: bytes
    new_root: bytes
    path: tuple[bytes, ...]


def prove_event(audit: AuditLog, seq: int, *, tree_size: int | None = None) -> InclusionProof:
    """Return the proof that an event is among the first `tree_size` events, by default among all.

    Raises:
        NotFound: there is no such event among them.
        Unverified: the log does not agree with itself.
    """
    with audit.store.read() as unit:
        return prove_in(unit, seq, tree_size=tree_size)


def prove_in(unit: UnitOfWork, seq: int, *, tree_size: int | None = None) -> InclusionProof:
    """Return the same proof from a unit of work that is open already."""
    size = _get_size(unit, tree_size)
    if not 0 <= seq < size:
        raise NotFound(
            f"There is no event {seq} among the first {size} of the audit log.",
            next_step="List the events to see their numbers.",
        )
    tree = StoredTree(unit)
    root = _get_root(unit, tree, size)
    row = audit_log.find_event_at(unit, seq)
    if row is None or not _is_hashed(row, tree.read(0, seq)):
        raise _broken(f"Event {seq} does not have the hash that was kept for it.")
    path = prove_inclusion(seq, size, tree.read)
    try:
        check_inclusion(seq, size, row.leaf_hash, path, root)
    except ValueError as error:
        raise _broken(f"Event {seq} is not one of those that the head of the audit log stands for.") from error
    return InclusionProof(seq=seq, tree_size=size, leaf_hash=row.leaf_hash, path=path, root=root)


def prove_growth(audit: AuditLog, old_size: int, *, new_size: int | None = None) -> ConsistencyProof:
    """Return the proof that the log of `new_size` events, by default all, continues the one of `old_size`.

    Raises:
        InvalidInput: the log never had those sizes.
        Unverified: the log does not agree with itself.
    """
    with audit.store.read() as unit:
        size = _get_size(unit, new_size)
        if not 0 <= old_size <= size:
            raise InvalidInput(
                f"A log of {size} events does not continue one of {old_size}.", next_step="Give the smaller size first."
            )
        tree = StoredTree(unit)
        new_root = _get_root(unit, tree, size)
        old_root = tree.root(old_size)
        path = prove_consistency(old_size, size, tree.read)
    return ConsistencyProof(old_size=old_size, new_size=size, old_root=old_root, new_root=new_root, path=path)


def _is_hashed(row: EventRow, kept: bytes) -> bool:
    try:
        return leaf_hash(row.leaf) == kept
    except TypeError:  # the database may hold anything by now
        return False


def _get_size(unit: UnitOfWork, wanted: int | None) -> int:
    head = audit_log.find_head(unit)
    if head is None:
        raise _broken("The audit log has lost its head.")
    if wanted is not None and not 0 <= wanted <= head.size:
        raise InvalidInput(
            f"The audit log never had {wanted} events; it has {head.size}.", next_step="Give a size it had."
        )
    return head.size if wanted is None else wanted


def _get_root(unit: UnitOfWork, tree: StoredTree, size: int) -> bytes:
    root = tree.root(size)
    head = audit_log.find_head(unit)
    if head is not None and head.size == size and head.root != root:
        raise _broken(f"The head of the audit log is not the root of its {size} events.")
    return root


def _broken(message: str) -> Unverified:
    return Unverified(message, next_step="Run `gatehouse audit verify`, and restore the store from a backup.")
