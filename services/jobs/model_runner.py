"""Running a model: what is asked of the sandboxed child, and what comes back, checked.

The child's answers are bytes from outside. They are bounded, parsed strictly, and taken as the model's own word.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field, ValidationError

from services.jobs.confinement import MIB, Ending, Limits, SandboxResult, Sink
from services.jobs.probe import Answer, Predictions, Probe, ProbeSpec, RunFailure, Served, Trials
from services.jobs.sandbox import run_sandboxed
from services.jobs.spark_room import SPARK_LIMITS, SparkRoom
from services.jobs.trials import Trial

ANSWER_BYTES = MIB
MAX_TABLE_BYTES = 4096 * MIB
THREADS = 1
TOLD_STDERR = 4000
TABLE_COLUMNS = ["row", "score", "label", "latency_ms", "error"]

_MODEL, _JOB, _TRIALS = "/job/model", "/job/job.json", "/job/trials.pickle"

_ENVIRON = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Measured latencies should depend neither on how many processors this machine has nor on threads that wait for each
    # other on a busy one, and threads count as processes.
    **{f"{library}_NUM_THREADS": str(THREADS) for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
}


class _Line(Answer):
    stage: str | None = Field(default=None, max_length=100)
    progress: int | None = Field(default=None, ge=0)
    failure: str | None = Field(default=None, max_length=600)
    report: dict[str, Any] | None = None


Report = TypeVar("Report", bound=Answer)


class ModelRunner:
    """Runs models in the sandbox.

    Args:
        limits: what a model may use in one run.
        spark: finds what Spark needs in the sandbox, to predict Parquet files on it; None predicts without.
    """

    def __init__(self, limits: Limits | None = None, *, spark: Callable[[], SparkRoom] | None = None) -> None:
        self._limits = limits or Limits(wall_s=120, cpu_s=120)
        self._spark = spark

    def probe(
        self,
        model_folder: Path,
        data: Path | None,
        spec: ProbeSpec | None = None,
        *,
        trials: Sequence[Trial] = (),
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Probe | RunFailure:
        """Measure the model in a folder on the head of a file, or on its own input example.

        Args:
            trials: requests that it is tried with besides, as `try_requests` does.

        Raises:
            Unavailable: this machine has no sandbox.
            NotFound: the folder or the file is not there.
        """
        command = {"do": "probe", "data": _inside(data), **asdict(spec or ProbeSpec())}
        return self._run(model_folder, data, command, _Dialogue(Probe), trials=trials, is_cancelled=is_cancelled)

    def predict(
        self,
        model_folder: Path,
        data: Path,
        out: Path,
        *,
        chunk_rows: int = 10_000,
        singly: bool = False,
        progress: Callable[[int], object] = lambda _rows: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Predictions | RunFailure:
        """Predict every row of a Parquet, CSV, JSON or (our own) pickle file into a Parquet file.

        Columns of the result, a row for each row of the data: `row` int64 from 0, `score` double or null, `label`
        string or null, `latency_ms` float, `error` string or null.

        Args:
            model_folder: where the model's MLmodel file lies.
            data: the input.
            out: written whole, or not at all.
            chunk_rows: how many rows are read, and unless `singly` predicted, at a time.
            singly: predict each row alone, so that its latency is its own; never on Spark.
            progress: told how many rows are done.
            is_cancelled: asked now and then; True ends the run.

        Raises:
            Unavailable: this machine has no sandbox, or no Spark where that is wanted.
            NotFound: the folder or the file is not there.
        """
        command: dict[str, Any] = {"do": "predict", "data": _inside(data), "chunk_rows": chunk_rows, "singly": singly}
        spark = self._spark() if self._spark and data.suffix.lower() == ".parquet" and not singly else None
        if spark is not None:
            told = {"model": _MODEL, "threads": spark.threads, "batch_rows": chunk_rows}
            command = {"do": "predict_on_spark", "data": _inside(data), **told}
        dialogue = _Dialogue(Predictions, progress)
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as table:
            written = Path(table.name)
            try:
                sink = Sink(name="TABLE", write=table.write, max_bytes=MAX_TABLE_BYTES)
                answer = self._run(
                    model_folder, data, command, dialogue, sinks=[sink], spark=spark, is_cancelled=is_cancelled
                )
                table.flush()
                if isinstance(answer, Predictions):
                    answer = _check_table(written, answer)
                if isinstance(answer, Predictions):
                    written.replace(out)
            finally:
                written.unlink(missing_ok=True)
        return answer

    def serve(
        self,
        model_folder: Path,
        channel: int,
        *,
        modules: Sequence[str] = (),
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Served | RunFailure:
        """Load a model when told to and let it answer what comes through a socket, until the other end is closed.

        Args:
            model_folder: where the model's MLmodel file lies once it is told to load.
            channel: one end of a pair of sockets; what goes over it is in `services.jobs.child.exchange`.
            modules: what it imports before it is told to load.
            is_cancelled: asked once a second; True ends the run.

        Raises:
            Unavailable: this machine has no sandbox.
            NotFound: the folder is not there.
        """
        command = {"do": "serve", "modules": list(modules)}
        channels = {"CHANNEL": channel}
        return self._run(model_folder, None, command, _Dialogue(Served), channels=channels, is_cancelled=is_cancelled)

    def try_requests(
        self,
        model_folder: Path,
        trials: Sequence[Trial],
        *,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Trials | RunFailure:
        """Send requests to `predict`, each made from the model's own input example where it has one.

        Raises:
            Unavailable: this machine has no sandbox.
            NotFound: the folder is not there.
        """
        command = {"do": "try"}
        return self._run(model_folder, None, command, _Dialogue(Trials), trials=trials, is_cancelled=is_cancelled)

    def _run(
        self,
        model_folder: Path,
        data: Path | None,
        command: Mapping[str, Any],
        dialogue: _Dialogue[Report],
        *,
        sinks: Sequence[Sink] = (),
        channels: Mapping[str, int] | None = None,
        trials: Sequence[Trial] = (),
        spark: SparkRoom | None = None,
        is_cancelled: Callable[[], bool],
    ) -> Report | RunFailure:
        with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
            job, requests = Path(folder, "job.json"), Path(folder, "trials.pickle")
            asked = {**command, "trials": _TRIALS if trials else None}
            job.write_text(json.dumps({"model": _MODEL, "commands": [asked]}), encoding="utf-8")
            # Only this keeps every dtype and width; the child that reads it is the one in a sandbox.
            requests.write_bytes(pickle.dumps([asdict(trial) for trial in trials]))
            inputs = {_MODEL: model_folder, _JOB: job, _TRIALS: requests}
            if data is not None:
                inputs[str(_inside(data))] = data
            if spark is not None:
                inputs |= spark.furnish(Path(folder))
            result = run_sandboxed(
                [sys.executable, "-I", "-m", "services.jobs.child", _JOB],
                inputs=inputs,
                sinks=[Sink(name="RESULT", write=dialogue.hear, max_bytes=ANSWER_BYTES), *sinks],
                channels=channels,
                environ={**_ENVIRON, **(spark.environ if spark is not None else {})},
                limits=self._limits if spark is None else SPARK_LIMITS,
                is_cancelled=is_cancelled,
            )
        return dialogue.conclude(result)


class _Dialogue(Generic[Report]):
    """What the child says, line by line."""

    def __init__(self, answer: type[Report], progress: Callable[[int], object] = lambda _rows: None) -> None:
        self._answer = answer
        self._progress = progress
        self._unread = b""
        self._stage = "starting"
        self._report: Report | None = None
        self._failure: str | None = None

    def hear(self, heard: bytes) -> None:
        *lines, self._unread = (self._unread + heard).split(b"\n")
        for line in lines:
            try:
                said = _Line.model_validate_json(line)
                if said.report is not None:
                    self._report = self._answer.model_validate(said.report)
            except ValidationError:
                self._failure = self._failure or "it printed rubbish in place of its answer"
                continue
            self._stage = said.stage or self._stage
            self._failure = self._failure or said.failure
            if said.progress is not None:
                self._progress(said.progress)

    def conclude(self, result: SandboxResult) -> Report | RunFailure:
        if self._report is not None and self._failure is None and result.ending is Ending.EXITED:
            return self._report
        why = self._failure if result.ending is Ending.EXITED else None
        return RunFailure(
            ending=result.ending,
            reason=f"The model failed while {self._stage}: {why or result.reason}",
            stderr=result.stderr.decode(errors="replace")[-TOLD_STDERR:],
        )


def _inside(data: Path | None) -> str | None:
    """Return where the child finds the data: the name tells it the format."""
    return None if data is None else f"/job/data{data.suffix.lower()}"


def _check_table(written: Path, answer: Predictions) -> Predictions | RunFailure:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(written) as file:
            if file.schema_arrow.names == TABLE_COLUMNS and file.metadata.num_rows == answer.rows:
                return answer
    except (pa.ArrowException, OSError):
        pass
    return RunFailure(
        ending=Ending.EXITED, reason="The model failed while predicting: it wrote no table of predictions.", stderr=""
    )
