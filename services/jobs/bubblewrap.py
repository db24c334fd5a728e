"""The command line that puts a program into a sandbox of Linux namespaces (bubblewrap 0.8, bwrap(1)).

The program sees the system's programs and libraries, this Python, what it is given, and a small writable /tmp: no home,
no store, no network, no other process, no environment. It runs as nobody in particular and without capabilities.

As an ordinary user that takes a user namespace. Root needs none, and must not use one: the kernel ignores the limit on
processes for a user that is root outside, so bubblewrap runs as root and the program under a user id of its own.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.errors import Unavailable
from services.jobs.confinement import Limits

NOBODY = 65534
_OWN_IDS = range(61184, 65520)
_COUNTER = itertools.count(os.getpid() * 7)
MEMORY_FOLDERS = ("/tmp", "/dev/shm")  # noqa: S108 - inside the sandbox
"""Where a program may write: as many bytes each as it is given."""
_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
_PYTHON_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
_PACKAGES = ("services", "gatehouse")
# bubblewrap's own first process outlives bubblewrap as a zombie; a shell does not, and it reaps. That it dies with
# bubblewrap has to be said once more, because becoming nobody takes it back (PR_SET_PDEATHSIG(2const)).
_FIRST_PROCESS = ("--pdeathsig", "KILL", "sh", "-c", '"$@"; exit $?', "sh")

ENVIRON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - inside the sandbox, where it is the program's own
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs of the system that make a sandbox."""

    bwrap: str
    prlimit: str
    setpriv: str
    is_root: bool


def find_tools() -> Tools:
    """Return the programs that make a sandbox.

    Raises:
        Unavailable: one of them is missing.
    """
    found = {name: shutil.which(name) for name in ("bwrap", "prlimit", "setpriv")}
    missing = [name for name, path in found.items() if path is None]
    if missing or platform.system() != "Linux":
        raise Unavailable(
            f"Models cannot be run here, because {', '.join(missing) or 'Linux'} is missing for the sandbox.",
            next_step="Install bubblewrap and util-linux (Debian: apt install bubblewrap util-linux).",
        )
    return Tools(**{name: str(path) for name, path in found.items()}, is_root=os.geteuid() == 0)


def build_command(
    program: Sequence[str],
    *,
    tools: Tools,
    inputs: Mapping[str, Path],
    environ: Mapping[str, str],
    limits: Limits,
    status_fd: int,
    seccomp_fd: int,
) -> list[str]:
    """Return the command that runs `program` in a sandbox; see the module's docstring for what it sees."""
    room = str(limits.tmp_bytes)
    return [
        *(tools.bwrap, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL"),
        *_become_nobody(tools),
        *("--proc", "/proc", "--dev", "/dev"),
        *(part for folder in MEMORY_FOLDERS for part in ("--perms", "1777", "--size", room, "--tmpfs", folder)),
        *("--chdir", MEMORY_FOLDERS[0]),
        # After /tmp, which would cover a Python that lies there.
        *_system_mounts(),
        *_folders_above(inputs),
        *(argument for inside, outside in inputs.items() for argument in ("--ro-bind", str(outside), inside)),
        # bubblewrap's own root and /dev are memory without a limit.
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *(argument for item in {**ENVIRON, **environ}.items() for argument in ("--setenv", *item)),
        *("--json-status-fd", str(status_fd)),
        *("--seccomp", str(seccomp_fd)),
        *("--as-pid-1", "--", tools.setpriv, *_FIRST_PROCESS, tools.prlimit),
        *(f"--{name}={value}" for name, value in limits.rlimits.items()),
        *_drop_root(tools),
        *program,
    ]


def sandbox_ids() -> tuple[int, ...]:
    """Return the ids that a program may run under."""
    return (*_OWN_IDS, NOBODY)


def is_readable_by_others(path: Path) -> bool:
    """Return whether a file, or everything in a folder, may be read by any user; links lead nowhere inside."""
    places = [path, *(Path(folder) / name for folder, folders, files in os.walk(path) for name in folders + files)]
    return all(
        stat.S_ISLNK(mode) or (mode & 0o004 and (mode & 0o001 or not stat.S_ISDIR(mode)))
        for mode in (place.lstat().st_mode for place in places)
    )


def _become_nobody(tools: Tools) -> tuple[str, ...]:
    if not tools.is_root:
        return ("--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY))
    return tuple(f for name in ("SETUID", "SETGID", "SETPCAP") for f in ("--cap-add", f"CAP_{name}"))


def _drop_root(tools: Tools) -> tuple[str, ...]:
    if not tools.is_root:
        return ()
    # An id of its own for every run: the limit on processes counts all of one id, and so would two runs together.
    own = str(_OWN_IDS[next(_COUNTER) % len(_OWN_IDS)])
    return (
        *(tools.setpriv, "--reuid", own, "--regid", own, "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
    )


def _system_mounts() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for folder in (Path("/", name) for name in _SYSTEM_FOLDERS):
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        elif folder.exists():
            yield from ("--ro-bind", str(folder), str(folder))
    yield from _folders_above(_SYSTEM_FILES)
    for file in _SYSTEM_FILES:
        yield from ("--ro-bind-try", file, file)
    places = [place for place in _python_places() if not place.is_relative_to("/usr")]
    yield from _folders_above(map(str, places))
    for place in places:
        yield from ("--ro-bind", str(place), str(place))


def _folders_above(places: Iterable[str]) -> Iterator[str]:
    # Those that bubblewrap makes by itself are closed to anybody but their owner.
    for folder in dict.fromkeys(parent for place in places for parent in reversed(Path(place).parents)):
        if folder != Path("/"):
            yield from ("--dir", str(folder))


def _python_places() -> list[Path]:
    """Return where this Python and our own packages lie, and nothing beside them: a home may lie there too."""
    prefixes = [Path(prefix) for prefix in (sys.base_prefix, sys.prefix)]
    prefixes += [prefix.resolve() for prefix in prefixes]
    places = [prefix / part for prefix in prefixes for part in _PYTHON_PARTS]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        places += [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return [place for place in dict.fromkeys(places) if place.exists() and not place.is_symlink()]
