"""Replay: recorded data scored by both versions in the sandbox, written as a paired log.

Chunk by chunk, each written before the next begins and noted in a file beside the log; a replay that was interrupted
goes on after the last whole chunk, and one that is repeated writes the same files again. A version that fails on a row,
or altogether, has an error there: that is what a comparison is for.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.clock import Clock, utc_now
from services.errors import Blocked, InvalidInput
from services.jobs.confinement import Ending
from services.jobs.probe import Predictions, RunFailure
from services.shadow.answers import SIDES
from services.shadow.replay_data import DataChunk, Described, as_text, count_rows, digest_file, read_chunks
from services.shadow.replay_notes import Notes, Outputs, alone_in, open_notes
from services.shadow.schema import fit_to_schema
from services.shadow.writer import remove_leftovers, split_by_day, write_part

_CHUNK, _TIMED_CHUNK = 50_000, 2_000
# How many rows a model is given at a time, and after how many it is told how far it is.
_STEP, _TIMED_STEP = 10_000, 200

POSITIVE, NEGATIVE = "positive", "negative"
_YES_OR_NO = {"1": POSITIVE, "true": POSITIVE, "0": NEGATIVE, "false": NEGATIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedVersion:
    """A version and the folder of its model."""

    version: int
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How data is replayed.

    Args:
        described: which columns of the data are no inputs.
        chunk_rows: how many rows a chunk has; both models are loaded anew for each. None: as many as the sandbox has
            time for, which are fewer when each is timed.
        is_timed: score each row alone, so that its latency is its own; otherwise no latency is written.
        outputs: what numbers are; None takes them for class ids where all of the first chunk are whole.
        threshold: scores at or above it decide `positive`, others `negative`, and labels of 1 and 0, or true and false,
            are written in these words; None leaves decisions to the model.
    """

    described: Described = field(default_factory=Described)
    chunk_rows: int | None = None
    is_timed: bool = False
    outputs: Outputs | None = None
    threshold: float | None = None

    @property
    def rows_a_chunk(self) -> int:
        """How many rows a chunk has."""
        return self.chunk_rows or (_TIMED_CHUNK if self.is_timed else _CHUNK)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay wrote: `resumed_rows` of the rows were there before it began."""

    rows: int
    resumed_rows: int
    champion_errors: int
    candidate_errors: int
    is_complete: bool


class Scorer(Protocol):
    """What scores a file with a model, out of this process; `services.jobs.ModelRunner` does."""

    def predict(
        self,
        model_folder: Path,
        data: Path,
        out: Path,
        *,
        chunk_rows: int = ...,
        singly: bool = ...,
        progress: Callable[[int], object] = ...,
        is_cancelled: Callable[[], bool] = ...,
    ) -> Predictions | RunFailure:
        """Write a prediction for each row of a file; see `ModelRunner.predict`."""


def replay(
    champion: ReplayedVersion,
    candidate: ReplayedVersion,
    data: Path,
    out: Path,
    *,
    scorer: Scorer,
    options: ReplayOptions | None = None,
    clock: Clock = utc_now,
    progress: Callable[[int, int | None], object] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> ReplayReport:
    """Score a data file with both versions and write the pairs as a shadow log.

    Args:
        data: Parquet, CSV or JSON lines; its columns request_id, ts, label and slice_* are taken over where it has
            them. Rows without an id are named after the file's digest and their number, those without a time have
            that of the replay's beginning.
        out: the log; a new folder, or that of the same replay.
        progress: told how many rows are done, and of how many if that is known.
        is_cancelled: asked now and then; True ends the replay, which can be taken up again.

    Raises:
        InvalidInput: the data cannot be read, lacks a column that was named, or has no rows.
        NotFound: there is no such data file.
        Conflict: the folder holds something else, or another process replays into it.
        Blocked: both versions fail on all of the first chunk, so there is nothing to compare.
        Unavailable: this machine has no sandbox, or the log cannot be written.
    """
    chosen = options or ReplayOptions()
    plan = _plan(champion, candidate, digest_file(data), chosen)
    with alone_in(out), tempfile.TemporaryDirectory(prefix="gatehouse-replay-") as work:
        remove_leftovers(out)
        notes = open_notes(out, plan, clock)
        total, resumed = count_rows(data), notes.rows
        run = _Replay(champion, candidate, out, scorer, chosen, notes, is_cancelled, lambda done: progress(done, total))
        progress(resumed, total)
        for chunk in read_chunks(data, chosen.described, rows=chosen.rows_a_chunk, folder=Path(work)):
            if chunk.index not in notes.chunks and (is_cancelled() or not run.score(chunk, Path(work))):
                break
            progress(notes.rows, total)
        else:
            notes.finish()
    if notes.is_complete and not notes.rows:
        raise InvalidInput(f"{data} has no rows.", next_step="Give data to replay.")
    errors = {side: notes.count(f"{side}_errors") for side in SIDES}
    return ReplayReport(
        rows=notes.rows,
        resumed_rows=resumed,
        champion_errors=errors["champion"],
        candidate_errors=errors["candidate"],
        is_complete=notes.is_complete,
    )


@dataclass(frozen=True, slots=True)
class _Replay:
    """One run over chunks."""

    champion: ReplayedVersion
    candidate: ReplayedVersion
    out: Path
    scorer: Scorer
    options: ReplayOptions
    notes: Notes
    is_cancelled: Callable[[], bool]
    tell: Callable[[int], object]

    def score(self, chunk: DataChunk, work: Path) -> bool:
        """Score a chunk with both versions and write it; return False if it was cancelled."""
        tables: list[pa.Table] = []
        for version in (self.champion, self.candidate):
            table = self._predict(version, chunk, work / "predictions.parquet", chunk.rows * len(tables))
            if table is None:
                return False
            tables.append(table)
        errors = [table.num_rows - table.column("error").null_count for table in tables]
        if not self.notes.chunks and min(errors) == chunk.rows:
            reasons = " ".join(str(table.column("error")[0].as_py()) for table in tables)
            raise Blocked(f"Both versions fail on every row: {reasons}", next_step="Check the data and the models.")
        if self.notes.outputs is None:
            self.notes.outputs = self.options.outputs or _find_outputs(tables)
        pairs = self._pair(chunk, tables)
        for day, rows in split_by_day(pairs):
            write_part(self.out, day, rows, name=f"replay-{chunk.index:06d}")
        counts = {"rows": chunk.rows, **dict(zip((f"{side}_errors" for side in SIDES), errors, strict=True))}
        self.notes.add(chunk.index, counts)
        return True

    def _predict(self, version: ReplayedVersion, chunk: DataChunk, path: Path, scored: int) -> pa.Table | None:
        """Return a version's predictions; where it fails altogether, each row has the reason as its error.

        Args:
            scored: how many rows of the chunk another version has scored: a row is done once both have.
        """
        before = self.notes.rows
        answer = self.scorer.predict(
            version.folder,
            chunk.path,
            path,
            chunk_rows=_TIMED_STEP if self.options.is_timed else _STEP,
            singly=self.options.is_timed,
            progress=lambda rows: self.tell(before + (scored + rows) // len(SIDES)),
            is_cancelled=self.is_cancelled,
        )
        if isinstance(answer, RunFailure):
            if answer.ending is Ending.CANCELLED:
                return None
            return _failed(chunk.rows, answer.reason)
        table = pq.read_table(path)
        path.unlink()
        return table if table.num_rows == chunk.rows else _failed(chunk.rows, "The model lost or made up rows.")

    def _pair(self, chunk: DataChunk, tables: Sequence[pa.Table]) -> pa.Table:
        columns = {name: chunk.described.column(name) for name in chunk.described.column_names}
        name = self.notes.plan["data"][:16]
        numbered = pa.array([f"{name}-{chunk.first_row + row}" for row in range(chunk.rows)])
        columns["request_id"] = pc.coalesce(columns["request_id"], numbered) if "request_id" in columns else numbered
        columns["ts"] = pc.coalesce(
            columns.get("ts", pa.nulls(chunk.rows, pa.timestamp("us", "UTC"))),
            pa.scalar(self.notes.started_at, pa.timestamp("us", "UTC")),
        )
        if self.options.threshold is not None and "label" in columns:
            columns["label"] = _in_words(columns["label"])
        for side, table, version in zip(SIDES, tables, (self.champion, self.candidate), strict=True):
            score, decision = self._read(table)
            columns[f"{side}_version"] = pa.repeat(version.version, chunk.rows)
            columns[f"{side}_score"], columns[f"{side}_decision"] = score, decision
            columns[f"{side}_error"] = table.column("error")
            if self.options.is_timed:
                columns[f"{side}_latency_ms"] = table.column("latency_ms")
        return fit_to_schema(pa.table(columns))

    def _read(self, table: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Return scores and decisions."""
        number, text = table.column("score"), table.column("label")
        if self.notes.outputs is Outputs.CLASSES:
            return pa.chunked_array([pa.nulls(table.num_rows, pa.float64())]), pc.coalesce(text, as_text(number))
        if self.options.threshold is not None:
            is_positive = pc.greater_equal(number, self.options.threshold)
            return number, pc.coalesce(text, pc.if_else(is_positive, POSITIVE, NEGATIVE))
        return number, text


