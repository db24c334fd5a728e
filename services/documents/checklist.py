"""The readiness checklist as a document: what people have to have done before a model serves (practice: readiness)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.documents.kind import DocumentKind, Fault

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Field(max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemText(_Strict):
    """One item; `asks` is answered with yes, no or not applicable."""

    item: Word
    asks: Annotated[str, Field(min_length=1, max_length=1000)]
    hint: Text = ""
    tiers: tuple[Word, ...] = Field(
        default=(), description="only models of these risk tiers are asked; all unless given"
    )


class CategoryText(_Strict):
    """Items that belong together."""

    category: Word
    title: Annotated[str, Field(min_length=1, max_length=200)]
    items: tuple[ItemText, ...] = Field(min_length=1)


class ChecklistText(_Strict):
    """The whole document."""

    kind: Literal["checklist"]
    description: Text = ""
    categories: tuple[CategoryText, ...] = Field(min_length=1)

    def find_item(self, name: str) -> ItemText | None:
        """Return an item by its name."""
        return next((item for category in self.categories for item in category.items if item.item == name), None)


def find_faults(text: ChecklistText) -> Iterator[Fault]:
    """Yield what the schema cannot say: names of items and categories are one space, so that a gate can name either."""
    seen: set[str] = set()
    for place, category in enumerate(text.categories):
        where = ("categories", place)
        if category.category in seen:
            yield Fault(location=(*where, "category"), message=f"{category.category!r} is named before")
        seen.add(category.category)
        for index, item in enumerate(category.items):
            if item.item in seen:
                yield Fault(location=(*where, "items", index, "item"), message=f"{item.item!r} is named before")
            seen.add(item.item)


CHECKLIST_KIND: DocumentKind[Any] = DocumentKind(
    name="checklist",
    title="Readiness checklist",
    adapter=TypeAdapter(ChecklistText),
    find_faults=find_faults,
    default_file=("services.documents", "defaults/checklist.yaml"),
)
