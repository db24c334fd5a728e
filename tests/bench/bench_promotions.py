"""The inbox with ten thousand requests in the history against an empty one, on what the page asks of the store."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from services.changes import ChangeState
from services.clock import to_micros
from services.store import open_store
from services.store.changes import CHANGES
from services.store.migrations import upgrade
from tests.changes.builders import MEERA, World, build_world
from tests.conftest import FakeClock

HISTORY = 10_000
OPEN = 20
PAGE = 15
REPEATS = 60
OVER = (ChangeState.COMPLETED, ChangeState.REJECTED, ChangeState.EXPIRED, ChangeState.CANCELLED)


def main() -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory() as folder:
        empty, full = make(Path(folder, "empty"), 0), make(Path(folder, "full"), HISTORY)
        # In turns, so that what else the machine does falls on both.
        times = [(measure(empty), measure(full)) for _ in range(REPEATS)]
        few, many = (min(pair[side] for pair in times) for side in (0, 1))
        print(f"inbox with {OPEN} open requests: measured {few * 1000:.2f} ms")
        print(f"inbox with {HISTORY} more in the history: measured {many * 1000:.2f} ms")
        print(f"inbox with {HISTORY} requests against an empty history: measured {many / few:.2f} (reach 1.5)")


def make(folder: Path, history: int) -> World:
    """Return changes with some open and a history of those that are over."""
    folder.mkdir()
    store = open_store(f"sqlite:///{folder / 'gatehouse.db'}")
    upgrade(store)
    clock = FakeClock()
    world = build_world(store, clock, folder)
    if history:
        add_history(world, world.ask().id, history, clock)
    for to in range(OPEN):
        clock.advance(minutes=1)
        world.ask(to)
    return world


def add_history(world: World, like: int, count: int, clock: FakeClock) -> None:
    """Copy one request many times, in the states that requests end in."""
    with world.store.write() as unit:
        row = dict(unit.connection.execute(CHANGES.select().where(CHANGES.c.id == like)).mappings().one())
        del row["id"]
        now_us = to_micros(clock.now)
        rows = [
            {**row, "state": OVER[place % len(OVER)].value, "created_us": now_us + place, "expires_us": now_us + place}
            for place in range(count)
        ]
        unit.connection.execute(CHANGES.insert(), rows)
        unit.connection.execute(CHANGES.update().where(CHANGES.c.id == like).values(state="completed"))
        unit.commit()


def measure(world: World) -> float:
    """Return the seconds that one look at the inbox takes: the counts, what waits for me, what is open."""
    started = time.perf_counter()
    world.changes.count_open()
    waiting = world.changes.list_open(waiting_for=MEERA, limit=PAGE)
    opened = world.changes.list_open(limit=PAGE)
    elapsed = time.perf_counter() - started
    assert len(waiting) == len(opened) == PAGE
    return elapsed


if __name__ == "__main__":
    main()
