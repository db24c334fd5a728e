"""`backup` as people and cron run it: what it writes, what it says of a damaged or older copy, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.running import Home, make_home
from tests.app.test_gates_commands import register


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path)
    for name in ("ada", "bob"):
        made.add_person(name, "release_manager")
    return made


def test_a_backup_is_made_verified_and_put_back(home: Home, tmp_path: Path) -> None:
    (home.folder / "pins.yaml").write_text("models: {}\n")
    out = tmp_path / "out" / "backup.zip"
    made = home.run("backup", "create", out, "--json")
    assert made.code == 0, made
    assert made.json["ok"] is True
    assert made.json["keys"] == f"{out}.keys"
    assert Path(made.json["keys"]).stat().st_mode & 0o077 == 0
    assert home.run("backup", "verify", out, "--json").json["checkpoint"] == made.json["checkpoint"]

    home.add_person("eve", "data_scientist")
    (home.folder / "pins.yaml").write_text("models: {fraud: {}}\n")
    restored = home.run("backup", "restore", out, "--json")
    assert restored.code == 0, restored
    assert (restored.json["lost_events"], restored.json["warning"]) == (0, None)
    people = [user["name"] for user in home.run("users", "list", "--json").json["users"]]
    assert people == ["ada", "bob"]
    assert (home.folder / "pins.yaml").read_text() == "models: {}\n"
    actions = [event["action"] for event in home.run("audit", "list", "--json").json["events"]]
    assert actions[-2:] == ["store:backup:started", "store:backup:restored"]
    assert home.run("audit", "verify").code == 0


def test_only_a_backup_that_was_written_and_verifies_is_on_record_as_made(home: Home, tmp_path: Path) -> None:
    assert home.run("backup", "create", tmp_path / f"{'x' * 300}.zip").code == 2
    actions = [event["action"] for event in home.run("audit", "list", "--json").json["events"]]
    assert (actions[-1], "store:backup:created" in actions) == ("store:backup:started", False)
    made = home.run("backup", "create", tmp_path / "backup.zip", "--json").json
    last = home.run("audit", "list", "--json").json["events"][-1]
    assert (last["action"], last["after"]["root"]) == ("store:backup:created", made["checkpoint"]["root"])


def test_an_older_backup_says_what_is_lost_by_it(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "backup.zip"
    home.run("backup", "create", out)
    home.add_person("eve", "data_scientist")
    home.run("audit", "checkpoint")
    restored = home.run("backup", "restore", out, "--json")
    assert restored.code == 0
    assert restored.json["lost_events"] == 3, "that the backup was made, eve, and her token"
    assert "older than the last checkpoint" in restored.json["warning"]
    assert home.run("audit", "verify").code == 0


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 400])
def test_a_store_that_cannot_be_opened_is_restored(home: Home, tmp_path: Path, damage: bytes) -> None:
    out = tmp_path / "backup.zip"
    home.run("backup", "create", out)
    for path in home.folder.glob("gatehouse.db-*"):
        path.unlink()
    (home.folder / "gatehouse.db").write_bytes(damage)
    if damage:
        failed = home.run("audit", "list", "--json")
        assert (failed.code, failed.json["error"]["kind"]) == (3, "unreachable")
    assert home.run("backup", "restore", out).code == 0
    assert home.run("audit", "verify").code == 0


def test_a_new_machine_needs_the_backup_and_its_keys_alone(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "backup.zip"
    home.run("backup", "create", out)
    key = home.run("audit", "key").out
    other = make_home(tmp_path / "other")
    assert other.run("backup", "restore", out).code == 0
    assert other.run("audit", "key").out == key
    assert other.run("audit", "verify").code == 0


def test_a_changed_backup_ends_with_4_and_changes_nothing(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "backup.zip"
    home.run("backup", "create", out)
    content = bytearray(out.read_bytes())
    content[len(content) // 2] ^= 1
    out.write_bytes(content)
    for command in ("verify", "restore"):
        ran = home.run("backup", command, out, "--json")
        assert ran.code == 4
        assert set(ran.json["error"]) == {"kind", "message", "next_step"}
    assert home.run("audit", "verify").code == 0


def test_what_is_no_backup_ends_with_2(home: Home, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a ZIP")
    for path in (tmp_path / "text", tmp_path / "nowhere"):
        for command in ("verify", "restore"):
            assert home.run("backup", command, path, "--json").code == 2


def test_only_who_manages_settings_makes_and_restores_backups(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "backup.zip"
    home.run("backup", "create", out)
    token = home.add_person("eve", "release_manager")
    for command in ("create", "restore"):
        ran = home.run("backup", command, out, "--json", token=token)
        assert (ran.code, ran.json["error"]["kind"]) == (1, "forbidden")
    events = home.run("audit", "list", "--actor", "eve", "--json").json["events"]
    assert [event["action"] for event in events] == ["access:permission:refused"] * 2


def test_the_manifest_tells_which_artifacts_are_others_now(tmp_path: Path, mlflow_url: str) -> None:
    home = make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)
    reference = register(mlflow_url, "ledger_scorer", tmp_path / "a", auc=0.9)
    approve_artifacts(home, reference)
    out = tmp_path / "backup.zip"
    made = home.run("backup", "create", out, "--json").json
    assert list(made["artifacts"]) == [reference]
    assert made["artifacts"][reference].startswith("sha256:")
    assert home.run("backup", "verify", out, "--json").json["registry"] == {"changed": [], "gone": []}

    from mlflow import MlflowClient

    client = MlflowClient(mlflow_url)
    version = client.get_model_version("ledger_scorer", reference.rpartition("/")[2])
    (tmp_path / "a" / "MLmodel").write_text(json.dumps({"changed": True}))
    client.log_model_artifacts(str(version.source).removeprefix("models:/"), str(tmp_path / "a"))
    assert home.run("backup", "verify", out, "--json").json["registry"] == {"changed": [reference], "gone": []}
    client.delete_model_version("ledger_scorer", version.version)
    assert home.run("backup", "verify", out, "--json").json["registry"] == {"changed": [], "gone": [reference]}


def approve_artifacts(home: Home, reference: str) -> None:
    """Hold the files of a version as watched, as a move of a stage does."""
    from services.clock import utc_now
    from services.registry.approved import Approved
    from services.store import open_store
    from services.store.migrations import upgrade

    store = open_store(f"sqlite:///{home.folder / 'gatehouse.db'}")
    upgrade(store)
    name, _, version = reference.rpartition("/")
    with store.write() as unit:
        Approved(store, clock=utc_now).watch_artifacts(unit, name, int(version))
        unit.commit()
    store.close()
