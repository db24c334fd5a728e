"""One contract for every registry: what the fake does, MLflow 3.17 does over REST and in its database."""

import hashlib
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.errors import InvalidInput, NotFound
from services.registry.digest import digest_folder
from services.registry.port import RegistryReader
from services.registry.tags import AUTHOR_TAG
from services.registry.values import Dataset, ModelVersion, Stage
from tests.registry.worlds import FakeWorld, ServerWorld, World

FILES = {"MLmodel": b"flavors: {}\n", "data/model.bin": bytes(range(256)), "data/deep/x y.txt": b"x"}


def on_a_server(kind: str) -> Any:
    return pytest.param(kind, marks=pytest.mark.long)


@pytest.fixture(params=["fake", on_a_server("rest"), on_a_server("direct")])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    server = ServerWorld(
        request.getfixturevalue("mlflow_url"),
        request.getfixturevalue("mlflow_folder"),
        is_direct=request.param == "direct",
    )
    yield server
    server.close()


@pytest.fixture(params=["fake", on_a_server("rest")])
def file_world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    server = ServerWorld(
        request.getfixturevalue("mlflow_url"), request.getfixturevalue("mlflow_folder"), is_direct=False
    )
    yield server
    server.close()


@pytest.fixture
def name() -> str:
    return f"contract_{uuid.uuid4().hex[:12]}"


def add_version(world: World, name: str) -> ModelVersion:
    run_id = world.log_run()
    source = world.log_model(run_id, files=FILES)
    world.registry.create_model(name)
    return world.registry.create_version(name, source=source, run_id=run_id, description="first")


def reader(world: World) -> RegistryReader:
    return world.registry


def test_it_answers_with_a_version(world: World) -> None:
    assert world.records.ping()


def test_a_model_comes_back_as_it_was_registered(world: World, name: str) -> None:
    world.registry.create_model(name, description="who pays back", tags={"team": "risk", "note": "äöü <b>"})
    found = world.records.get_model(name)
    assert (found.name, found.description) == (name, "who pays back")
    assert found.tags == {"team": "risk", "note": "äöü <b>"}
    assert found.aliases == {}
    assert found.created_at.tzinfo is UTC
    assert found in list(world.records.list_models())


def test_registering_a_name_twice_returns_the_first(world: World, name: str) -> None:
    first = world.registry.create_model(name, description="first")
    second = world.registry.create_model(name, description="second")
    assert second == first
    assert second.description == "first"


@pytest.mark.parametrize("bad", ["<b>x</b>", "a\nb", "a\u202eb", "x" * 256, "a/b", "a:b", "", "  "])
def test_a_name_that_could_deceive_is_not_registered(file_world: World, bad: str) -> None:
    with pytest.raises(InvalidInput):
        file_world.registry.create_model(bad)


def test_models_are_listed_by_name(world: World, name: str) -> None:
    for suffix in ("b", "c", "a"):
        world.registry.create_model(f"{name}_{suffix}")
    listed = [model.name for model in world.records.list_models() if model.name.startswith(name)]
    assert listed == [f"{name}_a", f"{name}_b", f"{name}_c"]


def test_versions_count_from_one_and_carry_what_was_given(world: World, name: str) -> None:
    first = add_version(world, name)
    second = world.registry.create_version(
        name, source=first.source, run_id=first.run_id, description="", tags={"k": "v"}
    )
    assert (first.version, second.version) == (1, 2)
    found = world.records.get_version(name, 2)
    assert found == second
    assert found.tags == {"k": "v"}
    assert (found.stage, found.status, found.aliases) == (Stage.NONE, "READY", ())
    assert found.created_at == found.updated_at
    assert found.created_at.microsecond % 1000 == 0
    assert world.records.get_version(name, 1).description == "first"


def test_a_version_names_its_logged_model_and_the_author_of_its_run(world: World, name: str) -> None:
    found = add_version(world, name)
    assert found.source == f"models:/{found.model_id}"
    assert found.author == "ada"
    assert world.records.get_version(name, 1).author == "ada"


