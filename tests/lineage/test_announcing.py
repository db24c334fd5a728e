import json
from pathlib import Path

from services.errors import NotFound
from services.lineage.announcing import Announcements
from services.registry.fake import FakeRegistry
from services.registry.sync import Sync
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import add_version
from tests.jobs.test_outbox import SECRET, build_outbox, url_of
from tests.servers import free_port
from tests.untrusted.receivers import Received, receiver


class Watched:
    """A registry that is synced, with a webhook that hears of what is new."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path, url: str = "") -> None:
        self.registry = FakeRegistry(clock=clock)
        self.outbox = build_outbox(store, folder, clock, [url or url_of(free_port())], secret=SECRET)
        self.sync = Sync(
            self.registry,
            store,
            signature_state=lambda _mlmodel: "present",
            clock=clock,
            announce=Announcements(self.registry, self.outbox),
        )

    def sync_after(self, clock: FakeClock) -> None:
        clock.advance(seconds=10)
        self.sync.run()

    def subjects(self) -> list[str]:
        return sorted(message.subject for message in self.outbox.list_messages())


def test_a_new_version_is_told_with_the_fields_that_consumers_know(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    received = Received()
    with receiver(received) as port:
        watched = Watched(store, clock, tmp_path, url_of(port))
        watched.sync_after(clock)
        add_version(
            watched.registry,
            metrics={"auc": 0.9, "delta/auc": 0.02},
            files={"metadata.json": json.dumps({"framework": "scikit-learn"}).encode()},
            tags={"contributor": "maya", "baseline": "fraud_detector/1"},
        )
        watched.sync_after(clock)
        assert watched.outbox.deliver_due() == 1
    [(_, _, content)] = received.requests
    body = json.loads(content)
    assert body["event"] == "version.registered"
    assert body["text"] == "fraud_detector version 1 was registered"
    assert {name: body[name] for name in ("model_id", "model_name", "version", "model_version", "mlflow_run_id")} == {
        "model_id": "fraud_detector/1",
        "model_name": "fraud_detector",
        "version": "1",
        "model_version": "1",
        "mlflow_run_id": "fraud_detector-1",
    }
    assert body["signature"] == "inputs: [amount: double, country: string] -> outputs: [double]"
    assert body["metadata"] == {"framework": "scikit-learn"}
    assert body["delta_metrics"] == {"auc": 0.02}
    assert (body["contributor"], body["baseline_id"]) == ("maya", "fraud_detector/1")


def test_what_was_there_before_the_first_sync_is_no_news_and_nothing_is_told_twice(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    watched = Watched(store, clock, tmp_path)
    add_version(watched.registry)
    watched.sync_after(clock)
    assert watched.subjects() == []
    add_version(watched.registry)
    for _ in range(3):
        watched.sync_after(clock)
    watched.registry.set_version_tag("fraud_detector", 2, "note", "seen")
    watched.sync.run(is_full=True)
    assert watched.subjects() == ["fraud_detector/2"]


def test_what_cannot_be_read_of_a_version_is_left_out(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    watched = Watched(store, clock, tmp_path)
    version = add_version(watched.registry, files={"metadata.json": b"{rubbish"})
    watched.registry.faults.fail("get_metrics", NotFound("The run is gone.", next_step="Look elsewhere."))
    watched.registry.put_file(version, "MLmodel", b"no: [mapping")
    told = Announcements(watched.registry, watched.outbox).describe(version)
    assert told["model_id"] == "fraud_detector/1"
    assert {"signature", "metadata", "delta_metrics"}.isdisjoint(told)


def test_the_address_of_a_model_is_the_one_below_its_run_as_training_code_is_told(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    watched = Watched(store, clock, tmp_path)
    watched.registry.add_run("r1", author="maya")
    source = watched.registry.add_logged_model("m-" + "a" * 32, name="scorer", run_id="r1")
    announcements = Announcements(watched.registry, watched.outbox)
    watched.registry.create_model("fraud_detector")
    own = watched.registry.create_version("fraud_detector", source=source, run_id="r1", description="")
    other = watched.registry.create_version("fraud_detector", source=source, run_id="r2", description="")
    plain = watched.registry.create_version("fraud_detector", source="s3://bucket/model", run_id="r1", description="")
    assert [announcements.describe(version)["model_uri"] for version in (own, other, plain)] == [
        "runs:/r1/scorer",
        source,
        "s3://bucket/model",
    ]
    assert announcements.describe(own)["model_uuid"] == "m-" + "a" * 32
