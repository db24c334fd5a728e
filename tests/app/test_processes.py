import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.settings import VARIABLES
from tests.app.running import make_home


@pytest.mark.parametrize(
    "command",
    [
        ["changes", "list"],
        ["promotions", "list"],
        ["pins", "show"],
        ["audit", "list"],
        ["policy", "list"],
        ["drift", "list"],
        ["models", "list"],
    ],
)
def test_what_reads_the_store_alone_needs_no_registry(tmp_path: Path, command: list[str]) -> None:
    ran = make_home(tmp_path).run(*command, "--json")
    assert ran.code == 0, ran


def test_what_asks_the_registry_is_told_how_to_set_one(tmp_path: Path) -> None:
    ran = make_home(tmp_path).run("sync", "--json")
    assert ran.code == 2
    assert ran.json["error"]["message"] == "No registry is set."
    assert "MLFLOW_TRACKING_URI" in ran.json["error"]["next_step"]


def test_the_doctor_shows_every_setting_and_no_secret(tmp_path: Path) -> None:
    ran = make_home(tmp_path, MLFLOW_TRACKING_TOKEN="s3cret", PROMETHEUS_URL="http://127.0.0.1:9").run("doctor")
    assert ran.code == 1
    for variable in VARIABLES.values():
        assert variable in ran.out
    assert "s3cret" not in ran.out
    assert "http://127.0.0.1:9/-/healthy does not answer." in ran.out


@pytest.mark.parametrize(
    "settings",
    [
        {"PROMETHEUS_URL": "http://ada:hunter2@127.0.0.1:9"},
        {"PROMETHEUS_URL": "http://127.0.0.1:9/x?api_key=hunter2"},
        {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9/?token=hunter2"},
        {"GATEHOUSE_QUEUE_URL": "redis://:hun/ter2@127.0.0.1:9"},
        {"GATEHOUSE_STORE_URL": "postgresql+psycopg//ada:hunter2@db/x"},
        {"GATEHOUSE_STORE_URL": "mysql://ada@db/x?password=hunter2"},
        {"GATEHOUSE_STORE_URL": "postgresql+psycopg://ada:hun/ter2@127.0.0.1:9/x"},
    ],
)
def test_the_doctor_and_errors_tell_no_secret_of_an_address(tmp_path: Path, settings: dict[str, str]) -> None:
    home = make_home(tmp_path, **settings)
    for command in ("doctor", "sync", "users list"):
        ran = home.run(*command.split(), "--json")
        assert ran.json
        assert "ter2" not in ran.out + ran.err


def test_a_store_in_a_folder_that_cannot_be_made_is_not_reachable(tmp_path: Path) -> None:
    ran = make_home(tmp_path, GATEHOUSE_STORE_URL="sqlite:////proc/no/such/x").run("audit", "list", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "unreachable")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///{home}/none.db", "does not answer"),
        ("sqlite:///{home}/home/gatehouse.db", "no such table"),
        ("sqlite:///{home}/empty.db", "is empty"),
        ("nonsense", "names no SQLite file"),
    ],
)
def test_the_doctor_looks_into_mlflows_own_database(tmp_path: Path, url: str, message: str) -> None:
    with closing(sqlite3.connect(tmp_path / "empty.db")) as empty:
        empty.execute("CREATE TABLE alembic_version (version_num TEXT)")
    home = make_home(tmp_path, GATEHOUSE_REGISTRY_DATABASE_URL=url.format(home=tmp_path))
    home.run("models", "list")
    ran = home.run("doctor", "--json")
    found = {each["name"]: each for each in ran.json["settings"]}["GATEHOUSE_REGISTRY_DATABASE_URL"]
    assert (ran.code, found["ok"]) == (1, False)
    assert message in found["message"]


def test_the_doctor_is_content_with_an_installation_of_its_own(tmp_path: Path) -> None:
    ran = make_home(tmp_path).run("doctor", "--json")
    assert ran.code == 0
    assert {each["name"]: each["ok"] for each in ran.json["settings"]}["GATEHOUSE_STORE_URL"] is True