def test_who_registered_a_version_here_is_its_author(world: World, name: str) -> None:
    run_id = world.log_run(author="ada")
    world.registry.create_model(name)
    source = world.log_model(run_id, files=FILES)
    world.registry.create_version(name, source=source, run_id=run_id, description="", tags={AUTHOR_TAG: "bob"})
    assert world.records.get_version(name, 1).author == "bob"
    assert next(iter(world.records.list_versions([name]))).author == "bob"


def test_a_copied_version_leads_to_the_logged_model_of_the_first(world: World, name: str) -> None:
    first = add_version(world, name)
    other = f"{name}_copy"
    world.registry.create_model(other)
    world.registry.create_version(other, source=f"models:/{name}/1", run_id=first.run_id, description="")
    world.registry.create_version(other, source=f"models:/{other}/1", run_id=first.run_id, description="")
    assert world.records.get_version(other, 1).model_id == first.model_id
    assert world.records.get_version(other, 2).model_id == first.model_id


def test_a_copy_of_what_is_deleted_still_leads_to_its_logged_model(world: World, name: str) -> None:
    first = add_version(world, name)
    other = f"{name}_copy"
    world.registry.create_model(other)
    for source in (f"models:/{name}/1", f"models:/{other}/1"):
        world.registry.create_version(other, source=source, run_id=first.run_id, description="")
    world.delete_version(name, 1)
    world.delete_version(other, 1)
    assert world.records.get_version(other, 2).model_id == first.model_id


def test_versions_are_listed_by_name_and_number(world: World, name: str) -> None:
    other = f"{name}_b"
    first = add_version(world, name)
    for model in (other, name, other):
        world.registry.create_model(model)
        world.registry.create_version(model, source=first.source, run_id=first.run_id, description="")
    listed = [version.reference for version in world.records.list_versions([other, name, "nobody_at_all"])]
    assert listed == [f"{name}/1", f"{name}/2", f"{other}/1", f"{other}/2"]
    everything = [version.reference for version in world.records.list_versions()]
    assert [reference for reference in everything if reference.startswith(name)] == listed
    assert list(world.records.list_versions([])) == []


@pytest.mark.parametrize(
    "odd",
    [
        "it's",
        'say "hi"',
        "both ' and \"",
        "<b>x",
        "a\nb",
        "\u202eevil",
        "50%_off",
        "z" * 200,
        "-- drop",
        "(x",
        "back\\slash",
        "`",
    ],
)
def test_versions_of_an_oddly_named_model_are_found_by_its_name_alone(world: World, name: str, odd: str) -> None:
    odd, near = f"{name} {odd}", f"{name} {odd}".replace("'", "x").replace("%", "y") + "_"
    for model in {odd, near}:
        world.add_model(model)
        world.registry.create_version(model, source=add_version(world, name).source, run_id=None, description="")
    assert [version.name for version in world.records.list_versions([odd])] == [odd]
    assert world.records.get_version(odd, 1).name == odd
    assert world.records.get_model(odd).name == odd
    assert odd in {model.name for model in world.records.list_models()}


def test_the_newest_versions_come_first_down_to_a_moment(world: World, name: str) -> None:
    first = add_version(world, name)
    world.wait()
    second = world.registry.create_version(name, source=first.source, run_id=first.run_id, description="")
    world.wait()
    world.registry.set_version_description(name, 1, "edited")
    newest = [version for version in world.records.list_newest_versions(second.updated_at) if version.name == name]
    assert [version.version for version in newest] == [1, 2]
    assert newest[0].description == "edited"
    after = world.records.list_newest_versions(newest[0].updated_at + timedelta(milliseconds=1))
    assert [version for version in after if version.name == name] == []


def test_an_alias_points_where_it_was_set(world: World, name: str) -> None:
    first = add_version(world, name)
    world.registry.create_version(name, source=first.source, run_id=None, description="")
    world.registry.set_alias(name, "production", 1)
    world.registry.set_alias(name, "champion", 1)
    world.registry.set_alias(name, "production", 2)
    assert world.records.find_alias(name, "production") == 2
    assert world.records.get_model(name).aliases == {"champion": 1, "production": 2}
    assert world.records.get_version(name, 1).aliases == ("champion",)
    assert [version.aliases for version in world.records.list_versions([name])] == [(), ()]


