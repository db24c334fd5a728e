"""From the vocabulary document to the vocabulary that stories and gates use."""

from __future__ import annotations

from services.documents.library import DEFAULT_NAME
from services.documents.reading import DocumentReader
from services.documents.vocabulary import VOCABULARY_KIND, VocabularyText
from services.lineage.vocabulary import VOCABULARY, TagRule, Vocabulary


def read_vocabulary(documents: DocumentReader) -> Vocabulary:
    """Return the vocabulary in force, or the one that is shipped where none is."""
    revision = documents.find_in_force(VOCABULARY_KIND.name, DEFAULT_NAME)
    return VOCABULARY if revision is None else to_vocabulary(documents.parse(revision).value)


def to_vocabulary(text: VocabularyText) -> Vocabulary:
    """Return the vocabulary that a document holds."""
    return Vocabulary(
        metrics=dict(text.metrics),
        synonyms=dict(text.synonyms),
        tags=tuple(
            TagRule(name=tag.tag, meaning=tag.meaning, values=tag.values, example=tag.example) for tag in text.tags
        ),
    )
