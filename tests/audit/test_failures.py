"""What goes wrong around the log: one clear sentence, and never half an event."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.audit.verification import verify_log
from services.errors import Unreachable
from services.store import Store, open_store
from services.store.migrations import upgrade
from tests.audit.builders import ADA, fill, open_log, record

# Run in a process of its own: a limit on file sizes cannot be taken back.
FILL_THE_DISK = """
import json, resource, sys
from pathlib import Path
from services.errors import GatehouseError
from services.store import open_store
from tests.audit.builders import open_log, record

home = Path(sys.argv[1])
audit = open_log(open_store(f"sqlite:///{home / 'gatehouse.db'}"), home)
acknowledged = record(audit)
wal = (home / "gatehouse.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (wal + int(sys.argv[2]),) * 2)
failures = []
for number in range(40):
    try:
        acknowledged = record(audit, reason="x" * 2000)
    except GatehouseError as error:
        failures.append((error.kind, error.message, error.next_step))
try:
    audit.checkpoints.write()
except GatehouseError as error:
    failures.append((error.kind, error.message, error.next_step))
print(json.dumps({"acknowledged": acknowledged, "failures": failures}))
"""


@pytest.mark.parametrize("room", [0, 5000, 60_000, 250_000])
def test_a_full_disk_is_one_sentence_and_no_half_event(tmp_path: Path, room: int) -> None:
    home = tmp_path / "home"
    store = open_store(f"sqlite:///{home / 'gatehouse.db'}")
    upgrade(store)
    fill(open_log(store, home), 240)
    store.close()
    finished = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(home), str(room)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    told = json.loads(finished.stdout)
    assert told["failures"]
    for kind, message, next_step in told["failures"]:
        assert kind == "unreachable"
        assert message.startswith(("The governance store does not answer (", str(home)))
        assert "rollback" not in message
        assert next_step
    store = open_store(f"sqlite:///{home / 'gatehouse.db'}")
    audit = open_log(store, home)
    assert verify_log(audit).problems == ()
    assert verify_log(audit).size == told["acknowledged"] + 1
    assert record(audit) == told["acknowledged"] + 1
    store.close()


@pytest.mark.parametrize("damage", [b"nonsense" * 4000, b""])
def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "gatehouse.db"
    path.write_bytes(damage)
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(Unreachable, match=r"(damaged \(file is not a database|not answer \(no such table)"):
        record(open_log(store, tmp_path / "home"))
    store.close()


def test_a_damaged_page_is_one_sentence(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 300)
    path = Path(str(store.engine.url.database))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(Unreachable, match="malformed"):
        verify_log(audit)
    with pytest.raises(Unreachable, match="malformed"):
        audit.list_events(newest_first=True)


def test_a_server_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    store = open_store("postgresql+psycopg://postgres@127.0.0.1:1/nowhere")
    with pytest.raises(Unreachable, match="governance store does not answer"):
        record(open_log(store, tmp_path))


def test_a_connection_that_breaks_takes_its_event_with_it(postgres_store: Store, tmp_path: Path) -> None:
    audit = open_log(postgres_store, tmp_path / "home")
    record(audit)

    def lose_the_connection() -> None:
        with postgres_store.write() as unit:
            audit.record(unit, actor=ADA, action="a:b:c", subject="lost")
            backend = unit.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with postgres_store.engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")
            audit.record(unit, actor=ADA, action="a:b:c", subject="lost too")
            unit.commit()

    with pytest.raises(Unreachable, match="governance store does not answer"):
        lose_the_connection()
    assert record(audit) == 1
    assert verify_log(audit).is_verified