def test_an_alias_that_is_removed_is_gone_and_may_be_removed_again(world: World, name: str) -> None:
    add_version(world, name)
    world.registry.set_alias(name, "production", 1)
    for _ in range(2):
        world.registry.delete_alias(name, "production")
    assert world.records.find_alias(name, "production") is None


def test_aliases_of_two_cases_are_two(world: World, name: str) -> None:
    add_version(world, name)
    world.registry.set_alias(name, "Champion", 1)
    assert world.records.find_alias(name, "champion") is None
    assert world.records.find_alias(name, "Champion") == 1


def test_what_is_not_there_is_not_found(world: World, name: str) -> None:
    with pytest.raises(NotFound):
        world.records.get_model(name)
    with pytest.raises(NotFound):
        world.records.get_version(name, 1)
    with pytest.raises(NotFound):
        world.records.find_alias(name, "production")
    with pytest.raises(NotFound):
        world.registry.set_alias(name, "production", 1)
    world.registry.create_model(name)
    with pytest.raises(NotFound):
        world.records.get_version(name, 1)
    with pytest.raises(NotFound):
        world.registry.set_alias(name, "production", 1)
    with pytest.raises(NotFound):
        world.registry.set_version_tag(name, 1, "k", "v")
    with pytest.raises(NotFound):
        world.records.get_run(uuid.uuid4().hex)


def test_a_version_cannot_be_added_to_a_name_that_is_not_registered(file_world: World, name: str) -> None:
    source = file_world.log_model(file_world.log_run(), files=FILES)
    with pytest.raises(NotFound):
        file_world.registry.create_version(name, source=source, run_id=None, description="")


def test_a_deleted_version_takes_its_aliases_and_its_number_with_it(world: World, name: str) -> None:
    first = add_version(world, name)
    world.registry.set_alias(name, "production", 1)
    before = world.records.get_model(name).updated_at
    world.wait()
    world.delete_version(name, 1)
    assert world.records.get_model(name).aliases == {}
    assert world.records.get_model(name).updated_at > before
    assert list(world.records.list_versions([name])) == []
    with pytest.raises(NotFound):
        world.records.get_version(name, 1)
    assert world.registry.create_version(name, source=first.source, run_id=None, description="").version == 2


def test_a_model_made_again_counts_from_one_and_was_created_later(world: World, name: str) -> None:
    first = add_version(world, name)
    created_at = world.records.get_model(name).created_at
    world.wait()
    world.delete_model(name)
    assert list(world.records.list_versions([name])) == []
    world.registry.create_model(name)
    again = world.registry.create_version(name, source=first.source, run_id=None, description="")
    assert again.version == 1
    assert world.records.get_model(name).created_at > created_at


def test_tags_and_aliases_move_no_timestamp(world: World, name: str) -> None:
    add_version(world, name)
    model, version = world.records.get_model(name), world.records.get_version(name, 1)
    world.wait()
    world.registry.set_model_tag(name, "team", "risk")
    world.registry.set_version_tag(name, 1, "k", "v")
    world.registry.delete_version_tag(name, 1, "k")
    world.registry.delete_version_tag(name, 1, "absent")
    world.registry.set_alias(name, "production", 1)
    assert world.records.get_model(name).updated_at == model.updated_at
    assert world.records.get_version(name, 1).updated_at == version.updated_at
    assert world.records.get_model(name).tags == {"team": "risk"}
    assert world.records.get_version(name, 1).tags == {}


def test_a_stage_moves_both_timestamps_and_a_description_the_versions_alone(world: World, name: str) -> None:
    add_version(world, name)
    model, version = world.records.get_model(name), world.records.get_version(name, 1)
    world.wait()
    world.registry.set_version_description(name, 1, "better")
    described = world.records.get_version(name, 1)
    assert described.description == "better"
    assert described.updated_at > version.updated_at
    assert world.records.get_model(name).updated_at == model.updated_at
    world.wait()
    world.registry.set_stage(name, 1, Stage.STAGING)
    assert world.records.get_version(name, 1).stage is Stage.STAGING
    assert world.records.get_version(name, 1).updated_at > described.updated_at
    assert world.records.get_model(name).updated_at > model.updated_at


