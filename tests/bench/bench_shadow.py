"""What a shadow log costs to compare: CPU seconds beside those of a trivial scan of the same columns, in turn.

`python -m tests.bench.bench_shadow [ROWS [plan|memory|others]...]`; ten million rows and all parts unless told
otherwise. Evidently and NannyML do the part that they do too, each in an environment that this file makes, where they
install.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from services.shadow.answers import SIDES
from services.shadow.bins import score_bin_sql
from services.shadow.distributions import jensen_shannon, kolmogorov_smirnov, pair_up, population_stability
from services.shadow.engines import DuckDbEngine
from services.shadow.judge import judge
from services.shadow.log_files import FilePlan, list_log_files, read_plan
from services.shadow.measuring import measure
from services.shadow.policy import ShadowPolicy
from services.shadow.reading import find_log_state, read_log
from services.shadow.timeline import list_stretches
from services.shadow.writer import split_by_day, write_part

ROWS = 10_000_000
FILE_ROWS = 1_000_000
ROUNDS = 3
START_US = 1_772_323_200_000_000
GAP_US = 50_000
OTHERS = {
    "Evidently": ("evidently==0.7.23", "pandas<3", "pyarrow"),
    "NannyML": ("nannyml==0.13.1", "pyarrow", "statsmodels"),
}


def main() -> None:
    """Print one line a figure."""
    if sys.argv[1:2] == ["--plan"]:
        plan(Path(sys.argv[2]), Path(sys.argv[3]))
        # What the operating system tells a parent of its child counts the parent's own memory in.
        print(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))[0])
        return
    rows = int(sys.argv[1]) if sys.argv[1:] else ROWS
    parts = sys.argv[2:] or ["plan", "memory", "others"]
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        log, tenth = Path(folder, "log"), Path(folder, "tenth")
        write_log(log, rows)
        if "plan" in parts:
            report_plan(log, rows)
        if "memory" in parts:
            write_log(tenth, rows // 10)
            report_memory(tenth, log, rows)
        if "others" in parts:
            report_others(log, rows)


def write_log(log: Path, rows: int) -> None:
    """Write the pairs of a binary classifier and a slightly different one, in files of a million rows."""
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        for day, part in split_by_day(make_pairs(start, min(FILE_ROWS, rows - start))):
            write_part(log, day, part, name=f"{number:04}")


def make_pairs(start: int, rows: int) -> pa.Table:
    """Return pairs that follow one another in time."""
    rng = np.random.default_rng(start)
    logit = rng.normal(-2, 1.5, rows)
    words = map(bytes, rng.integers(0, 256, (rows, 16), np.uint8))
    scores = {"champion": 1 / (1 + np.exp(-logit))}
    scores["candidate"] = 1 / (1 + np.exp(-(logit + rng.normal(0.05, 0.25, rows))))
    columns: dict[str, Any] = {
        "request_id": pa.array([uuid.UUID(bytes=word).hex for word in words]),
        "ts": pa.array(START_US + GAP_US * np.arange(start, start + rows), pa.timestamp("us", "UTC")),
        "label": choice(rng, ["allow", "block", None], [0.6, 0.1, 0.3], rows),
        "slice_country": choice(rng, [f"C{code:02}" for code in range(40)], None, rows),
        "slice_channel": choice(rng, ["web", "app", "pos", "phone"], None, rows),
    }
    for version, side in enumerate(SIDES, 3):
        columns[f"{side}_version"] = pa.repeat(pa.scalar(version, pa.int64()), rows)
        columns[f"{side}_score"] = scores[side]
        columns[f"{side}_decision"] = pa.array(["allow", "block"]).take(pa.array((scores[side] >= 0.5).astype("int64")))
        columns[f"{side}_latency_ms"] = rng.lognormal(2, 0.5, rows).astype(np.float32)
        columns[f"{side}_error"] = choice(rng, [None, "TimeoutError"], [0.998, 0.002], rows)
    return pa.table(columns)


def choice(rng: np.random.Generator, values: list[str | None], weights: list[float] | None, rows: int) -> pa.Array:
    """Return a column of values drawn at random."""
    return pa.array(values, pa.string()).take(pa.array(rng.choice(len(values), rows, p=weights)))


def report_plan(log: Path, rows: int) -> None:
    """Build every state and draw a dashboard from states, in turn with a trivial scan of the same columns."""
    scans, plans, dashboards = [], [], []
    for _ in range(ROUNDS):
        scans.append(cpu_seconds(lambda: scan(log)))
        with tempfile.TemporaryDirectory() as home:
            plans.append(cpu_seconds(lambda: plan(log, Path(home))))
            dashboards += [cpu_seconds(lambda: draw(log, Path(home))) for _ in range(ROUNDS)]
            states = size(Path(home))
    trivial, full, drawn = (min(scans), min(plans), median(dashboards))
    print(f"trivial scan of {rows:,} pairs: {trivial:.2f} s of CPU, the full plan: {full:.2f} s")
    print(f"full plan beside the scan: measured {full / trivial:.2f} (reach 3, aim 2)")
    print(
        f"dashboard from states: {drawn * 1000:.0f} ms, beside the scan: measured 1/{trivial / drawn:.0f} (reach 1/50)"
    )
    written = size(log)
    print(f"states beside the log of {written / 1e6:.0f} MB: measured 1/{written / states:.0f} (reach 1/500)")


def scan(log: Path) -> None:
    """Add up the columns that the plan reads, doing nothing else, as many files at once as the plan reads."""
    engine = DuckDbEngine()
    numbers = ["ts_us", *(f"{side}_{name}" for side in SIDES for name in ("score", "latency_ms", "version"))]
    texts = ["request_id", "label", "s0", "s1", *(f"{side}_{name}" for side in SIDES for name in ("decision", "error"))]
    summed = ", ".join([*(f"SUM({name})" for name in numbers), *(f"COUNT({name})" for name in texts)])

    def add_up(found: FilePlan) -> None:
        with engine.open([found], ("slice_channel", "slice_country"), is_distinct=False) as relation:
            relation.query(f"SELECT {summed} FROM pairs")

    with ThreadPoolExecutor(engine.workers) as pool:
        list(pool.map(add_up, plans_of(log)))


def plan(log: Path, home: Path) -> None:
    """Do all of it: read, find repeated requests, build states, measure and judge."""
    figures = measure(read_log(log, engine=DuckDbEngine(), home=home))
    judge(figures, ShadowPolicy())


def draw(log: Path, home: Path) -> None:
    """Find what a page shows, from states alone."""
    state = find_log_state(log, engine="duckdb", home=home)
    assert state is not None
    judge(measure(state), ShadowPolicy())
    list_stretches(state, minutes=60)


def report_memory(tenth: Path, log: Path, rows: int) -> None:
    """Run the plan on a tenth of the log and on all of it, each in a process of its own."""
    small, large = (min(peak_mb(each) for _ in range(ROUNDS)) for each in (tenth, log))
    print(f"peak memory {small:.0f} MB at {rows // 10:,} pairs, {large:.0f} MB at {rows:,}")
    print(f"peak memory, ten times the pairs: measured {large / small:.2f} (reach 1.2)")


def peak_mb(log: Path) -> float:
    """Return the most memory that the plan held."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "--plan", str(log), home]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(told) / 1024


