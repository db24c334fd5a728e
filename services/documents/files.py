"""Documents as files, for those who keep them in git: `KIND/NAME.yaml`, byte for byte the text in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.audit.files import told, write_whole
from services.changes import Change, Changes
from services.documents.activation import propose
from services.documents.library import Documents
from services.documents.revisions import Revision
from services.documents.validation import DocumentInvalid
from services.errors import InvalidInput
from services.identity.actors import Actor
from services.untrusted.paths import resolve_under

SUFFIX = ".yaml"


def export_documents(documents: Documents, folder: Path) -> list[Path]:
    """Write every document in force below `folder` and return the files, in order.

    Raises:
        InvalidInput: a file cannot be written.
    """
    written = []
    for revision in _in_force(documents):
        place = resolve_under(folder, f"{revision.kind}/{revision.name}{SUFFIX}")
        with told(place, raised=InvalidInput):
            write_whole(place, revision.text.encode())
        written.append(place)
    return written


def import_documents(
    documents: Documents, changes: Changes, actor: Actor, folder: Path, *, reason: str
) -> list[Change]:
    """Propose every file below `folder` that differs from what is in force, and return what was asked for.

    Raises:
        InvalidInput: a folder is named after no kind, or a file has problems; nothing is proposed then.
    """
    texts = {}
    for file in sorted(folder.glob(f"*/*{SUFFIX}")):
        texts[file.parent.name, file.name.removesuffix(SUFFIX)] = _read(documents, file)
    if not texts:
        raise InvalidInput(
            f"{str(folder)!r} holds no document.", next_step=f"Name a folder with files such as KIND/NAME{SUFFIX}."
        )
    asked = []
    for (kind, name), text in texts.items():
        in_force = documents.find_in_force(kind, name)
        if in_force is None or in_force.text != text:
            base = documents.find_head(kind, name)
            asked.append(propose(documents, changes, actor, kind, name, text, reason=reason, base=base))
    return asked


def _read(documents: Documents, file: Path) -> str:
    kind = file.parent.name
    if kind not in documents.kinds:
        raise InvalidInput(
            f"The folder {kind!r} is named after no kind of document.",
            next_step=f"The kinds are {', '.join(sorted(documents.kinds))}.",
        )
    with told(file, raised=InvalidInput):
        raw = file.read_bytes()
    if problems := documents.validate(kind, raw):
        invalid = DocumentInvalid(problems)
        raise InvalidInput(f"{kind}/{file.name}: {invalid.message}", next_step=invalid.next_step) from invalid
    return raw.decode("utf-8")


def _in_force(documents: Documents) -> Iterator[Revision]:
    after: tuple[str, str] | None = None
    while page := documents.list_documents(after=after):
        yield from (summary.in_force for summary in page if summary.in_force is not None)
        after = (page[-1].kind, page[-1].name)
