import dataclasses
import math
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from services.errors import Forbidden, InvalidInput, NotFound, Unauthenticated, Unreachable
from services.registry.direct import open_direct_registry
from services.registry.fake import FakeRegistry
from services.registry.index import CatalogQuery, Index
from services.registry.rest import open_rest_registry
from services.registry.sync import Sync
from services.registry.sync_details import MAX_KEPT_BYTES
from services.registry.values import Dataset, ModelVersion, Stage
from services.store import Store
from tests.conftest import FakeClock
from tests.registry.worlds import ServerWorld

SIGNED = "signature:\n  inputs: '[]'\n"


def signature_state(mlmodel: bytes) -> str:
    """Stand in for the reader of signatures, which lives a floor above."""
    if mlmodel.startswith(b"{"):
        return "unreadable"
    return "present" if b"signature" in mlmodel else "absent"


class Bench:
    """A fake registry, an index over it, and the sync between them."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.registry = FakeRegistry(clock=clock, sleep=lambda _: None)
        self.index = Index(store, clock=clock)
        self.sync = self.new_sync()

    def new_sync(self) -> Sync:
        return Sync(self.registry, self.store, clock=self.clock, signature_state=signature_state)

    def later(self) -> None:
        self.clock.advance(seconds=15)

    def check_in_step(self) -> None:
        """Compare everything that the index says of records with the registry."""
        models = {model.name: model for model in self.registry.list_models()}
        assert list(self.index.list_names()) == sorted(models)
        for name, model in models.items():
            entry = self.index.get_model(name)
            assert (entry.created_at, entry.updated_at) == (model.created_at, model.updated_at)
            assert (entry.description, entry.tags, entry.aliases) == (model.description, model.tags, model.aliases)
            listed = list(self.registry.list_versions([name]))
            shown = self.index.list_versions(name, limit=500).versions[::-1]
            assert [entry.version for entry in shown] == [version.version for version in listed]
            assert entry.version_count == len(listed)
            for record, version in zip(shown, listed, strict=True):
                live = self.registry.get_version(name, version.version)
                assert record.as_record() == dataclasses.replace(live, author=record.author)


@pytest.fixture
def bench(any_store: Store, clock: FakeClock) -> Bench:
    return Bench(any_store, clock)


@pytest.fixture
def small(store: Store, clock: FakeClock) -> Bench:
    return Bench(store, clock)


def fill(registry: FakeRegistry, *, models: int = 3, versions: int = 4) -> None:
    for model in range(models):
        for _ in range(versions):
            registry.add_version(f"model_{'abcdefghij'[model]}", mlmodel=SIGNED, metrics={"auc": 0.9})


def test_an_empty_registry_gives_an_empty_index(bench: Bench) -> None:
    summary = bench.sync.run()
    assert (summary.is_full, summary.changed, summary.versions_written) == (True, (), 0)
    assert bench.index.list_models().models == ()
    assert bench.index.get_sync_state().age_s == 0


def test_before_the_first_sync_nothing_is_known_of_age(bench: Bench) -> None:
    state = bench.index.get_sync_state()
    assert (state.age_s, state.last_success_at, state.last_error) == (None, None, "")


def test_the_first_sync_brings_everything_in(bench: Bench) -> None:
    fill(bench.registry)
    bench.registry.set_alias("model_a", "production", 2)
    bench.registry.add_model("empty", description="nothing yet")
    summary = bench.sync.run()
    assert summary.versions_written == 12
    assert summary.changed == ("empty", "model_a", "model_b", "model_c")
    bench.check_in_step()


def test_an_unchanged_registry_is_left_alone(bench: Bench) -> None:
    fill(bench.registry)
    bench.sync.run()
    bench.later()
    bench.registry.faults.calls.clear()
    summary = bench.sync.run()
    assert (summary.is_full, summary.changed, summary.versions_written) == (False, (), 0)
    assert "list_versions" not in bench.registry.faults.calls
    assert bench.index.get_sync_state().age_s == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.add_version("model_a"),
        lambda registry: registry.add_version("model_new"),
        lambda registry: registry.set_alias("model_a", "production", 3),
        lambda registry: registry.set_alias("model_a", "champion", 1),
        lambda registry: registry.delete_alias("model_b", "champion"),
        lambda registry: registry.set_stage("model_a", 2, Stage.STAGING),
        lambda registry: registry.set_model_tag("model_a", "team", "risk"),
        lambda registry: registry.set_version_description("model_b", 2, "edited"),
        lambda registry: registry.remove_version("model_b", 4),
        lambda registry: registry.remove_version("model_b", 1),
        lambda registry: registry.remove_model("model_c"),
        lambda registry: registry.create_model("empty"),
    ],
)
def test_one_change_of_any_kind_shows_after_the_next_sync(bench: Bench, change: object) -> None:
    fill(bench.registry)
    bench.registry.set_alias("model_b", "champion", 4)
    bench.sync.run()
    bench.later()
    assert callable(change)
    change(bench.registry)
    summary = bench.sync.run()
    assert not summary.is_full
    assert len(summary.changed) == 1
    bench.check_in_step()


def test_a_version_tag_shows_after_a_full_sync_which_comes_by_itself(small: Bench) -> None:
    fill(small.registry)
    small.later()
    small.registry.add_version("model_b")
    small.sync.run()
    small.later()
    small.registry.set_version_tag("model_a", 1, "deprecated", "true")
    small.sync.run()
    assert small.index.get_version("model_a", 1).tags == {}
    small.clock.advance(minutes=15)
    assert small.sync.run().is_full
    small.check_in_step()


def test_a_full_sync_can_be_asked_for(small: Bench) -> None:
    fill(small.registry)
    small.sync.run()
    small.registry.set_version_tag("model_a", 1, "deprecated", "true")
    assert small.sync.run(is_full=True).changed == ("model_a",)
    small.check_in_step()


def test_a_clock_set_back_leads_to_a_full_sync(small: Bench) -> None:
    small.sync.run()
    small.clock.advance(hours=-5)
    assert small.sync.run().is_full
    assert small.index.get_sync_state().age_s == 0


def test_a_model_made_again_is_another_one(bench: Bench) -> None:
    fill(bench.registry)
    bench.sync.run()
    bench.later()
    bench.registry.remove_model("model_a")
    bench.registry.add_version("model_a", description="a new life", mlmodel=SIGNED)
    summary = bench.sync.run()
    assert summary.gone == (("model_a", None),)
    bench.check_in_step()
    assert [entry.version for entry in bench.index.list_gone(model="model_a")] == [None, 4, 3, 2, 1]


def test_what_was_deleted_is_kept_with_all_that_was_known(bench: Bench) -> None:
    bench.registry.add_version("model_a", metrics={"auc": 0.9}, mlmodel=SIGNED, tags={"k": "v"}, aliases=["production"])
    bench.registry.add_version("model_a")
    bench.sync.run()
    bench.later()
    bench.registry.remove_version("model_a", 1)
    assert bench.sync.run().gone == (("model_a", 1),)
    (gone,) = bench.index.list_gone()
    assert (gone.name, gone.version, gone.gone_at) == ("model_a", 1, bench.clock())
    assert (gone.record["metrics"], gone.record["tags"], gone.record["aliases"]) == (
        {"auc": 0.9},
        {"k": "v"},
        ["production"],
    )
    bench.check_in_step()


def test_more_models_gone_than_are_asked_for_singly(small: Bench) -> None:
    for number in range(60):
        small.registry.add_model(f"model_{number}")
    small.sync.run()
    for number in range(55):
        small.registry.remove_model(f"model_{number}")
    assert len(small.sync.run().gone) == 55
    small.check_in_step()


def test_a_page_that_shifted_deletes_nothing(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(small.registry)
    small.sync.run()
    whole = small.registry.list_versions

    def shifted(names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        versions = list(whole(names))
        return iter([*versions[:5], *versions[6:], versions[1]] if names is None else versions)

    monkeypatch.setattr(small.registry, "list_versions", shifted)
    listed = list(small.registry.list_models())
    monkeypatch.setattr(small.registry, "list_models", lambda: iter(listed[:-1]))
    assert small.sync.run(is_full=True).gone == ()
    monkeypatch.undo()
    small.check_in_step()


def test_a_list_that_comes_back_empty_deletes_nothing_and_one_that_is_right_does(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(70):
        small.registry.add_model(f"model_{number}")
    small.sync.run()
    monkeypatch.setattr(small.registry, "list_models", lambda: iter(()))
    assert small.sync.run().gone == ()
    monkeypatch.setattr(small.registry, "get_model", lambda _: fail_with(Unreachable("{}", next_step="")))
    with pytest.raises(Unreachable):
        small.sync.run()
    assert len(small.index.list_names()) == 70
    monkeypatch.undo()
    for number in range(60):
        small.registry.remove_model(f"model_{number}")
    small.registry.faults.calls.clear()
    assert len(small.sync.run().gone) == 60
    assert small.registry.faults.calls.count("get_model") == 50


def fail_with(error: Exception) -> NoReturn:
    raise error


def test_a_sync_that_dies_midway_leaves_whole_models_and_the_next_one_ends_it(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.sync.VERSIONS_AT_ONCE", 4)
    fill(small.registry, models=5)
    whole = small.registry.list_versions

    def dying(names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        for number, version in enumerate(whole(names)):
            if number == 11:
                raise Unreachable("The registry does not answer.", next_step="Start it.")
            yield version

    monkeypatch.setattr(small.registry, "list_versions", dying)
    with pytest.raises(Unreachable):
        small.sync.run()
    assert {entry.name: entry.version_count for entry in small.index.list_models().models} == {
        "model_a": 4,
        "model_b": 4,
    }
    state = small.index.get_sync_state()
    assert (state.age_s, state.last_error) == (None, "The registry does not answer.")
    monkeypatch.undo()
    assert small.sync.run().is_full
    small.check_in_step()
    assert small.index.get_sync_state().last_error == ""


def test_a_registry_that_is_down_leaves_the_index_as_it_was_and_its_age_grows(small: Bench) -> None:
    fill(small.registry)
    small.sync.run()
    small.later()
    small.registry.faults.fail()
    with pytest.raises(Unreachable):
        small.sync.run()
    state = small.index.get_sync_state()
    assert (state.age_s, state.last_error) == (15, "The registry does not answer.")
    assert len(small.index.list_models().models) == 3


def test_a_data_version_that_stands_still_saves_all_reading(small: Bench) -> None:
    small.registry.data_version = "7"
    fill(small.registry)
    small.sync.run()
    small.clock.advance(hours=1)
    small.registry.faults.calls.clear()
    assert not small.sync.run().is_full
    assert small.registry.faults.calls == ["find_data_version"]
    small.registry.data_version = "8"
    small.registry.set_version_tag("model_a", 1, "k", "v")
    assert small.sync.run().is_full
    small.check_in_step()


def test_a_change_while_the_registry_is_read_is_seen_by_the_next_sync(small: Bench) -> None:
    small.registry.data_version = "1"
    fill(small.registry)
    small.sync.run()
    small.later()

    def meanwhile() -> None:
        small.registry.data_version = "3"
        small.registry.set_alias("model_a", "production", 1)

    small.registry.data_version = "2"
    small.registry.faults.hook("list_newest_versions", meanwhile)
    small.sync.run()
    small.sync.run()
    small.check_in_step()


def test_details_are_read_once_a_folder_and_give_metrics_signature_and_story(bench: Bench) -> None:
    data = Dataset(name="tx", digest="abc")
    bench.registry.add_run(
        "r1", author="eve", metrics={"auc": 0.5, "loss": math.inf}, params={"depth": "3"}, datasets=[data],
        tags={"mlflow.source.git.commit": "c0ffee", "team": "risk"},
    )  # fmt: skip
    bench.registry.add_version("model_a", run_id="r1", author="", metrics={"auc": 0.9}, mlmodel=SIGNED)
    bench.registry.create_version("model_a", source="models:/model_a/1", run_id="r1", description="a copy")
    summary = bench.sync.run()
    assert (summary.details_read, summary.details_pending) == (2, 0)
    assert bench.registry.faults.calls.count("read_file") == 1
    for version in (1, 2):
        entry = bench.index.get_version("model_a", version)
        assert (entry.metrics, entry.signature_state, entry.author) == ({"auc": 0.9}, "present", "eve")
        assert entry.facts["dataset_count"] == entry.facts["param_count"] == 1
        assert entry.facts["git_commit"] == "c0ffee"
        assert bench.index.find_mlmodel("model_a", version) == SIGNED.encode()
    model = bench.index.get_model("model_a")
    assert (model.metric_name, model.metric_value, model.trend, model.team) == ("auc", 0.9, (0.9, 0.9), "risk")
    bench.check_in_step()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NotFound("gone", next_step=""), "gone"),
        (InvalidInput("too large", next_step=""), "unreadable"),
        (Forbidden("no", next_step=""), "unknown"),
        (Unauthenticated("who", next_step=""), "unknown"),
        (Unreachable("500", next_step=""), "unknown"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(small: Bench, error: Exception, state: str) -> None:
    small.registry.add_version("model_a", mlmodel=SIGNED)
    small.clock.advance(seconds=1)
    small.registry.add_version("model_b", mlmodel=SIGNED)
    small.registry.faults.fail_once("read_file", error)
    small.sync.run()
    assert small.index.get_version("model_b", 1).signature_state == state
    assert small.index.get_version("model_a", 1).signature_state == "present"


def test_a_corrupt_mlmodel_is_unreadable_not_absent(small: Bench) -> None:
    small.registry.add_version("model_a", mlmodel="{ no yaml")
    small.sync.run()
    assert small.index.get_version("model_a", 1).signature_state == "unreadable"
    assert "signature_unreadable" in {problem.rule for problem in small.index.get_model("model_a").problems}


@pytest.mark.parametrize("damage", [b"\xff", b"\0"])
def test_a_damaged_mlmodel_is_not_kept_as_if_it_were_whole(bench: Bench, damage: bytes) -> None:
    version = bench.registry.add_version("model_a", mlmodel=SIGNED)
    bench.registry.put_file(version, "MLmodel", SIGNED.encode() + b"# " + damage)
    bench.sync.run()
    assert bench.index.find_mlmodel("model_a", 1) is None


def test_a_signature_that_could_not_be_asked_for_is_no_good_health_and_is_read_again(small: Bench) -> None:
    tags = {"team": "risk", "owner": "ada", "risk": "tier1"}
    data = Dataset(name="cards", digest="d")
    small.registry.add_run("r1", params={"a": "1"}, datasets=[data], tags={"mlflow.source.git.commit": "c"})
    small.registry.add_version("fraud_detector", run_id="r1", mlmodel=SIGNED, tags=tags, description="first")
    small.registry.faults.fail_once("read_file", Forbidden("not now", next_step=""))
    small.sync.run()
    model = small.index.get_model("fraud_detector")
    assert ([problem.rule for problem in model.problems], model.health) == (["signature_unknown"], "attention")
    small.clock.advance(minutes=16)
    small.sync.run()
    assert small.index.get_model("fraud_detector").health == "good"


def test_a_registry_that_goes_down_while_files_are_read_is_unreachable(small: Bench) -> None:
    small.registry.add_version("model_a", mlmodel=SIGNED)
    small.registry.faults.fail("read_file")
    small.registry.faults.fail("ping")
    with pytest.raises(Unreachable):
        small.sync.run()
    assert small.index.get_version("model_a", 1).signature_state == "pending"
    small.registry.faults.heal()
    small.sync.run()
    assert small.index.get_version("model_a", 1).signature_state == "present"


def test_a_large_mlmodel_is_judged_but_not_kept(small: Bench) -> None:
    small.registry.add_version("model_a", mlmodel=SIGNED + "#" * MAX_KEPT_BYTES)
    small.sync.run()
    entry = small.index.get_version("model_a", 1)
    assert (entry.signature_state, entry.mlmodel_size_bytes) == ("present", MAX_KEPT_BYTES + len(SIGNED))
    assert small.index.find_mlmodel("model_a", 1) is None


def test_details_beyond_the_budget_wait_for_the_next_sync_the_most_looked_at_first(small: Bench) -> None:
    for _ in range(60):
        small.registry.add_version("model_a", metrics={"auc": 0.9}, mlmodel=SIGNED)
        small.clock.advance(seconds=1)
    small.registry.set_alias("model_a", "production", 1)
    summary = small.sync.run(details_budget_s=0)
    assert (summary.details_read, summary.details_pending) == (0, 60)
    small.sync.run(details_budget_s=1e-9)
    known = [entry.version for entry in small.index.list_versions("model_a", limit=100).versions if entry.is_detailed]
    assert known[0] == 60
    assert known[-1] == 1
    assert len(known) == 50
    assert small.sync.run().details_pending == 0
    small.check_in_step()


def test_files_that_hang_hold_a_sync_up_no_longer_than_its_budget(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("services.registry.sync_details.time.monotonic", lambda: now[0])
    for _ in range(9):
        small.registry.add_version("model_a", mlmodel=SIGNED)
    read = small.registry.read_file

    def slowly(version: ModelVersion, path: str, *, max_bytes: int) -> bytes:
        now[0] += 3
        return read(version, path, max_bytes=max_bytes)

    monkeypatch.setattr(small.registry, "read_file", slowly)
    summary = small.sync.run(details_budget_s=2)
    assert (summary.details_read, summary.details_pending) == (2, 7)
    assert [small.sync.run(details_budget_s=30).details_pending for _ in range(2)] == [0, 0]
    small.check_in_step()


def test_metrics_that_are_logged_late_show_after_a_full_sync(small: Bench) -> None:
    version = small.registry.add_version("model_a", metrics={"auc": 0.9}, mlmodel=SIGNED)
    small.sync.run()
    assert version.run_id is not None
    small.registry.add_run(version.run_id, metrics={"f1": 0.7})
    small.clock.advance(minutes=16)
    small.sync.run()
    assert small.index.get_version("model_a", 1).metrics == {"auc": 0.9, "f1": 0.7}


def test_files_that_come_back_are_seen_after_a_full_sync(small: Bench) -> None:
    version = small.registry.add_version("model_a", mlmodel=SIGNED)
    small.registry.remove_files(version)
    small.sync.run()
    assert small.index.get_version("model_a", 1).signature_state == "gone"
    small.registry.put_file(version, "MLmodel", SIGNED.encode())
    small.clock.advance(minutes=16)
    small.sync.run()
    assert small.index.get_version("model_a", 1).signature_state == "present"


def test_a_version_under_an_old_number_is_read_anew(small: Bench) -> None:
    small.registry.add_version("model_a", metrics={"auc": 0.9}, mlmodel=SIGNED)
    small.sync.run()
    small.later()
    (version,) = small.registry.list_versions(["model_a"])
    source = small.registry.add_logged_model(f"m-{uuid.uuid4().hex}", metrics={"auc": 0.1}, files={"MLmodel": b"x"})
    small.registry._versions["model_a"][1] = dataclasses.replace(
        version, source=source, model_id=source[8:], updated_at=small.clock()
    )
    small.sync.run()
    entry = small.index.get_version("model_a", 1)
    assert (entry.metrics, entry.signature_state, entry.model_id) == ({"auc": 0.1}, "absent", source[8:])


def test_a_text_that_a_store_cannot_hold_does_not_hide_the_others(bench: Bench) -> None:
    bench.registry.add_run("r1", author="e\0ve", tags={"team": "ri\0sk", "mlflow.source.git.commit": "c\0"})
    bench.registry.add_version("fraud_detector", run_id="r1", metrics={"a\0b": 1.0}, mlmodel=SIGNED)
    bench.registry.add_version("nul\0byte", mlmodel=SIGNED)
    for _ in range(2):
        assert bench.sync.run(is_full=True).left_out == ("nul\0byte",)
        bench.later()
        bench.registry.set_version_description("nul\0byte", 1, "edited")
        bench.sync.run()
        bench.later()
    assert bench.index.get_model("fraud_detector").team == "ri␀sk"
    assert bench.index.get_version("fraud_detector", 1).signature_state == "present"


@pytest.mark.parametrize("odd", ["<b>fraud", "fraud\ndetector", "\u202edetector", "f" * 256, "it's", "nul\0byte"])
def test_odd_names_and_texts_are_kept_and_shown_with_their_problems(bench: Bench, odd: str) -> None:
    name = odd.replace("\0", "")
    bench.registry.add_model(name, description=f"{odd} \0", tags={odd: odd})
    bench.registry.add_version(name, description=odd, tags={odd: odd}, mlmodel=SIGNED)
    bench.registry.add_version("plain")
    bench.sync.run()
    assert bench.index.get_model("plain").version_count == 1
    assert bench.index.get_model(name).version_count == 1
    if name != "nulbyte":
        assert any(problem.rule.startswith("name_") for problem in bench.index.get_model(name).problems)
    assert bench.sync.run(is_full=True).versions_written == 0


def test_a_look_alike_shows_on_the_model_that_came_later(small: Bench) -> None:
    def is_told(name: str) -> bool:
        return "name_look_alike" in {problem.rule for problem in small.index.get_model(name).problems}

    small.registry.add_version("fraud_detectors", mlmodel=SIGNED)
    small.sync.run()
    small.later()
    small.registry.add_version("fraud_detector", mlmodel=SIGNED)
    assert small.sync.run().changed == ("fraud_detector",)
    assert (is_told("fraud_detectors"), is_told("fraud_detector")) == (False, True)
    small.later()
    small.registry.remove_model("fraud_detectors")
    assert small.new_sync().run().changed == ("fraud_detector", "fraud_detectors")
    assert not is_told("fraud_detector")


def test_two_syncs_of_one_store_do_not_hurt_each_other(bench: Bench) -> None:
    fill(bench.registry)
    other = bench.new_sync()

    def meanwhile() -> None:
        other.run()

    bench.registry.faults.hook("list_versions", meanwhile)
    bench.sync.run()
    bench.check_in_step()
    assert bench.index.list_gone() == []


@pytest.mark.long
@pytest.mark.parametrize("is_direct", [False, True])
def test_a_real_registry_is_indexed_as_it_is(
    store: Store, mlflow_url: str, mlflow_folder: Path, *, is_direct: bool
) -> None:
    world = ServerWorld(mlflow_url, mlflow_folder, is_direct=False)
    name = f"indexed_{uuid.uuid4().hex[:8]}"
    run_id = world.log_run(metrics={"auc": 0.5})
    source = world.log_model(run_id, files={"MLmodel": SIGNED.encode()}, metrics={"auc": 0.9})
    world.registry.create_model(name, tags={"team": "risk"})
    world.registry.create_version(name, source=source, run_id=run_id, description="first")
    world.registry.create_version(name, source=f"models:/{name}/1", run_id=run_id, description="a copy")
    registry = open_rest_registry(mlflow_url)
    direct = open_direct_registry(f"sqlite:///{mlflow_folder / 'mlflow.db'}") if is_direct else None
    sync, index = Sync(registry, store, records=direct, signature_state=signature_state), Index(store)
    while sync.run().details_pending:
        pass
    for version in (1, 2):
        entry = index.get_version(name, version)
        assert (entry.metrics["auc"], entry.signature_state, entry.author) == (0.9, "present", "ada")
        assert entry.as_record() == registry.get_version(name, version)
    world.registry.set_alias(name, "production", 2)
    world.delete_version(name, 1)
    assert name in sync.run().changed
    assert index.get_model(name).stage_versions == {Stage.PRODUCTION: 2}
    assert [entry.version for entry in index.list_versions(name).versions] == [2]
    assert index.list_models(CatalogQuery(text=name)).total == 1
    assert sync.run().changed == ()
    world.close()
    registry.close()
    if direct is not None:
        direct.close()
