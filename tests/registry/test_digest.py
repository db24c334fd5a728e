from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Blocked
from services.registry.digest import digest_folder, digest_path, list_model_files

PATHS = st.text("ab/é", min_size=1, max_size=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "data" / "empty").mkdir(parents=True)
    (made / "MLmodel").write_text("flavors: {}\n")
    (made / "data" / "model.bin").write_bytes(b"weights")
    return made


def test_a_folder_has_the_digest_of_its_names_and_bytes(folder: Path) -> None:
    expected = {
        "MLmodel": hashlib.sha256(b"flavors: {}\n").digest(),
        "data/model.bin": hashlib.sha256(b"weights").digest(),
    }
    assert digest_path(folder) == digest_folder(expected)


@given(st.dictionaries(PATHS, st.binary(max_size=3), max_size=3), st.dictionaries(PATHS, st.binary(max_size=3)))
def test_only_the_same_names_and_bytes_have_the_same_digest(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    digests = [
        digest_folder({path: hashlib.sha256(held).digest() for path, held in each.items()}) for each in (one, other)
    ]
    assert (digests[0] == digests[1]) == (one == other)


@pytest.mark.parametrize("target", ["model.bin", "../MLmodel", "/etc/hostname", "nowhere", "empty", "/"])
def test_a_folder_with_a_link_in_it_has_no_digest_wherever_the_link_leads(folder: Path, target: str) -> None:
    (folder / "data" / "linked").symlink_to(target)
    with pytest.raises(Blocked, match="'data/linked' is a link"):
        digest_path(folder)
    with pytest.raises(Blocked, match="is a link"):
        list_model_files(folder)


def test_a_pipe_is_refused_rather_than_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "data" / "pipe")
    with pytest.raises(Blocked, match="'data/pipe' is no plain file"):
        digest_path(folder)
