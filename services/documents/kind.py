"""A kind of governed document: how its YAML is typed, checked further, named and described to editors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from services.errors import NotFound

T = TypeVar("T")

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something a schema cannot say, at the value that stands at `location`.

    Args:
        rests_on: places that the finding depends on: where one of them is itself faulty, it may be a mere consequence.
    """

    location: Location
    message: str
    rests_on: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind(Generic[T]):
    """One kind of document.

    Args:
        name: such as `gate_policy`; a document says it under the key `kind`, a decision policy by having no such key.
        title: what people call it.
        adapter: the type of the whole document.
        find_faults: checks beyond the schema, given the typed document; all faults, not the first.
        is_by_model: whether documents are named after models; otherwise most installations have one, `default`.
        default_file: a file of `services.<package>` that a new installation starts with, as (package, file name).
        find_misfit: why a document cannot carry this name, or None.
    """

    name: str
    title: str
    adapter: TypeAdapter[T]
    find_faults: Callable[[T], Iterable[Fault]] = lambda _document: ()
    is_by_model: bool = False
    default_file: tuple[str, str] | None = None
    find_misfit: Callable[[T, str], str | None] = lambda _document, _name: None

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema for editors."""
        return {**self.adapter.json_schema(), "title": self.title}

    def read_default(self) -> str | None:
        """Return the text that a new installation starts with, if there is one."""
        if self.default_file is None:
            return None
        package, name = self.default_file
        return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def get_kind(kinds: Mapping[str, DocumentKind[Any]], name: str) -> DocumentKind[Any]:
    """Return a kind by its name.

    Raises:
        NotFound: no kind has this name.
    """
    found = kinds.get(name)
    if found is None:
        raise NotFound(
            f"There is no kind of document {name!r}.", next_step=f"The kinds are {', '.join(sorted(kinds))}."
        )
    return found
