import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from services.gates.policy import GATE_POLICY
from tests.app.running import Home, make_home
from tests.policies.builders import CARDS, GENERAL


@pytest.fixture
def home(tmp_path: Path) -> Home:
    # Nothing here speaks to it, and yet the inbox knows of promotions.
    return make_home(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def payments(folder: Path, **columns: list[object]) -> Path:
    frame = {"score": [0.9, 0.5, 0.1], "amount": [1, 20_000, 1], "country": ["US", "NG", "US"], **columns}
    path = folder / "payments.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


def test_a_valid_file_ends_with_0_and_its_notes(home: Home, tmp_path: Path) -> None:
    ran = home.run("policy", "validate", write(tmp_path, "p.yaml", CARDS), "--json")
    assert ran.code == 0
    assert ran.json["ok"] is True
    assert ran.json["problems"] == []
    assert [note["path"] for note in ran.json["notes"]] == ["fraud_detector.flags.enable_velocity_checks"]
    assert "is valid" in home.run("policy", "validate", tmp_path / "p.yaml").out


def test_an_invalid_file_ends_with_1_and_every_problem(home: Home, tmp_path: Path) -> None:
    text = CARDS.replace("block: 0.7", "block: 0.3").replace('"extra_verification"', '"explode"')
    path = write(tmp_path, "p.yaml", text)
    ran = home.run("policy", "validate", path, "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert [(each["line"], each["path"]) for each in ran.json["problems"]] == [
        (8, "fraud_detector.thresholds.manual_review"),
        (14, "fraud_detector.rules.new_merchant_action"),
    ]
    assert f"{path}:8: fraud_detector.thresholds.manual_review: thresholds" in home.run("policy", "validate", path).out


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"m:\n\tthresholds: {x: 0}\n", 2, "tab"),
        (b"m: " + b"x" * 5_000_000, 1, "5000003 bytes"),
        (b"m: \xff\n", 1, "UTF-8"),
        (b"a: &a [x]\nb: *a\n", 1, "anchors"),
        (b"", 1, "mapping"),
        (b"kind: nonsense\n", 1, "mapping"),
    ],
)
def test_a_file_that_is_no_document_is_named_by_its_line(
    home: Home, tmp_path: Path, content: bytes, line: int, said: str
) -> None:
    ran = home.run("policy", "validate", write(tmp_path, "p.yaml", content), "--json")
    assert ran.code == 1
    assert ran.json["problems"][0]["line"] == line
    assert said in ran.json["problems"][0]["message"]


def test_a_document_says_its_kind_itself(home: Home, tmp_path: Path) -> None:
    path = write(tmp_path, "g.yaml", (GATE_POLICY.read_default() or "").replace("waiver_days: 14", "waiver_days: 0"))
    ran = home.run("policy", "validate", path, "--json")
    assert [each["path"] for each in ran.json["problems"]] == ["waiver_days"]
    other = home.run("policy", "validate", path, "--kind", "checklist", "--json")
    assert "kind" in [each["path"] for each in other.json["problems"]]


def test_a_file_that_is_not_there_ends_with_2(home: Home, tmp_path: Path) -> None:
    ran = home.run("policy", "validate", tmp_path / "none.yaml", "--json")
    assert ran.code == 2
    assert set(ran.json["error"]) == {"kind", "message", "next_step"}
    plain = home.run("policy", "validate", tmp_path / "none.yaml")
    assert (plain.out, len(plain.err.splitlines())) == ("", 2)


def test_decisions_come_in_the_order_of_the_data(home: Home, tmp_path: Path) -> None:
    policy, data = write(tmp_path, "p.yaml", CARDS), payments(tmp_path)
    ran = home.run("policy", "decide", "fraud_detector", "--policy", policy, "--data", data, "--json")
    assert ran.code == 0
    assert [(each["action"], each["probability"], each["reasons"]) for each in ran.json["decisions"]] == [
        ("block", 0.9, ["high_fraud_probability"]),
        (
            "manual_review",
            0.5,
            ["moderate_fraud_probability", "high_value_transaction", "strict_mode_country"],
        ),
        ("allow", 0.1, ["low_fraud_probability"]),
    ]
    assert {each["policy_revision"] for each in ran.json["decisions"]} == {"2.1"}
    assert any("merchant_age_days" in note for note in ran.json["notes"])
    assert "merchant_age_days" in home.run("policy", "decide", "fraud_detector", "--policy", policy, "--data", data).out


