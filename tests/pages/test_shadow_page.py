"""The shadow comparison draws whatever the log holds, for whoever may look, and says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.facade import Gatehouse
from app.ui import session, status
from services.identity import Role
from services.identity.actors import Actor
from services.jobs.jobs import JobState
from services.settings import load_settings
from services.shadow.engines import DuckDbEngine
from services.shadow.places import get_log_folder
from services.shadow.reading import read_log
from services.shadow.replay_notes import Notes
from tests.pages.test_every_page import RELEASE_MANAGER, fill, visit
from tests.servers import free_port
from tests.shadow.builders import pairs, without, write, write_days
from tests.shadow.test_measuring import hostile, regression

MODEL = "pricing_detector"
TABS = ["Agreement", "Decisions", "Slices", "Scores", "Latency and errors", "Thresholds", "Counts"]


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """An installation with models in the index, whose registry does not answer."""
    made = Gatehouse(load_settings({}, home=tmp_path / "home", tracking_uri=f"http://127.0.0.1:{free_port()}"))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    fill(made)
    yield made
    made.close()


def log_of(gatehouse: Gatehouse) -> Path:
    return get_log_folder(gatehouse.shadow_logs, MODEL)


def read(gatehouse: Gatehouse) -> None:
    """Do what the worker does."""
    read_log(log_of(gatehouse), engine=DuckDbEngine(), home=gatehouse.home)


def show(monkeypatch: pytest.MonkeyPatch, actor: Actor = RELEASE_MANAGER, **params: str) -> AppTest:
    app = visit("shadow_comparison", monkeypatch, actor, **{"model": MODEL, **params})
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return "\n".join([*(one.value for one in app.markdown), *(one.value for one in app.warning)])


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_draws(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, tab: str) -> None:
    write_days(log_of(gatehouse), days=3)
    read(gatehouse)
    app = show(monkeypatch, tab=tab)
    assert not app.error
    assert "1,200 valid pairs" in said(app)
    assert {name: app.query_params[name] for name in ("champion", "candidate")} == {"champion": "3", "candidate": "4"}


@pytest.mark.parametrize("kind", ["hostile", "regression", "classes", "empty file", "no slices"])
def test_every_kind_of_log_draws_on_every_tab(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    table = {
        "hostile": hostile(),
        "regression": regression(60),
        "classes": without(
            pairs(60, champion_decision=[f"c{row % 30}" for row in range(60)]), "champion_score", "candidate_score"
        ),
        "empty file": pairs(0),
        "no slices": without(pairs(60), "slice_country", "label", "champion_latency_ms", "candidate_latency_ms"),
    }[kind]
    write(log_of(gatehouse), table)
    read(gatehouse)
    for tab in TABS:
        app = show(monkeypatch, tab=tab)
        assert not app.error, tab


def test_an_address_of_versions_that_no_log_has_says_so_and_stays(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(log_of(gatehouse), days=1)
    read(gatehouse)
    app = show(monkeypatch, champion="3", candidate="*9*")
    assert "This log has no pairs of v3 beside v\\*9\\*: what is shown is of v3 beside v4" in said(app)
    assert app.query_params["candidate"] == "*9*"
    assert "no pairs" not in said(show(monkeypatch, champion="3", candidate="4"))


def test_an_address_finds_the_log_that_has_its_versions(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(log_of(gatehouse), days=1)
    read(gatehouse)
    replayed = gatehouse.home / "replays" / MODEL / "3-7-abc"
    notes = Notes(
        replayed / ".replay.json", plan={"champion": 3, "candidate": 7}, started_at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    notes.add(0, {"rows": 5})
    write(replayed, pairs(5, candidate_version=[7] * 5))
    assert show(monkeypatch, champion="3", candidate="7").query_params["log"] == "3-7-abc"
    read_log(replayed, engine=DuckDbEngine(), home=gatehouse.home)
    app = show(monkeypatch, champion="3", candidate="7")
    assert "5 valid pairs" in said(app)
    assert show(monkeypatch, champion="3", candidate="4").query_params["log"] == "traffic"


def test_a_log_that_nobody_read_is_read_by_a_job_that_shows(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(log_of(gatehouse), days=1)
    show(monkeypatch)
    show(monkeypatch)
    (job,) = gatehouse.jobs.list_jobs(name="shadow:read")
    assert job.payload == {"log": str(log_of(gatehouse))}
    assert job.requested_by == RELEASE_MANAGER.name


def test_figures_that_are_older_than_the_log_say_so(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(log_of(gatehouse), days=1)
    read(gatehouse)
    write(log_of(gatehouse), pairs(5, day="2026-03-08"), day="2026-03-08")
    app = show(monkeypatch)
    assert "1 file came or changed since\\: these figures were read" in said(app)
    assert "400 valid pairs" in said(app)
    assert len(gatehouse.jobs.list_jobs(name="shadow:read")) == 1


def test_a_reading_that_failed_says_why_and_is_not_tried_again_by_itself(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(log_of(gatehouse), days=1)
    job = gatehouse.shadow.ask_to_read(log_of(gatehouse), actor=RELEASE_MANAGER)
    gatehouse.jobs.cancel(job, RELEASE_MANAGER)
    app = show(monkeypatch)
    assert "was cancelled" in said(app)
    assert [button.label for button in app.button if "again" in button.label] == ["Read it again"]
    assert len(gatehouse.jobs.list_jobs(name="shadow:read")) == 1


def test_a_reading_that_left_nothing_to_use_is_not_asked_for_again_and_again(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(log_of(gatehouse), days=1)
    job = gatehouse.shadow.ask_to_read(log_of(gatehouse), actor=RELEASE_MANAGER)
    ended = replace(gatehouse.jobs.get(job), state=JobState.DONE, ended_at=gatehouse.clock())
    monkeypatch.setattr(type(gatehouse.shadow), "find_reading", lambda *_args, **_kwargs: ended)
    for _ in range(2):
        app = show(monkeypatch)
        assert "What was read cannot be used here" in said(app)
    assert len(gatehouse.jobs.list_jobs(name="shadow:read")) == 1
    long_ago = replace(ended, ended_at=ended.ended_at and ended.ended_at - timedelta(minutes=1))
    monkeypatch.setattr(type(gatehouse.shadow), "find_reading", lambda *_args, **_kwargs: long_ago)
    assert "cannot be used" not in said(show(monkeypatch))


def test_a_model_without_a_log_says_how_to_get_one(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = show(monkeypatch)
    assert "No shadow log yet" in said(app)


def test_whoever_may_not_read_metrics_sees_none(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(log_of(gatehouse), days=1)
    read(gatehouse)
    app = show(monkeypatch, Actor(name="nobody", roles=frozenset(), origin="test"))
    assert "Comparisons are not shown to you" in said(app)
    assert not app.dataframe


def test_only_who_may_run_gates_can_replay(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = show(monkeypatch, Actor(name="cora", roles=frozenset({Role.COMPLIANCE_REVIEWER}), origin="test"))
    assert "Replays are not yours to start" in said(app)


def test_moving_a_threshold_changes_the_verdict_below_it_at_once_and_reads_nothing(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(log_of(gatehouse), days=4)
    read(gatehouse)
    app = show(monkeypatch, tab="Thresholds")
    before = said(app)
    monkeypatch.setattr(DuckDbEngine, "open", None)
    app.slider(key="judge_min_agreement").set_value(99.5).run()
    assert not app.exception
    assert "Take it out" in said(app)
    assert "Take it out" not in before


def test_moving_the_threshold_of_an_action_decides_again(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(log_of(gatehouse), days=2)
    read(gatehouse)
    app = show(monkeypatch, tab="Thresholds")
    assert "would be decided alike" in said(app)
    app.slider(key="decide_positive").set_value(1.0).run()
    assert "**100.00%** of 800 pairs would be decided alike" in said(app)


def test_thousands_of_slices_are_paged_and_searched(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log_of(gatehouse), pairs(6000, slice_shop=[f"shop {row % 3000}" for row in range(6000)]))
    read(gatehouse)
    app = show(monkeypatch, tab="Slices")
    assert "3,003 values · page 1 of 201" in said(app)
    app.text_input(key="slice_value").set_value("shop 299").run()
    assert "11 values" in said(app)
    app.text_input(key="slice_value").set_value("no such shop").run()
    assert "No slice fits" in said(app)


def test_counts_add_up_and_bad_files_are_named(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log_of(gatehouse), pairs(100, candidate_error=["TimeoutError"] * 10 + [None] * 90))
    write(log_of(gatehouse), pairs(100).slice(40), part="again")
    (log_of(gatehouse) / "dt=2026-03-01" / "torn.parquet").write_bytes(b"PAR1")
    read(gatehouse)
    app = show(monkeypatch, tab="Counts")
    counts = app.table[0].value.iloc[:, -1].tolist()
    assert [text.strip("*") for text in counts] == ["160", "60", "100", "10", "90"]
    assert "2 of 3 files are counted" in said(app)
    assert "dt=2026-03-01/torn.parquet" in app.dataframe[-1].value.iloc[:, 0].tolist()


def test_a_deep_link_opens_the_pair_and_nonsense_opens_the_first(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log_of(gatehouse), pairs(60))
    write(log_of(gatehouse), pairs(30, candidate_version=[5] * 30, seed=2), part="1")
    read(gatehouse)
    assert "30 valid pairs" in said(show(monkeypatch, champion="3", candidate="5"))
    assert "60 valid pairs" in said(show(monkeypatch, champion="<b>", candidate="9" * 40, log="../../etc"))
    assert "No shadow log yet" in said(show(monkeypatch, model="churn_detector"))
