from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from services.errors import InvalidInput, Unreachable
from services.store import Store, open_store

NOTES = Table("note", MetaData(), Column("id", Integer, primary_key=True))


def create_notes(store: Store) -> None:
    with store.write() as unit:
        NOTES.create(unit.connection)
        unit.commit()


def count_notes(store: Store) -> int:
    with store.read() as unit:
        return len(unit.connection.execute(select(NOTES)).all())


def test_what_is_not_committed_is_gone(any_store: Store) -> None:
    create_notes(any_store)
    with any_store.write() as unit:
        unit.connection.execute(insert(NOTES).values(id=1))
    assert count_notes(any_store) == 0


def test_what_is_committed_stays(any_store: Store) -> None:
    create_notes(any_store)
    with any_store.write() as unit:
        unit.connection.execute(insert(NOTES).values(id=1))
        unit.commit()
    assert count_notes(any_store) == 1


def test_an_error_in_the_block_rolls_back(any_store: Store) -> None:
    create_notes(any_store)

    def fail() -> None:
        with any_store.write() as unit:
            unit.connection.execute(insert(NOTES).values(id=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count_notes(any_store) == 0


def test_a_reader_sees_one_snapshot_while_a_writer_commits(any_store: Store) -> None:
    create_notes(any_store)
    with any_store.read() as reader:
        assert reader.connection.execute(select(NOTES)).all() == []
        with any_store.write() as unit:
            unit.connection.execute(insert(NOTES).values(id=1))
            unit.commit()
        assert reader.connection.execute(select(NOTES)).all() == []
    assert count_notes(any_store) == 1


def test_a_second_writer_in_one_thread_is_refused_rather_than_hanging(any_store: Store) -> None:
    with any_store.write(), pytest.raises(RuntimeError, match="already open"), any_store.write():
        pass


def test_a_corrupt_file_is_unreachable_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database at all, " * 100)
    with pytest.raises(Unreachable, match="not a database"), open_store(f"sqlite:///{tmp_path / 'bad.db'}").read():
        pass


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y"])
def test_a_url_that_is_not_of_a_supported_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_store(url)


def test_a_number_that_no_database_holds_is_bad_input_and_no_bug(any_store: Store) -> None:
    create_notes(any_store)
    with pytest.raises(InvalidInput, match="larger than any"), any_store.read() as unit:
        unit.connection.execute(select(NOTES).where(NOTES.c.id == 10**30))
    with pytest.raises(OverflowError, match="ours"), any_store.read():
        raise OverflowError("ours")
