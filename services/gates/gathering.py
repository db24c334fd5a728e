"""Gathering evidence: each collector that a gate needs is asked once, and none of them can stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.errors import GatehouseError, NotFound
from services.gates.checks import needed_evidence
from services.gates.evidence import Absent, Broken, Collector, Evidence, Subject
from services.lineage.vocabulary import VOCABULARY, Vocabulary

MAX_REASON = 500


def gather(subject: Subject, collectors: Iterable[Collector], *, vocabulary: Vocabulary = VOCABULARY) -> Evidence:
    """Return the evidence that the gates of a subject are judged by.

    What a collector does not find is absent; whatever else goes wrong in it is broken, with its reason.
    """
    by_kind = {collector.kind: collector for collector in collectors}
    items: Mapping[type[Any], Any] = {
        kind: _collect(by_kind[kind], subject) for kind in needed_evidence(subject.gates) if kind in by_kind
    }
    return Evidence(subject=subject, items=items, vocabulary=vocabulary)


def _collect(collector: Collector, subject: Subject) -> Any:
    try:
        return collector.collect(subject)
    except NotFound as error:
        return Absent(reason=error.message)
    except GatehouseError as error:
        return Broken(reason=error.message)
    except Exception as error:  # noqa: BLE001 - a collector that breaks is an outcome, not the end of the report
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return Broken(reason=told[:MAX_REASON])
