"""Answers to the readiness checklist: given by a person for one version, and shown as theirs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.documents.checklist import CHECKLIST_KIND, CategoryText, ChecklistText, ItemText
from services.documents.library import DEFAULT_NAME
from services.documents.reading import DocumentReader
from services.errors import InvalidInput, NotFound
from services.gates.evidence import ChecklistAnswers, Subject, tier_of
from services.gates.readiness import Readiness
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.store import Store
from services.store import gates as rows

MAX_NOTE = 4000
EVIDENCE = "evidence"
_LINK = re.compile(r"https?://[^\s/]+")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """One item of a version's checklist; `by` is a person, or `evidence`; an open item has no answer."""

    category: str
    item: str
    asks: str
    hint: str
    answer: Answer | None = None
    by: str = ""
    note: str = ""

    @property
    def is_held(self) -> bool:
        """Whether nothing is left to be done for it."""
        return self.answer in {Answer.YES, Answer.NOT_APPLICABLE}


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
            InvalidInput: an item was put aside without a note that says why, or answered with yes without a link.
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
        if answer is Answer.YES and not _LINK.search(note):
            raise InvalidInput(
                f"The answer yes to {item} needs a link to where it can be seen.",
                next_step="Put an https:// address into the note.",
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

    def list_states(
        self, model: str, version: int, evidence: Mapping[str, str], *, made_at: datetime, tier: str = ""
    ) -> Sequence[ItemState]:
        """Return every item that a tier is asked, answered by a person, by evidence, or open.

        A person's `no` or `not applicable` stands above evidence; a `yes` rests on evidence where there is some.

        Args:
            made_at: when the version was made; what was answered before was about a deleted one of the same number.

        Raises:
            NotFound: no checklist is in force.
        """
        answers = self.list_answers(model, version)
        given = {item: answer for item, answer in answers.items() if answer.at >= made_at}
        return [
            _state(category, item, given.get(item.item), evidence)
            for category in self.get_checklist().categories
            for item in category.items
            if not item.tiers or tier in item.tiers
        ]

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


def _state(category: CategoryText, item: ItemText, given: GivenAnswer | None, evidence: Mapping[str, str]) -> ItemState:
    state = ItemState(category=category.category, item=item.item, asks=item.asks, hint=item.hint)
    if given is not None and (given.answer is not Answer.YES or item.item not in evidence):
        return replace(state, answer=given.answer, by=given.actor, note=given.note)
    if item.item in evidence:
        return replace(state, answer=Answer.YES, by=EVIDENCE, note=evidence[item.item])
    return state


class ChecklistCollector:
    """Gathers the answers for the candidate, given by people and by evidence."""

    kind = ChecklistAnswers

    def __init__(self, checklists: Checklists, readiness: Readiness) -> None:
        self._checklists = checklists
        self._readiness = readiness

    def collect(self, subject: Subject) -> ChecklistAnswers:
        version, tier = subject.candidate, tier_of(subject.model, subject.candidate)
        evidence = self._readiness.list_evidence(version)
        states = self._checklists.list_states(
            version.name, version.version, evidence, made_at=version.created_at, tier=tier
        )
        items: dict[str, list[str]] = defaultdict(list)
        for state in states:
            items[state.category].append(state.item)
        return ChecklistAnswers(
            items=items, answers={state.item: state.answer.value for state in states if state.answer is not None}
        )
