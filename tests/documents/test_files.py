from pathlib import Path

import pytest

from services.changes import Changes
from services.documents import Documents
from services.documents.activation import Activation
from services.documents.files import export_documents, import_documents
from services.documents.vocabulary import VOCABULARY_KIND
from services.errors import InvalidInput
from services.store import Store
from tests.changes.builders import MAYA
from tests.conftest import FakeClock
from tests.documents.builders import LIMITS, SYSTEM, TEXT, build_library


def build(store: Store, clock: FakeClock, folder: Path) -> tuple[Documents, Changes]:
    documents = build_library(store, clock, folder, VOCABULARY_KIND, LIMITS)
    documents.install_defaults(SYSTEM)
    return documents, Changes(
        store, documents._writer._audit, documents._identity, [Activation(documents)], clock=clock
    )


def put(folder: Path, place: str, content: bytes) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_what_is_exported_and_imported_again_proposes_nothing(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents, changes = build(store, clock, tmp_path)
    files = export_documents(documents, tmp_path / "out")
    assert files == [tmp_path / "out" / "vocabulary" / "default.yaml"]
    assert files[0].read_bytes().decode() == VOCABULARY_KIND.read_default()
    assert import_documents(documents, changes, MAYA, tmp_path / "out", reason="sync") == []


def test_what_differs_is_put_before_those_who_approve(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents, changes = build(store, clock, tmp_path)
    (file,) = export_documents(documents, tmp_path / "out")
    file.write_text(file.read_text() + "# ours\n")
    put(tmp_path, "out/limits/a.yaml", TEXT.replace("\n", "\r\n").encode())
    asked = import_documents(documents, changes, MAYA, tmp_path / "out", reason="sync")
    assert [change.subject for change in asked] == ["document/limits/a/1", "document/vocabulary/default/2"]
    assert {change.state.value for change in asked} == {"awaiting_approval"}
    assert "\r\n" in documents.get_revision("limits", "a", 1).text


@pytest.mark.parametrize(
    ("place", "content", "said"),
    [
        ("limits/b.yaml", b"step: \xff", "limits/b.yaml: Line 1"),
        ("limits/b.yaml", b"step: x\n", "limits/b.yaml: Line 1, step"),
        ("other/a.yaml", TEXT.encode(), "'other' is named after no kind"),
    ],
)
def test_one_file_with_problems_keeps_all_from_being_proposed(
    store: Store, clock: FakeClock, tmp_path: Path, place: str, content: bytes, said: str
) -> None:
    documents, changes = build(store, clock, tmp_path)
    put(tmp_path, "in/limits/a.yaml", TEXT.encode())
    put(tmp_path, f"in/{place}", content)
    with pytest.raises(InvalidInput, match=said):
        import_documents(documents, changes, MAYA, tmp_path / "in", reason="sync")
    assert documents.list_documents(kind="limits") == []


def test_a_folder_without_documents_is_told(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    documents, changes = build(store, clock, tmp_path)
    with pytest.raises(InvalidInput, match="holds no document"):
        import_documents(documents, changes, MAYA, tmp_path / "nothing", reason="sync")
