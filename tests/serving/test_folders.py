from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.errors import Blocked, Unreachable
from services.registry.approved import Approved
from services.registry.digest import digest_path
from services.serving.folders import KeptFolders
from tests.serving.builders import MODEL, ServedHome


def write(folder: Path, text: str) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "model.bin").write_text(text)
    return folder


class Sources:
    """A registry that is asked and standbys that lie here, each with a model of its own or none."""

    def __init__(self, folder: Path, *, registry: str | None = None, standby: str | None = None) -> None:
        self.asked = 0
        self._text = registry
        self._standby = None if standby is None else write(folder / "standby", standby)

    def get_version(self, name: str, version: int) -> Any:
        self.asked += 1
        if self._text is None:
            raise Unreachable("The registry does not answer.", next_step="Wait.")

    def download(self, _version: Any, folder: Path) -> Path:
        assert self._text is not None
        return write(folder / "model", self._text)

    def find_folder(self, _model: str, _version: int) -> Path | None:
        return self._standby


def folders(home: ServedHome, sources: Any) -> KeptFolders:
    return KeptFolders(
        home.folder / "models", open_registry=lambda: sources, standbys=lambda: sources, store=home.store
    )


def approve(home: ServedHome, folder: Path) -> None:
    with home.store.write() as unit:
        Approved(home.store).accept_artifacts(unit, MODEL, 1, digest_path(folder))
        unit.commit()


def held(folder: Path) -> str:
    return (folder / "data" / "model.bin").read_text()


def test_a_model_is_downloaded_once(home: ServedHome, tmp_path: Path) -> None:
    sources = Sources(tmp_path, registry="good")
    kept = folders(home, sources)
    assert kept.get(MODEL, 1) == kept.get(MODEL, 1)
    assert (held(kept.get(MODEL, 1)), sources.asked) == ("good", 1)
    # The sandbox reads as somebody else.
    assert (kept.get(MODEL, 1) / "data").stat().st_mode & 0o777 == 0o755
    assert list((home.folder / "models").glob(".fetching-*")) == []


def test_what_lies_ready_spares_the_registry(home: ServedHome, tmp_path: Path) -> None:
    sources = Sources(tmp_path, standby="good")
    approve(home, write(tmp_path / "approved", "good"))
    assert held(folders(home, sources).get(MODEL, 1)) == "good"
    assert sources.asked == 0


def test_what_lies_ready_and_is_not_what_was_approved_is_fetched_anew(home: ServedHome, tmp_path: Path) -> None:
    sources = Sources(tmp_path, standby="altered", registry="good")
    approve(home, write(tmp_path / "approved", "good"))
    assert held(folders(home, sources).get(MODEL, 1)) == "good"


def test_what_was_kept_and_altered_is_fetched_anew(home: ServedHome, tmp_path: Path) -> None:
    kept = folders(home, Sources(tmp_path, registry="good"))
    approve(home, write(tmp_path / "approved", "good"))
    (kept.get(MODEL, 1) / "data" / "model.bin").write_text("altered")
    assert held(kept.get(MODEL, 1)) == "good"


def test_files_that_nobody_approved_are_refused_and_not_kept(home: ServedHome, tmp_path: Path) -> None:
    approve(home, write(tmp_path / "approved", "good"))
    with pytest.raises(Blocked, match="not those that were approved"):
        folders(home, Sources(tmp_path, registry="altered")).get(MODEL, 1)
    assert list((home.folder / "models").iterdir()) == []


@pytest.mark.parametrize("is_approved", [True, False])
def test_what_was_kept_and_has_a_link_put_into_it_is_fetched_anew(
    home: ServedHome, tmp_path: Path, is_approved: bool
) -> None:
    kept = folders(home, Sources(tmp_path, registry="good"))
    if is_approved:
        approve(home, write(tmp_path / "approved", "good"))
    file = kept.get(MODEL, 1) / "data" / "model.bin"
    # The same bytes, which whoever can write there may change afterwards.
    (tmp_path / "elsewhere").write_text("good")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    assert not (kept.get(MODEL, 1) / "data" / "model.bin").is_symlink()
    assert held(kept.get(MODEL, 1)) == "good"


def test_a_standby_with_a_link_in_it_is_passed_over(home: ServedHome, tmp_path: Path) -> None:
    sources = Sources(tmp_path, standby="good", registry="good")
    (tmp_path / "standby" / "data" / "more").symlink_to("model.bin")
    kept = folders(home, sources).get(MODEL, 1)
    assert not (kept / "data" / "more").exists()
    assert sources.asked == 1