def test_the_daily_limit_counts_within_the_file(home: Home, tmp_path: Path) -> None:
    policy = write(tmp_path, "p.yaml", CARDS)
    rows = {"score": [0.9] * 5, "amount": [1] * 5, "country": ["US"] * 5, "customer_id": ["007"] * 5}
    data = write(tmp_path, "d.json", pd.DataFrame(rows).to_json(orient="records"))
    ran = home.run("policy", "decide", "fraud_detector", "--policy", policy, "--data", data, "--json")
    assert [each["action"] for each in ran.json["decisions"]] == ["block"] * 3 + ["manual_review"] * 2


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"score": [0.9, 2, 0.1]}, "row 2 is 2"),
        ({"score": [0.9, None, 0.1]}, "row 2 is missing"),
        ({"score": ["a", "b", "c"]}, "'score' holds 'a'"),
        ({"amount": ["a", "b", "c"]}, "'amount' holds 'a'"),
    ],
)
def test_data_that_cannot_be_decided_on_ends_with_2(
    home: Home, tmp_path: Path, columns: dict[str, list[object]], said: str
) -> None:
    policy = write(tmp_path, "p.yaml", CARDS)
    ran = home.run(
        "policy", "decide", "fraud_detector", "--policy", policy, "--data", payments(tmp_path, **columns), "--json"
    )
    assert ran.code == 2
    assert said in ran.json["error"]["message"]


def test_a_column_that_the_data_lacks_is_named_by_line_and_path(home: Home, tmp_path: Path) -> None:
    policy, data = write(tmp_path, "p.yaml", CARDS), tmp_path / "d.csv"
    data.write_text("score,amuont\n0.5,3\n")
    ran = home.run("policy", "decide", "fraud_detector", "--policy", policy, "--data", data, "--json")
    assert ran.code == 2
    message = ran.json["error"]["message"]
    assert "line 11, fraud_detector.rules.high_value_threshold (and 1 more)" in message
    assert "did you mean 'amuont'" in message


