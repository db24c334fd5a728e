"""The sandbox: the only way that code from outside runs, be it a model or anything else.

A program gets read-only inputs, pipes to answer through, and limits on time, memory, processes and output. Whatever it
does, the caller gets a result that says how it ended; when the call returns, nothing of it is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from services.errors import NotFound, Unavailable
from services.jobs.bubblewrap import Tools, build_command, find_tools, is_readable_by_others
from services.jobs.confinement import MIB, Ending, Limits, SandboxResult, Sink
from services.jobs.seccomp import build_filter
from services.jobs.supervision import Pipe, Supervisor

STREAM_BYTES = MIB


def run_sandboxed(
    program: Sequence[str],
    *,
    inputs: Mapping[str, Path] | None = None,
    sinks: Sequence[Sink] = (),
    channels: Mapping[str, int] | None = None,
    environ: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> SandboxResult:
    """Run a program in the sandbox and return how it ended.

    Args:
        program: the command, as seen from inside.
        inputs: absolute path inside to file or folder outside; read-only.
        sinks: pipes besides stdout and stderr, of which a mebibyte each is kept.
        channels: open descriptors that the program gets, such as one end of a pair of sockets; the number of each
            stands in the variable `<name>_FD`.
        environ: variables besides the few every program gets.
        limits: what it may use; by default, what `Limits` says.
        is_cancelled: asked twenty times a second; True ends the program.

    Raises:
        Unavailable: this machine has no bubblewrap, or does not let it work.
    """
    tools = find_tools()
    limits = limits or Limits()
    channels = channels or {}
    out, err = bytearray(), bytearray()
    supervisor = Supervisor(limits, is_cancelled)
    streams = [_stream("stdout", out, limits), _stream("stderr", err, limits)]
    with _staged(inputs or {}, tools) as staged, contextlib.ExitStack() as stack:
        pipes = [Pipe(stack, sink) for sink in (*streams, *sinks, supervisor.status_sink)]
        rules = _open_filter(stack)
        command = build_command(
            program,
            tools=tools,
            inputs=staged,
            environ={
                **(environ or {}),
                **{f"{pipe.sink.name}_FD": str(pipe.writer) for pipe in pipes[2:-1]},
                **{f"{name}_FD": str(descriptor) for name, descriptor in channels.items()},
            },
            limits=limits,
            status_fd=pipes[-1].writer,
            seccomp_fd=rules,
        )
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=pipes[0].writer,
            stderr=pipes[1].writer,
            pass_fds=[rules, *(pipe.writer for pipe in pipes[2:]), *channels.values()],
            env={},
            start_new_session=True,
        )
        supervisor.attend(process, pipes)
    if not supervisor.has_begun:
        raise Unavailable(
            f"The sandbox does not start on this machine: {err.decode(errors='replace').strip()[:300]}",
            next_step="Let bubblewrap make user namespaces for ordinary users; `gatehouse doctor` tries it.",
        )
    return supervisor.conclude(stdout=bytes(out), stderr=bytes(err))


def check_sandbox() -> None:
    """Accept a machine on which the sandbox works.

    Raises:
        Unavailable: it does not, and the message says why.
    """
    result = run_sandboxed(["true"], limits=Limits(wall_s=10))
    if result.ending is not Ending.EXITED or result.exit_code:
        raise Unavailable(
            f"The sandbox does not work on this machine: {result.reason}",
            next_step="Check bubblewrap with `bwrap --unshare-all --ro-bind / / true`.",
        )


def _stream(name: str, kept: bytearray, limits: Limits) -> Sink:
    if not limits.is_endless:
        return Sink(name=name, write=kept.extend, max_bytes=STREAM_BYTES)

    def keep_last(chunk: bytes) -> None:
        kept.extend(chunk)
        del kept[:-STREAM_BYTES]

    return Sink(name=name, write=keep_last, max_bytes=sys.maxsize)


@contextlib.contextmanager
def _staged(inputs: Mapping[str, Path], tools: Tools) -> Iterator[Mapping[str, Path]]:
    """Yield inputs that the program may read: as root it runs as nobody, who may not read what only root may.

    What others may read is given as it is, so that a folder may be filled while the program runs.
    """
    missing = next((path for path in inputs.values() if not path.exists()), None)
    if missing is not None:
        raise NotFound(f"There is no {missing} to give to the sandbox.", next_step="Check the path.")
    closed = [inside for inside, outside in inputs.items() if tools.is_root and not is_readable_by_others(outside)]
    with tempfile.TemporaryDirectory(prefix="gatehouse-") if closed else contextlib.nullcontext("") as folder:
        staged = dict(inputs)
        for number, inside in enumerate(closed):
            staged[inside] = Path(folder, str(number))
            _copy_readable(inputs[inside], staged[inside])
        yield staged


def _copy_readable(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o444)
        return
    shutil.copytree(source, target, symlinks=True)
    for folder, _folders, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            if not (place := Path(folder, name)).is_symlink():
                place.chmod(0o444)


def _open_filter(stack: contextlib.ExitStack) -> int:
    rules = build_filter()
    if rules is None:
        raise Unavailable(
            f"The sandbox knows no system calls of {os.uname().machine}.", next_step="Use an x86_64 or aarch64 machine."
        )
    file = os.memfd_create("seccomp")
    stack.callback(os.close, file)
    os.write(file, rules)
    os.lseek(file, 0, os.SEEK_SET)
    return file