def test_a_stage_leaves_other_versions_where_they_are(world: World, name: str) -> None:
    first = add_version(world, name)
    world.registry.create_version(name, source=first.source, run_id=None, description="")
    for version in (1, 2):
        world.registry.set_stage(name, version, Stage.PRODUCTION)
    assert [version.stage for version in world.records.list_versions([name])] == [Stage.PRODUCTION] * 2


def test_runs_come_with_parameters_metrics_and_data_sets(world: World) -> None:
    training = Dataset(name="tx", digest="abc", source_type="local", source="{}", context="training")
    run_id = world.log_run(author="eve", metrics={"auc": 0.9}, params={"depth": "3"}, datasets=[training])
    other = world.log_run()
    found = world.records.get_run(run_id)
    assert (found.author, found.params, found.metrics) == ("eve", {"depth": "3"}, {"auc": 0.9})
    assert found.datasets == (training,)
    listed = world.records.list_runs([run_id, other, uuid.uuid4().hex])
    assert {run.run_id for run in listed} == {run_id, other}
    assert found in listed
    assert list(world.records.list_runs([])) == []


def test_the_runs_that_read_a_data_set_are_found(world: World) -> None:
    name = f"payments {uuid.uuid4().hex}"
    asked, other = Dataset(name=name, digest="d1", context="training"), Dataset(name=name, digest="d2")
    runs = [world.log_run(datasets=[asked]), world.log_run(datasets=[asked, other])]
    world.log_run(datasets=[other])
    assert sorted(run.run_id for run in world.records.list_runs_reading(name, "d1")) == sorted(runs)
    assert list(world.records.list_runs_reading(name, "nothing of that kind")) == []


def test_the_metrics_of_the_logged_model_win_over_those_of_its_run(world: World, name: str) -> None:
    run_id = world.log_run(metrics={"auc": 0.5, "loss": 0.1})
    source = world.log_model(run_id, files=FILES, metrics={"auc": 0.9})
    world.log_model(run_id, files=FILES, metrics={"auc": 0.7})
    world.registry.create_model(name)
    version = world.registry.create_version(name, source=source, run_id=run_id, description="")
    assert world.records.get_metrics(version) == {"auc": 0.9, "loss": 0.1}
    (logged,) = world.records.list_logged_models([source.removeprefix("models:/"), f"m-{uuid.uuid4().hex}"])
    assert (logged.model_id, logged.run_id, logged.metrics) == (version.model_id, run_id, {"auc": 0.9})
    assert list(world.records.list_logged_models([])) == []


def test_a_metric_that_is_not_a_number_is_there_and_is_not_one(world: World, name: str) -> None:
    run_id = world.log_run(metrics={"auc": math.nan})
    source = world.log_model(run_id, files=FILES, metrics={"f1": math.nan})
    world.registry.create_model(name)
    version = world.registry.create_version(name, source=source, run_id=run_id, description="")
    metrics = world.records.get_metrics(version)
    assert math.isnan(metrics["auc"])
    assert math.isnan(metrics["f1"])


def test_a_version_without_run_or_logged_model_has_no_metrics(world: World, name: str) -> None:
    run_id = world.log_run(files={"model/MLmodel": b"flavors: {}\n"})
    world.registry.create_model(name)
    version = world.registry.create_version(name, source=f"runs:/{run_id}/model", run_id=run_id, description="")
    assert version.model_id is None
    assert world.records.get_metrics(version) == {}


def test_files_are_listed_read_and_digested(file_world: World, name: str) -> None:
    version, registry = add_version(file_world, name), reader(file_world)
    assert [(file.path, file.size_bytes) for file in registry.list_files(version)] == [
        (path, len(FILES[path])) for path in sorted(FILES)
    ]
    for path, content in FILES.items():
        assert registry.read_file(version, path, max_bytes=256) == content
    expected = digest_folder({path: hashlib.sha256(content).digest() for path, content in FILES.items()})
    assert registry.get_artifact_digest(version) == expected


