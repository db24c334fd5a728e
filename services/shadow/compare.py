"""Comparing two versions by a shadow log: read, measure, judge."""

from __future__ import annotations

from pathlib import Path

from services.shadow.comparison import Comparison
from services.shadow.engines import open_engine
from services.shadow.judge import judge
from services.shadow.measuring import measure
from services.shadow.policy import ShadowPolicy
from services.shadow.reading import Progress, read_log


def compare(
    log: Path,
    *,
    home: Path,
    engine: str = "duckdb",
    policy: ShadowPolicy | None = None,
    champion: int | None = None,
    candidate: int | None = None,
    by: str | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Comparison:
    """Compare the versions of a log; only files that are new or have changed are read.

    Args:
        log: a folder of Parquet files, or one.
        home: where states are kept.
        engine: `duckdb` or `spark`.
        champion: only pairs of this champion version; likewise `candidate`.
        by: the only slice to list; None lists all.
        progress: told how many rows of new files are done, and of how many.

    Raises:
        NotFound: there is no such log.
        InvalidInput: the log has no slice of that name, or there is no such engine.
        Unavailable: the engine is not installed or lacks memory, or states cannot be kept.
        Conflict: the log changed while it was read.
    """
    found = read_log(log, engine=open_engine(engine), home=home, progress=progress)
    figures = measure(found, champion=champion, candidate=candidate)
    # What is listed is a matter of looking: the verdict rests on every slice.
    judgement = judge(figures, policy or ShadowPolicy())
    listed = figures if by is None else measure(found, champion=champion, candidate=candidate, by=by)
    return Comparison(figures=listed, judgement=judgement)
