"""Build the demo registry, once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.demo.workshop import Product, Progress, Recipe, Workshop

if TYPE_CHECKING:
    from app.demo.workshop import Material
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
    _make_models(gatehouse, progress)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(built) + "\n", encoding="utf-8")
    return True


def _make_models(gatehouse: Gatehouse, progress: Progress) -> None:
    # scikit-learn costs a second to import, and a demo that is built already needs none of it.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from app.demo import fraud, junk_drawer, materials, others, products

    shelf: Sequence[tuple[Product, Callable[[Path], Material], Sequence[Recipe]]] = (
        (products.FRAUD, materials.make_transactions, fraud.RECIPES),
        (products.CHURN, materials.make_subscribers, others.CHURN),
        (products.DEMAND, materials.make_sales, others.DEMAND),
        (products.ANOMALIES, materials.make_cells, others.ANOMALIES),
        (products.DIGITS, materials.make_digits, others.DIGITS),
        (products.RANKER, materials.make_searches, others.RANKER),
        (products.DIABETES, materials.make_patients, others.DIABETES),
    )
    workshop = Workshop(gatehouse.registry, progress)
    # On two cores, threads of one small model wait for each other longer than they work.
    with threadpool_limits(1):
        for product, make_material, recipes in shelf:
            workshop.open(product)
            workshop.make(product, make_material(gatehouse.home), recipes)
        for leftover in junk_drawer.LEFTOVERS:
            workshop.leave(leftover)


def _point_mlflow_at(gatehouse: Gatehouse) -> None:
    import mlflow
    from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, MLFLOW_TRACKING_TOKEN

    mlflow.set_tracking_uri(gatehouse.settings.tracking_uri)
    if gatehouse.settings.tracking_token is not None:
        MLFLOW_TRACKING_TOKEN.set(gatehouse.settings.tracking_token.get_secret_value())  # type: ignore[no-untyped-call]
    # Standard output is for answers alone.
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # type: ignore[no-untyped-call]
    logging.getLogger("mlflow").setLevel(logging.WARNING)
