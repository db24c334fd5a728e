"""What people bring for a replay is kept while a replay needs it, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.shadow.uploads import KEPT, Uploads

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads(tmp_path: Path, clock: Clock) -> Uploads:
    return Uploads(tmp_path / "brought", clock=clock)


def test_the_same_data_is_one_file_of_its_kind(uploads: Uploads) -> None:
    path = uploads.keep(b"a,b", suffix=".csv", wanted=())
    assert path == uploads.keep(b"a,b", suffix=".csv", wanted=())
    assert (path.read_bytes(), path.suffix) == (b"a,b", ".csv")


def test_what_was_scored_whole_is_removed(uploads: Uploads, clock: Clock) -> None:
    path = uploads.keep(b"a", suffix=".csv", wanted=())
    uploads.remove(path, asked_at=clock(), wanted=())
    assert not path.exists()
    uploads.remove(path, asked_at=clock(), wanted=())


def test_what_another_replay_wants_or_somebody_brought_again_stays(uploads: Uploads, clock: Clock) -> None:
    path = uploads.keep(b"a", suffix=".csv", wanted=())
    uploads.remove(path, asked_at=clock(), wanted={path})
    assert path.exists()
    asked_at = clock()
    clock.now += timedelta(microseconds=1)
    uploads.keep(b"a", suffix=".csv", wanted=())
    uploads.remove(path, asked_at=asked_at, wanted=())
    assert path.exists()


def test_nothing_that_lies_elsewhere_is_removed(uploads: Uploads, tmp_path: Path, clock: Clock) -> None:
    uploads.keep(b"a", suffix=".csv", wanted=())
    own = tmp_path / "requests.csv"
    own.write_text("a")
    clock.now = datetime.now(UTC) + timedelta(days=1)
    uploads.remove(own, asked_at=clock(), wanted=())
    uploads.remove(tmp_path / "brought" / ".." / "requests.csv", asked_at=clock(), wanted=())
    assert own.exists()


def test_what_nobody_came_back_for_goes_after_a_week(uploads: Uploads, clock: Clock) -> None:
    left, wanted = (uploads.keep(text, suffix=".csv", wanted=()) for text in (b"left", b"wanted"))
    clock.now += KEPT
    uploads.keep(b"at the limit", suffix=".csv", wanted={wanted})
    assert left.exists()
    clock.now += timedelta(seconds=1)
    uploads.keep(b"other", suffix=".csv", wanted={wanted})
    assert (left.exists(), wanted.exists()) == (False, True)
