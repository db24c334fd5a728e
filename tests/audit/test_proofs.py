"""Proofs from the stored tree: each checks against the root, at every edge of chunks; a broken log proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.audit import AuditLog
from services.audit.merkle import check_consistency, check_inclusion
from services.audit.proofs import prove_event, prove_growth
from services.errors import InvalidInput, NotFound, Unverified
from services.store import Store
from tests.audit.builders import fill, open_log


@pytest.fixture
def audit(store: Store, tmp_path: Path) -> AuditLog:
    log = open_log(store, tmp_path / "home")
    fill(log, 777)
    return log


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_event_can_be_proven_at_any_size(audit: AuditLog, data: st.DataObject) -> None:
    check_drawn(audit, data)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_postgresql_proves_the_same(postgres_store: Store, tmp_path: Path, data: st.DataObject) -> None:
    log = open_log(postgres_store, tmp_path / "home")
    if not log.list_events(limit=1).events:
        fill(log, 777)
    check_drawn(log, data)


def check_drawn(audit: AuditLog, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 2, 255, 256, 257, 511, 512, 513, 768, 777]) | st.integers(1, 777))
    seq = data.draw(st.integers(0, size - 1))
    proof = prove_event(audit, seq, tree_size=size)
    check_inclusion(seq, size, proof.leaf_hash, proof.path, proof.root)
    growth = prove_growth(audit, size)
    assert growth.old_root == proof.root
    check_consistency(size, 777, growth.path, growth.old_root, growth.new_root)


def test_a_proof_reads_as_the_interface_says(audit: AuditLog) -> None:
    proof = prove_event(audit, 5).to_json()
    assert list(proof) == ["seq", "tree_size", "leaf_hash", "path", "root"]
    assert (proof["seq"], proof["tree_size"]) == (5, 777)
    assert proof["root"] == audit.checkpoints.write().checkpoint.root.hex()
    assert all(len(sibling) == 64 for sibling in (*proof["path"], proof["leaf_hash"]))


@pytest.mark.parametrize("seq", [-1, 777, 10**30])
def test_an_event_that_is_not_there_cannot_be_proven(audit: AuditLog, seq: int) -> None:
    with pytest.raises(NotFound, match=f"no event {seq} among the first 777"):
        prove_event(audit, seq)


def test_a_size_the_log_never_had_is_refused(audit: AuditLog) -> None:
    with pytest.raises(InvalidInput, match="never had 778 events"):
        prove_event(audit, 0, tree_size=778)
    with pytest.raises(InvalidInput, match="of 777 events does not continue one of 778"):
        prove_growth(audit, 778)


BREAKS = {
    "UPDATE audit_event SET leaf = leaf_hash WHERE seq = 5": "Event 5 does not have the hash",
    "UPDATE audit_event SET leaf = 'text' WHERE seq = 5": "Event 5 does not have the hash",
    "UPDATE audit_node SET hash = (SELECT leaf_hash FROM audit_event WHERE seq = 1) WHERE idx = 1": "not the root",
    "UPDATE audit_event SET (leaf, leaf_hash) = "
    "(SELECT leaf, leaf_hash FROM audit_event WHERE seq = 4) WHERE seq = 5": "Event 5 is not one of those",
    "DELETE FROM audit_node WHERE idx = 1": "lacks hashes below event",
    "DELETE FROM audit_event WHERE seq = 7": "lacks hashes below event",
    "DELETE FROM audit_head": "lost its head",
}


@pytest.mark.parametrize("statement", BREAKS)
def test_a_broken_log_proves_nothing(store: Store, tmp_path: Path, statement: str) -> None:
    log = open_log(store, tmp_path / "home")
    fill(log, 777)
    with store.engine.connect() as connection:
        for trigger in ("event_update", "event_delete", "node_update", "node_delete", "head_delete"):
            connection.execute(text(f"DROP TRIGGER audit_{trigger}"))
        connection.execute(text(statement))
        connection.commit()
    with pytest.raises(Unverified, match=BREAKS[statement]):
        prove_event(log, 5)
