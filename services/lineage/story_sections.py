"""A story laid out: the same sections, in the same order, for the page, for HTML and for Markdown.

A section holds tables, lists, text and pictures of plain text only; whoever draws it escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.clock import to_words
from services.errors import InvalidInput
from services.lineage import artifacts
from services.lineage.attachments import Attachment, AttachmentKind
from services.lineage.card_blocks import Block, BlockKind, read_blocks
from services.lineage.data_source import read_place
from services.lineage.slices import read_slices
from services.lineage.story import MetricLine, Story
from services.registry.values import ModelVersion

_LONGEST_VALUE = 500
_LONGEST_TEXT = 20_000
_TOLD_ELSEWHERE = frozenset({artifacts.MODEL_CARD, artifacts.DECISION_CONTEXT, artifacts.LINEAGE, artifacts.SLICES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG or JPEG, by its first bytes."""

    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the story; an empty one is not laid out."""

    title: str
    blocks: tuple[Block | Picture, ...]


def lay_out(story: Story) -> tuple[Section, ...]:
    """Return the sections of a story that have something to say."""
    version = story.records.version
    sections: dict[str, Sequence[Block | Picture]] = {
        "Who and what": [_facts(_identity(story))],
        "What is missing": list(_missing(story)),
        "Why": [_facts(_decision(story.records.decision))],
        "Data": [_table(("Data set", "Used for", "Digest", "Source"), _datasets(story))],
        "Code": [_facts(_code(story))],
        "Metrics": [_table(("Metric", version.reference, *_champion(story.champion), "Difference"), _metrics(story))],
        "Slices": [_slices(story.attachments)],
        "Parameters": [_table(("Parameter", "Value"), _parameters(story))],
        "Signature": [_table(("Side", "Field"), _signature(story))],
        "Promotions": [_table(("Promotion", "Asked", "Context", "Decisions"), _requests(story))],
        "What happened": [_table(("When", "Kind", "Who", "What", "Reason"), _happenings(story))],
        "Model card": list(_card(story.card)),
        "Artifacts": list(_artifacts(story.attachments)),
    }
    filled = {title: tuple(block for block in blocks if not _is_empty(block)) for title, blocks in sections.items()}
    return tuple(Section(title=title, blocks=blocks) for title, blocks in filled.items() if blocks)


def _identity(story: Story) -> Mapping[str, str]:
    records = story.records
    version, run = records.version, records.run
    return {
        "Model": version.name,
        "Version": str(version.version),
        "Description": version.description,
        "Purpose of the model": records.model.description,
        "Author": version.author or (run.author if run else ""),
        "Registered": to_words(version.created_at),
        "Stage": str(version.stage),
        "Aliases": ", ".join(version.aliases),
        "Task": records.task.replace("_", " "),
        **{rule.name: records.tags.get(rule.name, "") for rule in records.vocabulary.tags},
        "Model UUID": version.model_id or "",
        "Run": version.run_id or "",
        "Contributor": records.tags.get(artifacts.CONTRIBUTOR, ""),
    }


def _missing(story: Story) -> Iterator[Block]:
    share = f"{story.completeness.ratio:.0%} of the story is told."
    yield Block(kind=BlockKind.PARAGRAPH, text=share)
    yield _table(("Missing", "How to add it"), [(part.title, part.how_to_add) for part in story.completeness.missing])
    yield Block(kind=BlockKind.BULLETS, rows=tuple((problem,) for problem in story.problems))


def _decision(decision: Mapping[str, Any]) -> Mapping[str, str]:
    return {name.replace("_", " ").capitalize(): _one_line(value) for name, value in decision.items()}


def _datasets(story: Story) -> Iterator[Sequence[str]]:
    run = story.records.run
    for data in run.datasets if run else ():
        yield data.name, data.context, data.digest, _one_line(read_place(data.source))


def _code(story: Story) -> Mapping[str, str]:
    records, tags = story.records, story.records.tags
    known = {name.replace("_", " ").capitalize(): _one_line(value) for name, value in records.lineage.items() if value}
    parents = {relation: tags.get(relation, "") for relation in (artifacts.TUNED_FROM, artifacts.BASELINE)}
    return {
        "Git commit": tags.get(artifacts.GIT_COMMIT) or tags.get(artifacts.MLFLOW_COMMIT, ""),
        "Git branch": tags.get(artifacts.GIT_BRANCH) or tags.get(artifacts.MLFLOW_BRANCH, ""),
        "Code paths": tags.get(artifacts.CODE_PATHS, ""),
        "Tuned from": parents[artifacts.TUNED_FROM],
        "Baseline": parents[artifacts.BASELINE],
        **{name: text for name, text in known.items() if name != "Parents"},
    }


def _champion(champion: ModelVersion | None) -> tuple[str]:
    return (f"Champion {champion.reference}" if champion else "Champion",)


def _metrics(story: Story) -> Iterator[Sequence[str]]:
    for line in story.metrics:
        name = line.canonical or line.name
        logged = f"{name} (logged as {line.name})" if name != line.name else name
        yield logged, f"{line.value:.6g}", "" if line.champion is None else f"{line.champion:.6g}", _difference(line)


def _difference(line: MetricLine) -> str:
    if line.difference is None:
        return ""
    verdict = {True: " better", False: " worse", None: ""}[line.is_better]
    return f"{line.difference:+.6g}{verdict}"


def _slices(attachments: Sequence[Attachment]) -> Block:
    """Return a table with a row a slice and a column a metric."""
    found = next((each for each in attachments if each.path == artifacts.SLICES and each.text), None)
    try:
        parts = read_slices(found.text.encode()) if found else ()
    except InvalidInput as error:
        return Block(kind=BlockKind.PARAGRAPH, text=error.message)
    names = list(dict.fromkeys(name for part in parts for name in part.metrics))
    rows = [
        (
            f"{part.column} = {part.value}",
            f"{part.rows:,}",
            *(f"{part.metrics[name]:.4g}" if name in part.metrics else "undefined" for name in names),
        )
        for part in parts
    ]
    return _table(("Slice", "Rows", *names), rows)


def _parameters(story: Story) -> list[Sequence[str]]:
    records = story.records
    params = {**(records.logged.params if records.logged else {}), **(records.run.params if records.run else {})}
    return [(name, _one_line(value)) for name, value in sorted(params.items())]


def _signature(story: Story) -> Iterator[Sequence[str]]:
    for side, lines in story.signature.by_side.items():
        for line in lines:
            yield side, line


def _happenings(story: Story) -> list[Sequence[str]]:
    return [(to_words(each.at), each.kind.value, each.actor, each.what, each.reason) for each in story.happenings]


def _requests(story: Story) -> Iterator[Sequence[str]]:
    for each in story.requests:
        context = {
            "Improvement": each.improvements,
            "Risks": each.risks,
            "Business context": each.context,
            "Deployment plan": each.plan,
        }
        told = " ".join(f"{name}: {text}" for name, text in context.items() if text)
        asked = f"{each.requester}: {each.reason}"
        yield f"{each.id} to {each.stage}, {each.state.replace('_', ' ')}", asked, told, " ".join(each.decisions)


def _card(card: str) -> tuple[Block, ...]:
    return read_blocks(card[:_LONGEST_TEXT])


def _artifacts(attachments: Sequence[Attachment]) -> Iterator[Block | Picture]:
    for each in attachments:
        if each.path in _TOLD_ELSEWHERE:
            continue
        yield Block(kind=BlockKind.HEADING, text=each.path, level=3)
        if each.kind is AttachmentKind.PICTURE:
            yield Picture(title=each.path, media_type=each.media_type, content=each.content)
        elif each.kind is AttachmentKind.TABLE:
            yield Block(kind=BlockKind.TABLE, rows=each.rows)
        elif each.kind is AttachmentKind.TEXT:
            yield Block(kind=BlockKind.CODE, text=each.text[:_LONGEST_TEXT])
        note = each.note or (f"Cut after {_LONGEST_TEXT:,} characters." if len(each.text) > _LONGEST_TEXT else "")
        yield Block(kind=BlockKind.PARAGRAPH, text=note)


def _facts(facts: Mapping[str, str]) -> Block:
    return _table(("", ""), [(name, text) for name, text in facts.items() if text])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Block:
    return Block(kind=BlockKind.TABLE, rows=(tuple(header), *(tuple(row) for row in rows)))


def _is_empty(block: Block | Picture) -> bool:
    if isinstance(block, Picture):
        return False
    if block.kind is BlockKind.TABLE:
        return len(block.rows) <= 1
    return not block.text and not block.rows


def _one_line(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"
