"""Every command as somebody who may read what is in production and nothing else: refused, but for what is anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli import group
from tests.app.running import Home, make_home

REFUSED = (
    "audit checkpoint",
    "audit export --out FILE",
    "audit list",
    "audit prove 0",
    "audit redact 0 --place /after/name --reason x",
    "audit redact 0 --reason x",
    "audit verify",
    "backup create FILE",
    "backup restore FILE",
    "changes list",
    "changes show 1",
    "drift list",
    "gates sweep --to staging",
    "gates waivers",
    "lineage fraud/1",
    "migrate plan a b",
    "models list",
    "models show fraud",
    "names plan fraud",
    "policy diff FILE --name default --kind checklist",
    "policy export FOLDER",
    "policy list",
    "policy revisions default",
    "policy show default",
    "promotions list",
    "promotions show 1",
    "ramp abort fraud --reason x",
    "ramp advance fraud --reason x",
    "ramp pause fraud --reason x",
    "ramp resume fraud --reason x",
    "ramp start fraud --reason x",
    "readiness show fraud/1",
    "register fraud --source s --description d",
    "shadow label --log FILE --data FILE",
    "shadow replay fraud --champion 1 --candidate 2 --data FILE --out FILE",
    "signature show fraud/1",
    "signature diff fraud/1 fraud/2",
    "signature check fraud/1 --data FILE",
    "signature plan fraud/1 fraud/2",
    "signature conform fraud/1 --data FILE --out FILE",
    "story fraud/1",
    "sync",
    "tokens issue ci",
    "tokens list",
    "users add bob --role admin",
    "users disable bob",
    "users enable bob",
    "users list",
    "users role bob --role admin",
)
ANYBODYS = {
    "audit key": "the public key is public",
    "backup verify": "reads a file of the caller's own",
    "doctor": "shows the caller's own settings, secrets masked",
    "names lint": "judges words of the caller's own",
    "pins export": "is what a service account is for",
    "pins show": "is what a service account is for",
    "policy decide": "works on files of the caller's own",
    "policy schema": "is the same for every installation",
    "policy validate": "reads a file of the caller's own",
    "ramp status": "is what a service account is for",
    "servers": "is what a service account is for",
    "shadow compare": "reads a log of the caller's own",
    "signature explain": "explains a text of the caller's own",
    "up": "starts processes, as the system's user may",
    "worker": "starts a process, as the system's user may",
    "demo": "fills an installation that nobody uses yet",
    "serve": "starts a process, as the system's user may",
}
BY_SERVICE = {
    *("audit evidence", "deprecate", "drift adopt", "drift revert", "gates run", "gates waive", "migrate apply"),
    "names apply",
    *("policy approve", "policy propose", "policy simulate", "promotions request", "rollback", "tokens revoke"),
    "readiness answer",
    *("signature test", "signature predict", "gates revoke", "policy import", "policy revert"),
    *(
        f"{kind} {what}"
        for kind in ("changes", "promotions")
        for what in ("approve", "reject", "ask-for-changes", "cancel", "comment", "renew", "execute")
    ),
}
"""What finds its subject before a service asks for permission; `test_permissions` holds the services."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def token(home: Home) -> str:
    return str(home.run("tokens", "issue", "serving", "--json").json["token"])


def list_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every command that does something, with its groups."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if not path and name in ANYBODYS:
            yield name
            continue
        found = command.get_command(context, name)
        assert found is not None
        yield from list_commands(found, (*path, name))


def test_every_command_is_accounted_for() -> None:
    refused = {name for name in list_commands(group) for line in REFUSED if f"{line} ".startswith(f"{name} ")}
    assert set(list_commands(group)) == refused | ANYBODYS.keys() | BY_SERVICE
    assert not refused & (ANYBODYS.keys() | BY_SERVICE)


@pytest.mark.parametrize("line", REFUSED)
def test_who_may_not_is_refused_and_the_refusal_is_an_event(home: Home, token: str, tmp_path: Path, line: str) -> None:
    file = tmp_path / "file"
    file.write_text("items: []\n")
    ran = home.run(
        *({"FILE": file, "FOLDER": tmp_path}.get(word, word) for word in line.split()), "--json", token=token
    )
    assert (ran.code, ran.json["error"]["kind"]) == (1, "forbidden"), ran
    found = home.run("audit", "list", "--actor", "serving", "--json").json["events"]
    assert found[-1]["action"] == "access:permission:refused"
    assert found[-1]["after"]["permission"] in ran.json["error"]["message"].replace(" ", "_")
