import hashlib
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError

from services.documents import DocumentConflict, DocumentInvalid, Documents, Revision, RevisionState
from services.documents.checklist import CHECKLIST_KIND
from services.documents.vocabulary import VOCABULARY_KIND
from services.errors import Conflict, Forbidden, GatehouseError, InvalidInput, NotFound
from services.policies.document import DECISION_POLICY
from services.store import Store
from services.store.documents import REVISIONS, STATES
from tests.conftest import FakeClock
from tests.documents.builders import ADA, BEN, BOT, LIMITS, SYSTEM, TEXT, build_library, list_actions


def put_in_force(documents: Documents, store: Store, revision: Revision, *, expected: int | None) -> None:
    with store.write() as unit:
        documents.activate(unit, revision, actor=ADA, change_id=7, reason="agreed", expected=expected)
        unit.commit()


def test_a_proposed_text_is_kept_as_it_was_written(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    proposed = documents.propose(BEN, "limits", "default", TEXT, reason=" because ", base=None)
    stored = documents.get_revision("limits", "default", 1)
    assert stored == proposed
    assert stored.text == TEXT
    assert stored.digest == f"sha256:{hashlib.sha256(TEXT.encode()).hexdigest()}"
    assert (stored.number, stored.author, stored.reason, stored.state) == (1, "ben", "because", RevisionState.PROPOSED)
    assert stored.reference == "limits/default/1"
    assert stored.subject == "document/limits/default/1"
    assert stored.created_at == clock.now


def test_the_life_of_a_revision_is_recorded_state_by_state(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    first = documents.propose(BEN, "limits", "default", TEXT, reason="first", base=None)
    with any_store.write() as unit:
        documents.approve(unit, first, actor=ADA, change_id=7, reason="fine")
        documents.activate(unit, first, actor=ADA, change_id=7, reason="fine", expected=None)
        unit.commit()
    second = documents.propose(BEN, "limits", "default", TEXT + "# more\n", reason="second", base=1)
    put_in_force(documents, any_store, second, expected=1)
    states = [(entry.state, entry.actor, entry.change_id) for entry in documents.list_states(first)]
    assert states == [
        (RevisionState.PROPOSED, "ben", None),
        (RevisionState.APPROVED, "ada", 7),
        (RevisionState.IN_FORCE, "ada", 7),
        (RevisionState.SUPERSEDED, "ada", 7),
    ]
    assert list_actions(any_store, clock, tmp_path) == [
        "document:revision:proposed",
        "document:revision:approved",
        "document:revision:activated",
        "document:revision:proposed",
        "document:revision:activated",
        "document:revision:superseded",
    ]
    assert [revision.number for revision in documents.list_revisions("limits", "default")] == [2, 1]
    assert [revision.number for revision in documents.list_revisions("limits", "default", before=2)] == [1]


def test_what_was_in_force_at_a_time_has_one_answer(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    before = clock.now
    clock.advance(hours=1)
    put_in_force(
        documents, any_store, documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None), expected=None
    )
    between = clock.now
    clock.advance(hours=1)
    second = documents.propose(BEN, "limits", "a", TEXT, reason="y", base=1)
    put_in_force(documents, any_store, second, expected=1)
    assert documents.find_in_force("limits", "a", at=before) is None
    found = documents.get_in_force("limits", "a", at=between)
    assert (found.number, found.since) == (1, between)
    assert documents.get_in_force("limits", "a").number == 2
    with pytest.raises(NotFound, match="No limits is in force for 'b'"):
        documents.get_in_force("limits", "b")


def test_a_clock_set_back_does_not_reorder_what_was_in_force(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    documents = build_library(any_store, clock, tmp_path)
    put_in_force(
        documents, any_store, documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None), expected=None
    )
    clock.advance(hours=-5)
    put_in_force(documents, any_store, documents.propose(BEN, "limits", "a", TEXT, reason="y", base=1), expected=1)
    assert documents.get_in_force("limits", "a").number == 2


def test_the_second_of_two_editors_learns_of_the_first_and_sees_both_edits(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    documents = build_library(any_store, clock, tmp_path)
    put_in_force(
        documents, any_store, documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None), expected=None
    )
    documents.propose(ADA, "limits", "a", TEXT.replace("step: 1", "step: 2"), reason="faster", base=1)
    mine = TEXT.replace("value: 2", "value: 3")
    with pytest.raises(DocumentConflict, match="ada proposed revision limits/a/2") as caught:
        documents.propose(BEN, "limits", "a", mine, reason="higher", base=1)
    assert caught.value.theirs.author == "ada"
    assert caught.value.merge.conflicts == ()
    merged = caught.value.merge.text
    assert "step: 2" in merged
    assert "value: 3" in merged
    assert documents.propose(BEN, "limits", "a", merged, reason="both", base=2).number == 3


def test_a_rejected_revision_is_no_base_and_no_obstacle(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    first = documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None)
    with any_store.write() as unit:
        documents.reject(unit, first, actor=ADA, change_id=None, reason="no")
        unit.commit()
    with pytest.raises(Conflict, match="no longer in force or proposed"):
        documents.propose(BEN, "limits", "a", TEXT, reason="y", base=1)
    assert documents.find_head("limits", "a") is None
    assert documents.propose(BEN, "limits", "a", TEXT, reason="y", base=None).number == 2
    with any_store.write() as unit, pytest.raises(Conflict, match="is rejected"):
        documents.activate(unit, first, actor=ADA, change_id=None, reason="", expected=None)


def test_a_conflict_where_both_changed_a_line_counts_it(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path)
    documents.propose(ADA, "limits", "a", TEXT.replace("step: 1", "step: 2"), reason="x", base=None)
    with pytest.raises(DocumentConflict, match=r"places that you both changed: 1\)"):
        documents.propose(BEN, "limits", "a", TEXT.replace("step: 1", "step: 3"), reason="y", base=None)


def test_activation_is_refused_where_another_revision_came_first_and_twice_is_once(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    documents = build_library(any_store, clock, tmp_path)
    first = documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None)
    put_in_force(documents, any_store, first, expected=None)
    put_in_force(documents, any_store, first, expected=None)
    assert len(documents.list_states(first)) == 2
    second = documents.propose(BEN, "limits", "a", TEXT, reason="y", base=1)
    with any_store.write() as unit, pytest.raises(Conflict, match="in force is revision 1, not None"):
        documents.activate(unit, second, actor=ADA, change_id=None, reason="", expected=None)


def test_an_earlier_text_comes_back_as_a_new_revision(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    put_in_force(
        documents, any_store, documents.propose(BEN, "limits", "a", TEXT, reason="x", base=None), expected=None
    )
    changed = documents.propose(BEN, "limits", "a", TEXT + "# new\n", reason="y", base=1)
    put_in_force(documents, any_store, changed, expected=1)
    reverted = documents.revert(ADA, "limits", "a", 1, reason="go back")
    assert (reverted.number, reverted.text, reverted.base) == (3, TEXT, 2)


def test_a_draft_is_kept_and_nobody_has_to_know_of_it(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    draft = documents.save_draft(BEN, "limits", "a", TEXT, base=None)
    assert draft.state is RevisionState.DRAFT
    assert documents.propose(ADA, "limits", "a", TEXT, reason="mine", base=None).number == 2


@pytest.mark.parametrize(
    ("kind", "name", "text", "reason", "error"),
    [
        ("limits", "a", "step: x\n", "why", DocumentInvalid),
        ("limits", "a", TEXT, "  ", InvalidInput),
        ("limits", "a", TEXT, "x" * 5000, InvalidInput),
        ("limits", "a/b", TEXT, "why", InvalidInput),
        ("nothing", "a", TEXT, "why", NotFound),
    ],
)
def test_what_is_refused_is_not_stored(
    store: Store,
    clock: FakeClock,
    tmp_path: Path,
    kind: str,
    name: str,
    text: str,
    reason: str,
    error: type[GatehouseError],
) -> None:
    documents = build_library(store, clock, tmp_path)
    with pytest.raises(error):
        documents.propose(BEN, kind, name, text, reason=reason, base=None)
    assert documents.list_documents() == []
    assert list_actions(store, clock, tmp_path) == []


def test_who_may_not_edit_is_refused_and_the_refusal_recorded(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path)
    with pytest.raises(Forbidden):
        documents.propose(BOT, "limits", "a", TEXT, reason="why", base=None)
    assert list_actions(store, clock, tmp_path) == ["access:permission:refused"]


def test_a_document_named_after_a_model_holds_that_models_policy(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    documents = build_library(store, clock, tmp_path, DECISION_POLICY)
    text = "churn:\n  thresholds: {call: 0.5, nothing: 0}\n"
    with pytest.raises(InvalidInput, match="holds the policy of churn"):
        documents.propose(BEN, "decision_policy", "fraud", text, reason="why", base=None)
    assert documents.propose(BEN, "decision_policy", "churn", text, reason="why", base=None).number == 1


def test_defaults_are_installed_once_and_stand_back_for_what_is_there(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    documents = build_library(any_store, clock, tmp_path, VOCABULARY_KIND, CHECKLIST_KIND, LIMITS)
    assert [revision.kind for revision in documents.install_defaults(SYSTEM)] == ["vocabulary", "checklist"]
    assert documents.install_defaults(SYSTEM) == []
    assert documents.get_in_force("checklist", "default").author == "system:gatehouse"
    assert list_actions(any_store, clock, tmp_path) == ["document:default:installed"] * 2


def test_documents_are_paged_by_kind_and_name(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    for name in ("c", "a", "b"):
        documents.propose(BEN, "limits", name, TEXT, reason="why", base=None)
    page = documents.list_documents(kind="limits", limit=2)
    assert [(each.name, each.last_number, each.in_force) for each in page] == [("a", 1, None), ("b", 1, None)]
    assert [each.name for each in documents.list_documents(after=("limits", "b"))] == ["c"]


def test_the_database_itself_refuses_to_change_a_revision(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(any_store, clock, tmp_path)
    documents.propose(BEN, "limits", "a", TEXT, reason="why", base=None)
    for statement in (update(REVISIONS).values(text="x"), delete(STATES), update(STATES).values(state="in_force")):
        with pytest.raises((DatabaseError, GatehouseError), match="never change"), any_store.write() as unit:
            unit.connection.execute(statement)


def test_a_revision_that_is_not_there_is_named(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path)
    with pytest.raises(NotFound, match="no revision 3 of limits/a"):
        documents.get_revision("limits", "a", 3)
    ghost = Revision(
        kind="limits",
        name="a",
        number=3,
        base=None,
        text="",
        digest="",
        author="",
        reason="",
        created_at=clock.now,
        state=RevisionState.DRAFT,
    )
    assert documents.list_states(ghost) == []
    assert documents.validate("limits", "step: x") != []
