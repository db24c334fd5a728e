"""The tree against vectors computed by another program, published ones, and laws."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    check_consistency,
    check_inclusion,
    compute_root,
    join_complete,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
)
from tests.audit import naive_merkle

# The test leaves and roots that Certificate Transparency implementations publish for RFC 6962.
CT_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


@dataclass(frozen=True)
class Vectors:
    """What `naive_merkle` computed: roots by size, inclusion proofs by size and leaf, consistency by new and old."""

    roots: list[bytes]
    inclusion: list[list[list[bytes]]]
    consistency: list[list[list[bytes]]]


@cache
def vectors() -> Vectors:
    raw = json.loads(lzma.decompress(Path(__file__).with_name("merkle_vectors.json.xz").read_bytes()))
    hashes = [bytes.fromhex(found) for found in raw["hashes"]]

    def resolve(proofs: list[list[list[int]]]) -> list[list[list[bytes]]]:
        return [[[hashes[number] for number in proof] for proof in of_size] for of_size in proofs]

    return Vectors(
        roots=[hashes[number] for number in raw["roots"]],
        inclusion=resolve(raw["inclusion"]),
        consistency=resolve(raw["consistency"]),
    )


@cache
def read(level: int, index: int) -> bytes:
    """The complete subtree (level, index) over the leaves of the vectors."""
    hashes = [leaf_hash(naive_merkle.leaf(at)) for at in range(index << level, (index + 1) << level)]
    return join_complete(hashes)


def tree_of(size: int) -> CompactRange:
    return CompactRange.of(leaf_hash(naive_merkle.leaf(index)) for index in range(size))


def test_there_are_enough_vectors() -> None:
    found = vectors()
    proofs = sum(map(len, found.inclusion)) + sum(map(len, found.consistency))
    assert len(found.roots) + proofs >= 25_000


def test_roots_are_those_that_certificate_transparency_publishes() -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in CT_LEAVES]
    assert [CompactRange.of(hashes[: size + 1]).root.hex() for size in range(len(hashes))] == list(CT_ROOTS)


def test_roots_are_those_of_the_vectors_whichever_way_they_are_computed() -> None:
    for size, root in enumerate(vectors().roots):
        assert tree_of(size).root == root
        assert compute_root(size, read) == root


def test_inclusion_proofs_are_those_of_the_vectors_and_check() -> None:
    found = vectors()
    for size, proofs in enumerate(found.inclusion):
        for index, path in enumerate(proofs):
            assert list(prove_inclusion(index, size, read)) == path
            check_inclusion(index, size, leaf_hash(naive_merkle.leaf(index)), path, found.roots[size])


def test_consistency_proofs_are_those_of_the_vectors_and_check() -> None:
    found = vectors()
    for new, proofs in enumerate(found.consistency):
        for old, path in enumerate(proofs, start=1):
            assert list(prove_consistency(old, new, read)) == path
            check_consistency(old, new, path, found.roots[old], found.roots[new])


def test_the_empty_tree_is_the_beginning_of_every_tree_and_of_nothing_else() -> None:
    assert prove_consistency(0, 7, read) == ()
    check_consistency(0, 7, (), EMPTY_ROOT, tree_of(7).root)
    with pytest.raises(ValueError, match="not consistent"):
        check_consistency(0, 7, (), tree_of(1).root, tree_of(7).root)


sizes = st.integers(1, 2000)


@st.composite
def proven_leaf(draw: st.DrawFn) -> tuple[int, int, list[bytes]]:
    size = draw(sizes)
    index = draw(st.integers(0, size - 1))
    return index, size, list(prove_inclusion(index, size, read))


@st.composite
def proven_growth(draw: st.DrawFn) -> tuple[int, int, list[bytes]]:
    new = draw(sizes)
    old = draw(st.integers(1, new))
    return old, new, list(prove_consistency(old, new, read))


@given(proven_leaf())
def test_a_proven_leaf_checks(proven: tuple[int, int, list[bytes]]) -> None:
    index, size, path = proven
    check_inclusion(index, size, read(0, index), path, compute_root(size, read))


@given(proven_growth())
def test_a_proven_growth_checks(proven: tuple[int, int, list[bytes]]) -> None:
    old, new, path = proven
    check_consistency(old, new, path, compute_root(old, read), compute_root(new, read))


def mutate(draw: st.DrawFn, path: list[bytes]) -> list[bytes]:
    """Change a path in one of the ways a forger could: flip a bit, drop, add, swap or repeat a hash."""
    at = draw(st.integers(0, max(0, len(path) - 1)))
    ways = ["add"] if not path else ["flip", "drop", "add", "repeat", *(["swap"] if len(set(path)) > 1 else [])]
    match draw(st.sampled_from(ways)):
        case "flip":
            bit = draw(st.integers(0, 255))
            changed = bytearray(path[at])
            changed[bit // 8] ^= 1 << bit % 8
            return [*path[:at], bytes(changed), *path[at + 1 :]]
        case "drop":
            return [*path[:at], *path[at + 1 :]]
        case "repeat":
            return [*path[: at + 1], path[at], *path[at + 1 :]]
        case "swap":
            other = next(index for index, found in enumerate(path) if found != path[at])
            swapped = list(path)
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return swapped
        case _:
            return [*path[:at], draw(st.binary(min_size=32, max_size=32)), *path[at:]]


@settings(max_examples=300)
@given(st.data(), proven_leaf())
def test_a_changed_inclusion_proof_is_never_accepted(data: st.DataObject, proven: tuple[int, int, list[bytes]]) -> None:
    index, size, path = proven
    changed = data.draw(st.composite(mutate)(path))
    with pytest.raises(ValueError, match="leaf"):
        check_inclusion(index, size, read(0, index), changed, compute_root(size, read))


@settings(max_examples=300)
@given(st.data(), proven_growth())
def test_a_changed_consistency_proof_is_never_accepted(
    data: st.DataObject, proven: tuple[int, int, list[bytes]]
) -> None:
    old, new, path = proven
    changed = data.draw(st.composite(mutate)(path))
    with pytest.raises(ValueError, match="leaves"):
        check_consistency(old, new, changed, compute_root(old, read), compute_root(new, read))


@given(proven_leaf(), st.integers(-1, 2100), st.integers(0, 2100))
def test_an_inclusion_proof_is_good_for_its_own_leaf_and_root_alone(
    proven: tuple[int, int, list[bytes]], other_index: int, other_size: int
) -> None:
    index, size, path = proven
    root = compute_root(size, read)
    if other_index != index:
        with pytest.raises(ValueError, match="leaf"):
            check_inclusion(other_index, size, read(0, index), path, root)
    if other_size != size:
        with pytest.raises(ValueError, match="lea"):
            check_inclusion(index, size, read(0, index), path, compute_root(other_size, read))
    with pytest.raises(ValueError, match="leaf"):
        check_inclusion(index, size, leaf_hash(b"another"), path, root)


@given(proven_growth())
def test_a_consistency_proof_is_good_for_its_own_roots_alone(proven: tuple[int, int, list[bytes]]) -> None:
    old, new, path = proven
    old_root, new_root = compute_root(old, read), compute_root(new, read)
    for one, two in ((leaf_hash(b""), new_root), (old_root, leaf_hash(b""))):
        with pytest.raises(ValueError, match="leaves"):
            check_consistency(old, new, path, one, two)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"no leaf {index}"):
        prove_inclusion(index, size, read)
    with pytest.raises(ValueError, match=f"no leaf {index}"):
        check_inclusion(index, size, b"", (), b"")


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5)])
def test_a_tree_does_not_begin_with_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"one of {old}"):
        prove_consistency(old, new, read)
    with pytest.raises(ValueError, match=f"one of {old}"):
        check_consistency(old, new, (), b"", b"")


@given(st.integers(0, 5000))
def test_a_frontier_can_be_written_and_read(size: int) -> None:
    tree = CompactRange(size=size, frontier=b"".join(bytes([at] * 32) for at in range(size.bit_count())))
    assert CompactRange.read(size, tree.frontier) == tree


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="3 leaves"):
        CompactRange.read(3, bytes(32))


def test_appending_names_the_subtrees_it_completes() -> None:
    tree = CompactRange.empty()
    for index in range(300):
        tree, completed = tree.append(read(0, index))
        for level, at, found in completed:
            assert found == read(level, at)
            assert (at + 1) << level == index + 1
        assert len(completed) == ((index + 1) & -(index + 1)).bit_length() - 1