def report_others(log: Path, rows: int) -> None:
    """Find agreement, KS, PSI and Jensen-Shannon, and let others do so."""
    ours = min(cpu_seconds(lambda: find_subset(log)) for _ in range(ROUNDS))
    print(f"agreement, KS, PSI and JS of {rows:,} pairs: {ours:.2f} s of CPU")
    for name, reach in (("Evidently", 20), ("NannyML", 5)):
        seconds = run_other(name, log)
        if seconds is None:
            print(f"{name} does not install here: not measured")
        else:
            print(f"{name}: {seconds:.1f} s of CPU, beside ours: measured {seconds / ours:.1f} (reach {reach})")


def find_subset(log: Path) -> None:
    """Find what the others find, from the log itself."""
    engine, files = DuckDbEngine(), plans_of(log)
    binned = ", ".join(f"{score_bin_sql(f'{side}_score')} AS {side}" for side in SIDES)
    with engine.open(files, (), is_distinct=False) as relation:
        relation.query("SELECT COUNT(*) FILTER (champion_decision = candidate_decision) / COUNT(*) AS rate FROM pairs")
        found = relation.query(
            f"SELECT champion, candidate, COUNT(*) AS pairs FROM (SELECT {binned} FROM pairs)"
            " GROUP BY GROUPING SETS ((champion), (candidate))"
        )
    is_champion = found.column("champion").is_valid().to_numpy()
    bins = found.column("champion").fill_null(0).to_numpy() + found.column("candidate").fill_null(0).to_numpy()
    nothing_known = np.full(len(bins), np.nan)
    paired = pair_up(bins.astype(np.int64), nothing_known, is_champion, found.column("pairs").to_numpy())
    for statistic in (kolmogorov_smirnov, population_stability, jensen_shannon):
        statistic(paired)


def run_other(name: str, log: Path) -> float | None:
    """Return the CPU seconds that another tool takes for its part, or None where it does not install."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        installed = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *OTHERS[name]], capture_output=True, check=False
        )
        if installed.returncode:
            return None
        script = Path(__file__).with_name("shadow_others.py")
        done = subprocess.run([python, script, name, log], stdout=subprocess.PIPE, text=True, check=True)
        return float(json.loads(done.stdout.splitlines()[-1])["cpu_s"])


def plans_of(log: Path) -> list[FilePlan]:
    """Return how the files of a log are read."""
    return [found for found in map(read_plan, list_log_files(log)[0]) if isinstance(found, FilePlan)]


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of this process, all its threads together."""
    started = time.process_time()
    run()
    return time.process_time() - started


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
