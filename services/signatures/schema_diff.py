"""The differences between two signatures, side by side, judged for one direction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from services.signatures.answer_rules import AnswerRules
from services.signatures.param_rules import diff_params
from services.signatures.request_rules import RequestRules
from services.signatures.rules import Place, Rules, shown
from services.signatures.type_diff import Difference, diff_requirement, diff_types
from services.signatures.values import Column, Columns, Schema, Signature, Tensor, Tensors
from services.signatures.verdicts import Change, ChangeKind, Judged, Side

WHOLE_SIDE = "*"

_REQUESTS = RequestRules()
_ANSWERS = AnswerRules()


def diff_signatures(old: Signature, new: Signature) -> list[Change]:
    """Return the changes from `old` to `new`, judged for those who call, and read, the old model today.

    A side that one of the two does not declare is left out.
    """
    changes = [
        *_on(Side.INPUTS, _diff_schemas(_REQUESTS, old.inputs, new.inputs)),
        *_on(Side.OUTPUTS, _diff_schemas(_ANSWERS, old.outputs, new.outputs)),
    ]
    changes.extend(_on(Side.PARAMS, diff_params(_REQUESTS, old.params or (), new.params or ())))
    return changes


def diff_order(old: Signature, new: Signature) -> list[Change]:
    """Return the named columns that moved among the others: the fewest whose moving explains the new order."""
    changes: list[Change] = []
    for side, before, after, rules in (
        (Side.INPUTS, old.inputs, new.inputs, _REQUESTS),
        (Side.OUTPUTS, old.outputs, new.outputs, _ANSWERS),
    ):
        changes.extend(_on(side, _moves(rules, before, after)))
    return changes


def _on(side: Side, differences: Iterator[Difference]) -> Iterator[Change]:
    for difference in differences:
        yield Change(
            side=side,
            path=difference.path,
            kind=difference.kind,
            before=difference.before,
            after=difference.after,
            judged=difference.judged,
        )


def _diff_schemas(rules: Rules, old: Schema | None, new: Schema | None) -> Iterator[Difference]:
    match old, new:
        case Columns(), Columns() if old.is_named != new.is_named:
            labels = [f"{'named' if schema.is_named else 'unnamed'} columns" for schema in (old, new)]
            yield _whole(labels[0], labels[1], rules.relabelled(old, new))
        case Columns(), Columns():
            yield from _diff_columns(rules, old, new)
        case Tensors(), Tensors():
            yield from _diff_tensors(rules, old, new)
        case Columns(), Tensors():
            yield _whole("columns", "tensors", rules.to_tensors(old, new))
        case Tensors(), Columns():
            yield _whole("tensors", "columns", rules.to_columns(old, new))


def _whole(before: str, after: str, judged: Judged) -> Difference:
    return Difference(path=WHOLE_SIDE, kind=ChangeKind.RESHAPED, before=before, after=after, judged=judged)


def _diff_columns(rules: Rules, old: Columns, new: Columns) -> Iterator[Difference]:
    was = {_key(column, index): column for index, column in enumerate(old.columns)}
    now = {_key(column, index): column for index, column in enumerate(new.columns)}
    for key, before in was.items():
        after = now.get(key)
        if after is None:
            judged = rules.removed(Place.COLUMN, is_named=old.is_named)
            yield Difference(
                path=str(key), kind=ChangeKind.REMOVED, before=shown(before.type), after=None, judged=judged
            )
        elif before is not after and before != after:
            yield from diff_requirement(rules, str(key), was_required=before.is_required, is_required=after.is_required)
            nullable = not after.is_required
            yield from diff_types(rules, str(key), before.type, after.type, Place.COLUMN, is_nullable=nullable)
    for key, after in now.items():
        if key not in was:
            judged = rules.added(Place.COLUMN, is_required=after.is_required, is_named=new.is_named)
            yield Difference(path=str(key), kind=ChangeKind.ADDED, before=None, after=shown(after.type), judged=judged)


def _key(part: Column | Tensor, index: int) -> str | int:
    return index if part.name is None else part.name


def _diff_tensors(rules: Rules, old: Tensors, new: Tensors) -> Iterator[Difference]:
    if old.is_named != new.is_named:
        labels = [f"{'named' if schema.is_named else 'unnamed'} tensors" for schema in (old, new)]
        yield _whole(labels[0], labels[1], rules.renamed_tensors(old, new))
        if len(old.tensors) == len(new.tensors) == 1:
            name = new.tensors[0].name if new.is_named else old.tensors[0].name
            yield from _diff_tensor(rules, str(name), old.tensors[0], new.tensors[0])
        return
    was = {_key(tensor, 0): tensor for tensor in old.tensors}
    now = {_key(tensor, 0): tensor for tensor in new.tensors}
    for key, before in was.items():
        after = now.get(key)
        if after is None:
            judged = rules.removed(Place.COLUMN, is_named=True)
            yield Difference(path=str(key), kind=ChangeKind.REMOVED, before=str(before), after=None, judged=judged)
        else:
            yield from _diff_tensor(rules, str(key), before, after)
    for key, after in now.items():
        if key not in was:
            judged = rules.added(Place.COLUMN, is_required=True, is_named=True)
            yield Difference(path=str(key), kind=ChangeKind.ADDED, before=None, after=str(after), judged=judged)


def _diff_tensor(rules: Rules, path: str, old: Tensor, new: Tensor) -> Iterator[Difference]:
    if old.dtype != new.dtype:
        yield Difference(
            path=path,
            kind=ChangeKind.RETYPED,
            before=old.dtype,
            after=new.dtype,
            judged=rules.tensor_dtypes(old, new),
        )
    if old.shape != new.shape:
        yield Difference(
            path=path,
            kind=ChangeKind.RESHAPED,
            before=list(old.shape),
            after=list(new.shape),
            judged=rules.tensor_shapes(old, new),
        )


def _moves(rules: Rules, old: Schema | None, new: Schema | None) -> Iterator[Difference]:
    was, now = _positions(old), _positions(new)
    common = [name for name in was if name in now]
    kept = set(_longest_run([now[name] for name in common]))
    for name in common:
        if now[name] not in kept:
            yield Difference(
                path=str(name),
                kind=ChangeKind.REORDERED,
                before=was[name],
                after=now[name],
                judged=rules.reordered(),
            )


def _positions(schema: Schema | None) -> dict[str | int, int]:
    if schema is None or not schema.is_named:
        return {}
    parts: Sequence[Column | Tensor] = schema.columns if isinstance(schema, Columns) else schema.tensors
    return {part.name: index for index, part in enumerate(parts) if part.name is not None}


def _longest_run(numbers: Sequence[int]) -> list[int]:
    """Return a longest rising subsequence (patience sorting, n log n)."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        at = bisect_left(tails, number)
        before[number] = tails[at - 1] if at else None
        tails[at : at + 1] = [number]
    run: list[int] = []
    last = tails[-1] if tails else None
    while last is not None:
        run.append(last)
        last = before[last]
    return run
