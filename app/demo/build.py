"""Build the demo registry, once."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.demo.workshop import Progress, Workshop

if TYPE_CHECKING:
    from app.facade import Gatehouse

_MARKER = "demo/built.json"


def build(gatehouse: Gatehouse, *, progress: Progress) -> bool:
    """Build the demo in the registry of an installation; False where it was built before.

    Args:
        gatehouse: the installation; its registry must answer.
        progress: told in one line what was made.

    Raises:
        Conflict: the registry has models of these names that are not the demo's.
        Unreachable: the registry does not answer.
    """
    marker = gatehouse.home / _MARKER
    built = {"tracking_uri": gatehouse.settings.tracking_uri}
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == built:
        return False
    gatehouse.registry.ping()
    _point_mlflow_at(gatehouse)
    _make(gatehouse, progress)
    gatehouse.sync.run()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(built) + "\n", encoding="utf-8")
    return True


def _make(gatehouse: Gatehouse, progress: Progress) -> None:
    """Make models and history, the latter beside the models that it is not about: its gates mostly wait."""
    # scikit-learn costs a second to import, and a demo that is built already needs none of it.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from app.demo import history
    from app.demo.chronicle import Chronicle
    from app.demo.shelf import FORECASTS, FRAUD, OTHERS

    workshop, chronicle = Workshop(gatehouse.registry, progress), Chronicle(gatehouse, progress)
    chronicle.admit()
    history.write_rules(chronicle)
    # On two cores, threads of one small model wait for each other longer than they work.
    with threadpool_limits(1), ThreadPoolExecutor(2) as beside:
        workshop.fill(FRAUD, gatehouse.home)
        governed = [beside.submit(history.govern_fraud, chronicle)]
        for place in FORECASTS:
            workshop.fill(place, gatehouse.home)
        governed.append(beside.submit(history.govern_forecasts, chronicle))
        for place in OTHERS:
            workshop.fill(place, gatehouse.home)
        workshop.leave_behind()
        for each in governed:
            each.result()
    history.govern_others(chronicle)
    history.ramp_candidates(chronicle)
    gatehouse.deployments.write_file()


def _point_mlflow_at(gatehouse: Gatehouse) -> None:
    import mlflow
    from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, MLFLOW_TRACKING_TOKEN

    mlflow.set_tracking_uri(gatehouse.settings.tracking_uri)
    if gatehouse.settings.tracking_token is not None:
        MLFLOW_TRACKING_TOKEN.set(gatehouse.settings.tracking_token.get_secret_value())  # type: ignore[no-untyped-call]
    # Standard output is for answers alone.
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # type: ignore[no-untyped-call]
    logging.getLogger("mlflow").setLevel(logging.WARNING)
