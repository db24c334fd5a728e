"""A migration that is killed after some writes: `python -m tests.lineage.killing HOME TRACKING_URI PLAN WRITES`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.facade import Gatehouse
from services.lineage import migration
from services.lineage.migration_plan import apply_step
from services.settings import load_settings


def main(home: Path, url: str, plan: Path, writes: int) -> None:
    """Apply the plan and die before the write after so many."""
    gatehouse = Gatehouse(load_settings({}, home=home, tracking_uri=url))
    done: list[Any] = []

    def apply_or_die(*arguments: Any) -> None:
        if len(done) == writes:
            os.kill(os.getpid(), signal.SIGKILL)
        apply_step(*arguments)
        done.append(arguments)

    with patch.object(migration, "apply_step", apply_or_die):
        gatehouse.migrations.apply(plan.read_bytes(), actor=gatehouse.get_caller(origin="test"), reason="A better name")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
