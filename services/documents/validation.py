"""From text to a typed document, or to every problem at once, each with its line and its path.

Parsing happens once, here: inside, nobody validates again. Text that does not validate is never stored.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from services.documents.kind import DocumentKind, Location
from services.documents.wording import word_error
from services.errors import InvalidInput
from services.untrusted.yaml_reader import YamlDocument, YamlInvalid, YamlProblem, join_path, parse_path, read_yaml

T = TypeVar("T")

Problem = YamlProblem
"""What is wrong at one place: `line` from 1, `path` such as `gates[2].threshold`, `message`."""

MAX_PROBLEMS = 100


class DocumentInvalid(InvalidInput):
    """A text that is no document of its kind; `problems` holds all of them in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        where = f"Line {first.line}, {first.path}" if first.path else f"Line {first.line}"
        super().__init__(
            f"{where}: {first.message}{others}.",
            next_step="Correct it; `gatehouse policy validate FILE` lists every problem.",
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[T]):
    """A typed document and the text it came from, which can still say where each value stands."""

    value: T
    source: YamlDocument

    def problem(self, location: Location, message: str) -> Problem:
        """Return a problem at the value that stands at `location`."""
        return Problem(line=self.source.line_of(location), path=self.source.path_of(location), message=message)


def parse(kind: DocumentKind[T], text: str | bytes) -> Parsed[T]:
    """Return the typed document.

    Raises:
        DocumentInvalid: the text has problems; all are listed.
    """
    try:
        source = read_yaml(text)
    except YamlInvalid as error:
        raise DocumentInvalid(error.problems) from error
    try:
        value = _type(kind, source.data)
    except ValidationError as error:
        problems = [*_schema_problems(kind, source, error), *_faults_beside(kind, source, error)]
        raise DocumentInvalid(_sorted(problems)) from error
    parsed = Parsed(value=value, source=source)
    faults = [parsed.problem(fault.location, fault.message) for fault in kind.find_faults(value)]
    if faults:
        raise DocumentInvalid(_sorted(faults))
    return parsed


def validate(kind: DocumentKind[Any], text: str | bytes) -> list[Problem]:
    """Return everything that is wrong with a text; an empty list is a valid document."""
    try:
        parse(kind, text)
    except DocumentInvalid as error:
        return list(error.problems)
    return []


def _type(kind: DocumentKind[T], data: Any) -> T:
    # JSON mode is strict about types and still takes lists for tuples and text for times.
    return kind.adapter.validate_json(json.dumps(data), strict=True)


def _faults_beside(kind: DocumentKind[Any], source: YamlDocument, error: ValidationError) -> Iterator[Problem]:
    """Yield what the further checks find in the parts of a document that are sound.

    The values that the schema refuses are cut out; a finding that rests on one of them is left out with it.
    """
    cuts = [_cut(source, each) for each in error.errors(include_url=False)]
    data = copy.deepcopy(source.data)
    # From the end, so that the places of list items before stay what they are.
    for cut in sorted(set(cuts), key=_cut_order, reverse=True):
        if not cut:
            return
        _remove(data, cut)
    try:
        value = _type(kind, data)
    except ValidationError:
        return
    has_cut_items = any(isinstance(cut[-1], int) for cut in cuts)
    for fault in kind.find_faults(value):
        rests = [fault.location, *fault.rests_on]
        is_consequence = any(cut[: len(place)] == place for cut in cuts for place in rests)
        if not is_consequence and not (has_cut_items and any(isinstance(step, int) for step in fault.location)):
            yield Problem(
                line=source.line_of(fault.location), path=source.path_of(fault.location), message=fault.message
            )


def _cut(source: YamlDocument, error: Mapping[str, Any]) -> Location:
    location = error["loc"][:-1] if error["type"] == "missing" else error["loc"]
    return tuple(parse_path(source.path_of(location)))


def _cut_order(cut: Location) -> tuple[tuple[int, str], ...]:
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in cut)


def _remove(data: Any, location: Location) -> None:
    for step in location[:-1]:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return
    if isinstance(data, dict):
        data.pop(location[-1], None)
    elif isinstance(data, list) and isinstance(location[-1], int) and location[-1] < len(data):
        del data[location[-1]]


def _schema_problems(kind: DocumentKind[Any], source: YamlDocument, error: ValidationError) -> Iterator[Problem]:
    errors = error.errors(include_url=False)
    for each in errors:
        location = each["loc"]
        if each["type"] == "too_short" and any(_is_below(other["loc"], location) for other in errors):
            continue  # only sound items are counted: the list is not short, its items are faulty
        path = source.path_of(location)
        known: set[str] = set()
        if each["type"] == "missing":
            path = join_path(source.path_of(location[:-1]), location[-1])
        elif each["type"] == "extra_forbidden":
            schema = _schema_of(kind)
            known = _keys_at(schema, schema, parse_path(path)[:-1])
        yield Problem(line=source.line_of(location), path=path, message=word_error(dict(each), known))


def _is_below(location: Location, above: Location) -> bool:
    return len(location) > len(above) and location[: len(above)] == above


@cache
def _schema_of(kind: DocumentKind[Any]) -> Mapping[str, Any]:
    return kind.json_schema()


def _keys_at(root: Mapping[str, Any], schema: Mapping[str, Any], steps: Sequence[str | int]) -> set[str]:
    """Return the keys that a JSON schema knows at a place, in any branch of a union."""
    if "$ref" in schema:
        return _keys_at(root, root["$defs"][schema["$ref"].rpartition("/")[2]], steps)
    branches = [branch for key in ("anyOf", "oneOf", "allOf") for branch in schema.get(key, ())]
    found = set[str]().union(*(_keys_at(root, branch, steps) for branch in branches))
    if not steps:
        return found | set(schema.get("properties", ()))
    step, rest = steps[0], steps[1:]
    inner = schema.get("items") if isinstance(step, int) else schema.get("properties", {}).get(step)
    if inner is None and isinstance(step, str):
        inner = schema.get("additionalProperties")
    return found | _keys_at(root, inner, rest) if isinstance(inner, dict) else found


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (problem.line, problem.path))[:MAX_PROBLEMS]
