import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.jobs.child.exchange import Frame, FrameBroken, Frames, encode

FRAMES = st.lists(
    st.builds(
        Frame,
        number=st.integers(0, 2**64 - 1),
        head=st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none())),
        body=st.binary(max_size=200),
    ),
    max_size=5,
)


@given(FRAMES, st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[Frame], piece: int) -> None:
    sent = b"".join(encode(frame) for frame in frames)
    reader = Frames()
    got: list[Frame] = []
    for start in range(0, len(sent), piece):
        got += reader.feed(sent[start : start + piece])
    assert got == frames


def broken(raw: bytes, **options: int) -> str:
    with pytest.raises(FrameBroken) as caught:
        list(Frames(**options).feed(raw))
    return str(caught.value)


def test_what_is_no_frame_is_refused() -> None:
    assert "no JSON" in broken(struct.pack("!IQI", 12 + 2, 1, 2) + b"{]")
    assert "no mapping" in broken(struct.pack("!IQI", 12 + 2, 1, 2) + b"[]")
    deep = b"[" * 100_000
    assert "no JSON" in broken(struct.pack("!IQI", 12 + len(deep), 1, len(deep)) + deep)


def test_a_head_longer_than_its_frame_is_refused() -> None:
    assert "a head of 9" in broken(struct.pack("!IQI", 12 + 2, 1, 9) + b"{}")


def test_a_frame_that_is_too_long_is_refused_before_it_is_read() -> None:
    head = json.dumps({}).encode()
    assert "1000000" in broken(struct.pack("!IQI", 1_000_000, 1, len(head)), max_bytes=1000)
