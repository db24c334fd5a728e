"""Reading of data files as a caller of the model would: CSV, Parquet, JSON records or split, MLflow's JSON requests.

A table is read as pandas reads it, since that is what a caller hands to `predict`. A JSON document in one of MLflow's
request forms stays a document, since the scoring server casts it before `predict` sees it. Limits are on bytes, after
decompression too, and on columns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import InvalidInput, NotFound

MAX_TABLE_BYTES = 2 * 1024**3
MAX_JSON_BYTES = 256 * 1024**2
MAX_COLUMNS = 20_000
ROWS_PER_CHUNK = 100_000

REQUEST_FORMS = frozenset({"dataframe_split", "dataframe_records", "inputs", "instances"})
_SPLIT_KEYS = frozenset({"columns", "data", "index"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A table, or a request to the scoring server; exactly one is given."""

    frame: pd.DataFrame | None = None
    request: Mapping[str, Any] | None = None


def load_data_file(path: Path, *, text_columns: Collection[str] = ()) -> DataFile:
    """Read a data file by its suffix: `.csv`, `.parquet`, `.json` or `.jsonl`.

    Args:
        text_columns: columns that a CSV file's reader must leave as text, so that `007` does not become 7.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is too large, of another kind, or cannot be read as what it says it is.
    """
    suffix = path.suffix.lower()
    _check_size(path, MAX_JSON_BYTES if suffix in {".json", ".jsonl"} else MAX_TABLE_BYTES)
    try:
        match suffix:
            case ".csv":
                return _table(pd.read_csv(path, dtype=dict.fromkeys(text_columns, "str")), path)
            case ".parquet":
                _check_parquet(path)
                return _table(pd.read_parquet(path), path)
            case ".json":
                return _from_document(json.loads(path.read_bytes()), path)
            case ".jsonl":
                # A text within a line may hold what Python takes for the end of one.
                lines = path.read_text(encoding="utf-8").split("\n")
                return _table(pd.DataFrame([json.loads(line) for line in lines if line.strip()]), path)
    except (ValueError, OSError, RecursionError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    raise InvalidInput(
        f"{path.name!r} is not a kind of data file that is read.",
        next_step="Give a .csv, .parquet, .json or .jsonl file.",
    )


def read_chunks(
    path: Path, *, text_columns: Collection[str] = (), rows: int = ROWS_PER_CHUNK
) -> Iterator[pd.DataFrame]:
    """Yield a table's file as tables of at most `rows` rows, so that the size of CSV and Parquet does not matter.

    JSON is read at once, within the limits of `load_data_file`, and parted then.

    Raises:
        NotFound: there is no such file.
        InvalidInput: the file is of another kind, a request rather than a table, or breaks off.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        frame = load_data_file(path, text_columns=text_columns).frame
        if frame is None:
            raise InvalidInput(f"{path.name!r} is a request, not a table.", next_step="Give its rows as records.")
        yield from (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))
        return
    if not path.exists():
        raise _missing(path)
    try:
        if suffix == ".csv":
            with pd.read_csv(path, dtype=dict.fromkeys(text_columns, "str"), chunksize=rows) as reader:
                yield from reader
        else:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=rows):
                    yield batch.to_pandas()
    except (ValueError, OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def write_data_file(frame: pd.DataFrame, path: Path) -> None:
    """Write a table by the suffix of the path. Only Parquet keeps every type.

    Raises:
        InvalidInput: the suffix is another one, or the file cannot be written.
    """
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path, index=False),
        ".json": lambda: frame.to_json(path, orient="records", date_format="iso"),
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InvalidInput(
            f"{path.name!r} is not a kind of data file that is written.",
            next_step="Name a .parquet, .csv or .json file.",
        )
    try:
        writer()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidInput(
            f"{str(path)!r} cannot be written: {_first_line(error)}.", next_step="Check the folder, or write Parquet."
        ) from error


def _check_size(path: Path, limit: int) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r} cannot be opened.", next_step="Check the path.") from error
    if not path.is_file():
        raise InvalidInput(f"{str(path)!r} is not a file.", next_step="Name a data file.")
    if size > limit:
        raise InvalidInput(
            f"{path.name!r} has {size:,} bytes, more than the {limit:,} that are read at once.",
            next_step="Check a part of it, or give it as Parquet.",
        )


def _missing(path: Path) -> NotFound:
    return NotFound(f"There is no file {str(path)!r}.", next_step="Check the path.")


def _check_parquet(path: Path) -> None:
    metadata = pq.read_metadata(path)
    size = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if size > MAX_TABLE_BYTES:
        raise InvalidInput(
            f"{path.name!r} unpacks to {size:,} bytes, more than the {MAX_TABLE_BYTES:,} that are read at once.",
            next_step="Check a part of it.",
        )


def _from_document(document: Any, path: Path) -> DataFile:
    if isinstance(document, list):
        return _table(pd.DataFrame(document), path)
    if isinstance(document, dict) and document.keys() & REQUEST_FORMS:
        return DataFile(request=document)
    if isinstance(document, dict) and "data" in document and document.keys() <= _SPLIT_KEYS:
        return _table(pd.DataFrame(**document), path)
    raise InvalidInput(
        f"{path.name!r} holds neither a list of records, nor columns and data, nor one of MLflow's request forms.",
        next_step=f"Write a list of records, or an object with one of {', '.join(sorted(REQUEST_FORMS))}.",
    )


def _table(frame: pd.DataFrame, path: Path) -> DataFile:
    if len(frame.columns) > MAX_COLUMNS:
        raise InvalidInput(
            f"{path.name!r} has {len(frame.columns):,} columns, more than the {MAX_COLUMNS:,} that are read.",
            next_step="Leave out the columns that the model does not take.",
        )
    return DataFile(frame=frame)


def _unreadable(path: Path, error: BaseException) -> InvalidInput:
    return InvalidInput(
        f"{path.name!r} cannot be read as {path.suffix.lower().lstrip('.') or 'data'}: {_first_line(error)}.",
        next_step="Correct the file, or give it the suffix of what it is.",
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