def test_deciding_by_an_invalid_or_another_models_policy_ends_with_2(home: Home, tmp_path: Path) -> None:
    data = payments(tmp_path)
    invalid = write(tmp_path, "i.yaml", CARDS.replace("block: 0.7", "block: 7"))
    ran = home.run("policy", "decide", "fraud_detector", "--policy", invalid, "--data", data, "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "invalid_input")
    other = write(tmp_path, "o.yaml", GENERAL)
    ran = home.run("policy", "decide", "fraud_detector", "--policy", other, "--data", data, "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "not_found")


def propose(home: Home, token: str, folder: Path, text: str, reason: str = "first") -> int:
    ran = home.run("policy", "propose", write(folder, "p.yaml", text), "--reason", reason, "--json", token=token)
    assert ran.code == 0, ran
    return int(ran.json["id"])


def test_a_policy_goes_from_a_file_into_force_by_somebody_elses_yes(home: Home, tmp_path: Path) -> None:
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    change = propose(home, maya, tmp_path, CARDS)
    refused = home.run("policy", "approve", str(change), "--json", token=maya)
    assert (refused.code, refused.json["error"]["kind"]) == (1, "forbidden")
    assert home.run("policy", "approve", str(change), "--json", token=jun).json["state"] == "completed"

    shown = home.run("policy", "show", "fraud_detector", "--json").json
    assert (shown["revision"], shown["state"], shown["author"], shown["text"]) == (1, "in_force", "maya", CARDS)
    ran = home.run("policy", "decide", "fraud_detector", "--data", payments(tmp_path), "--json")
    assert ran.json["decisions"][0]["policy_revision"] == "decision_policy/fraud_detector/1"

    draft = write(tmp_path, "draft.yaml", CARDS.replace("block: 0.7", "block: 0.95"))
    compared = home.run("policy", "diff", draft, "--json").json
    assert compared["values"] == [{"path": "fraud_detector.thresholds.block", "from": 0.7, "to": 0.95}]
    assert home.run("policy", "diff", write(tmp_path, "same.yaml", CARDS), "--json").json["same"] is True
    command: list[str | Path] = ["policy", "simulate", "fraud_detector", "--with", draft, "--log", payments(tmp_path)]
    what_if = home.run(*command, "--json").json
    assert what_if["flow"]["block"] == {"manual_review": 1}
    assert what_if["flips"]["count"] == 1
    assert "1 of 3 decisions flip" in home.run(*command).out

    listed = home.run("policy", "list", "--json").json["documents"]
    assert {"kind": "decision_policy", "name": "fraud_detector", "last_revision": 1, "in_force": 1} in listed
    page = home.run("policy", "list", "--limit", "1", "--json").json
    assert page["next"] == "checklist/default"
    assert home.run("policy", "list", "--after", page["next"], "--limit", "1", "--json").json["documents"][0] != page


def test_the_second_of_two_editors_is_told(home: Home, tmp_path: Path) -> None:
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    home.run("policy", "approve", str(propose(home, maya, tmp_path, CARDS)), token=jun)
    draft = write(tmp_path, "draft.yaml", CARDS.replace("block: 0.7", "block: 0.8"))
    for token, code in ((maya, 0), (jun, 1)):
        ran = home.run("policy", "propose", draft, "--base", "1", "--reason", "x", "--json", token=token)
        assert ran.code == code
    assert ran.json["error"]["kind"] == "conflict"
    assert "maya proposed revision decision_policy/fraud_detector/2" in ran.json["error"]["message"]


def test_an_invalid_document_is_not_proposed(home: Home, tmp_path: Path) -> None:
    maya = home.add_person("maya", "data_scientist")
    bad = write(tmp_path, "bad.yaml", CARDS.replace("allow: 0.0", "allow: 0.2"))
    ran = home.run("policy", "propose", bad, "--reason", "x", "--json", token=maya)
    assert ran.code == 2
    both = write(tmp_path, "both.yaml", CARDS + GENERAL)
    ran = home.run("policy", "propose", both, "--reason", "x", "--json", token=maya)
    assert (ran.code, "one file a model" in ran.json["error"]["next_step"]) == (2, True)
    assert [
        each["name"] for each in home.run("policy", "list", "--kind", "decision_policy", "--json").json["documents"]
    ] == []


def test_traffic_is_looked_for_where_serving_logs_it(home: Home, tmp_path: Path) -> None:
    policy = write(tmp_path, "p.yaml", CARDS)
    command: list[str | Path] = [
        "policy",
        "simulate",
        "fraud_detector",
        "--with",
        policy,
        "--against",
        policy,
        "--json",
    ]
    assert home.run(*command).code == 2
    folder = home.folder / "shadow" / "fraud_detector" / "dt=2026-03-01"
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"champion_score": [0.9, 0.1], "slice_country": ["US", "NG"]})
    frame.to_parquet(folder / "part-0.parquet")
    assert home.run(*command).json["rows"] == 2


def test_data_that_is_a_request_is_told(home: Home, tmp_path: Path) -> None:
    policy = write(tmp_path, "p.yaml", CARDS)
    data = write(tmp_path, "d.json", json.dumps({"inputs": [[1]]}))
    ran = home.run("policy", "decide", "fraud_detector", "--policy", policy, "--data", data, "--json")
    assert (ran.code, "request, not a table" in ran.json["error"]["message"]) == (2, True)


def test_what_was_in_force_can_be_asked_and_brought_back(home: Home, tmp_path: Path) -> None:
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    home.run("policy", "approve", str(propose(home, maya, tmp_path, CARDS)), token=jun)
    between = datetime.now(UTC).isoformat()
    looser = CARDS.replace("block: 0.7", "block: 0.8")
    home.run("policy", "approve", str(propose(home, maya, tmp_path, looser)), token=jun)
    assert home.run("policy", "show", "fraud_detector", "--json").json["revision"] == 2
    then = home.run("policy", "show", "fraud_detector", "--at", between, "--json")
    assert then.code == 0, then.out
    assert then.json["text"] == CARDS
    assert home.run("policy", "show", "fraud_detector", "--at", "2020-01-01T00:00:00Z", "--json").code == 2
    assert home.run("policy", "show", "fraud_detector", "--at", "soon", "--json").code == 2
    back = home.run("policy", "revert", "fraud_detector", "--to", "1", "--reason", "too loose", "--json", token=maya)
    assert (back.code, back.json["state"]) == (0, "awaiting_approval")
    listed = home.run("policy", "revisions", "fraud_detector", "--json").json["revisions"]
    assert [(each["revision"], each["state"]) for each in listed] == [
        (3, "proposed"),
        (2, "in_force"),
        (1, "superseded"),
    ]
    assert listed[0]["digest"] == listed[2]["digest"]


