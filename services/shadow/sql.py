# ruff: noqa: S608 - every text is put together from this module's own constants and names of columns
"""The one text of each state, in DuckDB's SQL: that engine runs it as it is, sqlglot carries it to others.

Every text reads the relation `pairs` (see `services.shadow.relation`) and makes a small table that merges by adding up.
Columns of `pairs`: request_id, champion_version, candidate_version, ts_us, and for each side (champion, candidate)
`_score`, `_decision`, `_latency_ms`, `_error`, then label, told (the label of a pair with a decision: a class, not a
number), and the slices as s0, s1, …

What costs is grouping, so several small facts about a row are packed into one number, and `by` names only the columns
that vary. NaN compares above every number on both engines, so `ABS(x) <= n` refuses NaN, infinities and NULL alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.shadow.answers import SIDES, Carried, Standing
from services.shadow.bins import (
    GRID_SIDE,
    MAX_LATENCY_MS,
    MAX_SCORE,
    difference_bin_sql,
    grid_cell_sql,
    latency_bin_sql,
    score_bin_sql,
)

VERSIONS = ("champion_version", "candidate_version")
IDENTITY = ("request_id", *VERSIONS)
NUMERIC_TOLERANCE = 0.01
MICROS_A_MINUTE = 60_000_000
NO_MINUTE = -(10**12)


STANDINGS = len(Standing)
"""`standing` of a pair is that of the champion's score times this, plus that of the candidate's."""

TOLD_FIRST, TOLD_OTHER, DECIDED = 1, 2, 4
CODES = 8
"""`place` in a score histogram is the bin times this, plus a code: which label, and whether both decided."""

MOMENTS = len(Carried)
"""`moment` is the minute since the epoch times this, plus what the pair carries."""

_NO_ERROR = "champion_error IS NULL AND candidate_error IS NULL"
_SCORED = f"{_NO_ERROR} AND ABS(champion_score) <= {MAX_SCORE} AND ABS(candidate_score) <= {MAX_SCORE}"
_DECIDED = "champion_decision IS NOT NULL AND candidate_decision IS NOT NULL"
_DIFFERENCE = "candidate_score - champion_score"
_NEARLY_EQUAL = f"ABS({_DIFFERENCE}) <= {NUMERIC_TOLERANCE} * ABS(champion_score)"


def cells_sql(by: Sequence[str]) -> str:
    """Return the cube of what both sides answered; where `standing` is not 0 the differences mean nothing."""
    grouped = _listed(["standing", "champion_decision", "candidate_decision", *by])
    standing = " + ".join(f"{STANDINGS if side == 'champion' else 1} * ({_standing_sql(side)})" for side in SIDES)
    return f"""
SELECT {grouped}, COUNT(*) AS pairs, SUM(difference) AS difference, SUM(difference * difference) AS difference_squared,
    SUM(ABS(difference)) AS difference_size, MAX(ABS(difference)) AS difference_most
FROM (
    SELECT *, CASE WHEN is_scored THEN 0 ELSE {standing} END AS standing, {_DIFFERENCE} AS difference
    FROM (SELECT *, {_SCORED} AS is_scored FROM pairs) AS tested
) AS rated
GROUP BY {grouped}"""


def numbers_sql(by: Sequence[str]) -> str:
    """Return what regressions are judged by, over pairs with scores and without decisions."""
    grouped = _listed(by)
    champion, candidate = (f"ABS({side}_score - target)" for side in SIDES)
    sums = {
        "agreeing": f"CASE WHEN {_NEARLY_EQUAL} THEN 1 ELSE 0 END",
        "difference": "difference",
        "difference_squared": "difference * difference",
        "difference_size": "ABS(difference)",
        "score": "champion_score",
        "score_squared": "champion_score * champion_score",
        "score_times_difference": "champion_score * difference",
        "champion_miss": champion,
        "candidate_miss": candidate,
        "champion_miss_squared": f"{champion} * {champion}",
        "candidate_miss_squared": f"{candidate} * {candidate}",
        "miss_change_squared": f"({candidate} - {champion}) * ({candidate} - {champion})",
        "champion_nearer": f"CASE WHEN {champion} < {candidate} THEN 1 ELSE 0 END",
        "candidate_nearer": f"CASE WHEN {candidate} < {champion} THEN 1 ELSE 0 END",
        "unread_labels": "CASE WHEN label IS NOT NULL AND target IS NULL THEN 1 ELSE 0 END",
    }
    summed = ", ".join(f"SUM({expression}) AS {name}" for name, expression in sums.items())
    return f"""
