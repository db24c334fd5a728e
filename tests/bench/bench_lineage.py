"""Lineage on a real server: few calls for a model of 200 versions, and a whole story as one file within two seconds."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from mlflow import MlflowClient
from mlflow.entities import Metric

from services.lineage.records import build_graph, read_records
from services.lineage.story_exports import write_html
from services.lineage.telling import Stories
from services.registry.rest import RestRegistry, open_rest_registry
from services.registry.transport import Transport
from tests.gates.builders import mlmodel
from tests.servers import mlflow_server

NAME = "bench_scorer"
VERSIONS = 200


class _Counted(Transport):
    """A transport that counts requests."""

    calls: ClassVar[Counter[str]] = Counter()

    def call(self, method: str, path: str, **options: Any) -> Any:
        self.calls[path] += 1
        return super().call(method, path, **options)


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as folder, mlflow_server(Path(folder)) as url:
        _fill(url, Path(folder))
        counted = RestRegistry(_Counted(url))
        graph = build_graph(read_records(counted, [NAME]))
        runs = sum(node.kind.value == "run" for node in graph.nodes)
        calls = sum(_Counted.calls.values())
        _say(f"registry calls for the lineage of {VERSIONS} versions and {runs} runs", calls, 6)
        one_by_one, at_once = _compare(url)
        _say("lineage in bulk against a call a version and a run", at_once / one_by_one, 0.2)
        _say("seconds to tell a story and write it as HTML", _time_story(url), 2)


def _fill(url: str, folder: Path) -> None:
    """Log a run, a model and an evaluation for each version."""
    client = MlflowClient(url)
    experiment = client.create_experiment(NAME)
    client.create_registered_model(NAME)
    (folder / "model").mkdir()
    (folder / "model" / "MLmodel").write_text(mlmodel())
    for number in range(VERSIONS):
        trained, checked = (client.create_run(experiment).info.run_id for _ in range(2))
        model_id = client.create_logged_model(experiment, source_run_id=trained).model_id
        for run_id in (trained, checked):
            metric = Metric("auc", 0.9, int(time.time() * 1000), 0, model_id=model_id, run_id=run_id)
            client.log_batch(run_id, metrics=[metric])
        if number in {0, VERSIONS - 1}:
            client.log_model_artifacts(model_id, str(folder / "model"))
        client.finalize_logged_model(model_id, "READY")
        tags = {"tuned_from": f"{NAME}/{number}"} if number else {}
        client.create_model_version(NAME, f"models:/{model_id}", trained, model_id=model_id, tags=tags)


def _compare(url: str) -> tuple[float, float]:
    """Return the seconds that reading everything one by one takes, and in bulk, interleaved."""
    registry = open_rest_registry(url)
    slow = fast = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for version in registry.list_versions([NAME]):
            found = registry.get_version(NAME, version.version)
            registry.get_run(str(found.run_id))
        between = time.perf_counter()
        read_records(registry, [NAME])
        slow, fast = slow + between - began, fast + time.perf_counter() - between
    return slow, fast


def _time_story(url: str) -> float:
    registry = open_rest_registry(url)
    champion, candidate = registry.get_version(NAME, 1), registry.get_version(NAME, VERSIONS)
    began = time.perf_counter()
    write_html(Stories(registry).tell(candidate, champion=champion))
    return time.perf_counter() - began


def _say(what: str, measured: float, reach: float) -> None:
    sys.stdout.write(f"{what}: measured {measured:.3g} (reach {reach})\n")


if __name__ == "__main__":
    main()
