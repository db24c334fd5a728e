"""Latencies of both sides, from their histograms."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.bins import UNSOUND_LATENCY_BIN, latency_of_bin
from services.shadow.distributions import Counts, latency_quantile, latency_quantile_interval
from services.shadow.figures import Histogram, Latency


def bins_of(histograms: pa.Table, measure: str, *, decided: bool | None = None) -> tuple[pa.Array, Counts]:
    """Return the bins of one measure, in order and one of them perhaps null, and how many pairs each has."""
    table = histograms.filter(pc.equal(histograms.column("measure"), measure))
    if decided is not None:
        table = table.filter(pc.equal(table.column("decided"), decided))
    table = table.group_by("bin", use_threads=False).aggregate([("pairs", "sum")]).sort_by("bin")
    return table.column("bin").combine_chunks(), table.column("pairs_sum").to_numpy()


def measure_latency(histograms: pa.Table, side: str) -> Latency:
    """Return the quantiles of one side, and how many of its latencies are absent or cannot be."""
    bins, counts = bins_of(histograms, f"{side}_latency")
    known = dict(zip(bins.to_pylist(), counts.tolist(), strict=True))
    missing, unsound = known.pop(None, 0), known.pop(UNSOUND_LATENCY_BIN, 0)
    places, pairs = np.array(list(known), dtype=np.int64), np.array(list(known.values()), dtype=np.int64)
    p50, p95, p99 = (latency_quantile(places, pairs, share) for share in (0.5, 0.95, 0.99))
    return Latency(
        timed=int(pairs.sum()),
        missing=missing,
        unsound=unsound,
        p50=p50,
        p95=p95,
        p99=p99,
        p95_interval=latency_quantile_interval(places, pairs, 0.95),
        p99_interval=latency_quantile_interval(places, pairs, 0.99),
        histogram=Histogram(places=latency_of_bin(places), pairs=pairs),
    )