SELECT {grouped + ", " if by else ""}COUNT(*) AS pairs, COUNT(target) AS labelled, {summed}
FROM (
    SELECT *, {_DIFFERENCE} AS difference, CASE WHEN ABS(number) <= {MAX_SCORE} THEN number END AS target
    FROM (
        SELECT *, CASE WHEN REGEXP_MATCHES(label, '^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$') THEN TRY_CAST(label AS DOUBLE) END
            AS number
        FROM pairs WHERE {_SCORED} AND NOT ({_DECIDED})
    ) AS read_numbers
) AS targeted{f" GROUP BY {grouped}" if by else ""}"""


def score_histograms_sql(by: Sequence[str], *, code: str) -> str:
    """Return the histograms of both scores, of their difference, and of both scores together.

    Args:
        code: the expression of the code that joins the bin in `place` (see `score_code_sql`).
    """
    champion, candidate = (f"{CODES} * ({score_bin_sql(f'{side}_score')}) + code" for side in SIDES)
    decided = f"CASE WHEN code >= {DECIDED} THEN {DECIDED} ELSE 0 END"
    cells = [grid_cell_sql(f"{side}_score") for side in SIDES]
    places = ("champion_place", "candidate_place", "difference_place", "grid_place")
    return f"""
SELECT {_ahead(by)}{_measure_sql("champion_score", "candidate_score", "difference", "grid")} AS measure,
    COALESCE({_listed(places)}) AS place, COUNT(*) AS pairs
FROM (
    SELECT *, {champion} AS champion_place, {candidate} AS candidate_place,
        {CODES} * ({difference_bin_sql("difference")}) + {decided} AS difference_place,
        {CODES} * ({GRID_SIDE} * ({cells[0]}) + ({cells[1]})) + {decided} AS grid_place
    FROM (SELECT *, {code} AS code, {_DIFFERENCE} AS difference FROM pairs WHERE {_SCORED}) AS scored
) AS placed
GROUP BY {_sets(by, *places)}"""


def score_code_sql(*, decided: bool | None, first_label: str | None) -> str:
    """Return the code of a pair.

    Args:
        decided: whether all pairs have both decisions; None where some have.
        first_label: one of the two labels that there are; None where labels are not told apart.
    """
    told = "0"
    if first_label is not None:
        literal = first_label.replace("'", "''")
        # Of pairs that are not decided the label may be a number, but nobody asks for theirs.
        told = f"CASE WHEN label IS NULL THEN 0 WHEN label = '{literal}' THEN {TOLD_FIRST} ELSE {TOLD_OTHER} END"
    constant = f"{DECIDED if decided else 0}"
    return f"{told} + " + (f"CASE WHEN {_DECIDED} THEN {DECIDED} ELSE 0 END" if decided is None else constant)


def atoms_sql(side: str) -> str:
    """Return the least and greatest score of each bin of one side: where they are equal, the bin is one value."""
    return f"""
SELECT bin, MIN(score) AS least, MAX(score) AS greatest FROM (
    SELECT {side}_score AS score, CAST({score_bin_sql(f"{side}_score")} AS INTEGER) AS bin FROM pairs WHERE {_SCORED}
) AS binned GROUP BY bin"""


def latency_histograms_sql(by: Sequence[str]) -> str:
    """Return the histograms of both latencies; the bin NULL counts those that are absent."""
    return f"""
SELECT {_ahead(by)}{_measure_sql("champion_latency", "candidate_latency")} AS measure,
    COALESCE(champion_place, candidate_place) AS bin, COUNT(*) AS pairs
FROM (
    SELECT *, {latency_bin_sql("champion_latency_ms")} AS champion_place,
        {latency_bin_sql("candidate_latency_ms")} AS candidate_place
    FROM pairs
) AS binned
GROUP BY {_sets(by, "champion_place", "candidate_place")}"""


def minutes_sql(by: Sequence[str], *, decided: Carried | None = None, are_latencies_sound: bool = False) -> str:
    """Return counts, errors and latency sums by moment.

    Args:
        decided: what every pair carries that has two decisions and no error, where all others carry nothing; None
            where that is not so.
        are_latencies_sound: whether no latency is negative, NaN or beyond measure.
    """
    grouped = _listed([*by, "moment"])
    latencies = ", ".join(
        f"SUM({side}_latency) AS {side}_latency, COUNT({side}_latency) AS {side}_timed" for side in SIDES
    )
    usable = ", ".join(
        f"{_sound_latency_sql(f'{side}_latency_ms', is_sound=are_latencies_sound)} AS {side}_latency" for side in SIDES
    )
    minute = f"COALESCE(FLOOR(CAST(ts_us AS DOUBLE) / {MICROS_A_MINUTE}), {NO_MINUTE})"
    carried, near = _carried_sql(), f" WHEN NOT ({_DECIDED}) AND {_NEARLY_EQUAL} THEN 1"
    if decided is not None:
        carried, near = f"CASE WHEN {_DECIDED} AND {_NO_ERROR} THEN {decided:d} ELSE 0 END", ""
    return f"""
