"""What the audit log costs beside a plain table, how long writers wait, and how deep pages and proofs stay fast.

`GATEHOUSE_BENCH_EVENTS` sets how many events the log has that is read (default 50,000; the figures in the README are
for 1,000,000). `GATEHOUSE_BENCH_FOLDER` keeps that log there for the next run.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

from services.audit import AuditLog, EventQuery
from services.audit.proofs import prove_event
from services.audit.sealing import seal
from services.audit.verification import verify_log
from services.clock import to_micros, utc_now
from services.identity.actors import Actor, Role
from services.store import Store, audit_log, open_store
from services.store.migrations import upgrade

APPENDS = 1000
WRITERS = 8
APPENDS_A_WRITER = 100
READINGS = 200
PEOPLE = [
    Actor(name=f"{name}.{number}", roles=frozenset({Role.RELEASE_MANAGER}), origin=f"app {name}-7f3a2c")
    for name in ("ada", "bob", "cyd", "dee", "eve")
    for number in range(6)
]
ACTIONS = [
    f"{subject}:{what}:{happened}"
    for subject in ("promotion", "gate", "document", "pin", "model")
    for what in ("request", "approval", "run", "version")
    for happened in ("made", "granted")
]
REASONS = (
    "Beats the champion on every slice and stays below the latency limit",
    "Precision on card-not-present fell in the last replay; hold until the next training run",
    "Holiday traffic is over, so the ramp goes on",
    "Rolled back after the fraud desk reported a rise in false alarms",
)


def main() -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as folder:
        report_appending(Path(folder) / "append")
        report_waiting(Path(folder) / "wait")
        kept = Path(os.environ.get("GATEHOUSE_BENCH_FOLDER", folder))
        report_reading(kept / "read", int(os.environ.get("GATEHOUSE_BENCH_EVENTS", "50000")))


def report_appending(folder: Path) -> None:
    """Append to the log and to a plain table of the same columns and indexes, each first every other time.

    The checkpoint that the worker signs every minute seals what was appended; what that takes is told as well.
    """
    audit = open_audit(folder)
    audit.checkpoints.write()
    plain = make_plain_table(folder)
    spent = {"log": 0.0, "plain": 0.0}
    for number in range(APPENDS):
        event = describe(number)
        turns = {"log": partial(record, audit), "plain": partial(insert, plain, number)}
        for name in sorted(turns, reverse=bool(number % 2)):
            spent[name] += times(turns[name], [event])[0]
    say("append beside a plain INSERT", spent["plain"] / spent["log"], 0.85, at_least=True)
    with audit.store.write() as unit:
        sealing = times(lambda size: seal(unit, size), [APPENDS])[0]
    print(f"append and its share of sealing: measured {spent['plain'] / (spent['log'] + sealing):.2f}")
    audit.store.close()
    plain.close()


def report_waiting(folder: Path) -> None:
    """Let eight processes append at once, and look at how long each had to wait."""
    open_audit(folder).store.close()
    children = [fork(partial(wait_in_line, folder, number)) for number in range(WRITERS)]
    for child in children:
        os.waitpid(child, 0)
    waits = [float(line) for path in folder.glob("waits-*") for line in path.read_text().splitlines()]
    say(f"{WRITERS} processes append, p99 in ms", percentile(waits, 99) * 1000, 250)


def report_reading(folder: Path, events: int) -> None:
    """Fill a log, then verify it, prove from it and page through it at every depth."""
    audit = open_audit(folder)
    fill(audit, events)
    with audit.store.read() as unit:
        leaves = sum(
            len(leaf) for at in range(0, events, 1000) for _, leaf in audit_log.list_leaves(unit, at, at + 1000)
        )
    audit_log.purge(audit.store)
    database = Path(str(audit.store.engine.url.database))
    say(f"store bytes a leaf byte at {events:,} events", database.stat().st_size / leaves, 1.9)
    started = time.perf_counter()
    verify_log(audit).check()
    say(f"events verified a second at {events:,}", events / (time.perf_counter() - started), 75_000, at_least=True)
    depths = [events * part // READINGS for part in range(READINGS)]
    say("proof p95 in ms", percentile(times(lambda seq: prove_event(audit, seq), depths), 95) * 1000, 5)
    for name, query in QUERIES.items():
        spent = times(partial(turn_to, audit, query), depths)
        say(f"page {name} p95 in ms", percentile(spent, 95) * 1000, 10)
    say("days of the whole log in ms", times(lambda _: audit.count_days(), [0])[0] * 1000, 10)
    say("facets of the whole log in ms", times(lambda _: audit.count_values(), [0])[0] * 1000, 10)
    audit.store.close()


def fill(audit: AuditLog, events: int) -> None:
    """Append what a log that was kept lacks, in batches."""
    had = audit.checkpoints.get_integrity().size or 0
    for first in range(had, events, 1000):
        with audit.store.write() as unit:
            for number in range(first, min(first + 1000, events)):
                audit.record(unit, **describe(number))  # type: ignore[arg-type]
            unit.commit()
    audit.checkpoints.write()


Argument = TypeVar("Argument")

QUERIES = {
    "of all": EventQuery(),
    "of one person": EventQuery(actor="ada.1"),
    "of one model": EventQuery(model="fraud_17"),
    "of one kind of action": EventQuery(action="promotion"),
    "of one subject": EventQuery(subject="fraud_17/3"),
    "of one person and action": EventQuery(actor="ada.1", action="promotion:approval:granted"),
    "of rare words": EventQuery(text="churn_33 false alarms"),
    "of a common word": EventQuery(text="approval"),
}


def describe(number: int) -> dict[str, object]:
    """Return one event like those that promotions, gates and pins record."""
    model = f"{('fraud', 'churn', 'credit', 'ranking')[number % 4]}_{number % 97}"
    return {
        "actor": PEOPLE[number * 7 % len(PEOPLE)],
        "action": ACTIONS[number * 11 % len(ACTIONS)],
        "subject": f"{model}/{number % 23}",
        "model": model,
        "change_id": number // 5,
        "reason": REASONS[number * 3 % len(REASONS)],
        "before": {"alias": "production", "version": number % 23},
        "after": {"alias": "production", "version": number % 23 + 1, "state": "awaiting_approval"},
        "policy_revision": "gate_policy/default/3",
    }


def turn_to(audit: AuditLog, query: EventQuery, seq: int) -> None:
    audit.list_events(query, before_seq=seq + 1, newest_first=True)


def record(audit: AuditLog, event: dict[str, object]) -> None:
    with audit.store.write() as unit:
        audit.record(unit, **event)  # type: ignore[arg-type]
        unit.commit()


def insert(plain: Store, number: int, event: dict[str, object]) -> None:
    """Do what an ordinary audit table asks for: one row with the same columns, its JSON beside them."""
    actor = event["actor"]
    assert isinstance(actor, Actor)
    moment, event_id = utc_now(), secrets.token_urlsafe(16)
    told = {
        **event,
        "actor": actor.name,
        "origin": actor.origin,
        "at": str(moment),
        "event_id": event_id,
        "seq": number,
    }
    text = json.dumps(told).encode()
    with plain.write() as unit:
        audit_log.run(
            unit,
            "INSERT INTO plain_event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(number, event_id, to_micros(moment), actor.name, event["action"], event["subject"]),
            *(event["model"], event["change_id"], text, sha256(text).digest()),
        )
        unit.commit()


def open_audit(folder: Path) -> AuditLog:
    store = open_store(f"sqlite:///{folder / 'gatehouse.db'}")
    upgrade(store)
    return AuditLog(store, clock=utc_now, home=folder)


def make_plain_table(folder: Path) -> Store:
    """Make a table with the columns and indexes of the log, and nothing that guards it."""
    store = open_store(f"sqlite:///{folder / 'plain.db'}")
    upgrade(store)
    with store.write() as unit:
        statement = (
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'audit_event' AND type != 'trigger' AND sql IS NOT NULL"
        )
        for (sql,) in audit_log.run(unit, statement):
            audit_log.run(unit, sql.replace("audit_event", "plain_event"))
        unit.commit()
    return store


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


def wait_in_line(folder: Path, writer: int) -> None:
    """Append again and again, and write down how long each time took."""
    audit = AuditLog(open_store(f"sqlite:///{folder / 'gatehouse.db'}"), clock=utc_now, home=folder)
    spent = times(lambda number: record(audit, describe(number)), range(APPENDS_A_WRITER))
    folder.joinpath(f"waits-{writer}").write_text("".join(f"{seconds}\n" for seconds in spent))


def times(work: Callable[[Argument], object], arguments: Iterable[Argument]) -> list[float]:
    """Return how long each call took."""
    spent = []
    for argument in arguments:
        started = time.perf_counter()
        work(argument)
        spent.append(time.perf_counter() - started)
    return spent


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


def say(name: str, measured: float, limit: float, *, at_least: bool = False) -> None:
    print(f"{name}: measured {measured:,.2f} (reach {limit:,}{' or more' if at_least else ''})")


if __name__ == "__main__":
    main()
