import contextlib
import os
from pathlib import Path

import pytest

from services.errors import InvalidInput, NotFound
from services.untrusted.paths import check_relative, open_under, resolve_under


def folder_with(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "plots").mkdir(parents=True)
    (root / "plots" / "roc.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    return root


def test_a_file_under_its_root_is_found_and_opened(tmp_path: Path) -> None:
    root = folder_with(tmp_path)
    assert resolve_under(root, "plots/roc.txt") == root / "plots" / "roc.txt"
    with open_under(root, "plots/roc.txt") as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize(
    "name", ["", ".", "/etc/passwd", "../secret.txt", "plots/../../secret.txt", "a\\b", "a\x00b", "x" * 5000]
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    root = folder_with(tmp_path)
    for use in (check_relative, lambda path: resolve_under(root, path), lambda path: open_under(root, path)):
        with pytest.raises(InvalidInput):
            use(name)


@pytest.mark.parametrize("name", ["link.txt", "linked/secret.txt"])
def test_no_symbolic_link_is_followed(tmp_path: Path, name: str) -> None:
    root = folder_with(tmp_path)
    for use in (resolve_under, open_under):
        with pytest.raises(InvalidInput, match="symbolic link"):
            use(root, name)


@pytest.mark.parametrize("name", ["plots", "pipe", "plots/roc.txt/x"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        open_under(folder_with(tmp_path), name)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_under(folder_with(tmp_path), "plots/none.txt")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    root = folder_with(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("plots/roc.txt", "pipe", "plots/none.txt", "linked/secret.txt"):
        with contextlib.suppress(InvalidInput, NotFound):
            open_under(root, name).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
