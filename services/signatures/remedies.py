"""What to do about each kind of problem with data, in one sentence with the line to write."""

from __future__ import annotations

from collections.abc import Mapping

_PANDAS_DTYPES: Mapping[str, str] = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "datetime": "datetime64[ns]",
}


def remedy_of(column: str, kind: str, expected: str, found: str) -> str:
    """Return what to do about one problem.

    >>> remedy_of("amount", "type", "double", "int64")
    "Cast it where nothing is lost: frame['amount'] = frame['amount'].astype('float64')."
    """
    match kind:
        case "missing":
            return f"Add {column!r} ({expected}) to the data; if it was renamed, give it the declared name again."
        case "extra":
            return _about_extra(column, expected)
        case "order":
            return "Nothing must be done: MLflow orders named columns itself."
        case _:
            return _about_null(column, expected) if kind == "null" else _about_type(column, expected, found)


def _about_extra(column: str, expected: str) -> str:
    if expected == "one column":
        return f"Keep one of the columns named {column!r}."
    if expected == "no such property":
        return f"Remove {column!r}: inside an object, MLflow refuses what is not declared."
    return "Nothing must be done: MLflow ignores it. Remove it if it was not meant."


def _about_null(column: str, expected: str) -> str:
    if expected in {"integer", "long"}:
        return (
            f"Fill or drop the rows where {column!r} is missing; if it may be missing, declare it as double when "
            "logging the model."
        )
    return f"Fill or drop the rows where {column!r} is missing, or declare it as optional when logging the model."


def _about_type(column: str, expected: str, found: str) -> str:
    dtype = _PANDAS_DTYPES.get(expected)
    if found == "category" and dtype:
        return (
            f"Write the values out: frame[{column!r}] = frame[{column!r}].astype({dtype!r}); encode categories inside "
            "the model, never by the order in which a batch happens to hold them."
        )
    if expected == "datetime":
        return f"Parse it: frame[{column!r}] = pd.to_datetime(frame[{column!r}]), without a time zone."
    if dtype and not any(mark in column for mark in ".[{"):
        return f"Cast it where nothing is lost: frame[{column!r}] = frame[{column!r}].astype({dtype!r})."
    return f"Send {column!r} as {expected}."
