"""The vocabulary as a document: one name for one metric, its other names, and the tags that every model carries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.documents.kind import DocumentKind, Fault
from services.documents.wording import suggest

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Synonym = Annotated[str, Field(min_length=1, max_length=250)]
TagName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Text = Annotated[str, Field(max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TagText(_Strict):
    """A standard tag; without `values` it takes any text."""

    tag: TagName
    meaning: Text
    values: tuple[Text, ...] = ()
    example: Text


class VocabularyText(_Strict):
    """The whole document."""

    kind: Literal["vocabulary"]
    description: Text = ""
    metrics: dict[TagName, Annotated[tuple[MetricName, ...], Field(min_length=1)]] = Field(
        min_length=1, description="group: canonical names"
    )
    synonyms: dict[Synonym, MetricName] = Field(default_factory=dict, description="other name: canonical name")
    tags: tuple[TagText, ...] = ()


def find_faults(text: VocabularyText) -> Iterator[Fault]:
    """Yield what the schema cannot say."""
    groups: dict[str, str] = {}
    for group, names in text.metrics.items():
        for place, name in enumerate(names):
            if name in groups:
                message = f"{name!r} is in the group {groups[name]} already"
                yield Fault(location=("metrics", group, place), message=message)
            groups.setdefault(name, group)
    for synonym, name in text.synonyms.items():
        yield from _synonym_faults(synonym, name, groups)
    yield from _tag_faults(text.tags)


def _synonym_faults(synonym: str, name: str, canonical: Collection[str]) -> Iterator[Fault]:
    where = ("synonyms", synonym)
    if name not in canonical:
        message = f"{name!r} is no canonical metric{suggest(name, canonical)}"
        yield Fault(location=where, message=message, rests_on=(("metrics",),))
    if synonym in canonical:
        yield Fault(location=where, message="is a canonical name itself", rests_on=(("metrics",),))
    if synonym != synonym.strip().lower():
        yield Fault(location=where, message="other names are written in lower case; they match in any case")


def _tag_faults(tags: Sequence[TagText]) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, tag in enumerate(tags):
        if tag.tag in seen:
            yield Fault(location=("tags", place, "tag"), message=f"there is a tag {tag.tag!r} before")
        seen.add(tag.tag)
        if tag.values and tag.example not in tag.values:
            yield Fault(location=("tags", place, "example"), message=f"{tag.example!r} is none of its values")


VOCABULARY_KIND: DocumentKind[Any] = DocumentKind(
    name="vocabulary",
    title="Vocabulary",
    adapter=TypeAdapter(VocabularyText),
    find_faults=find_faults,
    default_file=("services.documents", "defaults/vocabulary.yaml"),
)
