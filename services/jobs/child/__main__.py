"""Runs the commands of a job on one model; see the package."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from services.jobs.child.failures import describe


def main(job_path: str) -> None:
    """Load the model of a job and run its commands in order."""
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    # The model may print and may close: the answers have a pipe of their own.
    with os.fdopen(int(os.environ["RESULT_FD"]), "w", encoding="utf-8") as answers:

        def answer(**line: Any) -> None:
            answers.write(json.dumps(line, allow_nan=False) + "\n")
            answers.flush()

        try:
            _run(job, answer)
        except BaseException as error:  # noqa: BLE001 - whatever a model raises, SystemExit too, is its failure
            answer(failure=describe(error))


def _run(job: Mapping[str, Any], answer: Callable[..., None]) -> None:
    started = time.perf_counter()
    answer(stage="importing the libraries")
    import mlflow.pyfunc

    from services.jobs.child.measures import Subject, resident_bytes
    from services.jobs.child.predicting import predict
    from services.jobs.child.probing import probe
    from services.jobs.child.serving import await_order, serve
    from services.jobs.child.trying import try_requests

    asked = job["commands"]
    if asked and asked[0]["do"] == "serve":
        order = await_order(asked[0])
        if order is None:
            answer(report={"requests": 0})
            return
        asked = [{**asked[0], **order}]
    baseline_bytes = resident_bytes()
    answer(stage="loading the model")
    model = mlflow.pyfunc.load_model(job["model"])
    subject = Subject(
        model=model,
        load=lambda: mlflow.pyfunc.load_model(job["model"]),
        start_s=time.perf_counter() - started,
        baseline_bytes=baseline_bytes,
    )
    commands = {"probe": probe, "predict": predict, "try": try_requests, "serve": serve}
    for command in asked:
        if command["do"] == "predict_on_spark":
            # Brings in Spark, which may not be installed.
            from services.jobs.child.spark_scoring import predict_on_spark

            commands["predict_on_spark"] = predict_on_spark
        answer(report=commands[command["do"]](subject, command, answer))


if __name__ == "__main__":
    main(sys.argv[1])
    sys.stdout.flush()
    # Threads that a model leaves behind must not keep the answer waiting.
    os._exit(0)
