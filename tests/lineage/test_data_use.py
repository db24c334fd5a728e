from services.lineage.data_use import list_data_uses
from services.registry.fake import FakeRegistry
from services.registry.index import Index
from services.registry.sync import Sync
from services.registry.values import Dataset
from services.store import Store
from tests.conftest import FakeClock

PAYMENTS = Dataset(name="payments", digest="d1", context="training")


def index_of(registry: FakeRegistry, store: Store, clock: FakeClock) -> Index:
    Sync(registry, store, clock=clock, signature_state=lambda _text: "present").run()
    return Index(store, clock=clock)


def test_every_version_that_rests_on_a_data_set_is_found_across_models_and_what_serves_comes_first(
    any_store: Store, clock: FakeClock
) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_run("r1", datasets=[PAYMENTS])
    registry.add_run("r2", datasets=[Dataset(name="payments", digest="d2")])
    registry.add_version("churn", run_id="r1")
    registry.add_version("fraud", run_id="r2")
    registry.add_version("fraud", run_id="r1", aliases=["production"])
    registry.add_version("score", tags={"tuned_from": "fraud/2"}, aliases=["production"])
    registry.add_version("score", tags={"tuned_from": "score/1"})
    uses = list_data_uses(registry, index_of(registry, any_store, clock), "payments", "d1")
    assert [(use.version.reference, use.is_serving, use.context, use.through) for use in uses] == [
        ("fraud/2", True, "training", ""),
        ("score/1", True, "", "fraud/2"),
        ("churn/1", False, "training", ""),
        ("score/2", False, "", "score/1"),
    ]


def test_a_data_set_that_no_run_read_is_used_by_nothing(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("fraud", run_id=registry.add_run("r1", datasets=[PAYMENTS]).run_id)
    assert list_data_uses(registry, index_of(registry, store, clock), "payments", "other") == ()


def test_versions_that_name_each_other_as_parents_are_found_once(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_run("r1", datasets=[PAYMENTS])
    registry.add_version("fraud", run_id="r1", tags={"tuned_from": "fraud/2"})
    registry.add_version("fraud", tags={"tuned_from": "fraud/1"})
    uses = list_data_uses(registry, index_of(registry, store, clock), "payments", "d1")
    assert [use.version.reference for use in uses] == ["fraud/2", "fraud/1"]