SELECT {grouped}, COUNT(*) AS pairs, SUM(is_agreed) AS agreeing, COUNT(champion_error) AS champion_errors,
    COUNT(candidate_error) AS candidate_errors, {latencies}
FROM (
    SELECT *, {minute} * {MOMENTS} + {carried} AS moment, {usable},
        CASE WHEN champion_decision = candidate_decision THEN 1{near} ELSE 0 END AS is_agreed
    FROM pairs
) AS timed
GROUP BY {grouped}"""


def variety_sql(columns: Sequence[str], rows: int) -> str:
    """Return how many combinations of the given columns the first rows hold."""
    listed = _listed(columns)
    return (
        f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT {listed} FROM (SELECT {listed} FROM pairs LIMIT {rows}) AS h) AS d"
    )


def surplus_sql() -> str:
    """Return how many rows repeat the identity of another row."""
    return f"""
SELECT CAST(COALESCE(SUM(n - 1), 0) AS BIGINT) AS surplus FROM (
    SELECT COUNT(*) AS n FROM pairs WHERE request_id IS NOT NULL GROUP BY {_listed(IDENTITY)} HAVING COUNT(*) > 1
) AS repeated"""


def distinct_sql(relation: str, columns: Sequence[str]) -> str:
    """Return a relation with each identity once: the labelled row, else the earliest, else the least by its columns."""
    rest = ", ".join(f"{name} NULLS LAST" for name in columns if name not in IDENTITY)
    listed = _listed(columns)
    return f"""
SELECT {listed} FROM {relation} WHERE request_id IS NULL UNION ALL SELECT {listed} FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY {_listed(IDENTITY)} ORDER BY CASE WHEN label IS NULL THEN 1 ELSE 0 END,
        ts_us NULLS LAST, {rest}) AS nth
    FROM {relation} WHERE request_id IS NOT NULL
) AS ranked WHERE nth = 1"""


def _sound_latency_sql(latency_ms: str, *, is_sound: bool) -> str:
    return latency_ms if is_sound else f"CASE WHEN {latency_ms} BETWEEN 0 AND {MAX_LATENCY_MS} THEN {latency_ms} END"


def _standing_sql(side: str) -> str:
    score = f"{side}_score"
    return (
        f"CASE WHEN {side}_error IS NOT NULL THEN {Standing.ERROR:d} WHEN ABS({score}) <= {MAX_SCORE} THEN 0"
        f" WHEN {score} IS NULL THEN {Standing.NULL:d} WHEN ISNAN({score}) THEN {Standing.NAN:d}"
        f" ELSE {Standing.INFINITE:d} END"
    )


def _carried_sql() -> str:
    is_finite = " AND ".join(
        f"({side}_score IS NULL OR ISNAN({side}_score) OR ABS({side}_score) <= {MAX_SCORE})" for side in SIDES
    )
    return f"""CASE WHEN {_SCORED} THEN CASE WHEN {_DECIDED} THEN {Carried.BOTH:d} ELSE {Carried.SCORES:d} END
            WHEN {_DECIDED} AND {_NO_ERROR} AND {is_finite} THEN {Carried.DECISIONS:d} ELSE {Carried.NOTHING:d} END"""


def _measure_sql(*measures: str) -> str:
    *tested, last = measures
    places = ("champion_place", "candidate_place", "difference_place")
    cases = " ".join(
        f"WHEN GROUPING({place}) = 0 THEN '{measure}'" for place, measure in zip(places, tested, strict=False)
    )
    return f"CASE {cases} ELSE '{last}' END"


def _sets(by: Sequence[str], *places: str) -> str:
    return f"GROUPING SETS ({', '.join(f'({_listed([*by, place])})' for place in places)})"


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns)


def _ahead(columns: Sequence[str]) -> str:
    return "".join(f"{column}, " for column in columns)
