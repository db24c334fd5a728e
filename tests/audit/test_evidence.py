"""The evidence of one change: one file that reads like a report, and that verifies with nothing of ours."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import pytest

from services.audit import AuditLog, EventQuery
from services.audit.evidence import Evidence, write_evidence
from services.audit.exports import verify_evidence_file
from services.audit.notes import Signer
from services.audit.report import EvidenceParts
from services.audit.verify_export import MANIFEST_TITLE
from services.audit.verify_export import main as script_main
from services.errors import InvalidInput, NotFound, Unverified
from services.store import Store
from tests.audit.builders import fill, open_log, record
from tests.audit.test_exports import run_script

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>\u202e"
PARTS = EvidenceParts(
    title=f"fraud/7 to production {HOSTILE}",
    summary={"requested by": "ada", "reason": HOSTILE},
    gates={
        "outcome": "passed",
        "gates": [
            {
                "gate": "auc",
                "outcome": "passed",
                "observed": 0.91,
                "threshold": 0.9,
                "dry_run": False,
                "message": HOSTILE,
            },
            {"gate": "latency", "outcome": "failed", "observed": None, "extra": {"nested": [1, "<b>"]}},
        ],
    },
    signature_diff={"verdict": "compatible", "changes": []},
    approvals=[{"actor": "bob", "decision": "approved", "reason": HOSTILE, "at": "2026-03-01T12:00:00Z"}],
    policy_revision="default/3",
    policy=f"gates: [] # {HOSTILE}\n",
)


@pytest.fixture
def audit(store: Store, tmp_path: Path) -> AuditLog:
    log = open_log(store, tmp_path / "home")
    fill(log, 300)
    for action in ("promotion:request:made", "promotion:approval:granted", "promotion:request:completed"):
        record(log, action=action, change_id=4711, reason=HOSTILE)
    fill(log, 10)
    return log


@pytest.fixture
def evidence(audit: AuditLog, tmp_path: Path) -> Evidence:
    return write_evidence(audit, tmp_path / "evidence.zip", change_id=4711, parts=PARTS)


def read(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_evidence_proves_the_events_of_its_change(audit: AuditLog, evidence: Evidence, tmp_path: Path) -> None:
    assert evidence.events == 3
    assert verify_evidence_file(evidence.path) == 3
    key = tmp_path / "key"
    key.write_text(audit.checkpoints.get_key())
    assert verify_evidence_file(evidence.path, key) == 3
    files = read(evidence.path)
    leaves = [leaf for leaf in files["events.jsonl"].split(b"\n") if leaf]
    events = audit.list_events(EventQuery(change_id=4711)).events
    assert [f'"seq":{event.seq},'.encode() in leaf for event, leaf in zip(events, leaves, strict=True)] == [True] * 3


def test_the_script_inside_verifies_the_whole(audit: AuditLog, evidence: Evidence, tmp_path: Path) -> None:
    script, key = tmp_path / "verify_export.py", tmp_path / "key"
    script.write_bytes(read(evidence.path)["verify_export.py"])
    key.write_text(audit.checkpoints.get_key())
    assert "with the key given" in run_script(script, evidence.path, key).stdout
    assert "the key inside" in run_script(script, evidence.path).stdout


def test_the_script_says_whose_key_it_used(
    audit: AuditLog, evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text(audit.checkpoints.get_key())
    assert script_main([str(evidence.path), str(key)]) == 0
    assert script_main([str(evidence.path)]) == 0
    given, inside = capsys.readouterr().out.splitlines()
    assert given.endswith("with the key given.")
    assert inside.endswith(": compare it.")
    assert script_main([str(evidence.path), str(key), str(key), str(key)]) == 2


def test_the_same_evidence_is_the_same_bytes(audit: AuditLog, evidence: Evidence, tmp_path: Path) -> None:
    again = write_evidence(audit, tmp_path / "again.zip", change_id=4711, parts=PARTS)
    assert again.path.read_bytes() == evidence.path.read_bytes()


CHANGES: dict[str, Callable[[dict[str, bytes]], object]] = {
    "gates": lambda files: files.update({"gates.json": files["gates.json"].replace(b"failed", b"passed")}),
    "report": lambda files: files.update({"report.html": files["report.html"].replace(b"ada", b"eve")}),
    "policy gone": lambda files: files.pop("policy.yaml"),
    "a file more": lambda files: files.update({"extra": b""}),
    "event": lambda files: files.update({"events.jsonl": files["events.jsonl"].replace(b"ada", b"eve")}),
    "event gone": lambda files: files.update({"events.jsonl": files["events.jsonl"].split(b"\n", 1)[1]}),
    "manifest": lambda files: files.update({"manifest": files["manifest"].replace(b"a", b"b", 1)}),
    "manifest gone": lambda files: files.pop("manifest"),
    "checkpoint": lambda files: files.update({"checkpoint": files["manifest"]}),
    "key gone": lambda files: files.pop("key"),
    "no text": lambda files: files.update({"checkpoint": b"\xff"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_evidence_does_not_verify(evidence: Evidence, tmp_path: Path, name: str) -> None:
    files = read(evidence.path)
    CHANGES[name](files)
    write(evidence.path, files)
    with pytest.raises(Unverified):
        verify_evidence_file(evidence.path)
    script = tmp_path / "verify_export.py"
    script.write_bytes(files["verify_export.py"])
    assert run_script(script, evidence.path).returncode == 4


def test_a_byte_more_in_any_file_of_the_evidence_does_not_verify(evidence: Evidence) -> None:
    files = read(evidence.path)
    for name, content in files.items():
        for more in (b"x", b"\n", b" "):
            if name == "key" and more.isspace():
                continue
            write(evidence.path, {**files, name: content + more})
            with pytest.raises(Unverified):
                verify_evidence_file(evidence.path)


def sign_again(files: dict[str, bytes], signer: Signer) -> None:
    """Sign for files as the owner of a key could."""
    rest = {name: content for name, content in files.items() if name != "manifest"}
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in rest.items())
    files["manifest"] = signer.sign(f"{MANIFEST_TITLE}\n{lines}").encode()


@pytest.mark.parametrize("proofs", [b"[]", b"{", b"5", b"[" * 100_000, b"[1, 2, 3]", b'[{"seq": 300}, {}, {}]'])
def test_evidence_needs_a_proof_for_each_event_even_if_signed(
    audit: AuditLog, evidence: Evidence, proofs: bytes
) -> None:
    files = read(evidence.path)
    files["proofs.json"] = proofs
    sign_again(files, audit.checkpoints.get_signer())
    write(evidence.path, files)
    with pytest.raises(Unverified):
        verify_evidence_file(evidence.path)


def test_evidence_of_a_stranger_does_not_verify_with_our_key(
    audit: AuditLog, evidence: Evidence, tmp_path: Path
) -> None:
    stranger = open_log(audit.store, tmp_path / "stranger")
    forged = write_evidence(stranger, tmp_path / "forged.zip", change_id=4711, parts=PARTS)
    key = tmp_path / "key"
    key.write_text(audit.checkpoints.get_key())
    assert verify_evidence_file(forged.path) == 3
    with pytest.raises(Unverified, match="not signed by"):
        verify_evidence_file(forged.path, key)


def test_evidence_with_a_name_twice_does_not_verify(evidence: Evidence) -> None:
    with zipfile.ZipFile(evidence.path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("gates.json", b"{}")
    with pytest.raises(Unverified, match="two files of one name"):
        verify_evidence_file(evidence.path)


def test_what_is_no_evidence_says_so(tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    with pytest.raises(NotFound, match="no file"):
        verify_evidence_file(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(InvalidInput, match="cannot be read"):
        verify_evidence_file(path)


def test_evidence_with_any_byte_changed_verifies_only_if_no_content_did(evidence: Evidence, tmp_path: Path) -> None:
    whole = evidence.path.read_bytes()
    script = tmp_path / "verify_export.py"
    script.write_bytes(read(evidence.path)["verify_export.py"])
    files = read(evidence.path)
    for start in range(0, len(whole), len(whole) // 60):
        changed = bytearray(whole)
        changed[start] ^= 1
        evidence.path.write_bytes(changed)
        with suppress(Unverified, InvalidInput):
            verify_evidence_file(evidence.path)
            assert read(evidence.path) == files
    for offset, value in ((10, 9), (6, 99)):  # how a file is packed, and by which version of ZIP
        changed = bytearray(whole)
        changed[whole.index(b"PK\x01\x02") + offset] = value
        evidence.path.write_bytes(changed)
        with pytest.raises((Unverified, InvalidInput)):
            verify_evidence_file(evidence.path)
        assert run_script(script, evidence.path).returncode in (2, 4)
    evidence.path.write_bytes(whole[:-30])
    with pytest.raises(InvalidInput, match="cannot be read"):
        verify_evidence_file(evidence.path)


def test_a_change_without_events_has_no_evidence(audit: AuditLog, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no event of change 9999"):
        write_evidence(audit, tmp_path / "evidence.zip", change_id=9999, parts=PARTS)
    assert not (tmp_path / "evidence.zip").exists()


class Tags(HTMLParser):
    """What elements and attributes a page has, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_shows_everything_and_runs_nothing(evidence: Evidence) -> None:
    page = Tags()
    page.feed(read(evidence.path)["report.html"].decode())
    assert not page.names & {"script", "img", "iframe", "form", "a", "b", "link", "object"}
    assert not any(name.startswith("on") or name in {"src", "href"} for name in page.attributes)
    for shown in (
        HOSTILE.replace("\u202e", "⟨U+202E⟩"),
        "0.91",
        "compatible",
        "promotion:approval:granted",
        "default/3",
    ):
        assert shown in page.text


def test_a_report_says_what_was_not_recorded(audit: AuditLog, tmp_path: Path) -> None:
    parts = EvidenceParts(title="fraud/7", summary={})
    evidence = write_evidence(audit, tmp_path / "evidence.zip", change_id=4711, parts=parts)
    assert read(evidence.path)["report.html"].decode().count("Not recorded.") == 4
