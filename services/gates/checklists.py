"""Answers to the readiness checklist: given by a person for one version, and shown as theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.documents.checklist import CHECKLIST_KIND, ChecklistText
from services.documents.library import DEFAULT_NAME
from services.documents.reading import DocumentReader
from services.errors import InvalidInput, NotFound
from services.gates.evidence import ChecklistAnswers, Subject
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.store import Store
from services.store import gates as rows

MAX_NOTE = 4000


class Answer(StrEnum):
    """What somebody said to an item."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """An answer with who gave it."""

    item: str
    answer: Answer
    note: str
    actor: str
    at: datetime


class Checklists:
    """Answering the checklist in force, and reading the answers."""

    def __init__(
        self, store: Store, audit: AuditLog, identity: Identity, documents: DocumentReader, *, clock: Clock
    ) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._documents = documents
        self._clock = clock

    def get_checklist(self) -> ChecklistText:
        """Return the checklist in force.

        Raises:
            NotFound: none is.
        """
        revision = self._documents.get_in_force(CHECKLIST_KIND.name, DEFAULT_NAME)
        checklist: ChecklistText = self._documents.parse(revision).value
        return checklist

    def answer(self, actor: Actor, model: str, version: int, item: str, answer: Answer, *, note: str = "") -> None:
        """Answer an item for a version, over what was answered before.

        Raises:
            Forbidden: the actor may not ask for changes, and so has no say in what they rest on.
            NotFound: the checklist in force has no such item.
            InvalidInput: an item was put aside without a note that says why.
        """
        subject = f"{model}/{version}"
        self._identity.demand(actor, Permission.REQUEST_CHANGE, subject=subject)
        if self.get_checklist().find_item(item) is None:
            raise NotFound(f"The checklist has no item {item!r}.", next_step="Look at the checklist in force.")
        note = note.strip()
        if len(note) > MAX_NOTE or (answer is Answer.NOT_APPLICABLE and not note):
            raise InvalidInput(
                f"The answer {answer.value} to {item} needs a note of at most {MAX_NOTE} characters.",
                next_step="Say in a sentence why the item does not apply.",
            )
        now = self._clock()
        with self._store.write() as unit:
            before = {row["item"]: row["answer"] for row in rows.list_answers(unit, model=model, version=version)}
            rows.put_answer(
                unit,
                {
                    "model": model,
                    "version": version,
                    "item": item,
                    "answer": answer.value,
                    "note": note,
                    "actor": actor.name,
                    "at_us": to_micros(now),
                },
            )
            self._audit.record(
                unit,
                actor=actor,
                action="checklist:item:answered",
                subject=subject,
                model=model,
                reason=note,
                before={"item": item, "answer": before.get(item)},
                after={"item": item, "answer": answer.value},
            )
            unit.commit()

    def list_answers(self, model: str, version: int) -> Mapping[str, GivenAnswer]:
        """Return the answers for a version by item."""
        with self._store.read() as unit:
            found = rows.list_answers(unit, model=model, version=version)
        return {
            row["item"]: GivenAnswer(
                item=row["item"],
                answer=Answer(row["answer"]),
                note=row["note"],
                actor=row["actor"],
                at=from_micros(row["at_us"]),
            )
            for row in found
        }


class ChecklistCollector:
    """Gathers the answers for the candidate."""

    kind = ChecklistAnswers

    def __init__(self, checklists: Checklists) -> None:
        self._checklists = checklists

    def collect(self, subject: Subject) -> ChecklistAnswers:
        checklist = self._checklists.get_checklist()
        answers = self._checklists.list_answers(subject.candidate.name, subject.candidate.version)
        return ChecklistAnswers(
            items={category.category: tuple(item.item for item in category.items) for category in checklist.categories},
            answers={item: given.answer.value for item, given in answers.items()},
        )
