"""The stored tree: the hash of any complete subtree from leaf hashes and the subtrees kept once in 256.

Any proof reads a few tiles of at most 256 hashes, however long the log is.
"""

from __future__ import annotations

from services.audit.merkle import compute_root, node_hash
from services.errors import Unverified
from services.store import UnitOfWork, audit_log

TILE_HEIGHT = 8
KEPT_LEVELS = frozenset({8, 16, 24})


class StoredTree:
    """Subtree hashes as a unit of work sees them; `read` is what the proofs of `merkle` ask for."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def read(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree (level, index).

        Raises:
            Unverified: the database lacks a hash that a log of its size has.
        """
        base = level // TILE_HEIGHT * TILE_HEIGHT
        height = level - base
        first = index << height
        layer = self._tile(base, first >> TILE_HEIGHT)[height]
        at = index & ((1 << (TILE_HEIGHT - height)) - 1)
        if at >= len(layer):
            raise Unverified(
                f"The audit log lacks hashes below event {(index + 1) << level}.",
                next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
            )
        return layer[at]

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` events.

        Raises:
            Unverified: the database lacks a hash that a log of that size has.
        """
        return compute_root(size, self.read)

    def _tile(self, base: int, index: int) -> list[list[bytes]]:
        """Return the complete subtrees of a tile, layer by layer: a proof asks for one in each."""
        if (base, index) not in self._tiles:
            first = index << TILE_HEIGHT
            layers = [audit_log.list_hashes(self._unit, base, first, first + 2**TILE_HEIGHT)]
            for _ in range(1, TILE_HEIGHT):
                below = iter(layers[-1])
                layers.append([node_hash(left, right) for left, right in zip(below, below, strict=False)])
            self._tiles[base, index] = layers
        return self._tiles[base, index]
