"""What-ifs of an installation: asked for by people, run on recorded traffic, and kept as evidence.

A what-if is an event under the draft's digest, so it can neither be changed nor be mistaken for that of another text;
one that was run against another revision than is in force now proves nothing. A long log is replayed by the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from services.audit import AuditLog, EventQuery
from services.audit.events import Event
from services.documents.reading import DocumentReader
from services.errors import NotFound
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.jobs.jobs import JobContext, Jobs
from services.policies.document import DECISION_POLICY
from services.policies.reading import digest_text, read_policy, read_revision
from services.policies.simulation import Simulation
from services.store import Store

if TYPE_CHECKING:
    import pandas as pd

SIMULATE_JOB = "policy:simulate"
ACTION = "policy:simulation:run"
LOG_SOURCE = "the recorded traffic"
LARGE_LOG_BYTES = 64 * 1024 * 1024
"""From here on a log is replayed by the worker rather than while somebody waits: some ten million rows."""
MAX_SLICES_KEPT = 50
_LOOKED_AT = 20
_SIMULATION: TypeAdapter[Simulation] = TypeAdapter(Simulation)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A what-if that was run.

    Args:
        event: its number in the audit log.
        source: which traffic, such as `the recorded traffic` or the name of a file.
    """

    event: int
    at: datetime
    actor: str
    source: str
    simulation: Simulation

    def to_json(self) -> dict[str, Any]:
        """Return it as a change keeps it among its findings."""
        return {"event": self.event, "actor": self.actor, "source": self.source, **self.simulation.to_json()}


@dataclass(frozen=True, slots=True)
class _Requester:
    """Who asked for a job, as the audit log names them."""

    name: str
    origin: str


