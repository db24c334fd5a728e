from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from services.errors import NotFound
from services.jobs.confinement import MIB, Ending, Limits
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import Bounds, Direction, Predictions, Probe, ProbeSpec, RunFailure
from tests.jobs.models import LABELS, POSITIONAL, SUM, write_model
from tests.jobs.test_hostile_programs import processes_marked

QUICK = ProbeSpec(calls=30, warm_up=2)
LIMITS = Limits(wall_s=60, cpu_s=30, memory_bytes=1024 * MIB, processes=48)


def probed(
    folder: Path, source: str = SUM, spec: ProbeSpec = QUICK, data: Path | None = None, **model: Any
) -> Probe | RunFailure:
    return ModelRunner(LIMITS).probe(write_model(folder / "model", source, **model), data, spec)


def measured(answer: Probe | RunFailure) -> Probe:
    assert isinstance(answer, Probe), answer
    return answer


def failed(answer: Probe | Predictions | RunFailure) -> RunFailure:
    assert isinstance(answer, RunFailure), answer
    return answer


def test_a_model_is_measured_on_its_own_example(tmp_path: Path) -> None:
    expectations: list[Direction | Bounds] = [
        Direction(name="more a", column="a", step=0.1, direction="increases"),
        Direction(name="less a", column="a", step=0.1, direction="decreases"),
        Direction(name="no effect", column="a", step=0.0, direction="stays"),
        Bounds(name="high", row={"a": 0.9, "b": 0.9}, at_least=0.8),
        Bounds(name="low", row={"a": 0.9, "b": 0.9}, at_most=0.3),
        Direction(name="no column", column="zzz", step=1, direction="increases"),
    ]
    spec = ProbeSpec(calls=30, warm_up=2, expectations=expectations)
    probe = measured(probed(tmp_path, spec=spec))
    assert (probe.rows, probe.calls, probe.failed_calls, probe.error_ratio, probe.errors) == (5, 30, 0, 0.0, ())
    assert probe.p50_ms is not None
    assert 0 < probe.p50_ms <= (probe.p95_ms or 0) <= (probe.p99_ms or 0)
    assert 0 < probe.load_s <= probe.cold_start_s < probe.start_s
    assert 50 * MIB < probe.baseline_bytes <= probe.memory_bytes
    assert probe.column_order.is_invariant
    assert [expected.held_ratio for expected in probe.expectations] == [1.0, 0.0, 1.0, 1.0, 0.0, None]
    assert "zzz" in probe.expectations[5].detail


