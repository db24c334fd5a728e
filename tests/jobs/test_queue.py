from pathlib import Path

import pytest

from services.errors import InvalidInput, Unavailable, Unreachable
from services.jobs.queue import Queue, open_queue
from tests.servers import free_port, redis_server


@pytest.fixture(params=["sqlite", "redis"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Queue:
    url = (
        f"sqlite:///{tmp_path / 'q' / 'jobs.db'}" if request.param == "sqlite" else request.getfixturevalue("redis_url")
    )
    opened = open_queue(url)
    while opened.ping():
        opened.pop()
    return opened


def test_numbers_come_out_in_the_order_they_went_in(queue: Queue) -> None:
    for number in (3, 1, 2):
        queue.push(number)
    assert queue.ping() == 3
    assert [queue.pop() for _ in range(3)] == [3, 1, 2]
    assert queue.pop() is None
    queue.close()


@pytest.mark.parametrize("forged", [b"", b"rubbish", b"-1", b"9" * 100, b"\x80\x04cos\nsystem\n", "١".encode()])
def test_what_is_no_number_is_passed_over(queue: Queue, forged: bytes) -> None:
    queue._storage.enqueue(forged)
    assert queue.pop() is None


def test_two_processes_share_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    one, other = open_queue(url), open_queue(url)
    one.push(1)
    assert other.pop() == 1
    assert one.pop() is None


def test_a_redis_that_does_not_answer_is_unreachable_and_its_password_untold() -> None:
    queue = open_queue(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    for use in (lambda: queue.push(1), queue.pop, queue.ping):
        with pytest.raises(Unreachable) as refused:
            use()
        assert "hunter2" not in refused.value.message


def test_a_redis_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        queue = open_queue(url)
        queue.push(1)
    with pytest.raises(Unreachable):
        queue.push(2)


def test_a_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"rubbish " * 1000)
    with pytest.raises(Unreachable):
        open_queue(f"sqlite:///{tmp_path / 'jobs.db'}")
    with pytest.raises(Unreachable):
        open_queue(f"sqlite:///{tmp_path / 'jobs.db' / 'below'}")


@pytest.mark.parametrize("url", ["", "amqp://host", "redis://host:not-a-port/0"])
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_queue(url)


def test_without_the_client_redis_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(Unavailable, match="not installed"):
        open_queue("redis://127.0.0.1/0")
