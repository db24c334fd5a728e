"""`promotions` and `changes` against a real MLflow server: what they print and the code they end with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.facade import Gatehouse
from services.documents.activation import propose
from services.settings import load_settings
from tests.app.running import Home, Ran, make_home
from tests.app.test_gates_commands import register
from tests.promotions.builders import MEERA, POLICY, RAVI

SHORT = POLICY.replace("    - {gate: accuracy, kind: metric, metric: accuracy, at_least: 0.9}\n", "").replace(
    "    includes: staging\n    gates:\n",
    "    gates:\n    - {gate: auc, kind: champion, metric: auc, tolerance: 0.01, without_champion: measured}\n",
)
KEYS = {"id", "model", "version", "to", "state", "approvals", "required_approvals", "evidence_digest"}


@dataclass(frozen=True, kw_only=True)
class Office:
    """An installation with a short policy, people, and a model of its own."""

    home: Home
    url: str
    folder: Path
    maya: str
    jun: str

    def register(self, name: str, *, auc: float = 0.95) -> str:
        return register(self.url, name, self.folder / name, auc=auc)

    def ask(self, reference: str, *, to: str = "production", token: str = "") -> Ran:
        context = ["--risks", "few", "--improvements", "many", "--context", "spring", "--plan", "ramp"]
        asked = ["promotions", "request", reference, "--to", to, "--reason", "better", *context, "--json"]
        return self.home.run(*asked, token=token or self.maya)

    def decide(self, verb: str, change_id: int, *, token: str = "", group: str = "promotions") -> Ran:
        return self.home.run(group, verb, str(change_id), "--reason", "so it is", "--json", token=token or self.jun)

    def run(self, *arguments: str, token: str = "") -> Ran:
        return self.home.run(*arguments, "--json", token=token or self.jun)


@pytest.fixture(scope="module")
def office(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    home = make_home(folder, MLFLOW_TRACKING_URI=mlflow_url)
    gatehouse = Gatehouse(load_settings({}, home=home.folder, tracking_uri=mlflow_url))
    base = gatehouse.documents.find_head("gate_policy", "default")
    proposed = propose(
        gatehouse.documents, gatehouse.changes, RAVI, "gate_policy", "default", SHORT, reason="ours", base=base
    )
    gatehouse.changes.approve(proposed.id, actor=MEERA, reason="agreed")
    yield Office(
        home=home,
        url=mlflow_url,
        folder=folder,
        maya=home.add_person("maya", "data_scientist"),
        jun=home.add_person("jun", "release_manager"),
    )
    gatehouse.close()


def test_a_promotion_goes_from_request_to_completion(office: Office) -> None:
    asked = office.ask(office.register("tow_truck_dispatcher"))
    assert (asked.code, asked.json["state"], asked.json["required_approvals"]) == (0, "awaiting_approval", 1)
    assert set(asked.json) >= KEYS
    change_id = asked.json["id"]
    early = office.run("promotions", "execute", str(change_id))
    assert (early.code, early.json["error"]["kind"]) == (1, "conflict")
    approved = office.decide("approve", change_id)
    assert (approved.code, approved.json["state"]) == (0, "approved")
    (approval,) = approved.json["approvals"]
    assert (approval["actor"], approval["decision"], approval["reason"]) == ("jun", "approved", "so it is")
    done = office.run("promotions", "execute", str(change_id))
    assert (done.code, done.json["state"], done.json["to"]) == (0, "completed", "production")
    assert office.run("promotions", "execute", str(change_id)).code == 0
    shown = office.run("promotions", "show", str(change_id))
    assert (shown.code, shown.json) == (0, done.json)
    listed = office.run("promotions", "list", "--model", "tow_truck_dispatcher")
    assert [each["id"] for each in listed.json["promotions"]] == [change_id]
    assert office.run("changes", "list").json["changes"][0]["id"] == change_id


def test_what_is_blocked_ends_with_1_and_can_be_shown(office: Office) -> None:
    name = "ferry_scheduler"
    first = office.ask(office.register(name)).json["id"]
    office.decide("approve", first)
    office.run("promotions", "execute", str(first))
    blocked = office.ask(office.register(name, auc=0.5))
    assert (blocked.code, blocked.json["state"], blocked.json["blocker"]) == (1, "blocked", "The gates failed: auc.")
    assert office.run("promotions", "show", str(blocked.json["id"])).code == 0
    assert office.decide("approve", blocked.json["id"]).code == 1
    assert office.run("promotions", "renew", str(blocked.json["id"]), token=office.maya).code == 1


def test_nobody_approves_their_own_and_a_refusal_ends_with_1(office: Office) -> None:
    asked = office.ask(office.register("crane_planner"), token=office.jun).json["id"]
    refused = office.decide("approve", asked)
    assert (refused.code, refused.json["error"]["kind"]) == (1, "forbidden")
    assert office.decide("approve", asked, token=office.maya).code == 1
    admin = office.home.run("promotions", "approve", str(asked), "--reason", "I may all", "--json")
    assert (admin.code, admin.json["error"]["kind"]) == (1, "forbidden")


def test_requests_are_rejected_taken_back_sent_back_and_talked_about(office: Office) -> None:
    reference = office.register("barge_router")
    rejected = office.decide("reject", office.ask(reference).json["id"], group="changes")
    assert (rejected.code, rejected.json["state"]) == (0, "rejected")
    assert [each["decision"] for each in rejected.json["approvals"]] == ["rejected"]
    taken_back = office.run("promotions", "cancel", str(office.ask(reference).json["id"]), token=office.maya)
    assert (taken_back.code, taken_back.json["state"]) == (0, "cancelled")
    asked = office.ask(reference).json["id"]
    assert (
        office.run("promotions", "comment", str(asked), "--text", "what of ice?").json["state"] == "awaiting_approval"
    )
    sent_back = office.decide("ask-for-changes", asked)
    assert (sent_back.code, sent_back.json["state"]) == (1, "blocked")
    assert "so it is" in sent_back.json["blocker"]
    renewed = office.run("promotions", "renew", str(asked), token=office.maya)
    assert (renewed.code, renewed.json["state"]) == (0, "awaiting_approval")
    told = office.home.run("changes", "show", str(asked), token=office.maya)
    assert "jun commented: what of ice?" in told.out


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["promotions", "show", "9999"], "not_found"),
        (["promotions", "show", "1"], "not_found"),
        (["promotions", "approve", "1", "--reason", "fine"], "not_found"),
        (["promotions", "request", "nobody/1", "--to", "production", "--reason", "x"], "not_found"),
        (["promotions", "request", "nobody/1", "--to", "moon", "--reason", "x"], "invalid_input"),
        (["changes", "approve", "one", "--reason", "fine"], None),
        (["promotions", "request", "nobody/1", "--to", "production"], None),
    ],
)
def test_what_does_not_exist_or_makes_no_sense_ends_with_2(
    office: Office, arguments: list[str], kind: str | None
) -> None:
    ran = office.run(*arguments)
    assert ran.code == 2
    assert set(ran.json["error"]) == {"kind", "message", "next_step"}
    assert kind in {None, ran.json["error"]["kind"]}


def test_ids_are_one_sequence_over_all_kinds(office: Office) -> None:
    (activation,) = (each for each in office.run("changes", "list").json["changes"] if each["kind"] == "activation")
    assert activation["id"] == 1
    assert office.run("changes", "show", "1").json == activation
    assert all(each["kind"] == "promotion" for each in office.run("promotions", "list").json["promotions"])


def test_lists_are_paged(office: Office) -> None:
    first = office.run("changes", "list", "--limit", "1").json
    assert first["next"] == first["changes"][0]["id"]
    second = office.run("changes", "list", "--limit", "1", "--before", str(first["next"])).json
    assert second["changes"][0]["id"] < first["next"]


def test_who_may_not_look_is_refused(office: Office) -> None:
    robot = office.home.add_person("robot", "service_account")
    for arguments in (["promotions", "list"], ["changes", "show", "1"], ["gates", "waivers"]):
        assert office.run(*arguments, token=robot).code == 1


def test_a_waiver_is_listed_and_revoked(office: Office) -> None:
    reference = office.register("pilot_roster", auc=0.5)
    office.home.run(
        *("gates", "waive", reference, "auc", "--to", "staging", "--days", "1", "--reason", "known"), token=office.jun
    )
    (waiver,) = office.run("gates", "waivers", "pilot_roster").json["waivers"]
    assert (waiver["gate"], waiver["granted_by"], waiver["reason"]) == ("auc", "jun", "known")
    assert office.run("gates", "revoke", str(waiver["id"]), "--reason", "mended", token=office.maya).code == 1
    revoked = office.run("gates", "revoke", str(waiver["id"]), "--reason", "mended")
    assert (revoked.code, revoked.json["revoked_by"]) == (0, "jun")
    assert office.run("gates", "waivers", "pilot_roster").json["waivers"] == []
    assert len(office.run("gates", "waivers", "pilot_roster", "--all").json["waivers"]) == 1
    assert office.run("gates", "revoke", str(waiver["id"]), "--reason", "again").code == 1