def test_a_model_is_measured_on_a_file_with_the_types_of_its_signature(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,b\n1,0\n2,1\n3,0\n")
    probe = measured(probed(tmp_path, data=data))
    assert (probe.rows, probe.failed_calls) == (3, 0)


def test_failing_calls_are_counted_and_told(tmp_path: Path) -> None:
    source = SUM.replace(
        "return", 'if (data["a"] > 0.35).any(): raise ValueError("too high: " + "x" * 5000)\n        return'
    )
    data = tmp_path / "data.parquet"
    pd.DataFrame({"a": [0.1, 0.4], "b": [0.5, 0.5]}).to_parquet(data)
    probe = measured(probed(tmp_path, source, data=data))
    assert (probe.failed_calls, probe.error_ratio) == (15, 0.5)
    assert probe.errors[0].startswith("ValueError: too high")
    assert len(probe.errors[0]) <= 500
    assert probe.p50_ms is not None


def test_a_model_that_goes_by_the_place_of_columns_is_found_out(tmp_path: Path) -> None:
    probe = measured(probed(tmp_path, POSITIONAL, signature=False))
    assert not probe.column_order.is_invariant
    assert "5 of 5" in probe.column_order.detail or "4 of 5" in probe.column_order.detail


def test_labels_are_compared_but_have_no_direction(tmp_path: Path) -> None:
    spec = ProbeSpec(calls=5, warm_up=0, expectations=[Direction(name="d", column="a", step=1, direction="increases")])
    probe = measured(probed(tmp_path, LABELS, spec))
    assert probe.column_order.is_invariant
    assert probe.expectations[0].held_ratio is None


def test_without_data_and_example_the_answer_is_why(tmp_path: Path) -> None:
    failure = failed(probed(tmp_path, example=False))
    assert "neither a data file nor a table as input example" in failure.reason


def test_a_folder_without_a_model_is_a_failure_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failure = failed(ModelRunner(LIMITS).probe(tmp_path / "empty", None, QUICK))
    assert failure.reason.startswith("The model failed while loading the model:")
    with pytest.raises(NotFound):
        ModelRunner(LIMITS).probe(tmp_path / "nowhere", None, QUICK)


def table_of(tmp_path: Path, rows: int = 25) -> Path:
    data = tmp_path / "data.parquet"
    pd.DataFrame({"a": [row / rows for row in range(rows)], "b": [1.0] * rows}).to_parquet(data)
    return data


def test_a_file_is_predicted_in_order_and_progress_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    out = tmp_path / "out.parquet"
    answer = ModelRunner(LIMITS).predict(
        write_model(tmp_path / "model"), table_of(tmp_path), out, chunk_rows=10, progress=told.append
    )
    assert answer == Predictions(rows=25, failed_rows=0)
    assert told == [10, 20, 25]
    table = pd.read_parquet(out)
    assert list(table["row"]) == list(range(25))
    assert list(table["score"].round(6)) == [round((row / 25 + 1) / 2, 6) for row in range(25)]
    assert table["error"].isna().all()
    assert (table["latency_ms"] > 0).all()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_one_bad_row_costs_one_row(tmp_path: Path) -> None:
    source = SUM.replace("return", 'if (data["a"] == 0.2).any(): raise ValueError("bad row")\n        return')
    out = tmp_path / "out.parquet"
    answer = ModelRunner(LIMITS).predict(write_model(tmp_path / "model", source), table_of(tmp_path), out, singly=True)
    assert answer == Predictions(rows=25, failed_rows=1)
    together = ModelRunner(LIMITS).predict(write_model(tmp_path / "model2", source), table_of(tmp_path), out)
    assert together == answer
    assert list(pd.read_parquet(out)["error"].dropna()) == ["ValueError: bad row"]


def test_labels_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    ModelRunner(LIMITS).predict(write_model(tmp_path / "model", LABELS), table_of(tmp_path, 2), out)
    table = pd.read_parquet(out)
    assert list(table["label"]) == ["low", "low"]
    assert table["score"].isna().all()


def test_what_cannot_be_read_is_a_failure_and_leaves_no_file(tmp_path: Path) -> None:
    data = tmp_path / "data.parquet"
    data.write_bytes(b"rubbish")
    failure = failed(ModelRunner(LIMITS).predict(write_model(tmp_path / "model"), data, tmp_path / "out.parquet"))
    assert "Arrow" in failure.reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.parquet", "model"]


HOSTILE = {
    "crashes": ("import os; os.abort()", Ending.CRASHED, "SIGABRT"),
    "exits": ("import os; os._exit(0)", Ending.EXITED, "exit code 0"),
    "raises SystemExit": ("raise SystemExit(0)", Ending.EXITED, "SystemExit"),
    "hangs": ("import time; time.sleep(1000)", Ending.OUT_OF_TIME, "longer than"),
    "allocates": ("x = []\nwhile True: x.append(bytearray(8_000_000))", None, "emory"),
    "forks": ("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", Ending.OUT_OF_TIME, "longer than"),
    "floods": ("while True: print('x' * 100_000)", Ending.TOO_MUCH_OUTPUT, "stdout"),
    "floods answers": (
        "import os\nwhile True: os.write(int(os.environ['RESULT_FD']), b'x' * 10_000)",
        Ending.TOO_MUCH_OUTPUT,
        "result",
    ),
    "prints rubbish": (
        "import os; os.write(int(os.environ['RESULT_FD']), b'rubbish\\n{}\\n[1]\\n')",
        Ending.EXITED,
        "rubbish",
    ),
    "forges NaN": (
        'import os; os.write(int(os.environ["RESULT_FD"]), b\'{"report": {"rows": NaN}}\\n\')',
        Ending.EXITED,
        "rubbish",
    ),
    "forges a report": (
        'import os; os.write(int(os.environ["RESULT_FD"]), b\'{"report": {"rows": 1}}\\n\')',
        Ending.EXITED,
        "rubbish",
    ),
    "closes its pipes": (
        "import os\nfor n in range(3, 50):\n  try: os.close(n)\n  except OSError: pass",
        Ending.EXITED,
        "exit code",
    ),
    "writes outside": ("open('/usr/x', 'w')", Ending.EXITED, "OSError"),
    "takes a long name": ("raise ValueError('x' * 10_000_000)", Ending.EXITED, "ValueError"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_leaves_a_reason_and_nothing_else(tmp_path: Path, name: str) -> None:
    deed, ending, told = HOSTILE[name]
    mark = f"model-{time.time_ns()}"
    model = write_model(
        tmp_path / mark / "model", loads=f"\nMARK = {mark!r}\n{deed}\n\ndef _load_pyfunc(path):\n    return Model()\n"
    )
    runner = ModelRunner(Limits(wall_s=20, cpu_s=20, memory_bytes=512 * MIB, processes=32))
    failure = failed(runner.probe(model, None, QUICK))
    assert ending is None or failure.ending is ending, failure
    assert told in failure.reason, failure
    assert len(failure.reason) < 1000
    assert len(failure.stderr) <= 4000
    assert processes_marked(mark) == []


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    deed = """
import json, os
os.write(int(os.environ['TABLE_FD']), b'no parquet')
os.write(int(os.environ['RESULT_FD']), json.dumps({'report': {'rows': 3, 'failed_rows': 0}}).encode() + b'\\n')
os._exit(0)
"""
    model = write_model(tmp_path / "model", loads=deed)
    failure = failed(ModelRunner(LIMITS).predict(model, table_of(tmp_path), tmp_path / "out.parquet"))
    assert "wrote no table" in failure.reason
    assert not (tmp_path / "out.parquet").exists()


def test_a_run_is_cancelled(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", loads="\nimport time; time.sleep(1000)\n")
    started = time.monotonic()
    failure = failed(ModelRunner(LIMITS).probe(model, None, QUICK, is_cancelled=lambda: time.monotonic() - started > 1))
    assert failure.ending is Ending.CANCELLED
    assert failure.reason.endswith(": It was cancelled.")


def test_the_job_that_goes_in_holds_no_path_of_outside(tmp_path: Path) -> None:
    source = SUM.replace("class Model", "import json\nraise ValueError(open('/job/job.json').read())\nclass Model")
    failure = failed(probed(tmp_path, source))
    job = json.loads(failure.reason[failure.reason.index("{") :])
    assert str(tmp_path) not in json.dumps(job)
    assert job["model"] == "/job/model"