def test_a_copied_version_has_the_files_of_the_first(file_world: World, name: str) -> None:
    first = add_version(file_world, name)
    copy = file_world.registry.create_version(name, source=f"models:/{name}/1", run_id=None, description="")
    assert reader(file_world).get_artifact_digest(copy) == reader(file_world).get_artifact_digest(first)


def test_a_copy_of_what_is_deleted_keeps_its_files(file_world: World, name: str) -> None:
    first = add_version(file_world, name)
    digest = reader(file_world).get_artifact_digest(first)
    other = f"{name}_copy"
    file_world.registry.create_model(other)
    copy = file_world.registry.create_version(other, source=f"models:/{name}/1", run_id=None, description="")
    file_world.delete_model(name)
    assert reader(file_world).get_artifact_digest(copy) == digest
    assert reader(file_world).read_file(copy, "MLmodel", max_bytes=256) == FILES["MLmodel"]


def test_a_version_of_a_runs_artifacts_has_the_files_of_that_folder(file_world: World, name: str) -> None:
    run_id = file_world.log_run(files={f"model/{path}": content for path, content in FILES.items()} | {"other": b"o"})
    file_world.registry.create_model(name)
    version = file_world.registry.create_version(name, source=f"runs:/{run_id}/model", run_id=run_id, description="")
    registry = reader(file_world)
    assert [file.path for file in registry.list_files(version)] == sorted(FILES)
    assert registry.read_file(version, "data/model.bin", max_bytes=256) == FILES["data/model.bin"]


def test_a_file_that_is_too_large_is_refused(file_world: World, name: str) -> None:
    with pytest.raises(InvalidInput, match="larger than 255"):
        reader(file_world).read_file(add_version(file_world, name), "data/model.bin", max_bytes=255)


@pytest.mark.parametrize("path", ["nothing", "data/nothing"])
def test_a_file_that_is_not_there_is_not_found(file_world: World, name: str, path: str) -> None:
    with pytest.raises(NotFound, match=r"gone"):
        reader(file_world).read_file(add_version(file_world, name), path, max_bytes=10)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a\\b", "", "data/../../x"])
def test_a_path_that_leads_out_is_refused(file_world: World, name: str, path: str) -> None:
    with pytest.raises(InvalidInput):
        reader(file_world).read_file(add_version(file_world, name), path, max_bytes=10)


def test_lost_files_are_named_as_gone(file_world: World, name: str) -> None:
    run_id = file_world.log_run()
    source = file_world.log_model(run_id, files={"MLmodel": b"x"})
    file_world.registry.create_model(name)
    version = file_world.registry.create_version(name, source=source, run_id=run_id, description="")
    file_world.lose_files(source)
    registry = reader(file_world)
    for read in (registry.list_files, registry.get_artifact_digest):
        with pytest.raises(NotFound, match="gone"):
            read(version)
    with pytest.raises(NotFound, match="gone"):
        registry.read_file(version, "MLmodel", max_bytes=10)
    assert registry.get_version(name, 1).status == "READY"


def test_a_download_has_the_same_files(file_world: World, name: str, tmp_path: Path) -> None:
    place = reader(file_world).download(add_version(file_world, name), tmp_path)
    found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert found == FILES


def test_artifacts_of_a_run_are_listed_and_read(file_world: World) -> None:
    run_id = file_world.log_run(files={"reports/card.md": b"# card", "top.txt": b"t"})
    registry = reader(file_world)
    assert [file.path for file in registry.list_run_files(run_id)] == ["reports/card.md", "top.txt"]
    assert registry.read_run_file(run_id, "reports/card.md", max_bytes=10) == b"# card"
    with pytest.raises(NotFound, match="gone"):
        registry.read_run_file(run_id, "reports/none.md", max_bytes=10)
    assert list(registry.list_run_files(file_world.log_run())) == []
