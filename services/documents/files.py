"""Documents as files, for those who keep them in git: `KIND/NAME.yaml`, byte for byte the text in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.documents.library import Documents
from services.documents.revisions import Revision
from services.documents.validation import DocumentInvalid
from services.errors import InvalidInput
from services.identity.actors import Actor
from services.untrusted.paths import resolve_under

SUFFIX = ".yaml"


def export_documents(documents: Documents, folder: Path) -> list[Path]:
    """Write every document in force below `folder` and return the files, in order."""
    written = []
    for revision in _in_force(documents):
        place = resolve_under(folder, f"{revision.kind}/{revision.name}{SUFFIX}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(revision.text, encoding="utf-8", newline="")
        written.append(place)
    return written


def import_documents(documents: Documents, actor: Actor, folder: Path, *, reason: str) -> list[Revision]:
    """Propose every file below `folder` that differs from what is in force, and return the revisions.

    Raises:
        InvalidInput: a folder is named after no kind; nothing is proposed then.
        DocumentInvalid: a file has problems; the files before it are proposed.
    """
    files = sorted(folder.glob(f"*/*{SUFFIX}"))
    for file in files:
        if file.parent.name not in documents.kinds:
            raise InvalidInput(
                f"The folder {file.parent.name!r} is named after no kind of document.",
                next_step=f"The kinds are {', '.join(sorted(documents.kinds))}.",
            )
    proposed = []
    for file in files:
        kind, name = file.parent.name, file.name.removesuffix(SUFFIX)
        raw = file.read_bytes()
        if problems := documents.validate(kind, raw):
            raise DocumentInvalid(problems)
        text = raw.decode("utf-8")
        in_force = documents.find_in_force(kind, name)
        if in_force is None or in_force.text != text:
            base = documents.find_head(kind, name)
            proposed.append(documents.propose(actor, kind, name, text, reason=reason, base=base))
    return proposed


def _in_force(documents: Documents) -> Iterator[Revision]:
    after: tuple[str, str] | None = None
    while page := documents.list_documents(after=after):
        yield from (summary.in_force for summary in page if summary.in_force is not None)
        after = (page[-1].kind, page[-1].name)
