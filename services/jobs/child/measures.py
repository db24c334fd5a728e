"""What one prediction is worth and costs: outputs as numbers or labels, latency, memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_SCORE_COLUMNS = ("score", "probability", "prediction")


@dataclass(slots=True, kw_only=True)
class Subject:
    """The model under examination.

    Args:
        model: as loaded first.
        load: loads it anew.
        start_s: from the start of the process to the loaded model.
        baseline_bytes: what the libraries held before it was loaded.
    """

    model: Any
    load: Callable[[], Any]
    start_s: float
    baseline_bytes: int


def resident_bytes() -> int:
    """Return the most memory this process has held so far."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def as_values(output: Any, rows: int) -> list[float | str | None]:
    """Return one value a row: a number, a label, or None where the model gave nothing.

    Of several columns it is the one called score, probability or prediction, else the last: for a classifier's
    probabilities, that of the positive class.

    Raises:
        ValueError: the output has another number of rows than the input.
    """
    if isinstance(output, pd.DataFrame):
        named = next((name for name in _SCORE_COLUMNS if name in output.columns), None)
        output = output[named] if named is not None else output.iloc[:, -1]
    values = np.asarray(output)
    if values.ndim == 0 or len(values) != rows:
        raise ValueError(f"{rows} rows went in and {values.size if values.ndim == 0 else len(values)} came out")
    while values.ndim > 1:
        values = values[:, -1]
    return [_as_value(value) for value in values.tolist()]


def _as_value(value: Any) -> float | str | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return float(value) if isinstance(value, bool | int | float) else str(value)


class Stopwatch:
    """Times what the main thread does from now on.

    What it waits for a processor that others hold does not count: that says something of this machine's load, or of how
    far the process gives way to others, and nothing of the model, which runs on one thread here.
    """

    def __init__(self) -> None:
        self._started, self._waited = time.perf_counter_ns(), _waited_ns()

    def read_ms(self) -> float:
        """Return the milliseconds so far."""
        took_ns = time.perf_counter_ns() - self._started - (_waited_ns() - self._waited)
        return max(took_ns, 0) / 1e6


def timed(subject: Subject, row: pd.DataFrame) -> tuple[float, float | str | None]:
    """Return the milliseconds that one prediction took, and its value."""
    watch = Stopwatch()
    output = subject.model.predict(row)
    return watch.read_ms(), as_values(output, len(row))[0]


def _waited_ns() -> int:
    """Return for how long the main thread was ready to run and did not (Linux, Documentation/scheduler)."""
    try:
        return int(os.pread(_open_schedstat(), 100, 0).split()[1])
    except (OSError, IndexError, ValueError):
        return 0


@cache
def _open_schedstat() -> int:
    # Kept open: it is read twice a prediction, and opening it takes twenty times as long as reading.
    return os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)


def percentiles(latencies_ms: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99, each one that was really measured; None without any."""
    wanted = (50, 95, 99)
    if not latencies_ms:
        return {f"p{rank}_ms": None for rank in wanted}
    found = np.percentile(np.asarray(latencies_ms), wanted, method="higher")
    return {f"p{rank}_ms": float(value) for rank, value in zip(wanted, found, strict=True)}
