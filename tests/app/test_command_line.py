"""What every command takes and refuses alike: numbers, texts, files to write, times."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.running import Home, make_home

TOO_LARGE = "9" * 30
NO_UTF8 = os.fsdecode(b"caf\xe9")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.mark.parametrize("number", ["٣", "1_0", " 3", "+3", "1e3", "3.0", "", TOO_LARGE, "9223372036854775808", "0"])
def test_an_id_is_a_whole_number_in_plain_digits_that_the_store_can_keep(home: Home, number: str) -> None:
    ran = home.run("changes", "show", number, "--json")
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "invalid_input"


@pytest.mark.parametrize(
    "arguments",
    [
        ("changes", "list", "--before", TOO_LARGE),
        ("promotions", "approve", TOO_LARGE, "--reason", "fine"),
        ("policy", "show", "default", "--kind", "gate_policy", "--revision", TOO_LARGE),
        ("policy", "revisions", "default", "--kind", "gate_policy", "--before", TOO_LARGE),
        ("policy", "revert", "default", "--kind", "gate_policy", "--to", TOO_LARGE, "--reason", "back"),
        ("audit", "list", "--change", TOO_LARGE),
        ("audit", "list", "--after", TOO_LARGE),
        ("audit", "prove", TOO_LARGE),
        ("audit", "evidence", TOO_LARGE, "--out", "evidence.zip"),
        ("drift", "revert", TOO_LARGE, "--reason", "back"),
        ("gates", "waivers", "--before", TOO_LARGE),
        ("ramp", "start", "scorer", "--candidate", TOO_LARGE, "--reason", "on"),
        ("shadow", "replay", "scorer", "--champion", "1", "--candidate", "2147483648", "--data", "x", "--out", "y"),
        ("gates", "waive", "scorer/1", "auc", "--to", "staging", "--days", "nan", "--reason", "late"),
        ("serve", "scorer", "--port", "0", "--max-body-mb", "inf"),
        ("serve", "scorer", "--port", "0", "--timeout", "nan"),
    ],
    ids=" ".join,
)
def test_a_number_that_cannot_be_is_bad_input_in_every_command(home: Home, arguments: tuple[str, ...]) -> None:
    ran = home.run(*arguments, "--json")
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "invalid_input"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_leaves_the_calendar_in_utc_is_bad_input(home: Home, moment: str) -> None:
    for arguments in (("audit", "list", "--since", moment), ("pins", "show", "--at", moment)):
        ran = home.run(*arguments, "--json")
        assert ran.code == 2
        assert moment in ran.json["error"]["message"]


def test_bytes_that_are_no_text_are_bad_input_wherever_they_come_from(home: Home, tmp_path: Path) -> None:
    named = home.run("models", "list", "--text", NO_UTF8, "--json")
    told = make_home(tmp_path, MLFLOW_TRACKING_URI=NO_UTF8).run("models", "list", "--json")
    for ran in (named, told):
        assert ran.code == 2
        assert "no UTF-8 text" in ran.json["error"]["message"]


def test_a_settings_file_that_nobody_can_read_is_told_and_no_bug(home: Home) -> None:
    home.folder.mkdir()
    for content in (b"port: \xff", b"sources: {}", b"port: 2001-99-99", b"[" * 5000):
        (home.folder / "gatehouse.yaml").write_bytes(content)
        ran = home.run("pins", "show", "--json")
        assert ran.code == 2
        assert "gatehouse.yaml" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [("names", "plan", "--out"), ("policy", "export"), ("backup", "create")], ids=" ".join
)
def test_a_place_that_cannot_be_written_is_bad_input(
    tmp_path: Path, mlflow_url: str, arguments: tuple[str, ...]
) -> None:
    home = make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    ran = home.run(*arguments, in_the_way / "x", "--json")
    assert ran.code == 2
    assert ran.json["error"]["kind"] == "invalid_input"
    assert str(in_the_way) in ran.json["error"]["message"]


def test_no_command_puts_a_file_in_the_place_of_what_is_none(tmp_path: Path, mlflow_url: str) -> None:
    home = make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments in (("names", "plan", "--out"), ("backup", "create")):
        ran = home.run(*arguments, pipe)
        assert ran.code == 2
        assert "no ordinary file" in ran.err
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_export_is_not_overwritten_by_what_verifies_it(home: Home, tmp_path: Path) -> None:
    home.run("users", "list")
    reviewer = home.add_person("carol", "compliance_reviewer")
    for name in ("audit.checkpoint", "audit.key", "verify_export.py"):
        ran = home.run("audit", "export", "--out", tmp_path / name, token=reviewer)
        assert ran.code == 2
        assert not (tmp_path / name).exists()


def test_a_bug_is_told_by_the_id_that_the_events_before_it_have(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("postgresql://ada:hunter2@db/x broke")

    monkeypatch.setattr("services.identity.keeping.create_backup", break_down)
    ran = home.run("backup", "create", home.folder / "backup.zip", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "bug")
    reference = re.search(r"reference ([0-9a-f]{8})", ran.json["error"]["message"])
    assert reference is not None
    started = home.run("audit", "list", "--json").json["events"][-1]
    assert (started["action"], started["origin"]) == ("store:backup:started", f"cli {reference[1]}")
    log = (home.folder / "logs" / "commands.log").read_text()
    assert reference[1] in log
    assert "hunter2" not in log


def test_a_bug_is_told_even_where_no_log_can_be_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("nobody foresaw this")

    home.folder.mkdir()
    (home.folder / "logs").write_text("a file where the folder of logs would be")
    monkeypatch.setattr("app.commands.deployments.current_gatehouse", broken)
    ran = home.run("pins", "show")
    assert ran.code == 2
    assert "RuntimeError" in ran.err
    assert "nobody foresaw" not in ran.err


def test_what_is_wrong_with_an_option_is_told_in_one_line(home: Home) -> None:
    ran = home.run("users", "add", "dave", "--json")
    assert ran.code == 2
    assert "\n" not in ran.json["error"]["message"]


@pytest.mark.parametrize("command", [("models", "list"), ("up",), ("demo",)], ids=" ".join)
def test_a_home_that_cannot_be_made_is_not_reachable(command: tuple[str, ...]) -> None:
    ran = Home(folder=Path("/proc/no/such/home"), environ={}).run(*command, "--json")
    assert ran.code == 3
    assert "/proc/no/such/home" in ran.json["error"]["message"]


def run_into(folder: Path, sink: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own, with its output going into a shell command."""
    command = f'set -o pipefail; "$@" {sink}'
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, "GATEHOUSE_HOME": str(folder), "GATEHOUSE_TOKEN": "", "MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        check=False,
    )


def test_the_exit_code_is_the_answer_even_if_nobody_reads_it_to_the_end(tmp_path: Path) -> None:
    gone = "| true"
    assert run_into(tmp_path, gone, "policy", "schema").returncode == 0
    bad = run_into(tmp_path, gone, "names", "lint", "scorer_v2", "--json")
    assert (bad.returncode, bad.stderr) == (1, b"")


def test_an_answer_that_cannot_be_printed_is_told(tmp_path: Path) -> None:
    plain = run_into(tmp_path, "> /dev/full", "names", "lint", "scorer")
    assert plain.returncode == 2
    assert plain.stderr.startswith(b"The answer cannot be printed: No space left on device.\n")
    for arguments in (("names", "lint", "scorer", "--json"), ("pins", "show", "scorer", "--json")):
        as_json = run_into(tmp_path, "> /dev/full", *arguments)
        assert (as_json.returncode, as_json.stderr) == (2, b"")
