"""Late labels: what turned out to be true, joined to the pairs of the day they were asked on.

Only files that hold a labelled request are rewritten, each at once and in place, so that only their states are made
again. Labels of one log are joined one after the other.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.errors import InvalidInput, NotFound
from services.shadow.atomic import replacing
from services.shadow.log_files import first_line
from services.shadow.replay_data import Described, read_chunks
from services.shadow.writer import write_options

_LOCK = ".labels.lock"
_ROWS = 1_000_000
_LABELLED, _RELABELLED, _UNCHANGED = "labelled", "relabelled", "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReport:
    """What became of labels.

    Args:
        labelled: pairs that have a label now and had none.
        relabelled: pairs whose label differs from the one they had.
        unchanged: pairs that had this label.
        unmatched: ids of which there is no request on these days.
        files: files that were rewritten.
        without_label: rows of the data that had none, and were left out.
    """

    labelled: int
    relabelled: int
    unchanged: int
    unmatched: int
    files: tuple[Path, ...]
    without_label: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts as JSON."""
        return {
            "labelled": self.labelled,
            "relabelled": self.relabelled,
            "unchanged": self.unchanged,
            "unmatched": self.unmatched,
            "without_label": self.without_label,
            "files": len(self.files),
        }


def read_labels(data: Path, *, column: str | None = None) -> tuple[pa.Table, int]:
    """Return the labels in a Parquet, CSV or JSON-lines file, and how many of its rows have none yet.

    Args:
        column: the column that holds them; `label` unless given.

    Raises:
        InvalidInput: the file cannot be read, or lacks the column or `request_id`.
        NotFound: there is no such file.
    """
    if not data.is_file():
        raise NotFound(f"There is no file of labels {str(data)!r}.", next_step="Check the path.")
    described = Described(label=column or "label")
    with tempfile.TemporaryDirectory(prefix="gatehouse-labels-") as work:
        tables = [chunk.described for chunk in read_chunks(data, described, rows=_ROWS, folder=Path(work))]
    if any("request_id" not in table.column_names for table in tables):
        raise InvalidInput(f"{data} has no column 'request_id'.", next_step="Say of each label which request it is of.")
    names = ["request_id", "label"]
    empty = pa.table({name: pa.array([], pa.string()) for name in names})
    labels = pa.concat_tables([empty, *(table.select(names) for table in tables)])
    told = labels.filter(pc.is_valid(labels.column("label")))
    return told, labels.num_rows - told.num_rows


def list_days(folder: Path, *, since: date = date.min, until: date = date.max) -> list[date]:
    """Return the days that a log has folders of, from one day to another, both included."""
    found = []
    for path in folder.glob("dt=*"):
        with suppress(ValueError):
            found.append(date.fromisoformat(path.name.removeprefix("dt=")))
    return sorted(day for day in found if since <= day <= until)


def join_labels(folder: Path, labels: pa.Table, *, days: Sequence[date]) -> LabelReport:
    """Write labels into the pairs of some days.

    Args:
        folder: the log.
        labels: columns request_id and label, both text; a request that is there twice has one label.
        days: the UTC days to look at.

    Raises:
        InvalidInput: a label is absent, an id has two labels, or a file of those days cannot be read.
        NotFound: there is no such log.
        Unavailable: a file cannot be written.
    """
    ids, values = _checked(labels)
    matched: set[int] = set()
    counts: Counter[str] = Counter()
    rewritten = []
    with _alone(folder):
        for path in sorted(path for day in days for path in (folder / f"dt={day}").glob("part-*.parquet")):
            places = _find_places(path, ids)
            changes = _count_changes(path, ids, values) if places else Counter[str]()
            if changes[_LABELLED] + changes[_RELABELLED]:
                _rewrite(path, ids, values)
                rewritten.append(path)
            matched |= places
            counts += changes
    return LabelReport(
        labelled=counts[_LABELLED],
        relabelled=counts[_RELABELLED],
        unchanged=counts[_UNCHANGED],
        unmatched=len(ids) - len(matched),
        files=tuple(rewritten),
    )


def _checked(labels: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Return distinct ids and the label of each."""
    try:
        columns = [labels.column(name).cast(pa.string()) for name in ("request_id", "label")]
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"Labels cannot be read: {first_line(error)}.", next_step="Give the columns request_id and label, as text."
        ) from error
    distinct = pa.table(columns, names=["request_id", "label"]).group_by(["request_id", "label"]).aggregate([])
    ids, values = (distinct.column(name).combine_chunks() for name in ("request_id", "label"))
    if ids.null_count or values.null_count:
        raise InvalidInput("A label or its request_id is missing.", next_step="Leave such rows out.")
    counted = ids.value_counts().to_pylist()
    doubled = sorted(row["values"] for row in counted if row["counts"] > 1)
    if doubled:
        raise InvalidInput(f"The request {doubled[0]!r} has two labels.", next_step="Give each request one label.")
    return ids, values


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    if not folder.is_dir():
        raise NotFound(f"There is no shadow log at {str(folder)!r}.", next_step="Name the folder that holds its files.")
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, KeyError) as error:
        raise InvalidInput(
            f"Labels cannot be joined to {path}: {first_line(error)}.",
            next_step="Repair or remove the file, then join the labels again.",
        ) from error


def _find_places(path: Path, ids: pa.Array) -> set[int]:
    """Return which of the ids a file holds, as their places."""
    with _opened(path) as file:
        column = file.read(columns=["request_id"]).column("request_id").cast(pa.string())
    return set(pc.unique(pc.index_in(column, value_set=ids)).drop_null().to_pylist())


def _count_changes(path: Path, ids: pa.Array, values: pa.Array) -> Counter[str]:
    counts: Counter[str] = Counter()
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["request_id", *({"label"} & set(file.schema_arrow.names))])
            before, after = _labels(rows, ids, values)
            is_told = pc.is_valid(after)
            counts[_LABELLED] += _count(pc.and_(is_told, pc.is_null(before)))
            counts[_UNCHANGED] += _count(pc.equal(before, after))
            counts[_RELABELLED] += _count(pc.not_equal(before, after))
    return counts


def _rewrite(path: Path, ids: pa.Array, values: pa.Array) -> None:
    with _opened(path) as file, replacing(path) as temporary:
        schema = _with_text_label(file.schema_arrow)
        options = write_options(schema)
        del options["row_group_size"]
        with pq.ParquetWriter(temporary, schema, **options) as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                before, after = _labels(rows, ids, values)
                columns = {name: rows.column(name) for name in rows.column_names}
                columns["label"] = pc.coalesce(after, before)
                writer.write_table(pa.table([columns[name] for name in schema.names], schema=schema))


def _labels(rows: pa.Table, ids: pa.Array, values: pa.Array) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return the labels that rows have, and those they are given, null where they are given none."""
    before = pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    if "label" in rows.column_names:
        before = rows.column("label").cast(pa.string())
    places = pc.index_in(rows.column("request_id").cast(pa.string()), value_set=ids)
    return before, pc.take(values, places)


def _with_text_label(schema: pa.Schema) -> pa.Schema:
    label = pa.field("label", pa.string())
    if "label" not in schema.names:
        return schema.append(label)
    return schema.set(schema.get_field_index("label"), label)


def _count(is_so: pa.ChunkedArray) -> int:
    return pc.sum(is_so).as_py() or 0
