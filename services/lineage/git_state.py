"""Where training code stood in Git: commit and branch of a working folder, asked of the `git` program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """A checkout: `branch` is empty on a detached head, `is_changed` says that tracked files differ from the commit."""

    commit: str
    branch: str
    is_changed: bool


def find_git_state(folder: Path) -> GitState | None:
    """Return the state of the checkout that holds `folder`, or None where there is no commit or no `git`."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    return GitState(
        commit=commit,
        branch=_git(folder, "symbolic-ref", "--quiet", "--short", "HEAD") or "",
        is_changed=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
    )


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