def test_documents_go_to_a_folder_and_come_back_as_proposals(home: Home, tmp_path: Path) -> None:
    maya = home.add_person("maya", "data_scientist")
    folder = tmp_path / "git"
    files = home.run("policy", "export", folder, "--json").json["files"]
    assert "gate_policy/default.yaml" in files
    again = home.run("policy", "import", folder, "--reason", "sync", "--json", token=maya)
    assert (again.code, again.json["changes"]) == (0, [])
    (folder / "decision_policy").mkdir()
    (folder / "decision_policy" / "fraud_detector.yaml").write_text(CARDS)
    (asked,) = home.run("policy", "import", folder, "--reason", "sync", "--json", token=maya).json["changes"]
    assert asked["subject"] == "document/decision_policy/fraud_detector/1"
    (folder / "decision_policy" / "fraud_detector.yaml").write_text(CARDS.replace("0.7", "7"))
    refused = home.run("policy", "import", folder, "--reason", "sync", "--json", token=maya)
    assert refused.code == 2
    assert "decision_policy/fraud_detector.yaml: Line 7" in refused.json["error"]["message"]


def test_the_schema_of_a_kind_is_printed_for_editors(home: Home) -> None:
    printed = home.run("policy", "schema", "decision_policy", "--json").json
    assert "thresholds" in printed["$defs"]["PolicyText"]["properties"]


def test_a_what_if_against_what_is_in_force_is_kept(home: Home, tmp_path: Path) -> None:
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    home.run("policy", "approve", str(propose(home, maya, tmp_path, CARDS)), token=jun)
    draft = write(tmp_path, "draft.yaml", CARDS.replace("block: 0.7", "block: 0.95"))
    ran = home.run(
        *("policy", "simulate", "fraud_detector", "--with", draft, "--log", payments(tmp_path), "--json"), token=maya
    )
    (event,) = home.run("audit", "list", "--action", "policy:simulation:run", "--json").json["events"]
    assert (event["seq"], event["actor"], event["after"]["source"]) == (ran.json["event"], "maya", "payments.csv")
    change = home.run(
        *("changes", "show", str(propose(home, maya, tmp_path, draft.read_text())), "--json"), token=jun
    ).json
    assert change["state"] == "awaiting_approval"


RULE = """m:
  thresholds: {x: 0}
  rules:
  - {name: a, when: {column: c, operator: above, value: 1}, action: manual_review}
"""


@pytest.mark.parametrize(
    ("text", "line", "path", "said"),
    [
        ("m: &a\n  thresholds: {x: 0}\nn: *a\n", 1, "m", "anchor"),
        ("m:\n  thresholds: &a {x: 0, y: *a}\n", 2, "m.thresholds", "anchor"),
        ("m:\n\tthresholds: {x: 0}\n", 2, "", "tab"),
        ("m:\n  thresholds: {x: 0}\n  thresholds: {x: 0}\n", 3, "m.thresholds", "second time"),
        ("m:\n  thresholds: {x: .nan}\n", 2, "m.thresholds.x", ""),
        ("m:\n  thresholds: {x: .inf, y: 0}\n", 2, "m.thresholds.x", ""),
        ("m:\n  thresholds: {x: 0.2, y: 0.4, z: 0}\n", 2, "m.thresholds.y", "out of order"),
        (RULE.replace("manual_review", "fly"), 4, "m.rules[0].action", "nobody defined"),
        (RULE.replace("above", "eval"), 4, "m.rules[0].when", "no condition"),
    ],
    ids=["alias", "cycle", "tab", "twice", "nan", "infinity", "order", "action", "operator"],
)
def test_bad_input_is_named_by_line_and_path_and_nothing_is_stored(
    home: Home, tmp_path: Path, text: str, line: int, path: str, said: str
) -> None:
    file = write(tmp_path, "bad.yaml", text)
    ran = home.run("policy", "validate", file, "--json")
    assert (ran.code, ran.json["ok"]) == (1, False)
    found = [(each["line"], each["path"]) for each in ran.json["problems"] if said in each["message"]]
    assert (line, path) in found, ran.json
    refused = home.run("policy", "propose", file, "--name", "m", "--reason", "x", "--json", token="")
    assert refused.code == 2
    assert home.run("policy", "list", "--kind", "decision_policy", "--json").json["documents"] == []
