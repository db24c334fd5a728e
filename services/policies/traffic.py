"""Deciding recorded traffic by two policies, of any size, in one pass.

The pass counts rows by what decides them: the band of the score and the answer of every condition. Each such pattern is
then decided once, by the same code that decides in production.
"""

# ruff: noqa: S608 - every name and text in these queries has gone through quote_name or quote_text

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from services.errors import InvalidInput, NotFound
from services.policies.deciding import Answer, Decider
from services.policies.policy import BlockGuardrail, Policy, Rule
from services.policies.simulation import BeforeAfter, Simulation, SliceFlips, wilson_share
from services.policies.sql import ConditionSql, quote_name, quote_text

SLICE_PREFIX = "slice_"
SCORE_COLUMNS = ("score", "champion_score")
MAX_SLICES = 1000


def simulate(
    in_force: Policy, draft: Policy, traffic: pd.DataFrame | Path, *, score_column: str | None = None
) -> Simulation:
    """Decide recorded traffic by both policies.

    Args:
        traffic: a frame, a Parquet file, or a folder of Parquet files such as a paired shadow log.
        score_column: `score`, or else `champion_score`, unless given.

    Raises:
        NotFound: the folder holds no Parquet file.
        InvalidInput: the traffic has no score.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        try:
            return _Comparison(connection, in_force, draft, _source(connection, traffic), score_column).run()
        except duckdb.Error as error:
            raise InvalidInput(
                f"The recorded traffic cannot be read: {str(error).splitlines()[0]}",
                next_step="Give a folder of Parquet files with a score, or a data file.",
            ) from error


def _source(connection: Any, traffic: pd.DataFrame | Path) -> str:
    if isinstance(traffic, pd.DataFrame):
        connection.register("traffic", traffic)
        return "traffic"
    files = sorted(traffic.rglob("*.parquet")) if traffic.is_dir() else [traffic]
    files = [file for file in files if file.is_file()]
    if not files:
        raise NotFound(
            f"{str(traffic)!r} holds no Parquet file.", next_step="Name the folder of a paired log, or a data file."
        )
    listed = ", ".join(quote_text(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"


class _Comparison:
    """One run over one source of traffic."""

    def __init__(self, connection: Any, in_force: Policy, draft: Policy, source: str, score_column: str | None) -> None:
        self._connection = connection
        self._in_force, self._draft = in_force, draft
        self._source = source
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        self._types: dict[str, str] = {row[0]: row[1] for row in described}
        self._score = self._find_score(score_column)
        self._names = self._name_columns((in_force, draft))
        self._slices = [column for column in self._types if column.startswith(SLICE_PREFIX)]
        self._bands = sorted({each.lowest_score for policy in (in_force, draft) for each in policy.thresholds})
        self._conditions = self._write_conditions()

    def run(self) -> Simulation:
        self._count_patterns("cube", [quote_name(column) for column in self._slices])
        self._decide_patterns()
        flow_rows, slices = self._aggregate()
        counted = [row for row in flow_rows if row[0] is not None]
        rows = sum(count for _, _, count in counted)
        flips = sum(count for before, after, count in counted if before != after)
        hits, notes = self._guardrail_hits(), list(self._notes())
        if hits is None:
            notes.append("The traffic names no customers and times, so hits of the daily block limit are not counted.")
        return Simulation(
            in_force=self._in_force.revision,
            draft=self._draft.revision,
            rows=rows,
            invalid_rows=sum(count for before, _, count in flow_rows if before is None),
            flips=wilson_share(flips, rows),
            flow=_flow(counted),
            volume=_volume(counted, tuple(dict.fromkeys((*self._draft.actions, *self._in_force.actions)))),
            slices=slices,
            guardrail_hits=hits,
            notes=notes,
        )

    # What the traffic has

    def _find_score(self, wanted: str | None) -> str:
        for name in SCORE_COLUMNS if wanted is None else (wanted,):
            if name in self._types:
                return name
        raise InvalidInput(
            f"The recorded traffic has no column {wanted or ' or '.join(SCORE_COLUMNS)}.",
            next_step="Give traffic with the model's scores, from 0 to 1.",
        )

    def _name_columns(self, policies: Sequence[Policy]) -> dict[str, str]:
        """Return each column that a policy reads as the traffic names it: an input may be recorded as a slice.

        A slice that holds ranges, such as `1000 to 5000`, is no amount to compare with a bound.
        """
        numeric = frozenset[str]().union(*(policy.number_columns for policy in policies))
        found = {}
        for column in frozenset[str]().union(*(policy.columns for policy in policies)):
            slice_name = f"{SLICE_PREFIX}{column}"
            if column in self._types:
                found[column] = column
            elif slice_name in self._types and (column not in numeric or self._holds_numbers(slice_name)):
                found[column] = slice_name
        return found

    def _holds_numbers(self, name: str) -> bool:
        column = quote_name(name)
        odd = (
            f"SELECT 1 FROM {self._source} WHERE {column} IS NOT NULL AND TRY_CAST({column} AS DOUBLE) IS NULL LIMIT 1"
        )
        return self._connection.execute(odd).fetchone() is None

    def _write_conditions(self) -> dict[str, str]:
        """Return each condition that the traffic has the columns for as SQL, with the name of its answer."""
        writer = ConditionSql(types=self._types, names=self._names)
        texts: dict[str, str] = {}
        for policy in (self._in_force, self._draft):
            for rule in policy.rules:
                if self._has_columns(rule):
                    texts.setdefault(writer.condition(rule.condition), f"gatehouse_answer_{len(texts)}")
        return texts

    def _has_columns(self, rule: Rule) -> bool:
        return all(column in self._names for column in rule.places)

    # Patterns

    def _count_patterns(self, table: str, keys: Sequence[str]) -> None:
        score = f"CAST({quote_name(self._score)} AS DOUBLE)"
        reached = " + ".join(f"CAST({score} >= {bound!r} AS UTINYINT)" for bound in self._bands)
        # NaN is above every number to DuckDB, so the upper bound leaves it out.
        band = f"CASE WHEN {score} BETWEEN 0 AND 1 THEN {reached} END AS gatehouse_band"
        answers = "".join(f", {text} AS {name}" for text, name in self._conditions.items())
        grouped = "".join(f", {key}" for key in keys)
        self._connection.execute(
            f"CREATE TEMP TABLE {table} AS SELECT {band}{answers}{grouped}, count(*) AS gatehouse_rows "
            f"FROM {self._source} GROUP BY ALL"
        )

    def _decide_patterns(self) -> None:
        names = ["gatehouse_band", *self._conditions.values()]
        patterns = self._connection.execute(f"SELECT DISTINCT {', '.join(names)} FROM cube").fetchall()
        deciders = Decider(self._in_force), Decider(self._draft)
        actions = [[self._decide(decider, pattern) for pattern in patterns] for decider in deciders]
        decided = pd.DataFrame(patterns, columns=names).convert_dtypes()
        decided["gatehouse_before"], decided["gatehouse_after"] = (pd.array(each, dtype="str") for each in actions)
        self._connection.register("pattern", decided)

    def _decide(self, decider: Decider, pattern: Sequence[Any]) -> str | None:
        if pattern[0] is None:
            return None
        held = dict(zip(self._conditions.values(), pattern[1:], strict=True))
        writer = ConditionSql(types=self._types, names=self._names)
        answers: list[Answer] = []
        for rule in decider.policy.rules:
            if self._has_columns(rule):
                holds = held[self._conditions[writer.condition(rule.condition)]]
                answers.append((bool(holds), holds is None or bool(holds)))
            else:
                answers.append(None)
        action, _, _ = decider.resolve(self._bands[pattern[0] - 1], answers)
        return action

    def _joined(self, table: str) -> str:
        names = ["gatehouse_band", *self._conditions.values()]
        same = " AND ".join(f"{table}.{name} IS NOT DISTINCT FROM pattern.{name}" for name in names)
        return f"{table} JOIN pattern ON {same}"

    # Answers

    def _aggregate(self) -> tuple[list[tuple[str | None, str | None, int]], list[SliceFlips]]:
        flow = self._connection.execute(
            f"SELECT gatehouse_before, gatehouse_after, sum(gatehouse_rows)::BIGINT FROM {self._joined('cube')} "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        queries = [
            f"SELECT {quote_text(column.removeprefix(SLICE_PREFIX))} AS slice, CAST({quote_name(column)} AS VARCHAR), "
            "coalesce(sum(gatehouse_rows) FILTER (gatehouse_before <> gatehouse_after), 0)::BIGINT AS flipped, "
            f"sum(gatehouse_rows)::BIGINT AS total FROM {self._joined('cube')} "
            "WHERE gatehouse_before IS NOT NULL GROUP BY ALL"
            for column in self._slices
        ]
        if not queries:
            return flow, []
        worst = f"{' UNION ALL '.join(queries)} ORDER BY flipped / total DESC, total DESC, 1, 2 LIMIT {MAX_SLICES}"
        return flow, [
            SliceFlips(slice=name, value=value, flips=wilson_share(flipped, total))
            for name, value, flipped, total in self._connection.execute(worst).fetchall()
        ]

    def _guardrail_hits(self) -> BeforeAfter | None:
        rails = [policy.guardrail for policy in (self._in_force, self._draft)]
        limits = [rail for rail in rails if rail is not None and rail.max_daily is not None]
        if any(not {rail.customer_column, rail.time_column} <= set(self._types) for rail in limits):
            return None
        return BeforeAfter(
            in_force=self._hits(rails[0], "gatehouse_before"), draft=self._hits(rails[1], "gatehouse_after")
        )

    def _hits(self, rail: BlockGuardrail | None, output: str) -> int:
        if rail is None or rail.max_daily is None:
            return 0
        customer, time = quote_name(rail.customer_column), quote_name(rail.time_column)
        table = f"days_{output}"
        self._count_patterns(table, [f"{customer} AS customer", f"CAST({time} AS DATE) AS day"])
        query = (
            f"SELECT coalesce(sum(greatest(blocks - {rail.max_daily}, 0)), 0) FROM ("
            f"SELECT sum(gatehouse_rows) AS blocks FROM {self._joined(table)} "
            f"WHERE {output} = {quote_text(rail.block_action)} AND customer IS NOT NULL GROUP BY customer, day)"
        )
        return int(self._connection.execute(query).fetchone()[0])

    def _notes(self) -> Iterator[str]:
        missing = [
            {
                rule.name: absent[0]
                for rule in policy.rules
                if (absent := [column for column in rule.places if column not in self._names])
            }
            for policy in (self._in_force, self._draft)
        ]
        for name, column in (missing[0] | missing[1]).items():
            of = " in force" if name not in missing[1] else " of the draft" if name not in missing[0] else ""
            yield f"The rule {name}{of} was not applied: the traffic has no column {column}."


def _flow(rows: Sequence[tuple[Any, Any, int]]) -> dict[str, dict[str, int]]:
    flow: dict[str, dict[str, int]] = {}
    for before, after, count in rows:
        flow.setdefault(before, {})[after] = count
    return flow


def _volume(rows: Sequence[tuple[Any, Any, int]], order: Sequence[str]) -> dict[str, BeforeAfter]:
    taken = {action for before, after, _ in rows for action in (before, after)}
    return {
        action: BeforeAfter(
            in_force=sum(count for before, _, count in rows if before == action),
            draft=sum(count for _, after, count in rows if after == action),
        )
        for action in order
        if action in taken
    }
