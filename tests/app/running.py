"""Running `gatehouse` in this process, as somebody, on a home of the test's own."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app import cli
from app.commands.output import current_gatehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One installation."""

    folder: Path
    environ: Mapping[str, str]

    def run(self, *arguments: str | Path, token: str = "") -> Ran:
        """Run a command; without a token as the local admin."""
        environ = {**self.environ, "GATEHOUSE_HOME": str(self.folder), "GATEHOUSE_TOKEN": token}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "MLFLOW_"))}
        out, err = io.StringIO(), io.StringIO()
        current_gatehouse.cache_clear()
        code = 0
        with (
            patch.dict(os.environ, {**kept, **environ}, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                _close()
        return Ran(code=code, out=out.getvalue(), err=err.getvalue())

    def add_person(self, name: str, role: str) -> str:
        """Add somebody and return their token."""
        ran = self.run("users", "add", name, "--role", role, "--json")
        assert ran.code == 0, ran
        return str(ran.json["token"])


def make_home(folder: Path, **environ: str) -> Home:
    """Return an empty installation below `folder`."""
    return Home(folder=folder / "home", environ=environ)


def _close() -> None:
    """Give back what the end of a process would."""
    if current_gatehouse.cache_info().currsize:
        current_gatehouse().close()
    current_gatehouse.cache_clear()
