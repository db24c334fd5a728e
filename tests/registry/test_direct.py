"""What the contract suite does not ask of the direct reader: PostgreSQL, the change detector, and bad databases."""

import sqlite3
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.errors import InvalidInput, NotFound, Unreachable
from services.registry.direct import open_direct_registry
from services.registry.values import Stage


@pytest.mark.long
def test_mlflow_on_postgresql_is_read_as_well(empty_postgres_url: str) -> None:
    entities: Any = import_module("mlflow.entities.model_registry")
    theirs = import_module("mlflow.store.model_registry.sqlalchemy_store").SqlAlchemyStore(empty_postgres_url)
    direct = open_direct_registry(empty_postgres_url)
    before = direct.find_data_version()
    assert direct.find_data_version() == before
    theirs.create_registered_model("fraud_detector", tags=[entities.RegisteredModelTag("team", "risk")])
    assert direct.find_data_version() != before
    for number in range(2):
        theirs.create_model_version(
            "fraud_detector",
            "runs:/r/m",
            "r" * 32,
            tags=[entities.ModelVersionTag("number", str(number))],
            description="x",
        )
    theirs.set_registered_model_alias("fraud_detector", "production", 2)
    theirs.transition_model_version_stage("fraud_detector", 1, "Staging", archive_existing_versions=False)
    (model,) = direct.list_models()
    assert (model.tags, model.aliases) == ({"team": "risk"}, {"production": 2})
    first, second = direct.list_versions()
    assert (first.stage, first.tags, second.tags) == (Stage.STAGING, {"number": "0"}, {"number": "1"})
    assert direct.get_version("fraud_detector", 2).aliases == ("production",)
    assert len(direct.list_newest_versions(datetime(2020, 1, 1, tzinfo=UTC))) == 2
    theirs.delete_model_version("fraud_detector", 1)
    assert [version.version for version in direct.list_versions(["fraud_detector"])] == [2]
    with pytest.raises(NotFound, match="no version 1"):
        direct.get_version("fraud_detector", 1)
    assert direct.list_runs(["x"]) == []
    assert direct.list_logged_models(["x"]) == []
    assert direct.ping()
    direct.close()
    theirs.engine.dispose()


def test_any_write_by_others_changes_the_data_version_and_reading_does_not(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as others:
        others.execute("CREATE TABLE alembic_version (version_num TEXT)")
        others.execute("INSERT INTO alembic_version VALUES ('abc')")
        others.commit()
        direct = open_direct_registry(f"sqlite:///{tmp_path / 'mlflow.db'}")
        before = direct.find_data_version()
        assert direct.ping() == "abc"
        assert direct.find_data_version() == before
        others.execute("UPDATE alembic_version SET version_num = 'def'")
        assert direct.find_data_version() == before
        others.commit()
        assert direct.find_data_version() != before
        direct.close()
    others.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "oracle+nothing://x"])
def test_a_url_of_no_readable_database_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidInput, match="GATEHOUSE_REGISTRY_DATABASE_URL") as caught:
        open_direct_registry(url)
    assert "nonsense" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"no database, " * 200])
def test_a_database_that_is_not_mlflows_is_unreachable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd #1?.db").write_bytes(content)
    direct = open_direct_registry(f"sqlite:///{tmp_path / 'odd #1?.db'}".replace("#", "%23").replace("?", "%3F"))
    with pytest.raises(Unreachable, match="MLflow's database"):
        list(direct.list_models())
    direct.close()


def test_a_database_that_is_not_there_is_unreachable_and_not_made(tmp_path: Path) -> None:
    direct = open_direct_registry(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(Unreachable):
        direct.find_data_version()
    with pytest.raises(Unreachable):
        direct.ping()
    assert not (tmp_path / "none.db").exists()
    direct.close()


def test_a_postgresql_that_is_down_is_unreachable_and_its_password_stays_hidden() -> None:
    direct = open_direct_registry("postgresql://ada:s3cret@127.0.0.1:9/mlflow")
    with pytest.raises(Unreachable) as caught:
        direct.find_data_version()
    assert "s3cret" not in caught.value.message
    direct.close()
