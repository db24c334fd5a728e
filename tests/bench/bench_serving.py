"""Serving against `mlflow models serve`: the same model under the same load, asked in turn; and changes of pins.

The p99 is that of two callers who together ask at a fixed rate; throughput is that of four who ask without a pause.
Ratios are medians over rounds in which every server is asked, so that all of them meet the same noise.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from services.store import open_store
from services.store.migrations import upgrade
from tests.servers import answers, free_port, running
from tests.serving.builders import ServedHome

ROUNDS = 5
RATE = 60.0
ASKED = 400
CALLERS = 4
THROUGHPUT_S = 4.0
PIN_CHANGES = 6
SPARE_S = 8.0
BODY = json.dumps(
    {"dataframe_split": {"columns": ["amount", "age", "hour", "country"], "data": [[120.5, 31.0, 14, "US"]]}}
).encode()


def main() -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        model = save_model(Path(folder, "model"))
        urls = {"mlflow": stack.enter_context(mlflow_serving(model, Path(folder)))}
        for name, has_shadow in (("plain", False), ("shadow", True)):
            home = make_home(Path(folder, name), model, has_shadow=has_shadow)
            urls[name] = stack.enter_context(home.serving()).url
        latencies: dict[str, list[float]] = {name: [] for name in urls}
        rates: dict[str, list[float]] = {name: [] for name in urls}
        for _ in range(ROUNDS):
            for name, url in urls.items():
                latencies[name].append(measure_p99_ms(url))
                rates[name].append(measure_rate(url))
        for name, reach in (("plain", 1.15), ("shadow", 1.25)):
            p99, rate = ratio(latencies[name], latencies["mlflow"]), ratio(rates[name], rates["mlflow"])
            what = "with shadow on" if name == "shadow" else "alone"
            print(
                f"serve p99 {what} against mlflow models serve: measured {p99:.2f} (reach {reach}); "
                f"{statistics.median(latencies[name]):.1f} ms against {statistics.median(latencies['mlflow']):.1f} ms"
            )
            print(f"serve throughput {what} against mlflow models serve: measured {rate:.2f} (reach 1 or more)")
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder, "model"))
        home = make_home(Path(folder, "pins"), model, has_shadow=False)
        ways = ((2, False, "kept loaded"), (0, True, "loaded by the spare"), (0, False, "loaded from nothing"))
        for standbys, has_spare, what in ways:
            took_s = max(measure_pin_changes(home, standbys, has_spare=has_spare))
            print(f"a change of pins to a version {what} takes effect: measured {took_s:.1f} s at most (reach 5 s)")


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median over rounds of ours over theirs."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def measure_p99_ms(url: str) -> float:
    """Return the p99 of requests that come at a fixed rate."""
    took: list[float] = []

    def ask(post: Callable[[], str], caller: int) -> None:
        began = time.perf_counter() + caller / RATE
        for number in range(ASKED // 2):
            time.sleep(max(0.0, began + number * 2 / RATE - time.perf_counter()))
            started = time.perf_counter()
            post()
            took.append((time.perf_counter() - started) * 1000)

    in_threads(url, ask, callers=2)
    return float(np.percentile(took, 99))


def measure_rate(url: str) -> float:
    """Return how many requests a second are answered to callers who ask without a pause."""
    counts: list[int] = []

    def ask(post: Callable[[], str], _caller: int) -> None:
        count, ends = 0, time.perf_counter() + THROUGHPUT_S
        while time.perf_counter() < ends:
            post()
            count += 1
        counts.append(count)

    in_threads(url, ask, callers=CALLERS)
    return sum(counts) / THROUGHPUT_S


def measure_pin_changes(home: ServedHome, standbys: int, *, has_spare: bool) -> list[float]:
    """Return how long after each change of pins the new version answered, in seconds."""
    took = []
    home.pin(1)
    with home.serving(standbys=standbys, has_spare=has_spare) as server:
        while standbys and len(server.health()["loaded"]) < 2:
            time.sleep(0.1)
        connection, post = connect(server.url)
        for number in range(PIN_CHANGES):
            # As long as a spare takes to import what it needs; what follows sooner is loaded from nothing.
            time.sleep(SPARE_S if has_spare else 0)
            version = 2 - number % 2
            home.pin(version)
            started = time.perf_counter()
            while post() != str(version):
                time.sleep(0.01)
            took.append(time.perf_counter() - started)
        connection.close()
    return took


def in_threads(url: str, ask: Callable[[Callable[[], str], int], None], *, callers: int) -> None:
    """Run callers, each with a connection of its own."""

    def run(caller: int) -> None:
        connection, post = connect(url)
        post()
        ask(post, caller)
        connection.close()

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def connect(url: str) -> tuple[http.client.HTTPConnection, Callable[[], str]]:
    """Return a connection that is kept, and what asks through it and returns the version that answered."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def post() -> str:
        connection.request("POST", "/invocations", body=BODY, headers={"content-type": "application/json"})
        answered = connection.getresponse()
        body = answered.read()
        if answered.status != 200:
            raise RuntimeError(body.decode())
        return answered.headers.get("x-model-version", "")

    return connection, post


def save_model(folder: Path) -> Path:
    """Train a classifier of card payments as people do, and save it with its signature."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "amount": rng.exponential(200, 2000),
            "age": rng.normal(40, 12, 2000),
            "hour": rng.integers(0, 24, 2000),
            "country": rng.choice(["US", "UK", "NG"], 2000),
        }
    )
    prepared = ColumnTransformer(
        [("numbers", StandardScaler(), ["amount", "age", "hour"]), ("country", OneHotEncoder(), ["country"])]
    )
    model = make_pipeline(prepared, LogisticRegression()).fit(frame, (frame["amount"] > 300).astype(int))
    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format="cloudpickle",
        signature=infer_signature(frame, model.predict(frame)),
        input_example=frame.head(2),
    )
    return folder


def make_home(folder: Path, model: Path, *, has_shadow: bool) -> ServedHome:
    """Return an installation that serves the model as version 1 and holds it as version 2 besides."""
    folder.mkdir(parents=True)
    store = open_store(f"sqlite:///{folder / 'gatehouse.db'}")
    upgrade(store)
    home = ServedHome(folder=folder, store=store)
    for version in (1, 2):
        place = home.place(version)
        shutil.rmtree(place)
        shutil.copytree(model, place)
    home.pin(2, 1)
    if has_shadow:
        home.ramp(1, 2)
    return home


@contextlib.contextmanager
def mlflow_serving(model: Path, folder: Path) -> Iterator[str]:
    """Run `mlflow models serve` for a saved model; yields its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # As in the sandbox: one thread a model.
        **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    }
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, is_ready=lambda: answers(f"{url}/ping"), log=folder / "mlflow.log", environ=environ):
        yield url


if __name__ == "__main__":
    main()
