"""One reader of YAML from outside: plain data with the line of every value, or every problem with its line.

The rule: at most 256 KiB, 32 levels and 20,000 nodes; no anchors, aliases, tags or merge keys, so no bomb; a key twice
in a mapping is refused. Keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from services.errors import InvalidInput
from services.untrusted.yaml_scalars import Yaml, find_complaint, resolve

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_PROBLEMS = 100

Location = Sequence[str | int]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_KEY = re.compile(r"[^.\[\]\s\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlProblem:
    """What is wrong at one place; `line` counts from 1, `path` is such as `gates[2].threshold`, empty at the top."""

    line: int
    path: str
    message: str


class YamlInvalid(InvalidInput):
    """A text that is no YAML we read; `problems` holds all that was found, in the order of the text."""

    def __init__(self, problems: Sequence[YamlProblem]) -> None:
        first = problems[0]
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"Line {first.line}: {first.message}{others}.", next_step="Correct the line and read the file again."
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """Plain data, and the line where each value stands."""

    data: Yaml
    lines: Mapping[str, int]

    def line_of(self, location: str | Location) -> int:
        """Return the line, from 1, of the value at a path (`gates[2].threshold`) or a location (`("gates", 2)`).

        Where nothing stands at that place, it is the line of the nearest value around it. Steps of a location that
        name nothing, such as the branch of a union in a validation error, are passed over.
        """
        return self.lines[self.path_of(location)]

    def path_of(self, location: str | Location) -> str:
        """Return the path of the value that stands at, or nearest around, a path or location."""
        steps = parse_path(location) if isinstance(location, str) else location
        path = ""
        for step in steps:
            inner = join_path(path, step)
            if inner in self.lines:
                path = inner
        return path


def read_yaml(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> YamlDocument:
    r"""Read one YAML document into plain data.

    >>> document = read_yaml("gates:\n- metric: auc\n  threshold: 1e-2\n")
    >>> document.data, document.line_of("gates[0].threshold")
    ({'gates': [{'metric': 'auc', 'threshold': 0.01}]}, 3)

    Raises:
        YamlInvalid: the text breaks one of the rules of this module; it names every problem with its line.
    """
    source = _decode(text, max_bytes)
    return _Builder(source).build()


def join_path(path: str, step: str | int) -> str:
    """Return `path` one step further in; a key that would not read back plainly is quoted.

    >>> join_path(join_path("gates", 2), "threshold"), join_path("models", "a.b")
    ('gates[2].threshold', 'models["a.b"]')
    """
    if isinstance(step, int):
        return f"{path}[{step}]"
    if _PLAIN_KEY.fullmatch(step):
        return f"{path}.{step}" if path else step
    escaped = step.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{escaped}"]'


def parse_path(path: str) -> list[str | int]:
    """Return the steps of a path written by `join_path`; what cannot be read as steps is left out.

    >>> parse_path('gates[2].threshold'), parse_path('models["a.b"]')
    (['gates', 2, 'threshold'], ['models', 'a.b'])
    """
    steps: list[str | int] = []
    for index, quoted, key in re.findall(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]\s"]+)', path):
        steps.append(int(index) if index else key or re.sub(r"\\(.)", r"\1", quoted))
    return steps


def _decode(text: str | bytes, max_bytes: int) -> str:
    try:
        raw = text.encode() if isinstance(text, str) else text
        source = raw.decode("utf-8-sig")
    except UnicodeEncodeError as error:
        raise _refusal(error.object.count("\n", 0, error.start) + 1, "half a character stands in the text") from error
    except UnicodeDecodeError as error:
        raise _refusal(error.object.count(b"\n", 0, error.start) + 1, "the text is not UTF-8") from error
    if len(raw) > max_bytes:
        raise _refusal(1, f"the text has {len(raw)} bytes, more than the {max_bytes} that are read")
    return source


def _refusal(line: int, message: str, path: str = "") -> YamlInvalid:
    return YamlInvalid([YamlProblem(line=line, path=path, message=message)])


class _Builder:
    """Builds data from parser events; nothing is constructed that the limits have not let through."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[YamlProblem] = []
        self.lines: dict[str, int] = {"": 1}
        self.nodes = 0

    def build(self) -> YamlDocument:
        data: Yaml = None
        try:
            events = _events(self.source)
            documents = 0
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._stop(event, "", "a second document begins; a text holds one")
                    data = self._node(next(events), events, "", 1)
        except yaml.MarkedYAMLError as error:
            self.problems.append(self._syntax_problem(error))
        except yaml.reader.ReaderError as error:
            line = self.source.count("\n", 0, error.position) + 1
            self.problems.append(YamlProblem(line=line, path="", message="a control character stands in the text"))
        if self.problems:
            raise YamlInvalid(self.problems[:MAX_PROBLEMS])
        return YamlDocument(data=data, lines=self.lines)

    def _node(self, event: Any, events: Iterator[Any], path: str, depth: int) -> Yaml:
        self.lines[path] = event.start_mark.line + 1
        self._check_node(event, path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Yaml] = []
            while not isinstance(inner := next(events), yaml.SequenceEndEvent):
                items.append(self._node(inner, events, f"{path}[{len(items)}]", depth + 1))
            return items
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path, depth)
        if isinstance(event, yaml.AliasEvent):
            return None
        return self._scalar(event, path)

    def _mapping(self, events: Iterator[Any], path: str, depth: int) -> dict[str, Yaml]:
        mapping: dict[str, Yaml] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, path, "a key is not a plain text")
            self._check_node(event, path, depth)
            key, where = event.value, join_path(path, event.value)
            line = event.start_mark.line + 1
            if key == "<<" and event.implicit[0]:
                self._report(event, path, "merge keys (<<) are not read; write the values out")
            if key in mapping:
                self._report(
                    event, where, f"the key {_shown(key)} stands here a second time, first in line {self.lines[where]}"
                )
            first_line = self.lines.get(where, line)
            mapping[key] = self._node(next(events), events, where, depth + 1)
            # A value may begin below its key: the key is where the eye looks.
            self.lines[where] = first_line
        return mapping

    def _check_node(self, event: Any, path: str, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop(event, path, f"the document has more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            self._stop(event, path, f"values are nested more than {MAX_DEPTH} deep")
        if event.anchor is not None:
            self._report(event, path, f"anchors and aliases ({_shown(event.anchor)}) are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            self._report(event, path, f"the tag {_shown(event.tag)} is not read; remove it")

    def _scalar(self, event: Any, path: str) -> Yaml:
        text = event.value
        if not event.implicit[0]:
            return str(text)
        complaint = find_complaint(text)
        if complaint:
            self._report(event, path, f"{_shown(text)} {complaint}")
            return None
        return resolve(text)

    def _report(self, event: Any, path: str, message: str) -> None:
        self.problems.append(YamlProblem(line=event.start_mark.line + 1, path=path, message=message))

    def _stop(self, event: Any, path: str, message: str) -> None:
        self._report(event, path, message)
        raise YamlInvalid(self.problems[:MAX_PROBLEMS])

    def _syntax_problem(self, error: yaml.MarkedYAMLError) -> YamlProblem:
        mark = error.problem_mark or error.context_mark
        lines = self.source.splitlines() or [""]
        # What is missing at the end is missed in a line that is not there.
        line = min(mark.line if mark else 0, len(lines) - 1)
        written = lines[line]
        if "\t" in written[: len(written) - len(written.lstrip())]:
            message = "a tab is used to indent; use spaces"
        else:
            message = error.problem or "the text is not YAML"
        return YamlProblem(line=line + 1, path="", message=message)


def _events(source: str) -> Iterator[Any]:
    loader = _LOADER(source)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _shown(text: str) -> str:
    return repr(text[:40])
