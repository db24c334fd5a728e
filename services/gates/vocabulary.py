"""From the vocabulary document to the vocabulary that stories and gates use."""

from __future__ import annotations

from services.documents.vocabulary import VocabularyText
from services.lineage.vocabulary import TagRule, Vocabulary


def to_vocabulary(text: VocabularyText) -> Vocabulary:
    """Return the vocabulary that a document holds."""
    return Vocabulary(
        metrics=dict(text.metrics),
        synonyms=dict(text.synonyms),
        tags=tuple(
            TagRule(name=tag.tag, meaning=tag.meaning, values=tag.values, example=tag.example) for tag in text.tags
        ),
    )
