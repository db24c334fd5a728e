"""`audit`, `users` and `tokens` as others script against them: exact JSON, exit codes, one sentence for bad days."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from services.audit import AuditLog, Personal
from services.audit.notes import Checkpoint, Signer
from services.clock import utc_now
from services.identity.actors import system_actor
from services.store import open_store
from services.store.engine import sqlite_driver
from tests.app.running import Home, Ran, make_home

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path)
    for name, role in (("meera", "release_manager"), ("cora", "compliance_reviewer")):
        made.add_person(name, role)
    return made


@pytest.fixture
def reviewer(home: Home) -> str:
    return str(home.run("tokens", "issue", "cora", "--json").json["token"])


def tamper(home: Home, statement: str) -> None:
    with closing(sqlite_driver().connect(home.folder / "gatehouse.db")) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement)
        connection.commit()


def check_refusal(ran: Ran, code: int, kind: str, words: str) -> None:
    assert ran.code == code, ran
    assert set(ran.json) == {"error"}
    error = ran.json["error"]
    assert (error["kind"], set(error)) == (kind, {"kind", "message", "next_step"})
    assert words in error["message"], error
    assert error["next_step"]


def test_events_are_listed_in_exactly_the_fields_of_the_interface(home: Home) -> None:
    first = home.run("audit", "list", "--limit", "2", "--json").json
    assert set(first) == {"events", "next"}
    fields = ["seq", "at", "actor", "action", "subject", "reason", "before", "after", "origin"]
    assert [list(event) for event in first["events"]] == [fields, fields]
    assert first["next"] == first["events"][-1]["seq"]
    rest = home.run("audit", "list", "--after", str(first["next"]), "--json").json
    assert [event["seq"] for event in rest["events"]] == [2, 3]
    assert rest["next"] is None


def test_what_is_personal_is_forgotten_on_request_and_the_log_still_verifies(home: Home, reviewer: str) -> None:
    after = {"name": Personal("Erika Mustermann"), "mail": Personal("erika@example.org"), "role": "admin"}
    with closing(open_store(f"sqlite:///{home.folder / 'gatehouse.db'}")) as store, store.write() as unit:
        seq = AuditLog(store, clock=utc_now, home=home.folder).record(
            unit, actor=system_actor("test"), action="account:person:noted", subject="erika", after=after
        )
        unit.commit()

    def told() -> object:
        (event,) = home.run("audit", "list", "--after", str(seq - 1), "--limit", "1", "--json").json["events"]
        return event["after"]

    assert told() == {"name": "Erika Mustermann", "mail": "erika@example.org", "role": "admin"}
    check_refusal(
        home.run("audit", "redact", str(seq), "--reason", "x", "--json", token=reviewer), 1, "forbidden", "cora"
    )
    check_refusal(
        home.run("audit", "redact", str(seq), "--place", "/after/role", "--reason", "x", "--json"),
        2,
        "not_found",
        f"Event {seq} has no personal value at /after/role",
    )
    done = home.run("audit", "redact", str(seq), "--place", "/after/mail", "--reason", "her request", "--json").json
    assert done == {"event": seq, "forgotten": ["/after/mail"], "recorded": done["recorded"]}
    (said,) = home.run("audit", "list", "--after", str(done["recorded"] - 1), "--json").json["events"]
    assert (said["action"], said["reason"]) == ("audit:disclosure:redacted", "her request")
    assert said["after"] == {"disclosures": [{"seq": seq, "name": "/after/mail"}]}
    assert home.run("audit", "redact", str(seq), "--reason", "her request").code == 0
    assert "Erika" not in str(told())
    check_refusal(
        home.run("audit", "redact", str(seq), "--reason", "again", "--json"), 2, "not_found", "no personal value"
    )
    assert b"Mustermann" not in b"".join(path.read_bytes() for path in home.folder.glob("gatehouse.db*"))
    assert home.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "subjects"),
    [
        (["--action", "account:person:added"], ["person/meera", "person/cora"]),
        (["--action", "account"], ["person/meera", "person/cora"]),
        (["--subject", "person/cora"], ["person/cora"]),
        (["--text", "cora reviewer"], ["person/cora"]),
        (["--actor", "nobody"], []),
        (["--until", "2001-01-01T00:00:00Z"], []),
        (["--since", "2001-01-01", "--action", "account"], ["person/meera", "person/cora"]),
    ],
)
def test_filters_find_what_they_name(home: Home, arguments: list[str], subjects: list[str]) -> None:
    found = home.run("audit", "list", *arguments, "--json").json["events"]
    assert [event["subject"] for event in found] == subjects


@pytest.mark.parametrize(
    "arguments", [["--since", "yesterday"], ["--text", "…"], ["--limit", "0"], ["--after", "x"], ["--colour", "red"]]
)
def test_a_filter_that_cannot_be_read_ends_with_2(home: Home, arguments: list[str]) -> None:
    check_refusal(home.run("audit", "list", *arguments, "--json"), 2, "invalid_input", "")


def test_a_proof_can_be_checked_with_sha256_alone(home: Home, tmp_path: Path, reviewer: str) -> None:
    out = tmp_path / "log.jsonl"
    assert home.run("audit", "export", "--out", out, token=reviewer).code == 0
    leaves = out.read_bytes().splitlines()
    proof = home.run("audit", "prove", "1", "--json").json
    assert list(proof) == ["seq", "tree_size", "leaf_hash", "path", "root"]
    assert proof["leaf_hash"] == sha256(b"\0" + leaves[1]).hexdigest()
    found, seq, last = bytes.fromhex(proof["leaf_hash"]), proof["seq"], proof["tree_size"] - 1
    for sibling in map(bytes.fromhex, proof["path"]):
        while seq == last and not seq & 1 and last:
            seq, last = seq >> 1, last >> 1
        found = sha256(b"\1" + sibling + found if seq & 1 else b"\1" + found + sibling).digest()
        seq, last = seq >> 1, last >> 1
    assert found.hex() == proof["root"]
    check_refusal(home.run("audit", "prove", "4711", "--json"), 2, "not_found", "4711")


def test_a_checkpoint_is_a_signed_note_of_the_root(home: Home) -> None:
    note = home.run("audit", "checkpoint").out
    origin, size, root, empty, signature = note.removesuffix("\n").split("\n")
    assert (origin, empty) == (home.run("audit", "key").out.partition("+")[0], "")
    assert signature.startswith(f"\u2014 {origin} ")
    proof = home.run("audit", "prove", "0", "--json").json
    assert (int(size), base64.b64decode(root).hex()) == (proof["tree_size"], proof["root"])


def test_an_export_holds_the_hashed_bytes_and_verifies_without_us(home: Home, tmp_path: Path, reviewer: str) -> None:
    out = tmp_path / "out" / "log.jsonl"
    written = home.run("audit", "export", "--out", out, "--json", token=reviewer).json
    lines = out.read_bytes().splitlines()
    assert written["events"] == len(lines)
    assert json.loads(lines[-1])["action"] == "audit:export:written"
    files = [written["path"], written["checkpoint"], written["key"]]
    ended = subprocess.run(
        [sys.executable, "-I", written["verifier"], *files], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout[:9]) == (0, "VERIFIED:")
    options = ["--export", files[0], "--checkpoint", files[1], "--key", files[2], "--json"]
    assert home.run("audit", "verify", *options).json["events"] == len(lines)
    out.write_bytes(out.read_bytes().replace(b"cora", b"eve!"))
    check_refusal(home.run("audit", "verify", *options), 4, "unverified", "not those of the checkpoint")
    check_refusal(home.run("audit", "verify", "--export", str(out), "--json"), 2, "invalid_input", "its checkpoint")
    options[1] = str(tmp_path / "nowhere")
    check_refusal(home.run("audit", "verify", *options), 2, "not_found", "nowhere")


def test_a_table_is_safe_in_a_spreadsheet(home: Home, tmp_path: Path, reviewer: str) -> None:
    out = tmp_path / "log.csv"
    token = home.run("users", "role", "cora", "--role", "compliance_reviewer", "--reason", "=HYPERLINK(1)")
    assert token.code == 0
    assert home.run("audit", "export", "--out", out, "--format", "csv", token=reviewer).code == 0
    assert "'=HYPERLINK(1)" in out.read_text()


def test_exporting_takes_the_permission_and_a_refusal_is_an_event(home: Home, tmp_path: Path) -> None:
    token = str(home.run("tokens", "issue", "meera", "--json").json["token"])
    check_refusal(
        home.run("audit", "export", "--out", tmp_path / "x", "--json", token=token), 1, "forbidden", "export audit"
    )
    check_refusal(
        home.run("audit", "evidence", "1", "--out", tmp_path / "x", "--json", token=token), 2, "not_found", "change 1"
    )
    last = home.run("audit", "list", "--action", "access", "--json").json["events"][-1]
    assert (last["actor"], last["after"]["permission"]) == ("meera", "export_audit")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'mallory' WHERE seq = 1",
        "DELETE FROM audit_event WHERE seq = 3",
        "UPDATE audit_head SET size = 2",
        "DELETE FROM audit_head",
    ],
)
def test_a_log_that_was_changed_ends_with_4(home: Home, statement: str) -> None:
    assert home.run("audit", "verify", "--json").json["ok"] is True
    tamper(home, statement)
    check_refusal(home.run("audit", "verify", "--json"), 4, "unverified", "")


def test_a_log_that_was_cut_short_takes_nothing_more(home: Home) -> None:
    home.run("audit", "checkpoint")
    kept = home.folder / "kept"
    home.add_person("eve", "data_scientist")
    home.run("audit", "checkpoint")
    shutil.copytree(home.folder / "checkpoints", kept)
    tamper(home, "DELETE FROM audit_event WHERE seq >= 4")
    for command in (["audit", "verify"], ["audit", "checkpoint"], ["users", "add", "bob", "--role", "admin"]):
        check_refusal(home.run(*command, "--json"), 4, "unverified", "audit log")


def test_a_key_that_is_missing_is_one_sentence(home: Home) -> None:
    home.run("audit", "checkpoint")
    (home.folder / "keys" / "audit.key").unlink()
    check_refusal(home.run("audit", "checkpoint", "--json"), 4, "unverified", "is missing")
    check_refusal(home.run("audit", "key", "--json"), 4, "unverified", "is missing")


def test_a_checkpoint_of_a_stranger_is_one_sentence(home: Home) -> None:
    home.run("audit", "checkpoint")
    stranger = Signer.generate("example.org/other")
    note = stranger.sign(Checkpoint(origin=stranger.name, size=1, root=bytes(32)).text)
    (home.folder / "checkpoints" / "latest").write_text(note)
    for command in (["audit", "verify"], ["users", "add", "bob", "--role", "admin"]):
        check_refusal(home.run(*command, "--json"), 4, "unverified", "no checkpoint that this installation trusts")


@pytest.mark.parametrize("damage", [b"this is no database" * 500, None])
def test_a_damaged_store_is_one_sentence(home: Home, damage: bytes | None) -> None:
    path = home.folder / "gatehouse.db"
    for beside in home.folder.glob("gatehouse.db-*"):
        beside.unlink()
    whole = path.read_bytes()
    path.write_bytes(damage or whole[:4096] + b"\xff" * (len(whole) - 4096))
    check_refusal(home.run("audit", "verify", "--json"), 4, "unverified", "damaged")
    check_refusal(home.run("users", "list", "--json"), 3, "unreachable", "damaged")


FILL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from app.cli import main
main(sys.argv[2:])
"""


