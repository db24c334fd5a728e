"""The Merkle tree of the log, as pure mathematics over hashes: RFC 6962 section 2.1 and RFC 9162 section 2.1.

A leaf hashes as SHA-256(0x00 ‖ leaf), an inner node as SHA-256(0x01 ‖ left ‖ right), the empty tree as SHA-256("").
A complete subtree is named by (level, index): it covers the leaves [index · 2^level, (index + 1) · 2^level). Proving
needs a reader of such subtree hashes; checking needs nothing but the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

SubtreeReader = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree (level, index)."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two subtrees."""
    return sha256(b"\x01" + left + right).digest()


Subtree = tuple[int, int, bytes]
"""Level, index and hash of a complete subtree."""


class CompactRange(NamedTuple):
    """What is needed of a tree to append to it: its size, and the hashes of its complete subtrees, largest first.

    >>> tree = CompactRange.empty()
    >>> tree, _ = tree.append(leaf_hash(b"a"))
    >>> tree.root == leaf_hash(b"a")
    True
    """

    size: int
    frontier: bytes
    """The hashes one after the other, as they are stored: every event reads and writes them."""

    @classmethod
    def empty(cls) -> CompactRange:
        """Return the tree without leaves."""
        return cls(size=0, frontier=b"")

    @classmethod
    def read(cls, size: int, frontier: bytes) -> CompactRange:
        """Return the tree with that size and frontier.

        Raises:
            ValueError: there are not as many hashes as a tree of `size` leaves has complete subtrees at its edge.
        """
        if len(frontier) != HASH_BYTES * size.bit_count():
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(frontier) / HASH_BYTES:g}"
            )
        return cls(size=size, frontier=frontier)

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> CompactRange:
        """Return the tree over leaf hashes."""
        tree = cls.empty()
        for leaf in leaves:
            tree, _ = tree.append(leaf)
        return tree

    @property
    def root(self) -> bytes:
        """The root hash of the tree."""
        return _fold(self.frontier)

    def append(self, leaf: bytes) -> tuple[CompactRange, list[Subtree]]:
        """Return the tree with the leaf hash `leaf` added, and the subtrees of level 1 and up that it completes."""
        size, frontier = self
        completed: list[Subtree] = []
        level, index, end = 0, size, len(frontier)
        while index & 1:
            leaf = node_hash(frontier[end - HASH_BYTES : end], leaf)
            level, index, end = level + 1, index >> 1, end - HASH_BYTES
            completed.append((level, index, leaf))
        return CompactRange(size + 1, frontier[:end] + leaf), completed


def join_complete(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes on one level."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def compute_root(size: int, read: SubtreeReader) -> bytes:
    """Return the root of the first `size` leaves."""
    return _hash_range(0, size, read) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, read: SubtreeReader) -> tuple[bytes, ...]:
    """Return the path that shows leaf `index` to be in the tree of `size` leaves, from the leaf upward.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_hash_range(middle, end, read))
            end = middle
        else:
            path.append(_hash_range(start, middle, read))
            start = middle
    return tuple(reversed(path))


def check_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that a path shows the leaf hash `leaf` at `index` in the tree of `size` leaves with that root.

    Raises:
        ValueError: it does not.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    inner, border = _measure_path(index, size)
    if len(path) != inner + border:
        raise ValueError(f"the path of leaf {index} has {len(path)} hashes where {size} leaves need {inner + border}")
    if _join_left(_join(leaf, path[:inner], index), path[inner:]) != root:
        raise ValueError(f"the path of leaf {index} does not lead to the root of {size} leaves")


def prove_consistency(old: int, new: int, read: SubtreeReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of `new` leaves begins with the tree of `old` leaves.

    Raises:
        ValueError: `old` is not between 0 and `new`.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves cannot begin with one of {old}")
    if old in {0, new}:
        return ()
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_hash_range(middle, end, read))
            end = middle
        else:
            path.append(_hash_range(start, middle, read))
            start = middle
    if start:
        path.append(_hash_range(start, end, read))
    return tuple(reversed(path))


def check_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that a proof shows the tree of `new` leaves to begin with that of `old` leaves.

    Raises:
        ValueError: it does not.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves cannot begin with one of {old}")
    if old in {0, new}:
        if path or old_root != (new_root if old else EMPTY_ROOT):
            raise ValueError(f"the trees of {old} and {new} leaves are not consistent")
        return
    # The largest complete subtree at the end of the old tree is where the two begin to differ.
    shift = (old & -old).bit_length() - 1
    inner, border = _measure_path(old - 1, new)
    inner -= shift
    path = [old_root, *path] if old == 1 << shift else path
    if len(path) != 1 + inner + border:
        raise ValueError(f"the proof from {old} to {new} leaves has {len(path)} hashes, not {1 + inner + border}")
    start, inside, outside = path[0], path[1 : 1 + inner], path[1 + inner :]
    index = (old - 1) >> shift
    lefts = [sibling for level, sibling in enumerate(inside) if index >> level & 1]
    if _join_left(_join_left(start, lefts), outside) != old_root:
        raise ValueError(f"the proof from {old} to {new} leaves does not lead to the root of {old}")
    if _join_left(_join(start, inside, index), outside) != new_root:
        raise ValueError(f"the proof from {old} to {new} leaves does not lead to the root of {new}")


def _measure_path(index: int, size: int) -> tuple[int, int]:
    """Return how many siblings stand below and on the right edge of the tree, where all of them are to the left."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _join(found: bytes, siblings: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(siblings):
        found = node_hash(sibling, found) if index >> level & 1 else node_hash(found, sibling)
    return found


def _join_left(found: bytes, siblings: Sequence[bytes]) -> bytes:
    for sibling in siblings:
        found = node_hash(sibling, found)
    return found


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _hash_range(start: int, end: int, read: SubtreeReader) -> bytes:
    """Return the hash over leaves [start, end), where `start` is a multiple of the power of two that covers them."""
    peaks: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(read(level, start >> level))
        start += 1 << level
    return _fold(b"".join(peaks))


def _fold(frontier: bytes) -> bytes:
    """Return the root above the complete subtrees of a frontier."""
    if not frontier:
        return EMPTY_ROOT
    at = len(frontier) - HASH_BYTES
    root = frontier[at:]
    while at:
        root = node_hash(frontier[at - HASH_BYTES : at], root)
        at -= HASH_BYTES
    return root
