from pathlib import Path

import pytest

from services.documents import DocumentInvalid
from services.documents.files import export_documents, import_documents
from services.documents.vocabulary import VOCABULARY_KIND
from services.errors import InvalidInput
from services.store import Store
from tests.conftest import FakeClock
from tests.documents.builders import BEN, LIMITS, SYSTEM, TEXT, build_library


def test_what_is_exported_and_imported_again_proposes_nothing(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path, VOCABULARY_KIND, LIMITS)
    documents.install_defaults(SYSTEM)
    files = export_documents(documents, tmp_path / "out")
    assert files == [tmp_path / "out" / "vocabulary" / "default.yaml"]
    assert files[0].read_bytes().decode() == VOCABULARY_KIND.read_default()
    assert import_documents(documents, BEN, tmp_path / "out", reason="sync") == []


def test_what_differs_is_proposed(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path, VOCABULARY_KIND, LIMITS)
    documents.install_defaults(SYSTEM)
    export_documents(documents, tmp_path / "out")
    place = tmp_path / "out" / "vocabulary" / "default.yaml"
    place.write_text(place.read_text() + "# ours\n")
    (tmp_path / "out" / "limits").mkdir()
    (tmp_path / "out" / "limits" / "a.yaml").write_bytes(TEXT.replace("\n", "\r\n").encode())
    proposed = import_documents(documents, BEN, tmp_path / "out", reason="sync")
    assert [revision.reference for revision in proposed] == ["limits/a/1", "vocabulary/default/2"]
    assert "\r\n" in proposed[0].text


def test_a_file_with_problems_is_not_proposed(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents = build_library(store, clock, tmp_path)
    (tmp_path / "in" / "limits").mkdir(parents=True)
    (tmp_path / "in" / "limits" / "a.yaml").write_bytes(b"step: \xff")
    with pytest.raises(DocumentInvalid):
        import_documents(documents, BEN, tmp_path / "in", reason="sync")
    (tmp_path / "in" / "other").mkdir()
    (tmp_path / "in" / "other" / "a.yaml").write_text(TEXT)
    with pytest.raises(InvalidInput, match="'other'"):
        import_documents(documents, BEN, tmp_path / "in", reason="sync")
