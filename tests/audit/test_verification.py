"""Verifying: hundreds of tamperings, over every column and in every way, and each of them is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.audit import AuditLog, Personal
from services.audit.disclosures import redact
from services.audit.merkle import leaf_hash
from services.audit.sealing import MOST_WAITING
from services.audit.verification import verify_log
from services.errors import GatehouseError, Unverified
from services.store import Store, open_store
from services.store.engine import sqlite_driver
from services.store.migrations import upgrade
from tests.audit.builders import ADA, fill, open_log, record
from tests.conftest import FakeClock

SIZE = 600
ROWS = (0, 1, 255, 256, 300, 511, 512, SIZE - 2, SIZE - 1)

Tampering = Callable[[sqlite3.Connection], object]


@dataclass(frozen=True)
class Installation:
    """A home with its store in it, closed, to be copied and tampered with."""

    home: Path

    def copy_to(self, home: Path) -> Installation:
        shutil.copytree(self.home, home)
        return Installation(home)

    def open(self) -> AuditLog:
        return open_log(open_store(f"sqlite:///{self.home / 'gatehouse.db'}"), self.home)

    def tamper(self, *statements: str) -> None:
        with closing(sqlite_driver().connect(self.home / "gatehouse.db")) as connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.text_factory = bytes
            for statement in statements:
                before = read_tables(connection)
                connection.execute(statement)
                assert read_tables(connection) != before, f"{statement} changes nothing"
            connection.commit()


def read_tables(connection: sqlite3.Connection) -> list[object]:
    """Return everything that is kept about the log; a tampering that changes none of it is none."""
    tables = ("event", "head", "node", "checkpoint", "disclosure", "span", "tally")
    # Text and bytes come out alike from this connection, but not to whoever else reads the database.
    types = connection.execute("SELECT typeof(leaf), typeof(leaf_hash) FROM audit_event ORDER BY seq").fetchall()
    return [types, *(connection.execute(f"SELECT * FROM audit_{table} ORDER BY 1, 2").fetchall() for table in tables)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """600 events, two chunks of them sealed, personal values known and forgotten, and two checkpoints."""
    home = tmp_path_factory.mktemp("original") / "home"
    store = open_store(f"sqlite:///{home / 'gatehouse.db'}")
    upgrade(store)
    audit = open_log(store, home)
    fill(audit, 297)
    audit.checkpoints.write()
    record(audit, after={"email": Personal("ada@example.org"), "name": Personal("Ada")})
    record(audit, before=[{"deep/er": Personal("x~y")}])
    redact(audit, actor=ADA, places=[(297, "/after/name")], reason="asked to")
    fill(audit, SIZE - 300)
    audit.checkpoints.write()
    assert verify_log(audit).is_verified
    store.close()
    return Installation(home)


@pytest.fixture
def installation(original: Installation, tmp_path: Path) -> Installation:
    return original.copy_to(tmp_path / "home")


def find_problems(installation: Installation) -> tuple[int | None, str]:
    """Return the first problem that verifying finds."""
    audit = installation.open()
    try:
        found = verify_log(audit)
        assert not found.is_verified
        with pytest.raises(Unverified):
            found.check()
        return found.problems[0].seq, found.problems[0].message
    finally:
        audit.store.close()


EVENT_COLUMNS = {
    "event_id": ("event_id || 'x'", "'other'", "x'00'"),
    "ts_us": ("ts_us + 1", "ts_us - 86400000000", "'text'"),
    "actor": ("'mallory'", "actor || ' '", "x'00'", "CAST(x'ff' AS TEXT)"),
    "action": ("'a:b:c'", "upper(action)"),
    "subject": ("'other/1'", "subject || '0'"),
    "model": ("'other'", "coalesce(model, 'x') || 'x'"),
    "change_id": ("4711", "coalesce(change_id, 0) + 1"),
    "leaf": (
        "CAST(replace(CAST(leaf AS TEXT), 'reason', 'Reason') AS BLOB)",
        "CAST(leaf || ' ' AS BLOB)",
        "CAST(leaf AS TEXT)",
        "x''",
        "substr(leaf, 2)",
    ),
    "leaf_hash": ("zeroblob(32)", "x'00'", "CAST(hex(leaf_hash) AS TEXT)"),
}
EVENT_TAMPERINGS = [
    (seq, f"UPDATE audit_event SET {column} = {value} WHERE seq = {seq}")
    for column, values in EVENT_COLUMNS.items()
    for value in values
    for seq in ROWS
]


@pytest.mark.long
def test_every_column_of_every_event_is_held_to_its_leaf(original: Installation, tmp_path: Path) -> None:
    for number, (seq, statement) in enumerate(EVENT_TAMPERINGS):
        changed = original.copy_to(tmp_path / str(number))
        changed.tamper(statement)
        found, message = find_problems(changed)
        assert found == seq, (statement, message)
        assert f"Event {seq} " in message
        shutil.rmtree(changed.home)


SINGLE_TAMPERINGS = [
    # Events: missing, moved, doubled, invented.
    *((seq, f"DELETE FROM audit_event WHERE seq = {seq}") for seq in ROWS),
    *((seq, f"DELETE FROM audit_event WHERE seq >= {seq}") for seq in ROWS),
    (599, "UPDATE audit_event SET seq = 700 WHERE seq = 599"),
    (0, "UPDATE audit_event SET seq = seq + 1000 WHERE seq < 300"),
    (
        600,
        (
            "INSERT INTO audit_event (seq, event_id, ts_us, actor, action, subject, leaf, leaf_hash)"
            " SELECT 600, 'new', ts_us, actor, action, subject, leaf, leaf_hash FROM audit_event WHERE seq = 599"
        ),
    ),
    (0, "DELETE FROM audit_event"),
    # The head.
    *((None, f"UPDATE audit_head SET size = {size}") for size in (0, 599, 601, 10**12, "'many'", "-1")),
    *((None, f"UPDATE audit_head SET root = {value}") for value in ("zeroblob(32)", "x''", "'text'")),
    *(
        (None, f"UPDATE audit_head SET frontier = {value}")
        for value in ("zeroblob(96)", "x''", "frontier || x'00'", "1")
    ),
    (None, "DELETE FROM audit_head"),
    # Kept hashes.
    *((index * 256, f"UPDATE audit_node SET hash = zeroblob(32) WHERE idx = {index}") for index in (0, 1)),
    *((index * 256, f"DELETE FROM audit_node WHERE idx = {index}") for index in (0, 1)),
    (None, "UPDATE audit_node SET level = 16"),
    (None, "UPDATE audit_node SET idx = idx + 7"),
    (None, "UPDATE audit_node SET level = 'text'"),
    (512, "INSERT INTO audit_node VALUES (8, 2, zeroblob(32))"),
    (None, "INSERT INTO audit_node VALUES (16, 0, zeroblob(32))"),
    # Checkpoints in the database.
    *(
        (None, f"UPDATE audit_checkpoint SET note = {value} WHERE size = 297")
        for value in (
            "replace(note, '297', '298')",
            "substr(note, 5)",
            "''",
            "x'00'",
            # A mark of the signature that no padding hides: any other is another signature.
            "substr(note, 1, length(note) - 9) || iif(substr(note, -9, 1) = 'A', 'B', 'A') || substr(note, -8)",
            "note || note",
            "'mallory' || note",
            "replace(note, ' gatehouse/', ' mallory/')",
        )
    ),
    (None, "UPDATE audit_checkpoint SET size = 298 WHERE size = 297"),
    (None, "INSERT INTO audit_checkpoint SELECT 5, note FROM audit_checkpoint WHERE size = 297"),
    # Personal values.
    (297, "UPDATE audit_disclosure SET value = 'mallory@example.org' WHERE seq = 297"),
    (297, "UPDATE audit_disclosure SET value = x'00' WHERE seq = 297"),
    (297, "UPDATE audit_disclosure SET salt = zeroblob(16) WHERE seq = 297"),
    (297, "UPDATE audit_disclosure SET salt = 'text' WHERE seq = 297"),
    (297, "UPDATE audit_disclosure SET name = '/after/other' WHERE seq = 297"),
    (296, "UPDATE audit_disclosure SET seq = 296 WHERE seq = 297"),
    (298, "DELETE FROM audit_disclosure WHERE seq = 298"),
    (297, "DELETE FROM audit_disclosure"),
    (9999, "UPDATE audit_disclosure SET seq = 9999 WHERE seq = 298"),
    (297, "INSERT INTO audit_disclosure VALUES (297, '/after/name', zeroblob(16), 'Ada')"),
    (5, "INSERT INTO audit_disclosure VALUES (5, '/after/name', zeroblob(16), 'Ada')"),
    # Kept times and counts.
    *(
        (index * 256, f"UPDATE audit_span SET {column} = {column} + 1 WHERE chunk = {index}")
        for index in (0, 1)
        for column in ("low_us", "high_us")
    ),
    (0, "DELETE FROM audit_span WHERE chunk = 0"),
    (None, "DELETE FROM audit_span WHERE chunk = 1"),
    (512, "INSERT INTO audit_span VALUES (2, 0, 1)"),
    (0, "UPDATE audit_span SET chunk = chunk + 5"),
    *(
        (None, f"UPDATE audit_tally SET events = events + 1 WHERE field = '{field}'")
        for field in ("all", "actor", "action", "model")
    ),
    (None, "UPDATE audit_tally SET value = 'mallory' WHERE value = 'ada' AND day = -1"),
    (None, "UPDATE audit_tally SET day = day + 1 WHERE value = 'ada' AND day > 0"),
    (None, "UPDATE audit_tally SET field = 'x' WHERE field = 'all'"),
    (None, "DELETE FROM audit_tally WHERE field = 'model'"),
    (None, "INSERT INTO audit_tally VALUES ('actor', 'mallory', -1, 3)"),
    (None, "UPDATE audit_tally SET value = CAST(x'ff' AS TEXT) WHERE field = 'all' AND day = -1"),
    (None, "UPDATE audit_checkpoint SET note = CAST(x'ff' AS TEXT)"),
    (None, "UPDATE audit_head SET frontier = CAST(x'ff' AS TEXT)"),
    (255, "UPDATE audit_event SET subject = CAST(x'ff' AS TEXT) WHERE seq >= 255"),
    (256, "UPDATE audit_event SET subject = CAST(x'ff' AS TEXT) WHERE seq >= 256"),
]


def test_whatever_else_is_changed_in_the_database_is_found(original: Installation, tmp_path: Path) -> None:
    for number, (seq, statement) in enumerate(SINGLE_TAMPERINGS):
        changed = original.copy_to(tmp_path / str(number))
        changed.tamper(statement)
        found, message = find_problems(changed)
        assert seq is None or found == seq, (statement, found, message)
        shutil.rmtree(changed.home)


def test_enough_tamperings_are_tried() -> None:
    assert len(EVENT_TAMPERINGS) + len(SINGLE_TAMPERINGS) >= 300


def test_what_was_sealed_of_a_long_log_cannot_be_unsealed(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path)
    fill(audit, MOST_WAITING)
    assert verify_log(audit).is_verified
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit_span")
        connection.exec_driver_sql("DELETE FROM audit_tally")
    problem = verify_log(audit).problems[0]
    assert (problem.seq, problem.message) == (0, "Events 0 to 1023 are not in the search index.")


def test_two_events_that_change_places_are_found(installation: Installation) -> None:
    installation.tamper(
        "UPDATE audit_event SET seq = 9999 WHERE seq = 40",
        "UPDATE audit_event SET seq = 40 WHERE seq = 41",
        "UPDATE audit_event SET seq = 41 WHERE seq = 9999",
    )
    assert find_problems(installation)[0] == 40


@pytest.mark.parametrize("seq", ROWS)
def test_an_event_rewritten_with_its_hash_and_columns_is_found(installation: Installation, seq: int) -> None:
    with closing(sqlite_driver().connect(installation.home / "gatehouse.db")) as connection:
        (leaf,) = connection.execute("SELECT leaf FROM audit_event WHERE seq = ?", (seq,)).fetchone()
    forged = json.loads(leaf)
    forged["actor"] = "mallory"
    new = json.dumps(forged, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    installation.tamper(
        f"UPDATE audit_event SET actor = 'mallory', leaf = x'{new.hex()}', leaf_hash = x'{leaf_hash(new).hex()}'"
        f" WHERE seq = {seq}"
    )
    found, _ = find_problems(installation)
    peaks = {598: 592, 599: 592}
    assert found == peaks.get(seq, seq // 256 * 256)


def forge(original: Installation, home: Path, *, size: int, change_at: int | None = None) -> Installation:
    """Build the log again from its leaves as a forger who owns the database could, with everything consistent."""
    honest = original.open()
    with honest.store.read() as unit:
        from services.store.audit_log import list_leaves

        leaves = [json.loads(leaf) for _, leaf in list_leaves(unit, 0, size)]
    honest.store.close()
    shutil.copytree(original.home, home, ignore=shutil.ignore_patterns("gatehouse.db*", "checkpoints"))
    store = open_store(f"sqlite:///{home / 'gatehouse.db'}")
    upgrade(store)
    clock = FakeClock()
    audit = open_log(store, home, clock)
    with store.write() as unit:
        for number, fields in enumerate(leaves):
            audit.record(
                unit,
                actor=ADA,
                action=fields["action"],
                subject=fields["subject"],
                reason="forged" if number == change_at else fields["reason"],
                event_id=fields["event_id"],
            )
        unit.commit()
    assert verify_log(audit).is_verified
    store.close()
    shutil.copytree(original.home / "checkpoints", home / "checkpoints")
    return Installation(home)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A log that can be forged event by event: all events alike, one checkpoint outside."""
    home = tmp_path_factory.mktemp("plain") / "home"
    store = open_store(f"sqlite:///{home / 'gatehouse.db'}")
    upgrade(store)
    audit = open_log(store, home)
    with store.write() as unit:
        for number in range(300):
            audit.record(unit, actor=ADA, action="a:b:c", subject=f"x/{number}", reason="honest")
        unit.commit()
    audit.checkpoints.write()
    store.close()
    return Installation(home)