def test_a_full_disk_is_one_sentence_and_no_half_event(home: Home) -> None:
    before = home.run("audit", "verify", "--json").json["events"]
    wal = home.folder / "gatehouse.db-wal"
    limit = max(4096, wal.stat().st_size if wal.exists() else 0)
    environ = {**os.environ, "GATEHOUSE_HOME": str(home.folder)}
    command = [sys.executable, "-c", FILL, str(limit), "users", "add", "eve", "--role", "admin", "--json"]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    check_refusal(Ran(code=ended.returncode, out=ended.stdout, err=ended.stderr), 3, "unreachable", "store")
    assert "Traceback" not in ended.stderr
    assert home.run("audit", "verify", "--json").json["events"] == before


def test_people_are_added_listed_changed_and_shut_out(home: Home) -> None:
    added = home.run("users", "add", "eve", "--role", "data_scientist", "--role", "ml_engineer", "--json").json
    assert added["token"].startswith("gth_")
    changed = home.run("users", "role", "eve", "--role", "release_manager", "--reason", "new job", "--json")
    assert changed.json == {"name": "eve", "roles": ["release_manager"]}
    assert home.run("audit", "list", "--json", token=added["token"]).code == 0
    assert home.run("users", "disable", "eve", "--json").json == {"name": "eve", "disabled": True}
    check_refusal(home.run("audit", "list", "--json", token=added["token"]), 1, "unauthenticated", "disabled")
    users = {user["name"]: user for user in home.run("users", "list", "--json").json["users"]}
    assert users["eve"]["disabled_at"] is not None
    check_refusal(home.run("users", "add", "eve", "--role", "admin", "--json"), 1, "conflict", "eve")
    check_refusal(home.run("users", "role", "nobody", "--role", "admin", "--json"), 2, "not_found", "nobody")
    check_refusal(home.run("users", "add", "Not OK", "--role", "admin", "--json"), 2, "invalid_input", "Not OK")
    check_refusal(home.run("users", "add", "bob", "--role", "king", "--json"), 2, "invalid_input", "king")


def test_tokens_are_limited_used_and_revoked(home: Home) -> None:
    token = home.run("tokens", "issue", "ci", "--scope", "read_production_model", "--days", "7", "--json").json["token"]
    check_refusal(home.run("audit", "list", "--json", token=token), 1, "forbidden", "read audit")
    listed = home.run("tokens", "list", "--name", "ci", "--json").json["tokens"]
    assert [(each["name"], each["scopes"]) for each in listed] == [("ci", ["read_production_model"])]
    assert listed[0]["last_used_at"] is not None
    assert token not in json.dumps(listed)
    assert home.run("tokens", "revoke", listed[0]["id"], "--json").json == {"revoked": [listed[0]["id"]]}
    check_refusal(home.run("pins", "show", "--json", token=token), 1, "unauthenticated", "revoked")
    check_refusal(home.run("tokens", "revoke", "nothing", "--json"), 2, "not_found", "nothing")
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert all(token.encode() not in path.read_bytes() for path in files)
