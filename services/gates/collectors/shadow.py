"""Evidence from the paired log that serving writes: how the candidate did beside the champion."""

from __future__ import annotations

from pathlib import Path

from services.gates.evidence import Absent, ShadowRecord, Subject


class ShadowCollector:
    """Reads the log of the subject's model, `LOGS/NAME`.

    Args:
        logs: where serving writes its logs, a folder a model.
        home: where the log's states are kept, so that a file is read once.
        engine: `duckdb` or `spark`.
    """

    kind = ShadowRecord

    def __init__(self, logs: Path, *, home: Path, engine: str) -> None:
        self._logs = logs
        self._home = home
        self._engine = engine

    def collect(self, subject: Subject) -> ShadowRecord | Absent:
        """Return the record of candidate and champion, from no other pairs.

        Raises:
            NotFound: the model has no log.
            Unavailable: the engine is not there.
        """
        # Brings in scipy, which costs a second.
        from services.shadow.compare import compare
        from services.shadow.places import get_log_folder

        champion, candidate = subject.champion, subject.candidate
        if champion is None:
            return Absent(reason="No version is in production to run beside.")
        figures = compare(
            get_log_folder(self._logs, candidate.name),
            home=self._home,
            engine=self._engine,
            champion=champion.version,
            candidate=candidate.version,
        ).figures
        # As the judge has it: what stands there may be what the candidate failed on.
        if unread := figures.coverage.unread:
            return Absent(reason=f"The log is not whole: what stands in {unread[0]} could not be read.")
        agreement, failures = figures.agreement.wilson, figures.failures["candidate"]
        if agreement.estimate is None or agreement.low is None or agreement.high is None:
            return Absent(
                reason=f"The log has no pairs of version {candidate.version} beside version {champion.version}."
            )
        return ShadowRecord(
            days=figures.days,
            pairs=figures.valid_pairs,
            agreement=agreement.estimate,
            agreement_low=agreement.low,
            agreement_high=agreement.high,
            candidate_error_rate=(failures.errors + failures.unusable) / figures.pairs,
        )
