# ruff: noqa: S608 - names of columns are quoted, paths are for the engine to quote
"""The relation `pairs`: files of differing schemas as one, with the columns that `services.shadow.sql` reads.

Class ids and labels that came as numbers become text: a whole number as its digits, so that `1.0` and `1` are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from services.shadow.doubts import MAX_FRACTION
from services.shadow.log_files import FilePlan, Holding
from services.shadow.schema import LOG_SCHEMA

Source = Callable[[Sequence[FilePlan]], str]
Micros = Callable[[str, Holding], str]

_TOLD = "CASE WHEN champion_decision IS NULL AND candidate_decision IS NULL THEN NULL ELSE label END AS told"


def column_names(slices: Sequence[str]) -> list[str]:
    """Return the columns of a relation that has these slices."""
    names = ["ts_us" if name == "ts" else name for name in LOG_SCHEMA.names]
    return [*names, "told", *(f"s{index}" for index in range(len(slices)))]


def pairs_sql(plans: Sequence[FilePlan], slices: Sequence[str], *, source: Source, micros: Micros) -> str:
    """Return the relation over files.

    Args:
        slices: names of the slices, those first that become s0, s1, …; a file without one has NULL there.
        source: what an engine writes after FROM to read files of one schema.
        micros: what an engine writes to read a time as microseconds since the epoch.
    """
    shapes = [list(same) for _shape, same in groupby(sorted(plans, key=_shape), key=_shape)]
    return "\nUNION ALL\n".join(
        f"SELECT *, {_TOLD} FROM (SELECT {_listed(shape[0], slices, micros)} FROM {source(shape)}) AS raw"
        for shape in shapes
    )


def quote(name: str) -> str:
    """Return a name as an identifier."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _shape(plan: FilePlan) -> str:
    return repr((plan.types, sorted(plan.columns.items()), sorted(plan.constants.items(), key=str), sorted(plan.blank)))


def _listed(plan: FilePlan, slices: Sequence[str], micros: Micros) -> str:
    columns = [f"{_expression(plan, name, micros)} AS {'ts_us' if name == 'ts' else name}" for name in LOG_SCHEMA.names]
    columns += [f"{_expression(plan, name, micros)} AS s{index}" for index, name in enumerate(slices)]
    return ", ".join(columns)


def _expression(plan: FilePlan, name: str, micros: Micros) -> str:
    held = plan.columns.get(name, Holding.NULL)
    column = quote(name)
    if name in plan.constants:
        value = plan.constants[name]
        column, held = ("NULL", Holding.NULL) if value is None else (str(value), held)
    if name == "ts":
        return "CAST(NULL AS BIGINT)" if held is Holding.NULL else micros(column, held)
    if name.endswith("_version"):
        return _whole(column, held)
    if name.endswith(("_score", "_latency_ms")):
        return f"CAST({'NULL' if held is Holding.NULL else column} AS DOUBLE)"
    text = _text(column, held)
    return f"NULLIF({text}, '')" if name in plan.blank and held is not Holding.NULL else text


def _whole(column: str, held: Holding) -> str:
    # TRY_CAST even behind a test: an optimiser may lift an expression that stands in several places out of its CASE.
    if held is Holding.NULL:
        return "CAST(NULL AS BIGINT)"
    if held is Holding.WHOLE:
        return f"TRY_CAST({column} AS BIGINT)"
    return f"CASE WHEN {_is_whole(column)} THEN TRY_CAST(CAST({column} AS DOUBLE) AS BIGINT) END"


def _text(column: str, held: Holding) -> str:
    if held is Holding.NULL:
        return "CAST(NULL AS VARCHAR)"
    if held is Holding.NUMBER:
        number = f"CAST({column} AS DOUBLE)"
        return (
            f"CASE WHEN ISNAN({number}) THEN NULL WHEN {_is_whole(column)}"
            f" THEN CAST(TRY_CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"
        )
    return column if held is Holding.TEXT else f"CAST({column} AS VARCHAR)"


def _is_whole(column: str) -> str:
    number = f"CAST({column} AS DOUBLE)"
    return f"{number} BETWEEN -{MAX_FRACTION} AND {MAX_FRACTION} AND {number} = FLOOR({number})"
