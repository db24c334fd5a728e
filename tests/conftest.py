"""Fixtures that every area shares: temporary stores, a clock that tests set, and one of each real server a session."""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, make_url

from services.store import Store, open_store
from services.store.migrations import upgrade
from tests.servers import mlflow_server, postgres_server, redis_server

_DATABASES = itertools.count()


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        """Move forward by the `timedelta` of the given keywords."""
        self.now += timedelta(**duration)


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Take back what commands and servers do to the logs of this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite database to copy: migrating one for each test would take longer than most tests."""
    path = tmp_path_factory.mktemp("store") / "gatehouse.db"
    store = open_store(f"sqlite:///{path}")
    upgrade(store)
    store.close()
    return path


@pytest.fixture
def store(migrated_file: Path, tmp_path: Path) -> Iterator[Store]:
    """An empty, migrated SQLite store."""
    path = tmp_path / "store" / "gatehouse.db"
    path.parent.mkdir()
    shutil.copy(migrated_file, path)
    opened = open_store(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    """An empty, migrated PostgreSQL store in a database of its own."""
    opened = open_store(postgres_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """A store on each of the two databases in turn."""
    found = request.getfixturevalue("store" if request.param == "sqlite" else "postgres_store")
    assert isinstance(found, Store)
    return found


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    # Not below pytest's own folder, which every pytest that starts closes to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="gatehouse-postgres-") as folder, postgres_server(Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_database(postgres_server_url: str) -> str:
    """The name of an empty, migrated database to copy."""
    store = open_store(create_database(postgres_server_url, template="template1"))
    upgrade(store)
    store.close()
    name = store.engine.url.database
    assert name is not None
    return name


@pytest.fixture
def postgres_url(postgres_server_url: str, migrated_database: str) -> str:
    """The URL of a migrated database without content."""
    return create_database(postgres_server_url, template=migrated_database)


@pytest.fixture
def empty_postgres_url(postgres_server_url: str) -> str:
    """The URL of a database without tables."""
    return create_database(postgres_server_url, template="template1")


def create_database(server_url: str, *, template: str) -> str:
    """Create a database of its own on a server and return its URL."""
    name = f"gatehouse_{next(_DATABASES)}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's MLflow server keeps `mlflow.db` and `artifacts`."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_url(mlflow_folder: Path) -> Iterator[str]:
    """One real MLflow server for the whole session: tests keep apart by the names of their models."""
    with mlflow_server(mlflow_folder) as url:
        yield url
