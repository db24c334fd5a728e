"""The inbox and the review, drawn for whoever looks, over changes in every state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from app.facade import Gatehouse
from app.ui import session, status
from services.changes import ChangeState
from services.clock import to_micros
from services.identity import Role
from services.identity.actors import Actor
from services.settings import load_settings
from services.store import changes as rows
from tests.pages.test_every_page import visit
from tests.servers import free_port

MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=f"http://127.0.0.1:{free_port()}"))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield made
    made.close()


def gate(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "gate": name,
        "kind": "metric",
        "outcome": outcome,
        "observed": 0.9,
        "threshold": 0.8,
        "unit": "",
        "message": f"{name} is 0.9.",
        "remedy": "" if outcome == "passed" else "Raise it by 0.1.",
        "dry_run": False,
        "waived": False,
        "details": {},
        **more,
    }


WAIVED = gate("fairness", "failed", waived=True, details={"waiver": {"expires": "2026-12-05T00:00:00Z"}})


def add_change(
    gatehouse: Gatehouse, state: ChangeState = ChangeState.AWAITING_APPROVAL, *, hours: float = 100, **columns: Any
) -> int:
    """Put a promotion into the store as one that was asked for."""
    now = gatehouse.clock()
    version = columns.pop("version", 2)
    with gatehouse.store.write() as unit:
        change_id = rows.add_change(
            unit,
            {
                "kind": "promotion",
                "subject": f"fraud_detector/{version}",
                "model": "fraud_detector",
                "title": f"fraud_detector version {version} to Production",
                "payload": {"model": "fraud_detector", "version": version, "to": "Production", "risks": "few"},
                "requester": "maya",
                "reason": "it <b>is</b> better",
                "state": state.value,
                "blocker": "The gates failed: auc." if state is ChangeState.BLOCKED else "",
                "bound": {"alias_points_at": 1, "champion": 1, "tier": "tier1", "waivers": []},
                "findings": {"gates": [gate("auc", "failed"), gate("accuracy", "passed"), WAIVED]},
                "evidence_digest": "sha256:1",
                "required_approvals": 1,
                "barred": {},
                "policy_revision": "gate_policy/default/1",
                "created_us": to_micros(now - timedelta(hours=1)),
                "updated_us": to_micros(now),
                "expires_us": to_micros(now + timedelta(hours=hours)),
                "epoch": 0,
                **columns,
            },
        )
        unit.commit()
    return change_id


def texts(app: Any) -> str:
    return "\n".join(each.value for each in [*app.markdown, *app.warning, *app.title])


@pytest.mark.parametrize("state", ChangeState)
@pytest.mark.parametrize("actor", [MAYA, MEERA])
def test_a_change_in_any_state_is_drawn_with_what_can_be_done_about_it(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, state: ChangeState, actor: Actor
) -> None:
    change_id = add_change(gatehouse, state)
    app = visit("promotions", monkeypatch, actor, id=str(change_id))
    assert not app.exception
    labels = {button.label for button in app.button}
    assert ("Approve…" in labels) is (state is ChangeState.AWAITING_APPROVAL and actor is MEERA)
    assert ("Execute…" in labels) is (state is ChangeState.APPROVED and actor is MEERA)
    is_pending = state in {
        ChangeState.BLOCKED,
        ChangeState.AWAITING_APPROVAL,
        ChangeState.APPROVED,
        ChangeState.VOID,
    }
    assert ("Take back" in labels) is (is_pending and actor is MAYA)
    assert ("Comment" in labels) is (is_pending or state is ChangeState.EXECUTING)
    assert "<b>" not in texts(app).replace("\\<b", "")


def test_a_request_that_expires_soon_says_so(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("promotions", monkeypatch, MEERA, id=str(add_change(gatehouse, hours=3)))
    assert "Expires in 2 h" in texts(app)


def test_a_change_that_does_not_exist_is_told(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in ("99", "one"):
        assert not visit("promotions", monkeypatch, MEERA, id=asked).exception


def test_the_inbox_begins_with_what_waits_for_me_and_expires_first(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_change(gatehouse, hours=90, version=2)
    add_change(gatehouse, hours=3, version=3)
    add_change(gatehouse, hours=1, version=4, requester="meera")
    app = visit("promotions", monkeypatch, MEERA)
    assert not app.exception
    shown = app.dataframe[0].value.iloc[:, 0]
    assert [str(title) for title in shown] == [
        "fraud_detector version 3 to Production",
        "fraud_detector version 2 to Production",
    ]


def test_who_decides_nothing_sees_what_is_open(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    add_change(gatehouse, ChangeState.BLOCKED)
    app = visit("promotions", monkeypatch, MAYA)
    assert len(app.dataframe[0].value) == 1


@pytest.mark.parametrize("state", [ChangeState.COMPLETED, ChangeState.REJECTED])
def test_what_has_ended_expires_no_more(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, state: ChangeState
) -> None:
    for shown, words in ((ChangeState.APPROVED, True), (state, False)):
        app = visit("promotions", monkeypatch, MEERA, id=str(add_change(gatehouse, shown)))
        assert ("expires in" in texts(app).lower()) is words


def test_going_back_says_that_it_needs_nobody(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    gone_back = add_change(
        gatehouse,
        ChangeState.COMPLETED,
        kind="rollback",
        title="fraud_detector back to 1",
        payload={"model": "fraud_detector", "from": 2, "to": 1},
        findings={},
        required_approvals=0,
    )
    shown = texts(visit("promotions", monkeypatch, MEERA, id=str(gone_back)))
    assert "Going back needs no approval." in shown
    assert "Needs" not in shown
    assert "approvals" not in shown
    asked = texts(visit("promotions", monkeypatch, MEERA, id=str(add_change(gatehouse))))
    assert "Needs 1 approver. The requester cannot approve." in asked


@pytest.mark.parametrize(
    ("kind", "steps", "shown"),
    [
        (
            "vocabulary_fix",
            [
                {"name": "fraud_detector", "version": None, "tag": "pii", "before": "TRUE", "value": "true"},
                {"name": "churn_predictor", "version": 3, "tag": "risk", "before": None, "value": "tier1"},
            ],
            [["fraud_detector", "pii", "TRUE", "true"], ["churn_predictor/3", "risk", None, "tier1"]],
        ),
        (
            "migration",
            [
                {"do": "create_model", "version": None, "value": "churn_predictor"},
                {"do": "copy_version", "version": 1, "value": "churn_v2/4"},
            ],
            [["Register the name", "churn_predictor", None], ["Copy", "churn_v2/4", "v1"]],
        ),
    ],
)
def test_a_plan_shows_whoever_decides_everything_that_it_writes(
    gatehouse: Gatehouse,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    steps: list[dict[str, Any]],
    shown: list[list[Any]],
) -> None:
    columns: dict[str, Any] = {"kind": kind, "title": "A plan", "bound": {"plan": "1"}, "policy_revision": None}
    payload = {"serves": True, "steps": steps or [{}], "from": "churn_v2", "to": "churn_predictor"}
    change_id = add_change(gatehouse, payload=payload, findings={"steps": steps}, **columns)
    app = visit("promotions", monkeypatch, MEERA, id=str(change_id))
    assert not app.exception
    cells = app.dataframe[0].value.astype(object)
    assert cells.where(cells.notna(), None).values.tolist() == shown
    assert "Approve…" in {button.label for button in app.button}
    done = add_change(gatehouse, payload=payload, findings={"steps": []}, **columns)
    assert "Nothing is left to write" in texts(visit("promotions", monkeypatch, MEERA, id=str(done)))


def test_the_overview_counts_what_the_inbox_shows(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    add_change(gatehouse, ChangeState.APPROVED, hours=90, version=2)
    add_change(gatehouse, hours=3, version=3)
    add_change(gatehouse, hours=1, version=4, requester="meera")
    waiting = {}
    for actor in (MAYA, MEERA):
        app = visit("overview", monkeypatch, actor)
        assert not app.exception
        waiting[actor.name] = [
            str(title) for table in app.dataframe for title in table.value.iloc[:, 0] if "to Production" in str(title)
        ]
    assert waiting == {
        "maya": [],
        "meera": ["fraud_detector version 3 to Production", "fraud_detector version 2 to Production"],
    }