class WhatIfs:
    """Runs what-ifs and finds those that were run.

    Args:
        find_log: where serving writes the paired log of a model; nothing may lie there.
    """

    def __init__(
        self,
        documents: DocumentReader,
        store: Store,
        audit: AuditLog,
        identity: Identity,
        jobs: Jobs,
        *,
        find_log: Callable[[str], Path],
    ) -> None:
        self._documents = documents
        self._store = store
        self._audit = audit
        self._identity = identity
        self._jobs = jobs
        self._find_log = find_log
        jobs.register(SIMULATE_JOB, self._run_job)

    def find_log(self, model: str) -> Path | None:
        """Return the folder of a model's recorded traffic, if there is any."""
        folder = self._find_log(model)
        return folder if folder.is_dir() and next(folder.rglob("*.parquet"), None) is not None else None

    def is_long(self, model: str) -> bool:
        """Return whether replaying a model's recorded traffic is work for the worker."""
        log = self.find_log(model)
        return log is not None and sum(file.stat().st_size for file in log.rglob("*.parquet")) >= LARGE_LOG_BYTES

    def text_columns(self, model: str) -> frozenset[str]:
        """Return the columns that the policy in force compares with text; a table is read with them as text."""
        current = self._documents.find_in_force(DECISION_POLICY.name, model)
        return frozenset() if current is None else read_revision(current).text_columns

    def run(
        self,
        actor: Actor,
        model: str,
        text: str,
        *,
        traffic: pd.DataFrame | Path | None = None,
        source: str = LOG_SOURCE,
    ) -> WhatIf:
        """Replay traffic under a draft and under what is in force, and keep what was found.

        Args:
            traffic: the model's recorded traffic unless given.
            source: what the traffic is called; what somebody chose is never called the recorded traffic.

        Raises:
            Forbidden: the actor may not read metrics.
            DocumentInvalid: the draft has problems.
            NotFound: there is no traffic.
            InvalidInput: the traffic cannot be read, or has no scores.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=_subject(model, text))
        named = f"a file named {source}" if traffic is not None and source == LOG_SOURCE else source
        return self._run(_Requester(actor.name, actor.origin), model, text, traffic, named)

    def start(self, actor: Actor, model: str, text: str) -> int:
        """Have the worker replay the recorded traffic, and return the id of the job; raises as `run`."""
        self._identity.demand(actor, Permission.READ_METRICS, subject=_subject(model, text))
        read_policy(text, model)
        self._get_log(model)
        key = f"{SIMULATE_JOB}:{model}:{digest_text(text)}"
        return self._jobs.enqueue(SIMULATE_JOB, {"model": model, "text": text}, actor, key=key)

    def find(self, model: str, text: str) -> WhatIf | None:
        """Return the last what-if of a draft against what is in force now; on recorded traffic, if there is one."""
        current = self._documents.find_in_force(DECISION_POLICY.name, model)
        wanted = "" if current is None else current.reference
        query = EventQuery(subject=_subject(model, text), action=ACTION)
        events = self._audit.list_events(query, newest_first=True, limit=_LOOKED_AT).events
        found = [each for each in map(_to_what_if, events) if each.simulation.in_force == wanted]
        return next((each for each in found if each.source == LOG_SOURCE), found[0] if found else None)

    def _run(
        self, requester: _Requester, model: str, text: str, traffic: pd.DataFrame | Path | None, source: str
    ) -> WhatIf:
        simulation = self._simulate(model, text, self._get_log(model) if traffic is None else traffic)
        return self._keep(requester, model, text, source, simulation)

    def _run_job(self, payload: Mapping[str, Any], context: JobContext) -> Any:
        requester = _Requester(context.job.requested_by, f"job {context.job.id}")
        context.report(0, None, "replaying the recorded traffic")
        found = self._run(requester, payload["model"], payload["text"], None, LOG_SOURCE)
        return {"event": found.event, "rows": found.simulation.rows}

    def _simulate(self, model: str, text: str, traffic: pd.DataFrame | Path) -> Simulation:
        # Brings in pandas, which only whoever replays has to pay for.
        from services.policies.traffic import simulate

        draft = read_policy(text, model)
        current = self._documents.find_in_force(DECISION_POLICY.name, model)
        if current is None:
            note = "Nothing is in force yet: these are the decisions of the draft alone."
            found = simulate(draft, draft, traffic)
            return replace(found, in_force="", notes=[note, *found.notes])
        return simulate(read_revision(current), draft, traffic)

    def _keep(self, requester: _Requester, model: str, text: str, source: str, simulation: Simulation) -> WhatIf:
        left_out = len(simulation.slices) - MAX_SLICES_KEPT
        notes = [f"{left_out} slices with fewer flips are left out."] if left_out > 0 else []
        kept = replace(simulation, slices=simulation.slices[:MAX_SLICES_KEPT], notes=[*simulation.notes, *notes])
        with self._store.write() as unit:
            seq = self._audit.record(
                unit,
                actor=requester,
                action=ACTION,
                subject=_subject(model, text),
                model=model,
                after={"source": source, "simulation": asdict(kept)},
                policy_revision=simulation.in_force or None,
            )
            unit.commit()
        return _to_what_if(self._audit.get_event(seq))

    def _get_log(self, model: str) -> Path:
        log = self.find_log(model)
        if log is None:
            raise NotFound(
                f"No traffic of {model!r} is recorded.",
                next_step="Give a data file with a column score, or serve the model with a shadow.",
            )
        return log


def read_simulation(finding: Mapping[str, Any]) -> Simulation:
    """Return the simulation that a change keeps among its findings."""
    return _SIMULATION.validate_python(finding)


def _subject(model: str, text: str) -> str:
    return f"draft/{DECISION_POLICY.name}/{model}/{digest_text(text)}"


def _to_what_if(event: Event) -> WhatIf:
    return WhatIf(
        event=event.seq,
        at=event.at,
        actor=event.actor,
        source=event.after["source"],
        simulation=_SIMULATION.validate_python(event.after["simulation"]),
    )
