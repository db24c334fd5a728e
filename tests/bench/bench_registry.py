"""The index against MLflow's own client, on a real server with 25,000 versions of 500 models, interleaved in one run.

MLflow's database is filled by SQL, since registering so many over REST takes the better part of an hour. The versions
have no artifacts, so what is read beside the records (metrics, signatures) is left out on both sides.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from services.registry.direct import open_direct_registry
from services.registry.index import CatalogQuery, CatalogSort, Index
from services.registry.port import RecordReader
from services.registry.rest import open_rest_registry
from services.registry.sync import Sync
from services.store import open_store
from services.store.migrations import upgrade
from tests.servers import mlflow_server

MODELS, VERSIONS_A_MODEL = 500, 50
ROUNDS = 3
CLIENT_PAGE = 10_000
MINUTE_MS = 60_000


def fill(database: Path) -> None:
    """Write models and versions as MLflow 3.17 does: one version a minute, three tags each, two aliases a model."""
    names = [f"model_{number:04d}" for number in range(MODELS)]
    start_ms = int(time.time() * 1000) - MODELS * VERSIONS_A_MODEL * MINUTE_MS

    def moment(model: int, version: int) -> int:
        return start_ms + (model * VERSIONS_A_MODEL + version) * MINUTE_MS

    numbered = [(place, name, number) for place, name in enumerate(names) for number in range(1, VERSIONS_A_MODEL + 1)]
    tables: Iterable[tuple[str, str, list[tuple[Any, ...]]]] = (
        (
            "registered_models",
            "workspace, name, creation_time, last_updated_time, description",
            [("default", name, start_ms, moment(place, VERSIONS_A_MODEL), "") for place, name in enumerate(names)],
        ),
        (
            "registered_model_tags",
            "workspace, name, key, value",
            [
                ("default", name, key, f"{key} {place % 7}")
                for place, name in enumerate(names)
                for key in ("team", "risk")
            ],
        ),
        (
            "model_versions",
            (
                "workspace, name, version, creation_time, last_updated_time, description, user_id, current_stage, "
                "source, run_id, status"
            ),
            [
                (
                    *("default", name, number, moment(place, number), moment(place, number), "a version", "", "None"),
                    *(f"models:/m-{place:016x}{number:016x}", f"{place:016x}{number:016x}", "READY"),
                )
                for place, name, number in numbered
            ],
        ),
        (
            "model_version_tags",
            "workspace, name, version, key, value",
            [("default", name, number, f"key{tag}", "value") for _, name, number in numbered for tag in range(3)],
        ),
        (
            "registered_model_aliases",
            "workspace, name, alias, version",
            [
                ("default", name, alias, VERSIONS_A_MODEL - behind)
                for name in names
                for alias, behind in (("staging", 0), ("production", 1))
            ],
        ),
    )
    with sqlite3.connect(database, timeout=60) as connection:
        for table, columns, rows in tables:
            places = ", ".join("?" * (columns.count(",") + 1))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
    connection.close()


def enumerate_versions(url: str) -> int:
    """List every version through `MlflowClient`, in the order that pages flat."""
    from mlflow import MlflowClient

    client, count, token = MlflowClient(url), 0, None
    while True:
        page = client.search_model_versions(
            max_results=CLIENT_PAGE, order_by=["name ASC", "version_number ASC"], page_token=token
        )
        count, token = count + len(page), page.token
        if not token:
            return count


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    """Print one line a ratio."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place, mlflow_server(Path(place)) as url:
        fill(Path(place) / "mlflow.db")
        registry = open_rest_registry(url)
        times: dict[str, list[float]] = {}

        def measure(name: str, action: Callable[[], object]) -> None:
            times.setdefault(name, []).append(seconds(action))

        def measure_sync(kind: str, home: str, records: RecordReader | None) -> Index:
            store = open_store(f"sqlite:///{place}/{home}.db")
            upgrade(store)
            sync = Sync(registry, store, signature_state=lambda _: "absent", records=records)
            measure(f"first {kind}", lambda: sync.run(details_budget_s=0))
            for _ in range(3):
                measure(f"unchanged {kind}", lambda: sync.run(details_budget_s=0))
            return Index(store)

        for number in range(ROUNDS):
            measure("enumerate", lambda: enumerate_versions(url))
            index = measure_sync("rest", f"rest{number}", None)
            measure_sync("direct", f"direct{number}", open_direct_registry(f"sqlite:///{place}/mlflow.db"))
            for sort in CatalogSort:
                measure("page", partial(read_page, index, sort))
        found = {name: median(values) for name, values in times.items()}
    versions = MODELS * VERSIONS_A_MODEL
    print(f"catalog page from the index / enumeration of {versions} versions: "
          f"measured {found['page'] / found['enumerate']:.4f} (reach 0.02)")  # fmt: skip
    print(f"first sync by REST / enumeration: measured {found['first rest'] / found['enumerate']:.2f} (reach 1.2)")
    print(f"unchanged sync by REST / first: measured {found['unchanged rest'] / found['first rest']:.3f} (reach 0.05)")
    print(f"unchanged sync beside the database / first by REST: "
          f"measured {found['unchanged direct'] / found['first rest']:.4f} (reach 0.05)")  # fmt: skip


def read_page(index: Index, sort: CatalogSort) -> None:
    """Read all that the catalog's page shows: a page of models, facets, totals, age."""
    query = CatalogQuery(text="model 1", teams=("team 1",), sort=sort, is_descending=True)
    assert index.list_models(query).models
    index.count_facets(query)
    index.count_totals()
    index.get_sync_state()


if __name__ == "__main__":
    main()
