"""RFC 6962, section 2.1, written down as the RFC has it: slow, recursive, and sharing nothing with the code under test.

Run as a program, it writes the vectors that `test_merkle.py` reads:

    python tests/audit/naive_merkle.py tests/audit/merkle_vectors.json.xz
"""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from functools import cache
from pathlib import Path

VECTOR_SIZES = 170


@cache
def leaf(index: int) -> bytes:
    """Return the leaf that vectors have at an index."""
    return f"leaf {index}".encode()


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end])."""
    n = end - start
    if n == 0:
        return hashlib.sha256().digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + leaf(start)).digest()
    k = largest_power_below(n)
    return hashlib.sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end])."""
    n = end - start
    if n == 1:
        return []
    k = largest_power_below(n)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def proof(m: int, n: int) -> list[bytes]:
    """PROOF(m, D[n])."""
    return subproof(m, 0, n, known=True)


def subproof(m: int, start: int, end: int, *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[start:end], known)."""
    n = end - start
    if m == n:
        return [] if known else [mth(start, end)]
    k = largest_power_below(n)
    if m <= k:
        return [*subproof(m, start, start + k, known=known), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, known=False), mth(start, start + k)]


def largest_power_below(n: int) -> int:
    """Return k with k < n <= 2k."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def main(target: Path) -> None:
    """Write roots, every inclusion proof and every consistency proof of small trees; hashes stand in a table once."""
    table: dict[str, int] = {}

    def number(found: bytes) -> int:
        return table.setdefault(found.hex(), len(table))

    roots = [number(mth(0, n)) for n in range(VECTOR_SIZES + 1)]
    inclusion = [[[number(h) for h in path(m, 0, n)] for m in range(n)] for n in range(VECTOR_SIZES + 1)]
    consistency = [[[number(h) for h in proof(m, n)] for m in range(1, n + 1)] for n in range(VECTOR_SIZES + 1)]
    vectors = {"hashes": list(table), "roots": roots, "inclusion": inclusion, "consistency": consistency}
    target.write_bytes(lzma.compress(json.dumps(vectors, separators=(",", ":")).encode(), preset=9))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
