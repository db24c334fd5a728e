import shutil
from pathlib import Path

import pytest

from services.deployments.standbys import Standbys, StandbyState
from services.errors import Unreachable
from services.jobs.model_runner import ModelRunner
from services.store import Store
from tests.changes.builders import WORKER
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL, World, build_world
from tests.jobs.models import write_model


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return build_world(store, clock, tmp_path)


def keep(world: World, *versions: int) -> None:
    world.standbys.keep([(MODEL, version) for version in versions], actor=WORKER)


def states(world: World) -> dict[int, StandbyState]:
    return {version: standby.state for (_model, version), standby in world.standbys.list_standbys().items()}


def test_what_is_wanted_is_fetched_tried_and_told_of_once(world: World) -> None:
    keep(world, 3, 2)
    keep(world, 3, 2)
    assert states(world) == {2: StandbyState.WARM, 3: StandbyState.WARM}
    assert world.bench.tried == [3, 2]
    assert world.actions() == ["standby:version:warmed"] * 2
    folder = world.standbys.find_folder(MODEL, 3)
    assert folder is not None
    assert (folder / "version").read_text() == "3"


def test_a_standby_is_tried_again_after_a_day(world: World, clock: FakeClock) -> None:
    keep(world, 3)
    clock.advance(hours=23)
    keep(world, 3)
    assert world.bench.tried == [3]
    clock.advance(hours=1)
    world.bench.broken[3] = "The model failed while loading: numpy has moved on"
    keep(world, 3)
    assert world.bench.tried == [3, 3]
    assert world.standbys.find(MODEL, 3).problem == "The model failed while loading: numpy has moved on"


def test_what_is_no_longer_wanted_is_let_go(world: World) -> None:
    keep(world, 3, 2)
    keep(world, 3)
    assert states(world) == {3: StandbyState.WARM}
    assert world.standbys.find_folder(MODEL, 2) is None


def test_files_that_were_changed_here_are_fetched_anew(world: World) -> None:
    keep(world, 3)
    folder = world.standbys.find_folder(MODEL, 3)
    assert folder is not None
    (folder / "version").write_text("33")
    keep(world, 3)
    assert (folder / "version").read_text() == "3"
    assert states(world) == {3: StandbyState.WARM}


def test_a_standby_into_which_a_link_was_put_is_fetched_anew(world: World, tmp_path: Path) -> None:
    keep(world, 3)
    folder = world.standbys.find_folder(MODEL, 3)
    assert folder is not None
    (tmp_path / "elsewhere").write_text("3")
    (folder / "version").unlink()
    (folder / "version").symlink_to(tmp_path / "elsewhere")
    keep(world, 3)
    assert not (folder / "version").is_symlink()
    assert states(world) == {3: StandbyState.WARM}


def test_files_that_arrive_as_others_than_the_registry_has_are_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.registry, "get_artifact_digest", lambda _version: "sha256:another")
    keep(world, 3)
    assert states(world) == {3: StandbyState.FAILED}
    assert "not those of the registry" in world.standbys.find(MODEL, 3).problem
    assert world.bench.tried == []
    assert world.standbys.find_folder(MODEL, 3) is None


def test_a_version_that_is_gone_fails_and_the_others_are_kept(world: World) -> None:
    world.registry.remove_version(MODEL, 2)
    keep(world, 2, 3)
    assert states(world) == {2: StandbyState.FAILED, 3: StandbyState.WARM}


def test_while_the_registry_is_away_what_is_here_stays_warm(world: World) -> None:
    keep(world, 3)
    world.registry.faults.fail()
    keep(world, 3, 2)
    assert states(world) == {3: StandbyState.WARM}
    with pytest.raises(Unreachable):
        world.standbys.warm(MODEL, 2, actor=WORKER)


def test_names_that_are_no_folders_get_one(world: World) -> None:
    world.registry.add_model("../fraud")
    world.registry.add_version("../fraud", files={"MLmodel": b"{}", "version": b"1"})
    world.standbys.keep([("../fraud", 1)], actor=WORKER)
    folder = world.standbys.find_folder("../fraud", 1)
    # Without an example or columns there is nothing to let it score.
    assert world.standbys.find("../fraud", 1).state is StandbyState.UNPROVEN
    assert folder is not None
    assert ".." not in folder.parts


@pytest.mark.parametrize(("example", "expected"), [(True, StandbyState.WARM), (False, StandbyState.WARM)])
def test_models_load_and_score_in_the_sandbox_with_or_without_an_example(
    world: World, tmp_path: Path, example: bool, expected: StandbyState
) -> None:
    folder = write_model(tmp_path / "model", example=example)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    version = world.registry.add_version(MODEL, files=files).version
    standbys = Standbys(
        world.store, world.registry, world.audit, ModelRunner(), home=tmp_path / "home", clock=world.clock
    )
    assert standbys.warm(MODEL, version, actor=WORKER).state is expected
    shutil.rmtree(tmp_path / "model")
    assert standbys.try_again(MODEL, version, actor=WORKER).state is expected


def test_a_model_that_cannot_score_fails_in_the_sandbox(world: World, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "class Model:\n    def predict(self, data):\n        return data['c']\n")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    version = world.registry.add_version(MODEL, files=files).version
    standbys = Standbys(
        world.store, world.registry, world.audit, ModelRunner(), home=tmp_path / "home", clock=world.clock
    )
    standby = standbys.warm(MODEL, version, actor=WORKER)
    assert standby.state is StandbyState.FAILED
    assert "predicting" in standby.problem