def test_a_log_built_again_without_change_is_the_same_log(plain: Installation, tmp_path: Path) -> None:
    forged = forge(plain, tmp_path / "home", size=300)
    audit = forged.open()
    assert verify_log(audit).is_verified
    audit.store.close()


@pytest.mark.parametrize("change_at", [0, 100, 255, 256, 299])
def test_a_log_rewritten_whole_is_found_by_the_checkpoint_outside(
    plain: Installation, tmp_path: Path, change_at: int
) -> None:
    forged = forge(plain, tmp_path / "home", size=300, change_at=change_at)
    assert "not those of the checkpoint" in find_problems(forged)[1]
    audit = forged.open()
    with pytest.raises(Unverified, match="not those of its last checkpoint outside"):
        record(audit)
    integrity = audit.checkpoints.get_integrity()
    assert integrity.problem is not None
    audit.store.close()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 299])
def test_a_log_cut_short_and_made_good_is_found_by_the_checkpoint_outside(
    plain: Installation, tmp_path: Path, size: int
) -> None:
    forged = forge(plain, tmp_path / "home", size=size)
    assert find_problems(forged) == (
        size,
        f"The audit log has {size} events, but the checkpoint in {forged.home / 'checkpoints' / 'latest'} covers 300.",
    )
    audit = forged.open()
    with pytest.raises(Unverified, match=f"has {size} events, but its last checkpoint outside covers 300"):
        record(audit)
    audit.store.close()


