"""Reading a shadow log: each file is reduced to its state once, ever; what was there before is merged, not read again.

An identity (request id and both versions) counts once a day: files of one folder are checked against each other, and a
folder that repeats an identity is reduced as a whole, with each identity once. See docs/decisions/shadow-counting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from services.errors import Conflict
from services.shadow.building import Extent, build_state
from services.shadow.doubts import find_corrupt_column
from services.shadow.engines import Engine, FilesUnreadable
from services.shadow.log_files import FilePlan, LogFile, Problem, list_log_files, read_plan
from services.shadow.sql import surplus_sql
from services.shadow.state_files import Entry, StateFolder, state_key
from services.shadow.states import ShadowState

_BATCH_FILES = 256

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What of a log was read: `rows_read` is all rows of the counted files, of which `duplicates` repeat another.

    Args:
        problems: those of files that do not count first.
        changed: names of files that differ from when the log was last read; likewise `deleted`.
    """

    files_found: int
    files_counted: int
    rows_read: int
    duplicates: int
    problems: tuple[Problem, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of files whose rows, if they hold any, do not count."""
        return tuple(dict.fromkeys(one.file for one in self.problems if not one.is_counted and one.rows != 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """The state of a whole log, and what of the log it covers."""

    state: ShadowState
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestState:
    """What was read of a log, when, and how many files have come or changed since."""

    path: Path
    log: LogState
    unread_files: int
    read_at: datetime


def read_log(log: Path, *, engine: Engine, home: Path, progress: Progress = lambda _done, _total: None) -> LogState:
    """Return the state of a log, reading only files that are new or have changed since the last time.

    Args:
        home: where states are kept.
        progress: told how many rows of new files are done, and of how many.

    Raises:
        NotFound: there is no such log.
        Unavailable: states cannot be kept, or the engine lacks memory.
        Conflict: the log changed while it was read.
    """
    files, strays = list_log_files(log)
    folder = StateFolder(home, log, engine.name)
    before = folder.read_index()
    found = _find_current(folder, before, files)
    if found is not None:
        return LogState(state=found, coverage=_coverage(before, before, files, strays))
    entries = [entry for entry in _usable(before, files) if not entry.key or folder.find(entry.key) is not None]
    try:
        entries = _Renewal(engine, folder, progress).renew(entries, files)
    except (FilesUnreadable, FileNotFoundError) as error:
        raise _changed(log, str(error)) from error
    state = folder.merged(entries)
    if state is None:
        raise _changed(log, "its states were removed")
    return LogState(state=state, coverage=_coverage(entries, before, files, strays))


def find_log_state(log: Path, *, engine: str, home: Path) -> LogState | None:
    """Return the state of a log if no file of it is still to be read, else None: never takes long.

    Raises:
        NotFound: there is no such log.
    """
    files, strays = list_log_files(log)
    folder = StateFolder(home, log, engine)
    entries = folder.read_index()
    found = _find_current(folder, entries, files)
    return None if found is None else LogState(state=found, coverage=_coverage(entries, entries, files, strays))


def find_latest_state(log: Path, *, engine: str, home: Path) -> LatestState | None:
    """Return what was read of a log so far, though files may have come or changed since; None where nothing was.

    Raises:
        NotFound: there is no such log.
    """
    files, strays = list_log_files(log)
    folder = StateFolder(home, log, engine)
    before = folder.read_index()
    entries = _usable(before, files)
    read_at, state = folder.find_time(), folder.merged(entries) if entries or not files else None
    if read_at is None or state is None:
        return None
    read = {name for entry in entries for name in entry.files}
    return LatestState(
        path=log,
        log=LogState(state=state, coverage=_coverage(entries, before, files, strays)),
        unread_files=sum(file.name not in read for file in files),
        read_at=read_at,
    )


def _find_current(folder: StateFolder, entries: Sequence[Entry], files: Sequence[LogFile]) -> ShadowState | None:
    """Return the merged state where an index speaks of exactly the files that there are, as they are."""
    is_current = _usable(entries, files) == list(entries) and _covers(entries, files)
    return folder.merged(entries) if is_current and (entries or not files) else None


@dataclass(frozen=True, slots=True)
class _Renewal:
    engine: Engine
    folder: StateFolder
    progress: Progress

    def renew(self, kept: Sequence[Entry], files: Sequence[LogFile]) -> list[Entry]:
        """Return entries that cover all files; states of those that were not kept are built and saved."""
        known = {name for entry in kept for name in entry.files}
        read = [read_plan(file) for file in files if file.name not in known]
        by_name = {file.name: file for file in files}
        entries = [*kept, *(_unreadable(by_name[found.file], found) for found in read if isinstance(found, Problem))]
        plans = [found for found in read if isinstance(found, FilePlan)]
        total, done = sum(plan.rows for plan in plans), 0
        with ThreadPoolExecutor(self.engine.workers) as pool:
            for built in pool.map(self._build, _batches(plans, self.engine.batch_rows)):
                entries += built
                done += sum(entry.rows for entry in built)
                self.folder.write_index(entries)
                self.progress(min(done, total), total)
        touched = {plan.file.partition for plan in plans}
        counted = [[entry for entry in entries if entry.partition == name and entry.key] for name in sorted(touched)]
        # One after the other: the hashes of a folder's ids are the most that a comparison holds at once.
        checked = [self._check(group, by_name) for group in counted if group]
        entries = [entry for entry in entries if entry.partition not in touched or not entry.key]
        entries += [entry for group in checked for entry in group]
        self.folder.write_index(entries)
        self.folder.prune(entries)
        return entries

    def _build(self, plans: Sequence[FilePlan]) -> list[Entry]:
        """Build the state of files of one folder; where one is corrupt, the others are built without it."""
        extent = _extent(plans)
        try:
            with self.engine.open(plans, extent.slices, is_distinct=False) as relation:
                state = build_state(relation, extent)
        except FilesUnreadable as error:
            if len(plans) == 1:
                return [_corrupt(plans[0], str(error))]
            middle = len(plans) // 2
            return [*self._build(plans[:middle]), *self._build(plans[middle:])]
        return [self._entry(plans, state, surplus=0)]

    def _check(self, counted: Sequence[Entry], files: Mapping[str, LogFile]) -> Sequence[Entry]:
        """Return what the entries of one folder become once no identity counts twice."""
        found = [read_plan(files[name]) for entry in counted for name in entry.files]
        plans = [plan for plan in found if isinstance(plan, FilePlan)]
        extent = _extent(plans)
        with self.engine.open(plans, (), is_distinct=False) as relation:
            may_repeat = relation.may_repeat(extent.rows)
            surplus = relation.query(surplus_sql()).column("surplus")[0].as_py() if may_repeat else 0
        if not surplus:
            return counted
        with self.engine.open(plans, extent.slices, is_distinct=True) as relation:
            return [self._entry(plans, build_state(relation, extent), surplus=surplus)]

    def _entry(self, plans: Sequence[FilePlan], state: ShadowState, *, surplus: int) -> Entry:
        files = {plan.file.name: plan.file.identity for plan in plans}
        key = state_key(files.values(), is_distinct=surplus > 0)
        self.folder.save(key, state)
        return Entry(
            partition=plans[0].file.partition,
            files=files,
            key=key,
            rows=sum(plan.rows for plan in plans),
            surplus=surplus,
            slices={plan.file.name: plan.slices for plan in plans},
            problems=tuple(problem for plan in plans for problem in plan.problems),
        )


def _usable(entries: Sequence[Entry], files: Sequence[LogFile]) -> list[Entry]:
    now = {file.name: file.identity for file in files}
    return [entry for entry in entries if all(now.get(name) == identity for name, identity in entry.files.items())]


def _covers(entries: Sequence[Entry], files: Sequence[LogFile]) -> bool:
    return {name for entry in entries for name in entry.files} == {file.name for file in files}


def _batches(plans: Sequence[FilePlan], most_rows: int) -> Iterator[list[FilePlan]]:
    """Yield files of one folder at a time, as many as make a good relation."""
    for _partition, group in groupby(plans, key=lambda plan: plan.file.partition):
        batch: list[FilePlan] = []
        for plan in group:
            if batch and (len(batch) == _BATCH_FILES or sum(kept.rows for kept in batch) + plan.rows > most_rows):
                yield batch
                batch = []
            batch.append(plan)
        yield batch


def _extent(plans: Sequence[FilePlan]) -> Extent:
    versions = {plan.find_versions() for plan in plans}
    return Extent(
        rows=sum(plan.rows for plan in plans),
        slices=tuple(sorted({name for plan in plans for name in plan.slices})),
        versions=versions.pop() if len(versions) == 1 else None,
        numbers=frozenset(name for plan in plans for name in plan.numbers),
    )


def _unreadable(file: LogFile, problem: Problem) -> Entry:
    return Entry(partition=file.partition, files={file.name: file.identity}, problems=(problem,))


def _corrupt(plan: FilePlan, reason: str) -> Entry:
    file = plan.file
    told = reason.replace(str(file.path), file.name)
    column = find_corrupt_column(file.path, plan.columns)
    return _unreadable(file, Problem(file=file.name, column=column, message=f"cannot be read: {told}", rows=plan.rows))


def _coverage(
    entries: Sequence[Entry], before: Sequence[Entry], files: Sequence[LogFile], strays: Sequence[Problem]
) -> Coverage:
    now = {file.name: file.identity for file in files}
    former = {name: identity for entry in before for name, identity in entry.files.items()}
    problems = [*strays, *(problem for entry in entries for problem in entry.problems), *_lacking(entries)]
    return Coverage(
        files_found=len(files),
        files_counted=sum(len(entry.slices) for entry in entries),
        rows_read=sum(entry.rows for entry in entries),
        duplicates=sum(entry.surplus for entry in entries),
        problems=tuple(sorted(problems, key=lambda found: (found.is_counted, found.file, found.column or ""))),
        changed=tuple(sorted(name for name in former if name in now and now[name] != former[name])),
        deleted=tuple(sorted(name for name in former if name not in now)),
    )


def _lacking(entries: Sequence[Entry]) -> Iterator[Problem]:
    """Yield a problem for each slice that some files have and this one has not."""
    every = {name for entry in entries for names in entry.slices.values() for name in names}
    message = "is missing, though other files have it; its pairs count under no value"
    for entry in entries:
        for file, names in entry.slices.items():
            for name in sorted(every - set(names)):
                yield Problem(file=file, column=name, message=message, is_counted=True)


def _changed(log: Path, detail: str) -> Conflict:
    return Conflict(f"The shadow log {str(log)!r} changed while it was read: {detail}.", next_step="Run it again.")
