"""Who may look at logs and make them; what takes long is a job; a replay is an event."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.audit import EventQuery
from services.errors import Forbidden, InvalidInput, NotFound
from services.identity import Actor, Identity, Role
from services.jobs.jobs import JobState
from services.registry.fake import FakeRegistry
from services.shadow.measuring import measure
from services.shadow.places import get_log_folder
from services.shadow.replay import ReplayOptions
from services.shadow.replay_data import Described
from services.shadow.replay_notes import Outputs
from services.shadow.service import ShadowLogs
from services.store import Store
from tests.jobs.builders import Plant, build_plant
from tests.shadow.builders import pairs, write, write_days
from tests.shadow.test_replay import Models

RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test 1")
CORA = Actor(name="cora", roles=frozenset({Role.COMPLIANCE_REVIEWER}), origin="test 2")
NOBODY = Actor(name="nobody", roles=frozenset(), origin="test 3")
OPTIONS = ReplayOptions(described=Described(slices=("a",)), outputs=Outputs.SCORES, threshold=0.5, chunk_rows=4)


@dataclass(frozen=True, kw_only=True)
class World:
    shadow: ShadowLogs
    plant: Plant
    home: Path


class ByFolder(Models):
    """A scorer that knows a version by what lies in its folder."""

    def predict(self, model_folder: Path, data: Path, out: Path, **options: Any) -> Any:
        version = (model_folder / "MLmodel").read_text()
        return super().predict(Path(version), data, out, **options)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    plant = build_plant(store, tmp_path)
    registry = FakeRegistry()
    registry.add_model("m")
    for version in ("1", "2", "3", "4"):
        registry.add_version("m", files={"MLmodel": version.encode()})
    identity = Identity(store, plant.audit, clock=plant.clock, home=tmp_path)
    shadow = ShadowLogs(registry, store, plant.audit, identity, plant.jobs, ByFolder(), home=tmp_path)
    return World(shadow=shadow, plant=plant, home=tmp_path)


def csv(rows: int = 10) -> bytes:
    return pd.DataFrame({"a": np.linspace(0, 0.9, rows)}).to_csv(index=False).encode()


def test_a_log_is_read_by_the_worker_and_then_seen_at_once(world: World) -> None:
    log = write_days(get_log_folder(world.home / "shadow", "m"), days=2)
    assert world.shadow.find_state(log, actor=CORA) is None
    assert world.shadow.find_reading(log, actor=CORA) is None
    job = world.shadow.ask_to_read(log, actor=CORA)
    assert world.shadow.ask_to_read(log, actor=CORA) == job
    with world.plant.working():
        ended = world.plant.ended(job)
    assert (ended.state, ended.result) == (JobState.DONE, {"rows": 800})
    assert ended.progress.done == ended.progress.total == 800
    found = world.shadow.find_reading(log, actor=CORA)
    assert found is not None
    assert found.id == job
    latest = world.shadow.find_state(log, actor=CORA)
    assert latest is not None
    assert (measure(latest.log).pairs, latest.unread_files) == (800, 0)


def test_what_was_read_is_still_seen_when_files_came_changed_or_went(world: World) -> None:
    log = write_days(get_log_folder(world.home / "shadow", "m"), days=3)
    with world.plant.working():
        world.plant.ended(world.shadow.ask_to_read(log, actor=CORA))
    write(log, pairs(50, day="2026-03-09"), day="2026-03-09")
    write(log, pairs(60, day="2026-03-02", seed=9), day="2026-03-02")
    (log / "dt=2026-03-03" / "part-0.parquet").unlink()
    latest = world.shadow.find_state(log, actor=CORA)
    assert latest is not None
    assert (measure(latest.log).pairs, latest.unread_files) == (400, 2)
    assert latest.log.coverage.changed == ("dt=2026-03-02/part-0.parquet",)
    assert latest.log.coverage.deleted == ("dt=2026-03-03/part-0.parquet",)
    with world.plant.working():
        world.plant.ended(world.shadow.ask_to_read(log, actor=CORA))
    latest = world.shadow.find_state(log, actor=CORA)
    assert latest is not None
    assert (measure(latest.log).pairs, latest.unread_files) == (510, 0)


def test_a_log_that_is_not_there_is_told(world: World) -> None:
    with pytest.raises(NotFound):
        world.shadow.find_state(world.home / "nowhere", actor=CORA)
    assert world.shadow.list_logs("m", actor=CORA) == ()


def test_an_upload_is_replayed_by_the_worker_into_a_log_of_the_model(world: World) -> None:
    job = world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS)
    (waiting,) = world.shadow.list_replays("m", actor=CORA)
    assert (waiting.id, waiting.state) == (job, JobState.QUEUED)
    with world.plant.working():
        ended = world.plant.ended(job)
    assert ended.error is None
    assert ended.result["rows"] == 10
    assert ended.progress.note == "rows replayed"
    (place,) = world.shadow.list_logs("m", actor=CORA)
    assert place.notes is not None
    assert place.notes.is_complete
    with world.plant.working():
        world.plant.ended(world.shadow.ask_to_read(place.path, actor=CORA))
    latest = world.shadow.find_state(place.path, actor=CORA)
    assert latest is not None
    assert measure(latest.log).pairs == 10
    assert {one.column for one in measure(latest.log).slices} == {"slice_a"}
    assert world.shadow.list_replays("other", actor=CORA) == []


def test_data_goes_when_its_replay_is_done_and_stays_while_another_needs_it(world: World) -> None:
    first = world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS)
    world.shadow.replay_upload("m", 3, 4, b"PAR1", suffix=".parquet", actor=RAVI, options=OPTIONS)
    second = world.shadow.replay_upload("m", 2, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS)
    data = world.home / "replay-data"
    assert len(list(data.iterdir())) == 2
    with world.plant.working(threads=1):
        assert world.plant.ended(first).state is JobState.DONE
        assert world.plant.ended(second).error is None
    (kept,) = data.iterdir()
    assert kept.suffix == ".parquet"


def test_data_of_ones_own_stays_where_it_lies(world: World) -> None:
    data = world.home / "data.csv"
    data.write_bytes(csv())
    with world.plant.working():
        job = world.shadow.ask_to_replay("m", 3, 4, data, world.home / "out", actor=RAVI, options=OPTIONS)
        assert world.plant.ended(job).state is JobState.DONE
    assert data.read_bytes() == csv()


@dataclass
class Chunked(ByFolder):
    """A scorer that counts the rows of Parquet too."""

    def predict(self, model_folder: Path, data: Path, out: Path, **options: Any) -> Any:
        if data.suffix == ".parquet":
            table = data.with_suffix(".csv")
            pd.read_parquet(data).to_csv(table, index=False)
            data = table
        return super().predict(model_folder, data, out, **options)


@pytest.mark.parametrize(
    ("engine", "suffix", "options", "calls"),
    [
        ("spark", ".parquet", ReplayOptions(), 1),
        ("spark", ".parquet", ReplayOptions(chunk_rows=20_000), 3),
        ("spark", ".parquet", ReplayOptions(is_timed=True), 30),
        ("spark", ".csv", ReplayOptions(), 2),
        ("duckdb", ".parquet", ReplayOptions(), 2),
    ],
)
def test_only_what_spark_scores_comes_to_it_in_large_chunks(
    store: Store, tmp_path: Path, engine: str, suffix: str, options: ReplayOptions, calls: int
) -> None:
    plant, registry, scorer = build_plant(store, tmp_path), FakeRegistry(), Chunked()
    for version in ("1", "2", "3", "4"):
        registry.add_version("m", files={"MLmodel": version.encode()})
    identity = Identity(store, plant.audit, clock=plant.clock, home=tmp_path)
    shadow = ShadowLogs(registry, store, plant.audit, identity, plant.jobs, scorer, home=tmp_path, engine=engine)
    data, rows = tmp_path / f"data{suffix}", 60_000
    table = pd.DataFrame({"a": np.linspace(0.01, 0.9, rows)})
    table.to_parquet(data) if suffix == ".parquet" else table.to_csv(data, index=False)
    assert shadow.replay("m", 3, 4, data, tmp_path / "out", actor=RAVI, options=options).rows == rows
    assert [version for version, _rows in scorer.asked].count("4") == calls


def test_a_replay_is_an_event_of_who_asked_for_it(world: World) -> None:
    with world.plant.working():
        world.plant.ended(world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS))
    (event,) = world.plant.audit.list_events(EventQuery(action="shadow:replay:completed"), limit=5).events
    assert (event.actor, event.subject) == ("ravi", "m/4")
    assert event.after is not None
    assert (event.after["champion"], event.after["rows"]) == (3, 10)


def test_a_replay_asked_for_twice_is_one_job_and_one_log(world: World) -> None:
    first = world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS)
    assert world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS) == first
    with world.plant.working():
        world.plant.ended(first)
        again = world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=RAVI, options=OPTIONS)
        assert world.plant.ended(again).result["resumed_rows"] == 10
    assert len(world.shadow.list_logs("m", actor=CORA)) == 1


def test_what_cannot_be_replayed_is_refused_before_it_is_kept(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"\.exe"):
        world.shadow.replay_upload("m", 3, 4, b"MZ", suffix=".exe", actor=RAVI)
    with pytest.raises(NotFound):
        world.shadow.replay_upload("m", 3, 9, csv(), suffix=".csv", actor=RAVI)
    assert not (world.home / "replay-data").exists()


def test_data_that_is_no_data_fails_the_job_with_what_to_do(world: World) -> None:
    job = world.shadow.replay_upload("m", 3, 4, b"PAR1", suffix=".parquet", actor=RAVI)
    with world.plant.working():
        ended = world.plant.ended(job)
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert "cannot be read" in ended.error.message
    assert world.shadow.list_logs("m", actor=CORA) == ()


def test_looking_and_replaying_need_their_permissions(world: World) -> None:
    log = write_days(world.home / "log", days=1, rows=10)
    for look in (world.shadow.find_state, world.shadow.find_reading, world.shadow.ask_to_read):
        with pytest.raises(Forbidden):
            look(log, actor=NOBODY)
    for listing in (world.shadow.list_logs, world.shadow.list_replays):
        with pytest.raises(Forbidden):
            listing("m", actor=NOBODY)
    data = world.home / "data.csv"
    data.write_bytes(csv())
    with pytest.raises(Forbidden):
        world.shadow.replay_upload("m", 3, 4, csv(), suffix=".csv", actor=CORA)
    with pytest.raises(Forbidden):
        world.shadow.ask_to_replay("m", 3, 4, data, world.home / "out", actor=CORA)
    with pytest.raises(Forbidden):
        world.shadow.replay("m", 3, 4, data, world.home / "out", actor=CORA)
    assert world.plant.jobs.list_jobs() == []
    assert not (world.home / "replay-data").exists()