def test_a_log_that_grows_on_after_its_checkpoint_verifies(plain: Installation, tmp_path: Path) -> None:
    audit = plain.copy_to(tmp_path / "home").open()
    fill(audit, 300)
    found = verify_log(audit)
    assert (found.size, found.checkpoints, found.problems) == (600, 2, ())
    audit.store.close()


def test_progress_is_told(original: Installation) -> None:
    audit = original.open()
    told: list[tuple[int, int]] = []
    found = verify_log(audit, lambda done, total: told.append((done, total)))
    assert told[-1] == (SIZE, SIZE)
    assert found.root.hex() == audit.checkpoints.get_integrity().checkpoint.root.hex()  # type: ignore[union-attr]
    audit.store.close()


def test_a_clock_that_was_set_back_is_told_and_breaks_nothing(store: Store, tmp_path: Path) -> None:
    clock = FakeClock()
    audit = open_log(store, tmp_path, clock)
    fill(audit, 300)
    clock.advance(seconds=-59)
    fill(audit, 5)
    assert verify_log(audit).notes == ()
    clock.advance(hours=-2)
    fill(audit, 300)
    found = verify_log(audit)
    assert found.is_verified
    assert found.notes == ("A clock was set back: event 305 is dated 7,259 seconds before one recorded earlier.",)
    clock.advance(hours=3)  # what is right again is no news
    record(audit)
    clock.advance(days=-1)
    record(audit)
    assert [note[:38] for note in verify_log(audit).notes] == [
        "A clock was set back: event 305 is dat",
        "A clock was set back: event 606 is dat",
    ]


