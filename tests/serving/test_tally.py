from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.serving.tally import Counted, Loss, Tally, read_loss

COUNT = """
import sys, time
from pathlib import Path
from services.serving.tally import Counted, Tally
tally = Tally(Path(sys.argv[1]))
tally.count(Counted.REQUESTS_TAKEN, by=9)
tally.count(Counted.REQUESTS_SETTLED, by=7)
tally.count(Counted.ROWS_TAKEN, by=1000)
tally.count(Counted.ROWS_SETTLED, by=400)
print("counted", flush=True)
time.sleep(600)
"""


def test_what_came_and_was_not_settled_is_lost(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    for what, by in ((Counted.REQUESTS_TAKEN, 5), (Counted.REQUESTS_SETTLED, 5), (Counted.ROWS_TAKEN, 3)):
        tally.count(what, by=by)
    assert tally.loss == read_loss(tmp_path / "tally") == Loss(requests=0, rows=3)


def test_counts_outlive_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "tally"
    with subprocess.Popen([sys.executable, "-c", COUNT, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        os.kill(process.pid, signal.SIGKILL)
    assert read_loss(path) == Loss(requests=2, rows=600)


@pytest.mark.parametrize("held", [None, b"", b"x" * 31, b"x" * 64])
def test_a_file_that_says_nothing_is_told_from_one_that_says_nothing_was_lost(
    tmp_path: Path, held: bytes | None
) -> None:
    path = tmp_path / "tally"
    if held is not None:
        path.write_bytes(held)
    assert read_loss(path) is None
    Tally(path)
    assert read_loss(path) == Loss(requests=0, rows=0)


def test_a_settled_count_that_is_ahead_is_no_loss(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    tally.count(Counted.ROWS_SETTLED)
    assert tally.loss == Loss(requests=0, rows=0)
