"""The queue that wakes workers: job numbers, on SQLite or Redis, through huey's storage.

What is queued is the number alone. The store knows what the job is and who has claimed it, so a number that is lost,
doubled or forged does no harm: the worker looks for what was overlooked, and a claim succeeds once.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huey.storage import RedisStorage, SqliteStorage

from services.errors import InvalidInput, Unavailable, Unreachable

NAME = "gatehouse"
READ_SECONDS = 1
_LONGEST_NUMBER = 18


class Queue:
    """A queue of job numbers that any number of processes share."""

    def __init__(self, storage: Any, *, failures: tuple[type[Exception], ...], where: str) -> None:
        self._storage = storage
        self._failures = failures
        self._where = where

    def push(self, job_id: int) -> None:
        """Put a number at the end.

        Raises:
            Unreachable: the queue does not answer.
        """
        with self._translated():
            self._storage.enqueue(str(job_id).encode())

    def pop(self) -> int | None:
        """Take the number at the head, waiting up to a second on Redis; None when there is none.

        Raises:
            Unreachable: the queue does not answer.
        """
        with self._translated():
            data = self._storage.dequeue()
        text = bytes(data or b"")
        return int(text) if text.isdigit() and len(text) <= _LONGEST_NUMBER else None

    def ping(self) -> int:
        """Return how many numbers wait.

        Raises:
            Unreachable: the queue does not answer.
        """
        with self._translated():
            return int(self._storage.queue_size())

    def close(self) -> None:
        """Give back the connection."""
        self._storage.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise Unreachable(
                f"The queue at {self._where} does not answer ({type(error).__name__}).",
                next_step="Check GATEHOUSE_QUEUE_URL and that Redis is running; `gatehouse doctor` tests it.",
            ) from error


def open_queue(url: str) -> Queue:
    """Open the queue at a `sqlite:///PATH` or `redis://` URL.

    Raises:
        InvalidInput: the URL names something else.
        Unavailable: it is Redis, and its client is not installed.
        Unreachable: the file cannot be opened.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return _open_sqlite(Path(rest.removeprefix("/")))
    if scheme in {"redis", "rediss"}:
        return _open_redis(url)
    raise InvalidInput(
        f"The queue URL with the scheme {scheme!r} is not supported.",
        next_step="Set GATEHOUSE_QUEUE_URL to sqlite:///PATH or redis://HOST:PORT/DB.",
    )


def _open_sqlite(path: Path) -> Queue:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not WAL: huey uses Python's own SQLite, which may have the WAL-reset bug (sqlite.org/wal.html).
        storage = SqliteStorage(NAME, filename=str(path), journal_mode="truncate", timeout=30)
    except (OSError, sqlite3.Error) as error:
        raise Unreachable(
            f"The queue {path} cannot be opened ({error}).", next_step="Check GATEHOUSE_QUEUE_URL and the disk."
        ) from error
    return Queue(storage, failures=(sqlite3.Error,), where=str(path))


def _open_redis(url: str) -> Queue:
    try:
        import redis
    except ImportError as error:
        raise Unavailable(
            "The queue is Redis, and its client is not installed.", next_step="Install gatehouse[redis]."
        ) from error
    try:
        pool = redis.ConnectionPool.from_url(url, socket_connect_timeout=5, socket_timeout=10)
        storage = RedisStorage(NAME, connection_pool=pool, read_timeout=READ_SECONDS)
    except ValueError as error:
        raise InvalidInput(
            "The queue URL is not one of Redis.", next_step="Set GATEHOUSE_QUEUE_URL to redis://HOST:PORT/DB."
        ) from error
    options = pool.connection_kwargs
    where = f"redis://{options.get('host', '')}:{options.get('port', '')}/{options.get('db', 0)}"
    return Queue(storage, failures=(redis.RedisError, OSError), where=where)
