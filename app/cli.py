"""The `gatehouse` command: groups are loaded when named, so that a command imports only what it needs.

Exit codes and JSON are the public interface (README, Commands). Every failure prints one sentence naming what was wrong
and one saying what to do next; with `--json` it is one document on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click
import structlog

from services.errors import GatehouseError, InvalidInput
from services.logs import begin_request, current_reference, set_up_logs
from services.settings import is_text, load_settings

_SHOWN = 80
_COMMANDS = {
    "up": "app.commands.processes",
    "worker": "app.commands.processes",
    "doctor": "app.commands.processes",
    "demo": "app.commands.processes",
    "sync": "app.commands.registry",
    "names": "app.commands.registry",
    "models": "app.commands.registry",
    "register": "app.commands.registry",
    "drift": "app.commands.registry",
    "signature": "app.commands.signature_runs",
    "gates": "app.commands.gates",
    "readiness": "app.commands.readiness",
    "promotions": "app.commands.changes",
    "changes": "app.commands.changes",
    "pins": "app.commands.deployments",
    "rollback": "app.commands.deployments",
    "ramp": "app.commands.deployments",
    "serve": "app.commands.serving",
    "servers": "app.commands.serving",
    "policy": "app.commands.policy",
    "shadow": "app.commands.shadow",
    "lineage": "app.commands.lineage",
    "story": "app.commands.lineage",
    "deprecate": "app.commands.lineage",
    "migrate": "app.commands.lineage",
    "audit": "app.commands.audit",
    "backup": "app.commands.backup",
    "users": "app.commands.people",
    "tokens": "app.commands.people",
}


class _LazyGroup(click.Group):
    """A group whose commands live in the modules of `_COMMANDS`, each as an attribute named `NAME_command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[cmd_name]), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gatehouse")
def group() -> None:
    """Release governance for the MLflow model registry."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    begin_request("cli")
    try:
        _check_text(arguments)
        code = group.main(arguments, prog_name="gatehouse", standalone_mode=False)
    except GatehouseError as error:
        code = _fail(error.kind, error.message, error.next_step, error.exit_code, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        # Click writes the choices of an option one a line.
        message = " ".join(error.format_message().split())
        code = _fail("invalid_input", message, "Run the command with --help.", 2, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        code = _fail("interrupted", "The command was interrupted.", "Run it again when ready.", 130, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug shows as a bug, not as a trace
        reference, log = _note_bug(error)
        message = f"Something broke inside Gatehouse (reference {reference})."
        code = _fail("bug", message, f"Report it with what {log} says under this reference.", 2, as_json=as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _check_text(arguments: Sequence[str]) -> None:
    for argument in arguments:
        # Neither JSON nor a store would take it.
        if not is_text(argument):
            raise InvalidInput(f"An argument is no UTF-8 text: {argument[:_SHOWN]!a}.", next_step="Write it in UTF-8.")


def _note_bug(error: Exception) -> tuple[str, str]:
    """Log an error that nobody foresaw, and return its reference and where it is told."""
    reference = current_reference()
    try:
        path = load_settings().home / "logs" / "commands.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            set_up_logs(out=log)
            structlog.get_logger(__name__).error("a command broke", reference=reference, exc_info=error)
    except (OSError, GatehouseError):
        # The home may be what is wrong.
        return reference, f"the kind of the error, {type(error).__name__}, since no log can be written,"
    return reference, str(path)


def _fail(kind: str, message: str, next_step: str, code: int, *, as_json: bool) -> int:
    try:
        if as_json:
            click.echo(json.dumps({"error": {"kind": kind, "message": message, "next_step": next_step}}))
        else:
            click.echo(f"{message}\n{next_step}", err=True)
    except OSError:
        # Nobody can be told any more, but by the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stdout if as_json else sys.stderr).fileno())
    return code


if __name__ == "__main__":
    main()
