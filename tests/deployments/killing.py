"""A worker that is killed in the middle of a ramp: `python -m tests.deployments.killing STORE_URL HOME NOW POINT`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from services.store import open_store
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL
from tests.deployments.ramp_builders import RampWorld, open_ramps

PLACES: dict[str, Callable[[RampWorld], tuple[Any, str]]] = {
    # Within the transaction of the step: neither the step nor its event may exist.
    "stepping": lambda ramp: (ramp.world.audit, "record"),
    # The last step has passed and nothing is executed yet.
    "before_promoting": lambda ramp: (ramp.world.changes, "carry_out"),
    # The promotion has started; the registry has not been written to.
    "promoting": lambda ramp: (ramp.world.registry, "set_alias"),
}


def main(url: str, home: Path, now: datetime, point: str) -> None:
    """Tick once and die at a point."""
    store = open_store(url)
    ramp = open_ramps(store, FakeClock(now), home)
    ramp.world.registry.set_alias(MODEL, "production", 3)
    owner, name = PLACES[point](ramp)
    setattr(owner, name, lambda *_arguments, **_keywords: os.kill(os.getpid(), signal.SIGKILL))
    ramp.tick()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]), sys.argv[4])