def test_an_empty_log_verifies(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path)
    audit.checkpoints.write()
    assert verify_log(audit).checkpoints == 2


POSTGRES_TAMPERINGS = [
    (300, "UPDATE audit_event SET actor = 'mallory' WHERE seq = 300"),
    (0, "UPDATE audit_event SET leaf = leaf || ' '::bytea WHERE seq = 0"),
    (256, "UPDATE audit_event SET leaf_hash = decode(repeat('00', 32), 'hex') WHERE seq = 256"),
    (17, "DELETE FROM audit_event WHERE seq = 17"),
    (599, "DELETE FROM audit_event WHERE seq = 599"),
    (None, "UPDATE audit_head SET root = decode(repeat('00', 32), 'hex')"),
    (None, "DELETE FROM audit_head"),
    (0, "DELETE FROM audit_node WHERE idx = 0"),
    (256, "UPDATE audit_span SET low_us = 0 WHERE chunk = 1"),
    (None, "UPDATE audit_tally SET events = 1 WHERE field = 'all'"),
    (None, "UPDATE audit_checkpoint SET note = ''"),
]


def test_what_is_changed_in_postgresql_is_found(postgres_store: Store, tmp_path: Path) -> None:
    audit = open_log(postgres_store, tmp_path / "home")
    fill(audit, SIZE)
    audit.checkpoints.write()
    for seq, statement in POSTGRES_TAMPERINGS:
        with postgres_store.engine.connect() as connection:
            for table in ("event", "head", "node", "checkpoint"):
                connection.exec_driver_sql(f"ALTER TABLE audit_{table} DISABLE TRIGGER ALL")
            connection.exec_driver_sql("CREATE TABLE kept AS SELECT 1")
            connection.commit()
            before = {
                table: connection.exec_driver_sql(f"SELECT * FROM audit_{table}").all()
                for table in ("event", "head", "node", "span", "tally", "checkpoint")
            }
            connection.exec_driver_sql(statement)
            connection.commit()
            found = verify_log(audit).problems[0]
            assert seq is None or found.seq == seq, (statement, found)
            for table, rows in before.items():
                connection.exec_driver_sql(f"DELETE FROM audit_{table}")
                marks = ", ".join(["%s"] * len(rows[0]))
                connection.exec_driver_sql(f"INSERT INTO audit_{table} VALUES ({marks})", [tuple(row) for row in rows])
            connection.exec_driver_sql("DROP TABLE kept")
            connection.commit()
    assert verify_log(audit).is_verified


def test_every_failure_is_one_of_ours(installation: Installation) -> None:
    path = installation.home / "gatehouse.db"
    whole = path.read_bytes()
    for start in range(0, len(whole), max(1, len(whole) // 12)):
        path.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        audit = installation.open()
        with suppress(GatehouseError):  # any other error fails the test
            verify_log(audit).check()
        audit.store.close()
