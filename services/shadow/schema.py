"""The paired shadow log: what its columns are called and hold, and how a table is made to fit before it is written.

One row is one request that both versions answered. Files lie in `dt=YYYY-MM-DD/part-*.parquet`, a day of UTC each.
What a model does not have (a class model its scores, a regression its decisions) is null.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from services.errors import InvalidInput

SLICE_PREFIX = "slice_"
ROW_GROUP_ROWS = 1_000_000

LOG_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("champion_version", pa.int64()),
        ("candidate_version", pa.int64()),
        ("champion_score", pa.float64()),
        ("candidate_score", pa.float64()),
        ("champion_decision", pa.string()),
        ("candidate_decision", pa.string()),
        ("champion_latency_ms", pa.float32()),
        ("candidate_latency_ms", pa.float32()),
        ("champion_error", pa.string()),
        ("candidate_error", pa.string()),
        ("label", pa.string()),
    ]
)


def fit_to_schema(table: pa.Table) -> pa.Table:
    """Return a table with exactly the columns of the log, then its `slice_*` columns by name, each of its type.

    Columns that are not given become null; a time without a zone is UTC.

    Raises:
        InvalidInput: a column is neither of the log nor a slice, is there twice, or does not convert to its type;
            or a row lacks its `request_id` or `ts`.
    """
    names = table.column_names
    slices = sorted(name for name in names if name.startswith(SLICE_PREFIX))
    strangers = [name for name in names if name not in LOG_SCHEMA.names and name not in slices]
    if strangers or len(set(names)) != len(names):
        odd = strangers[0] if strangers else next(name for name in names if names.count(name) > 1)
        raise InvalidInput(
            f"{odd!r} is no column of a paired shadow log, or is there twice.",
            next_step=f"Name the columns {', '.join(LOG_SCHEMA.names)}, and slices {SLICE_PREFIX}NAME.",
        )
    fields = [*LOG_SCHEMA, *(pa.field(name, pa.string()) for name in slices)]
    columns = [_convert(table, field) for field in fields]
    for field, column in zip(fields[:2], columns[:2], strict=True):
        if column.null_count:
            raise InvalidInput(
                f"{column.null_count} rows have no {field.name}.",
                next_step="Give every pair the id of its request and the time it came.",
            )
    return pa.table(columns, schema=pa.schema(fields))


def _convert(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table.column(field.name)
    try:
        if pa.types.is_timestamp(column.type):
            # Nanoseconds are cut off: the log counts microseconds.
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
            column = column if column.type.tz else pc.assume_timezone(column, "UTC")
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"The column {field.name} holds {column.type}, which does not convert to {field.type}.",
            next_step="Give it the type of the paired shadow log.",
        ) from error
