"""What the worker does without anybody asking, as it wires it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from app import worker
from app.facade import Gatehouse
from services.audit import EventQuery
from services.registry.fake import FakeRegistry
from services.registry.sync import Sync
from services.settings import load_settings


def test_a_worker_reminds_of_a_sunset_that_is_near(tmp_path: Path) -> None:
    gatehouse = Gatehouse(load_settings({}, home=tmp_path))
    registry = FakeRegistry()
    soon = (datetime.now(UTC) + timedelta(days=3)).date()
    registry.add_version("fraud_detector", tags={"deprecated": "true", "sunset_on": soon.isoformat()})
    registry.add_version("fraud_detector")
    Sync(registry, gatehouse.store, signature_state=lambda _mlmodel: "present").run(is_full=True)
    stop = Event()
    thread = Thread(target=worker.run, args=(gatehouse, stop))
    thread.start()
    try:
        asked = EventQuery(action="version:sunset:near")
        deadline = datetime.now(UTC) + timedelta(seconds=120)
        while not (found := gatehouse.audit.list_events(asked).events) and datetime.now(UTC) < deadline:
            stop.wait(0.2)
    finally:
        stop.set()
        thread.join()
        gatehouse.close()
    assert [(event.subject, event.actor) for event in found] == [("fraud_detector/1", "system:worker")]
