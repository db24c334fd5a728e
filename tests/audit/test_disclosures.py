"""Personal values: in the log as salted hashes, shown to whoever may see them, forgotten without breaking anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from services.audit import AuditLog, EventQuery, Personal
from services.audit.canonical import LeafWriter, commit_to, fill, list_personal
from services.audit.disclosures import list_disclosures, redact
from services.audit.verification import verify_log
from services.errors import NotFound, Unreachable
from services.store import Store, audit_log
from tests.audit.builders import ADA, BOB, open_log, record

EMAIL = "ada.lovelace@example.org"


@pytest.fixture
def audit(any_store: Store, tmp_path: Path) -> AuditLog:
    return open_log(any_store, tmp_path / "home")


def test_a_personal_value_stands_in_the_leaf_as_a_salted_hash(audit: AuditLog) -> None:
    seq = record(audit, before={"email": Personal(EMAIL)}, after=[{"email": Personal(EMAIL)}, 1])
    event = audit.get_event(seq)
    first, second = list_disclosures(audit, seq=seq)
    assert (first.name, second.name) == ("/after/0/email", "/before/email")
    assert event.after == [{"email": {"$personal": commit_to(first.salt, EMAIL)}}, 1]
    assert event.before == {"email": {"$personal": commit_to(second.salt, EMAIL)}}
    assert first.salt != second.salt
    shown = audit.get_event(seq, disclosed=True)
    assert (shown.before, shown.after) == ({"email": EMAIL}, [{"email": EMAIL}, 1])
    assert audit.list_events(disclosed=True).events == (shown,)
    assert audit.list_events().events == (event,)


def test_a_personal_value_is_not_searched(audit: AuditLog) -> None:
    record(audit, after={"email": Personal(EMAIL)})
    for _ in range(300):
        record(audit)
    assert audit.list_events(EventQuery(text="lovelace")).events == ()


def test_a_forgotten_value_is_gone_and_the_log_verifies(audit: AuditLog) -> None:
    seq = record(audit, after={"email": Personal(EMAIL), "name": Personal("Ada")})
    told = redact(audit, actor=BOB, places=[(seq, "/after/email")], reason="asked to")
    assert [row.name for row in list_disclosures(audit, seq=seq)] == ["/after/name"]
    shown = audit.get_event(seq, disclosed=True)
    assert shown.after["name"] == "Ada"
    assert shown.after["email"].keys() == {"$personal"}
    event = audit.get_event(told)
    assert (event.actor, event.action, event.subject, event.reason) == (
        "bob",
        "audit:disclosure:redacted",
        f"event/{seq}",
        "asked to",
    )
    assert event.after == {"disclosures": [{"seq": seq, "name": "/after/email"}]}
    assert verify_log(audit).is_verified


def test_every_place_of_a_value_can_be_found_and_forgotten(audit: AuditLog) -> None:
    for number in range(3):
        record(audit, after={"email": Personal(EMAIL), "other": Personal(f"x{number}")})
    places = [(row.seq, row.name) for row in list_disclosures(audit, value=EMAIL)]
    assert places == [(0, "/after/email"), (1, "/after/email"), (2, "/after/email")]
    told = redact(audit, actor=BOB, places=places, reason="asked to")
    assert audit.get_event(told).subject == "events"
    assert list_disclosures(audit, value=EMAIL) == []
    assert list_disclosures(audit) == []
    assert verify_log(audit).is_verified


def test_a_forgotten_value_leaves_no_copy_in_the_files(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    seq = record(audit, after={"email": Personal(EMAIL)})
    files = [path for path in Path(str(store.engine.url.database)).parent.iterdir() if path.is_file()]
    assert any(EMAIL.encode() in path.read_bytes() for path in files)
    redact(audit, actor=BOB, places=[(seq, "/after/email")], reason="asked to")
    assert not any(EMAIL.encode() in path.read_bytes() for path in files)


def test_a_copy_that_a_reader_keeps_in_the_files_is_told(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    seq = record(audit, after={"email": Personal(EMAIL)})

    @event.listens_for(store.engine, "checkout")
    def be_impatient(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    with store.read() as unit:
        unit.connection.exec_driver_sql("SELECT count(*) FROM audit_event")
        with pytest.raises(Unreachable, match="its file keeps a copy"):
            redact(audit, actor=BOB, places=[(seq, "/after/email")], reason="asked to")
    assert list_disclosures(audit, seq=seq) == []
    assert [each.action for each in audit.list_events().events][-1] == "audit:disclosure:redacted"


def test_events_far_apart_are_shown_with_their_values(audit: AuditLog) -> None:
    first = record(audit, actor=BOB, after={"email": Personal(EMAIL)})
    for number in range(40):
        record(audit, after={"email": Personal(f"x{number}")})
    last = record(audit, actor=BOB, after={"email": Personal("bob@x")})
    shown = audit.list_events(EventQuery(actor="bob"), disclosed=True).events
    assert [(each.seq, each.after) for each in shown] == [(first, {"email": EMAIL}), (last, {"email": "bob@x"})]


def test_what_is_not_there_cannot_be_forgotten(audit: AuditLog) -> None:
    seq = record(audit, after={"email": Personal(EMAIL)})
    with pytest.raises(NotFound, match=f"Event {seq} has no personal value at /after/name"):
        redact(audit, actor=BOB, places=[(seq, "/after/email"), (seq, "/after/name")], reason="")
    with pytest.raises(NotFound, match="no personal value to forget"):
        redact(audit, actor=BOB, places=[], reason="")
    assert len(list_disclosures(audit, seq=seq)) == 1
    assert len(audit.list_events().events) == 1


def test_hostile_text_cannot_pass_for_a_personal_value(audit: AuditLog) -> None:
    forged = {"$personal": f"sha256:{'0' * 64}"}
    seq = record(audit, after={"tags": forged, "$$personal": 1, "$other": 2})
    assert audit.get_event(seq).after == {
        "tags": {"$$personal": forged["$personal"]},
        "$$$personal": 1,
        "$other": 2,
    }
    assert verify_log(audit).is_verified


def test_a_value_put_back_after_it_was_forgotten_is_found(audit: AuditLog) -> None:
    seq = record(audit, after={"email": Personal(EMAIL)})
    (kept,) = list_disclosures(audit, seq=seq)
    redact(audit, actor=ADA, places=[(seq, kept.name)], reason="")
    with audit.store.write() as unit:
        audit_log.insert_disclosures(unit, [kept])
        unit.commit()
    assert "although it was redacted" in verify_log(audit).problems[0].message


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values))
def test_leaves_are_canonical_json_whichever_encoder_writes_them(value: dict[str, object]) -> None:
    if not list_personal(value) and "personal" not in repr(value):
        assert LeafWriter(0).text(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(json_values, st.lists(st.text(), min_size=1, max_size=3))
def test_what_is_hidden_is_found_and_filled_in_its_place(value: object, keys: list[str]) -> None:
    nested: object = Personal("secret")
    for key in keys:
        nested = {key: nested, "rest": value} if key != "rest" else [value, nested]
    leaf = json.loads(LeafWriter(3).text({"after": nested}))
    (name,) = list_personal(leaf)
    filled = fill(leaf, "", {name: "secret"})
    assert "secret" in repr(filled)
    assert not list_personal(filled)
