"""Eight writers killed at random: nothing acknowledged is lost, nothing is doubled, no gap, no half event."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from services.audit.verification import verify_log
from services.store import Store
from tests.audit.builders import open_log, record

KILLS = 320


@pytest.mark.long
def test_writers_killed_at_random_leave_a_whole_log(any_store: Store, tmp_path: Path) -> None:
    home, acknowledgements = tmp_path / "home", tmp_path / "acknowledged"
    acknowledgements.mkdir()
    with any_store.engine.connect() as connection:
        connection.execute(text("CREATE TABLE killed (writer INTEGER, number INTEGER)"))
        connection.commit()
    url = any_store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.audit.killing", url, str(home), str(acknowledgements), str(KILLS)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=600)

    assert [path.read_text() for path in acknowledgements.glob("error-*")] == []
    acknowledged = {
        (int(path.name), int(line))
        for path in acknowledgements.iterdir()
        for line in path.read_text().split("\n")
        if line
    }
    audit = open_log(any_store, home)
    found = verify_log(audit)
    assert found.problems == ()
    assert found.checkpoints >= 2
    with any_store.read() as unit:
        subjects = [row[0] for row in unit.connection.execute(text("SELECT subject FROM audit_event ORDER BY seq"))]
        rows = {tuple(row) for row in unit.connection.execute(text("SELECT writer, number FROM killed"))}
        count = unit.connection.execute(text("SELECT count(*) FROM killed")).scalar_one()
    recorded = [tuple(map(int, subject.split("-"))) for subject in subjects]
    assert len(recorded) == len(set(recorded)) == count
    assert set(recorded) == rows
    assert acknowledged <= set(recorded)
    assert len(recorded) > KILLS
    assert record(audit) == found.size
