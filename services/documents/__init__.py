"""Governed YAML: kinds with schemas, line-exact problems, immutable revisions, and what was in force at any time."""

from services.documents.comparison import Difference, LineChange, LinePair, ValueChange, compare_texts, unified_diff
from services.documents.kind import DocumentKind, Fault, get_kind
from services.documents.library import DEFAULT_NAME, DocumentConflict, Documents
from services.documents.merge import Merge, merge_texts
from services.documents.reading import DocumentReader
from services.documents.revisions import DocumentSummary, Revision, RevisionState, StateEntry
from services.documents.validation import DocumentInvalid, Parsed, Problem, parse, validate

__all__ = [
    "DEFAULT_NAME",
    "Difference",
    "DocumentConflict",
    "DocumentInvalid",
    "DocumentKind",
    "DocumentReader",
    "DocumentSummary",
    "Documents",
    "Fault",
    "LineChange",
    "LinePair",
    "Merge",
    "Parsed",
    "Problem",
    "Revision",
    "RevisionState",
    "StateEntry",
    "ValueChange",
    "compare_texts",
    "get_kind",
    "merge_texts",
    "parse",
    "unified_diff",
    "validate",
]
