"""Exports: the exact leaves, verified by ours and by the script alone, and by nothing once a byte was changed."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.audit import AuditLog, EventQuery, Personal
from services.audit.exports import VERIFIER, Export, export_leaves, export_table, verify_export_files
from services.audit.merkle import CompactRange, leaf_hash, prove_inclusion
from services.audit.notes import Checkpoint, Signer
from services.audit.verify_export import NotVerifiedError, is_signed, parse_checkpoint, verify_inclusion
from services.audit.verify_export import compute_root as script_root
from services.audit.verify_export import main as script_main
from services.errors import InvalidInput, NotFound, Unverified
from services.store import Store
from tests.audit import naive_merkle
from tests.audit.builders import fill, open_log, record


@pytest.fixture
def audit(store: Store, tmp_path: Path) -> AuditLog:
    log = open_log(store, tmp_path / "home")
    fill(log, 600)
    return log


@pytest.fixture
def export(audit: AuditLog, tmp_path: Path) -> Export:
    return export_leaves(audit, tmp_path / "out" / "events.jsonl")


def run_script(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an outsider would: Python alone, none of our packages on its path."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *map(str, files)], capture_output=True, text=True, check=False, cwd="/"
    )


def test_an_export_is_the_leaves_one_a_line(audit: AuditLog, export: Export) -> None:
    lines = export.path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert export.events == len(lines) == 600
    assert CompactRange.of(map(leaf_hash, lines)).root == audit.checkpoints.write().checkpoint.root
    fields = json.loads(lines[41])
    assert fields["seq"] == 41
    assert fields["actor"] == audit.get_event(41).actor
    assert {"at", "action", "subject", "reason", "before", "after", "origin", "event_id", "model", "change"} < set(
        fields
    )
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical == lines[41]


def test_an_export_of_postgresql_verifies_too(postgres_store: Store, tmp_path: Path) -> None:
    log = open_log(postgres_store, tmp_path / "home")
    fill(log, 300)
    export = export_leaves(log, tmp_path / "events.jsonl")
    assert verify_export_files(export.path, export.checkpoint, export.key).covered == 300
    assert export_table(log, tmp_path / "events.csv", EventQuery(text="reason")) == 300


def test_an_export_verifies_offline(export: Export) -> None:
    verified = verify_export_files(export.path, export.checkpoint, export.key)
    assert (verified.covered, verified.uncovered) == (600, 0)
    finished = run_script(export.verifier, export.path, export.checkpoint, export.key)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == f"VERIFIED: 600 events of {verified.origin}.\n"


def test_an_older_checkpoint_verifies_the_beginning(audit: AuditLog, export: Export, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copy(export.checkpoint, old)
    record(audit)
    newer = export_leaves(audit, export.path)
    verified = verify_export_files(newer.path, old, newer.key)
    assert (verified.covered, verified.uncovered) == (600, 1)
    assert "the 1 after them" in run_script(newer.verifier, newer.path, old, newer.key).stdout


TAMPERINGS: dict[str, Callable[[bytes], bytes]] = {
    "a letter": lambda content: content.replace(b"reason number 300", b"reason number 301"),
    "a line gone": lambda content: b"\n".join(content.split(b"\n")[:300] + content.split(b"\n")[301:]),
    "lines exchanged": lambda content: b"\n".join(
        [*content.split(b"\n")[:7], content.split(b"\n")[8], content.split(b"\n")[7], *content.split(b"\n")[9:]]
    ),
    "a line twice": lambda content: content.split(b"\n")[0] + b"\n" + content,
    "cut short": lambda content: content[:-100],
    "lines cut off": lambda content: b"\n".join(content.split(b"\n")[:599]) + b"\n",
    "a space": lambda content: (
        content.replace(b'"seq":44}', b'"seq":44} ') if b'"seq":44}' in content else b" " + content
    ),
    "windows lines": lambda content: content.replace(b"\n", b"\r\n"),
    "nothing": lambda _content: b"",
    "no json": lambda content: b"{" + content,
    "nesting": lambda content: b"[" * 100_000 + b"\n" + content,
    "an array": lambda content: b"[1]\n" + content,
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_changed_export_does_not_verify(export: Export, name: str) -> None:
    export.path.write_bytes(TAMPERINGS[name](export.path.read_bytes()))
    with pytest.raises(Unverified):
        verify_export_files(export.path, export.checkpoint, export.key)
    finished = run_script(export.verifier, export.path, export.checkpoint, export.key)
    assert finished.returncode == 4
    assert finished.stdout.startswith("NOT VERIFIED: ")


def test_the_wrong_line_is_named(export: Export) -> None:
    lines = export.path.read_bytes().split(b"\n")
    export.path.write_bytes(b"\n".join([*lines[:123], *lines[124:]]))
    with pytest.raises(Unverified, match="Line 124 of the export is not event 123"):
        verify_export_files(export.path, export.checkpoint, export.key)


def test_another_key_or_checkpoint_does_not_verify(export: Export) -> None:
    stranger = Signer.generate("gatehouse/stranger")
    for file, content in (
        (export.key, stranger.verifier.text),
        (export.key, "nonsense"),
        (export.key, export.key.read_text().replace("+A", "+B", 1)),
        (export.checkpoint, stranger.sign(Checkpoint(origin="gatehouse/x", size=0, root=bytes(32)).text)),
        (export.checkpoint, export.checkpoint.read_text().replace("600", "599")),
        (export.checkpoint, "nonsense"),
        (export.checkpoint, f"{export.checkpoint.read_text()}x"),
        (export.checkpoint, f"{export.checkpoint.read_text()}x AAAAAAAA\n"),
        (export.checkpoint, export.checkpoint.read_text().removesuffix("\n")),
        (export.checkpoint, export.checkpoint.read_text().replace("\u2014 ", "")),
        (export.checkpoint, ""),
    ):
        kept = file.read_text()
        file.write_text(content)
        with pytest.raises(Unverified):
            verify_export_files(export.path, export.checkpoint, export.key)
        assert run_script(export.verifier, export.path, export.checkpoint, export.key).returncode == 4
        file.write_text(kept)


def test_files_that_cannot_be_read_are_named(export: Export, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file .*nowhere"):
        verify_export_files(tmp_path / "nowhere", export.checkpoint, export.key)
    export.key.write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="cannot be read"):
        verify_export_files(export.path, export.checkpoint, export.key)
    assert run_script(export.verifier, export.path, export.checkpoint, export.key).returncode == 2
    assert run_script(export.verifier, tmp_path / "nowhere", export.checkpoint, export.key).returncode == 2
    assert run_script(export.verifier).returncode == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET leaf = x'7b7d' WHERE seq = 5",
        "UPDATE audit_event SET leaf = 'text' WHERE seq = 5",
        "DELETE FROM audit_event WHERE seq = 7",
    ],
)
def test_a_log_that_does_not_verify_is_not_exported(audit: AuditLog, tmp_path: Path, statement: str) -> None:
    with audit.store.engine.connect() as connection:
        for trigger in ("event_update", "event_delete"):
            connection.execute(text(f"DROP TRIGGER audit_{trigger}"))
        connection.execute(text(statement))
        connection.commit()
    with pytest.raises(Unverified, match=r"not those that its head stands for|is no leaf of the log"):
        export_leaves(audit, tmp_path / "out" / "events.jsonl")
    assert list(tmp_path.glob("out/*")) == []


def test_signatures_of_others_do_not_stand_in_the_way(export: Export) -> None:
    note = export.checkpoint.read_text(encoding="utf-8")
    witness = Signer.generate("witness.example")
    export.checkpoint.write_text(note + witness.sign(note.rpartition("\n\n")[0] + "\n").rpartition("\n\n")[2])
    assert verify_export_files(export.path, export.checkpoint, export.key).covered == 600


def test_an_export_that_cannot_be_written_says_so(audit: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be used"):
        export_leaves(audit, tmp_path / "file" / "events.jsonl")


def test_the_script_tells_how_it_went(export: Export, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = [str(path) for path in (export.path, export.checkpoint, export.key)]
    assert script_main(files) == 0
    assert capsys.readouterr().out.startswith("VERIFIED: 600 events")
    export.path.write_bytes(b"")
    assert script_main(files) == 4
    assert capsys.readouterr().out == "NOT VERIFIED: The export has 0 events, but the checkpoint covers 600.\n"
    assert script_main([]) == 2
    assert "verify_export.py EVENTS.jsonl CHECKPOINT KEY" in capsys.readouterr().out
    assert script_main([str(tmp_path / "nowhere.zip")]) == 2
    assert "Cannot read" in capsys.readouterr().err
    export.key.write_text("name+00000000+AQ==")
    assert script_main(files) == 4


def test_the_script_needs_nothing_but_python() -> None:
    imported = {
        line.split()[1].split(".")[0]
        for line in VERIFIER.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= {*sys.stdlib_module_names, "__future__"}


def test_the_script_is_read_by_the_python_that_outsiders_have() -> None:
    """3.9 is what macOS and Red Hat 9 call python3."""
    tree = ast.parse(VERIFIER.read_text(), feature_version=(3, 9))
    named = {argument.arg for call in ast.walk(tree) if isinstance(call, ast.Call) for argument in call.keywords}
    assert "strict" not in named
    older = shutil.which("python3.9")
    if older is not None and subprocess.run([older, "-V"], capture_output=True, check=False).returncode == 0:
        assert subprocess.run([older, "-I", "-S", str(VERIFIER)], capture_output=True, check=False).returncode == 2


def test_the_script_computes_the_same_roots() -> None:
    leaves = [leaf_hash(naive_merkle.leaf(index)) for index in range(300)]
    for size in range(300):
        assert script_root(leaves[:size]) == naive_merkle.mth(0, size)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_the_script_knows_signatures_as_the_library_does(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert is_signed(public, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_signed(public, message, bytes(changed))
    assert not is_signed(public, message + b"x", signature)


def test_the_script_refuses_signatures_that_are_out_of_range() -> None:
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not is_signed(public, b"", signature[:32] + scalar.to_bytes(32, "little"))
    assert not is_signed(public, b"", signature[:-1])
    assert not is_signed(b"\xff" * 32, b"", signature)
    assert not is_signed(public, b"", (2).to_bytes(32, "little") + signature[32:])


@given(st.data())
def test_the_script_checks_inclusion(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 400))
    index = data.draw(st.integers(0, size - 1))
    leaves = [json.dumps({"seq": at}).encode() for at in range(size)]
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def read(level: int, at: int) -> bytes:
        return CompactRange.of(hashes[at << level : (at + 1) << level]).root

    path = [sibling.hex() for sibling in prove_inclusion(index, size, read)]
    checkpoint = parse_checkpoint(Checkpoint(origin="x", size=size, root=CompactRange.of(hashes).root).text)
    proof = {"seq": index, "tree_size": size, "path": path}
    verify_inclusion(leaves[index], proof, checkpoint)
    for wrong in (
        {**proof, "path": [*path, "00" * 32]},
        {**proof, "path": path[:-1] if path else ["00" * 32]},
        {**proof, "tree_size": size + 1},
        {**proof, "seq": index + 1},
        {**proof, "seq": "x"},
        {**proof, "path": ["zz"]},
        {},
    ):
        with pytest.raises(NotVerifiedError):
            verify_inclusion(leaves[index], wrong, checkpoint)
    with pytest.raises(NotVerifiedError):
        verify_inclusion(leaves[index][:-1] + b' ,"x":1}', proof, checkpoint)


def test_a_table_is_safe_to_open_in_a_spreadsheet(audit: AuditLog, tmp_path: Path) -> None:
    record(audit, subject="evil", reason="=HYPERLINK(1)", after={"a": "  @SUM"}, before=["+1"])
    path = tmp_path / "events.csv"
    assert export_table(audit, path, EventQuery(subject="evil")) == 1
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reason"] == "'=HYPERLINK(1)"
    assert row["seq"] == "600"
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())


def test_a_table_holds_all_that_the_filter_finds(audit: AuditLog, tmp_path: Path) -> None:
    assert export_table(audit, tmp_path / "all.csv") == 600
    count = export_table(audit, tmp_path / "some.csv", EventQuery(action="promotion", text="reason"))
    assert count == len(audit.list_events(EventQuery(action="promotion"), limit=1000).events)


def test_personal_values_are_no_part_of_an_export(audit: AuditLog, tmp_path: Path) -> None:
    record(audit, after={"email": Personal("ada@example.org")})
    export = export_leaves(audit, tmp_path / "events.jsonl")
    assert b"ada@example.org" not in export.path.read_bytes()
    assert hashlib.sha256(export.verifier.read_bytes()).digest() == hashlib.sha256(VERIFIER.read_bytes()).digest()
