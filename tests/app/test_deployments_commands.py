"""`pins`, `rollback` and `ramp`: their JSON and exit codes, also while the registry is away."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from app.facade import Gatehouse
from services.clock import utc_now
from services.settings import load_settings
from services.store import open_store
from tests.app.running import Home, make_home
from tests.deployments.builders import speak
from tests.servers import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An installation whose registry does not answer, with fraud_detector 40, 41 and 42 pinned in turn."""
    made = make_home(tmp_path, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")
    gatehouse = Gatehouse(load_settings({}, home=made.folder))
    for change_id, version in enumerate((40, 41, 42), 1):
        with gatehouse.store.write() as unit:
            gatehouse.pins.move(unit, model="fraud_detector", version=version, change_id=-change_id, actor="meera")
            unit.commit()
    gatehouse.close()
    return made


def kind_and_code(home: Home, *arguments: str, token: str = "") -> tuple[str, int]:
    ran = home.run(*arguments, "--json", token=token)
    return ran.json["error"]["kind"], ran.code


def test_pins_are_shown_as_the_interface_has_them(home: Home) -> None:
    shown = home.run("pins", "show", "--json")
    (model,) = shown.json["models"].values()
    assert {name: model[name] for name in ("current", "previous", "fallback")} == {
        "current": 42, "previous": 41, "fallback": 40,
    }  # fmt: skip
    assert home.run("pins", "show", "fraud_detector", "--at", model["since"], "--json").json == shown.json
    assert home.run("pins", "show", "--at", "2020-01-01", "--json").json == {"models": {}}
    assert "42 (cold)" in home.run("pins", "show").out


def test_pins_that_are_not_there_are_told(home: Home) -> None:
    assert kind_and_code(home, "pins", "show", "nobody") == ("not_found", 2)
    assert kind_and_code(home, "pins", "show", "fraud_detector", "--at", "2020-01-01") == ("not_found", 2)
    assert kind_and_code(home, "pins", "show", "--at", "yesterday") == ("invalid_input", 2)
    assert kind_and_code(home, "pins", "export", "nobody") == ("not_found", 2)
    assert kind_and_code(home, "pins", "export", "--format", "toml") == ("invalid_input", 2)


def test_exports_are_printed_as_they_are(home: Home) -> None:
    printed = home.run("pins", "export", "--format", "yaml").out
    assert yaml.safe_load(printed) == {"models": {"fraud_detector": {"current": 42, "previous": 41, "fallback": 40}}}
    assert home.run("pins", "export", "--format", "env").out == "FRAUD_DETECTOR_VERSION=42\n"
    configmap = yaml.safe_load(home.run("pins", "export", "--format", "configmap", "--namespace", "risk").out)
    assert (configmap["metadata"]["namespace"], configmap["data"]) == ("risk", {"fraud_detector": "42"})
    (service,) = yaml.safe_load_all(home.run("pins", "export", "fraud_detector", "--format", "kserve").out)
    assert service["spec"]["predictor"]["model"]["storageUri"] == "models:/fraud_detector/42"
    assert home.run("pins", "export", "--json").json == {"format": "yaml", "text": printed}


def test_servers_are_listed_and_one_that_does_not_follow_the_pins_is_no_yes(home: Home) -> None:
    assert home.run("servers", "--json").json == {"servers": []}
    store = open_store(f"sqlite:///{home.folder / 'gatehouse.db'}")
    speak(store, utc_now, "a", 42)
    assert home.run("servers", "fraud_detector").code == 0
    speak(store, utc_now, "b", 41, candidate=42, candidate_ratio=0.25, problems=["It is stuck."])
    store.close()
    ran = home.run("servers", "fraud_detector", "--json")
    assert ran.code == 1
    told = [(each["address"][-1], each["status"], each["version"]) for each in ran.json["servers"]]
    assert told == [("a", "ok", 42), ("b", "ok", 41)]
    printed = home.run("servers").out
    assert "42 (25%)" in printed
    assert "/b: It is stuck." in printed
    assert kind_and_code(home, "servers", "nobody") == ("not_found", 2)


def test_going_back_while_the_registry_is_away_moves_the_pins_and_says_what_remains(home: Home) -> None:
    token = home.add_person("meera", "release_manager")
    ran = home.run("rollback", "fraud_detector", "--reason", "2 AM", "--json", token=token)
    assert ran.code == 0, ran
    assert {name: ran.json[name] for name in ("model", "from", "to", "state")} == {
        "model": "fraud_detector", "from": 42, "to": 41, "state": "executing",
    }  # fmt: skip
    assert "could not be tried before" in ran.json["remaining"][0]
    assert "alias follows" in ran.json["remaining"][-1]
    assert home.run("pins", "show", "--json").json["models"]["fraud_detector"]["current"] == 41
    written = yaml.safe_load((home.folder / "pins.yaml").read_text())
    assert written["models"]["fraud_detector"] == {"current": 41, "previous": 42, "fallback": 40}


def test_what_cannot_be_gone_back_to_is_refused(home: Home) -> None:
    token = home.add_person("meera", "release_manager")

    def refused(*arguments: str) -> tuple[str, int]:
        return kind_and_code(home, "rollback", *arguments, "--reason", "2 AM", token=token)

    assert refused("nobody") == ("not_found", 2)
    assert refused("fraud_detector", "--to", "yesterday") == ("invalid_input", 2)
    assert refused("fraud_detector", "--to", "42") == ("conflict", 1)
    assert refused("fraud_detector", "--to", "39") == ("blocked", 1)
    assert kind_and_code(home, "rollback", "fraud_detector", token=token) == ("invalid_input", 2)
    assert kind_and_code(home, "rollback", "fraud_detector", "--reason", " ", token=token) == ("invalid_input", 2)
    # Whoever is only the local admin may not.
    assert kind_and_code(home, "rollback", "fraud_detector", "--reason", "2 AM") == ("forbidden", 1)
    assert home.run("pins", "show", "--json").json["models"]["fraud_detector"]["current"] == 42


def test_ramps_that_are_not_there_or_not_allowed_are_told(home: Home) -> None:
    token = home.add_person("meera", "release_manager")
    start = ("ramp", "start", "fraud_detector", "--candidate", "43", "--reason", "see")
    assert kind_and_code(home, "ramp", "status", "fraud_detector") == ("not_found", 2)
    assert kind_and_code(home, "ramp", "abort", "fraud_detector", "--reason", "no", token=token) == ("not_found", 2)
    assert kind_and_code(home, *start) == ("forbidden", 1)
    assert kind_and_code(home, *start, token=token) == ("unreachable", 3)
    assert kind_and_code(home, "ramp", "start", "fraud_detector", "--reason", "see", token=token) == (
        "invalid_input", 2,
    )  # fmt: skip
    assert home.run("ramp", "status", "--json").json == {"ramps": []}