def _in_words(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels that say yes or no in the words of the decisions, so that both can be held against each other."""
    place = pc.index_in(pc.utf8_lower(labels), value_set=pa.array(list(_YES_OR_NO)))
    return pc.coalesce(pc.take(pa.array(list(_YES_OR_NO.values())), place), labels)


def _plan(champion: ReplayedVersion, candidate: ReplayedVersion, digest: str, options: ReplayOptions) -> dict[str, Any]:
    """Return what makes two replays the same one, as JSON."""
    versions = {"champion": champion.version, "candidate": candidate.version}
    plan = {"data": digest, **versions, "options": asdict(options)}
    return dict(json.loads(json.dumps(plan)))


def _find_outputs(tables: Sequence[pa.Table]) -> Outputs:
    numbers = [table.column("score").drop_null() for table in tables]
    are_whole = all(pc.all(pc.equal(column, pc.floor(column))).as_py() for column in numbers if len(column))
    return Outputs.CLASSES if are_whole else Outputs.SCORES


def _failed(rows: int, reason: str) -> pa.Table:
    columns = [pa.nulls(rows, pa.float64()), pa.nulls(rows, pa.string()), pa.nulls(rows, pa.float32())]
    return pa.table([*columns, pa.repeat(reason, rows)], names=["score", "label", "latency_ms", "error"])
