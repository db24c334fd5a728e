"""A decision policy follows its model to a new name, since it decides on what serves there."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.audit import AuditLog
from services.documents.library import Documents
from services.documents.revisions import RevisionState
from services.identity import Identity
from services.policies.document import DECISION_POLICY
from services.policies.migrations import PoliciesFollowMigrations, rename_policy
from services.store import Store
from tests.conftest import FakeClock
from tests.documents.builders import ADA
from tests.lineage.test_pins_follow import CHANGE, WORKER
from tests.policies.builders import CARDS

OLD, NEW = "fraud_detector", "card_screener"
KIND = DECISION_POLICY.name


@pytest.fixture
def documents(store: Store, clock: FakeClock, tmp_path: Path) -> Documents:
    audit = AuditLog(store, clock=clock, home=tmp_path)
    identity = Identity(store, audit, clock=clock, home=tmp_path)
    return Documents(store, audit, identity, [DECISION_POLICY], clock=clock)


def bring_into_force(documents: Documents, store: Store) -> None:
    revision = documents.propose(ADA, KIND, OLD, CARDS, reason="ours", base=None)
    with store.write() as unit:
        documents.activate(unit, revision, actor=ADA, change_id=None, reason="ours", expected=None)
        unit.commit()


def follow(documents: Documents, store: Store) -> str:
    with store.write() as unit:
        recorded = PoliciesFollowMigrations(documents).model_moved(unit, CHANGE, OLD, NEW, {}, WORKER)
        unit.commit()
    return str(recorded.get("decision_policy", ""))


def test_the_policy_in_force_is_in_force_under_the_new_name_with_its_rules(documents: Documents, store: Store) -> None:
    bring_into_force(documents, store)
    assert follow(documents, store) == documents.get_in_force(KIND, NEW).reference
    carried, kept = (documents.parse(documents.get_in_force(KIND, name)).value for name in (NEW, OLD))
    assert carried == {NEW: kept[OLD]}
    assert [entry.state for entry in documents.list_states(documents.get_in_force(KIND, NEW))] == [
        RevisionState.IN_FORCE
    ]


def test_a_policy_that_the_new_name_has_already_stays(documents: Documents, store: Store) -> None:
    bring_into_force(documents, store)
    own = documents.propose(ADA, KIND, NEW, str(rename_policy(CARDS, OLD, NEW)), reason="ours", base=None)
    assert follow(documents, store) == f"{NEW} has one already"
    assert [each.number for each in documents.list_revisions(KIND, NEW)] == [own.number]


def test_without_a_policy_there_is_nothing_to_follow(documents: Documents, store: Store) -> None:
    assert follow(documents, store) == ""
    assert documents.find_in_force(KIND, NEW) is None


def test_a_name_in_quotes_is_renamed_and_an_odd_one_is_told() -> None:
    assert rename_policy(CARDS.replace(f"{OLD}:", f'"{OLD}":', 1), OLD, NEW) == CARDS.replace(f"{OLD}:", f"{NEW}:", 1)
    assert rename_policy(CARDS.replace(f"{OLD}:", f"? {OLD}\n:", 1), OLD, NEW) is None
