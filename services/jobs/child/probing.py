"""The command `probe`: cold start, latency, errors, memory, and whether the model behaves as expected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from services.jobs.child.failures import describe
from services.jobs.child.frames import read_head
from services.jobs.child.measures import Subject, as_values, percentiles, resident_bytes, timed
from services.jobs.child.trying import try_requests

TOLERANCE = 1e-9
MAX_TOLD_ERRORS = 5


def probe(subject: Subject, command: Mapping[str, Any], answer: Callable[..., None]) -> dict[str, Any]:
    """Measure a model on the head of a file, or on its own input example."""
    answer(stage="reading the data")
    path = Path(command["data"]) if command["data"] else None
    data = read_head(path, rows=command["rows"], model=subject.model)
    answer(stage="loading the model again")
    started = time.perf_counter()
    subject.model = subject.load()
    load_s = time.perf_counter() - started
    answer(stage="predicting for the first time")
    subject.model.predict(data.head(1))
    cold_start_s = time.perf_counter() - started
    answer(stage="measuring single rows")
    single = _measure_single(subject, data, calls=command["calls"], warm_up=command["warm_up"])
    answer(stage="checking behaviour")
    order = _check_column_order(subject, data)
    tried = try_requests(subject, command, answer)
    expectations = [_check(subject, data, expectation) for expectation in command["expectations"]]
    return {
        "rows": len(data),
        "start_s": subject.start_s,
        "load_s": load_s,
        "cold_start_s": cold_start_s,
        "memory_bytes": resident_bytes(),
        "baseline_bytes": subject.baseline_bytes,
        **single,
        "column_order": order,
        "expectations": expectations,
        "tried": tried["tried"],
    }


def _measure_single(subject: Subject, data: pd.DataFrame, *, calls: int, warm_up: int) -> dict[str, Any]:
    rows = [data.iloc[[position]] for position in range(len(data))]
    latencies: list[float] = []
    errors: list[str] = []
    failed = 0
    for number, row in enumerate(islice(cycle(rows), warm_up + calls)):
        try:
            took_ms, value = timed(subject, row)
            problem = None if value is not None else "the prediction is empty or not a number"
        except Exception as error:  # noqa: BLE001 - any error of the model is one to count
            took_ms, problem = 0.0, describe(error)
        if number < warm_up:
            continue
        if problem is None:
            latencies.append(took_ms)
        else:
            failed += 1
            if problem not in errors and len(errors) < MAX_TOLD_ERRORS:
                errors.append(problem)
    return {"calls": calls, "failed_calls": failed, "errors": errors, **percentiles(latencies)}


def _check_column_order(subject: Subject, data: pd.DataFrame) -> dict[str, Any]:
    try:
        straight = as_values(subject.model.predict(data), len(data))
        reversed_ = as_values(subject.model.predict(data[data.columns[::-1]]), len(data))
    except Exception as error:  # noqa: BLE001 - a model that cannot take them in another order depends on it
        return {"is_invariant": False, "detail": describe(error)}
    differing = sum(not _is_same(one, other) for one, other in zip(straight, reversed_, strict=True))
    return {"is_invariant": differing == 0, "detail": f"{differing} of {len(data)} predictions differ"}


def _check(subject: Subject, data: pd.DataFrame, expectation: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if expectation["kind"] == "bounds":
            held, detail = _check_bounds(subject, data, expectation)
        else:
            held, detail = _check_direction(subject, data, expectation)
    except Exception as error:  # noqa: BLE001 - an expectation that cannot be checked is reported as that
        held, detail = None, describe(error)
    return {"name": expectation["name"], "held_ratio": held, "detail": detail}


def _check_direction(subject: Subject, data: pd.DataFrame, expectation: Mapping[str, Any]) -> tuple[float | None, str]:
    column = expectation["column"]
    changed = data.copy()
    changed[column] = (changed[column] + expectation["step"]).astype(data[column].dtype)
    before = as_values(subject.model.predict(data), len(data))
    after = as_values(subject.model.predict(changed), len(data))
    moves = [
        new - old for old, new in zip(before, after, strict=True) if isinstance(old, float) and isinstance(new, float)
    ]
    if len(moves) < len(data):
        return None, f"{len(data) - len(moves)} of {len(data)} predictions are no numbers"
    allowed = {
        "increases": lambda move: move >= -TOLERANCE,
        "decreases": lambda move: move <= TOLERANCE,
        "stays": lambda move: abs(move) <= TOLERANCE,
    }[expectation["direction"]]
    held = sum(map(allowed, moves))
    return held / len(moves), f"{held} of {len(moves)} predictions moved as expected"


def _check_bounds(subject: Subject, data: pd.DataFrame, expectation: Mapping[str, Any]) -> tuple[float | None, str]:
    row = data.head(1).copy()
    for column, value in expectation["row"].items():
        row[column] = pd.Series([value]).astype(row[column].dtype).to_numpy() if column in row else value
    value = as_values(subject.model.predict(row), 1)[0]
    if not isinstance(value, float):
        return None, f"the prediction {str(value)[:100]!r} is no number"
    is_high_enough = expectation["at_least"] is None or value >= expectation["at_least"]
    is_low_enough = expectation["at_most"] is None or value <= expectation["at_most"]
    return float(is_high_enough and is_low_enough), f"the prediction is {value:.6g}"


def _is_same(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    return one == other
