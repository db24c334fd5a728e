"""What an engine says of repeats is proof where it says that there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.shadow.engines import is_any_twice

# Few upper halves and few lower ones, so that both meet without the whole being the same.
HASHES = st.lists(st.builds(lambda upper, lower: upper << 32 | lower, st.integers(0, 9), st.integers(0, 9)))


@given(HASHES)
@example([])
@example([2**64 - 1, 2**63, 2**64 - 1])
@example([1 << 32, 1 << 32 | 1])
def test_a_hash_is_found_twice_only_if_all_of_it_is(hashes: list[int]) -> None:
    assert is_any_twice(np.array(hashes, np.uint64)) == (len(set(hashes)) < len(hashes))


def test_one_repeat_among_many_is_found() -> None:
    hashes = np.random.default_rng(3).integers(0, 2**64, 300_000, np.uint64)
    assert not is_any_twice(hashes)
    hashes[17] = hashes[-5]
    assert is_any_twice(hashes)


@pytest.mark.parametrize("low_bits", [40, 43])
def test_hashes_that_all_begin_alike_are_told_apart(low_bits: int) -> None:
    hashes = np.random.default_rng(3).permutation(2**16).astype(np.uint64) << np.uint64(low_bits - 16)
    assert not is_any_twice(hashes)
    hashes[17] = hashes[-5]
    assert is_any_twice(hashes)
