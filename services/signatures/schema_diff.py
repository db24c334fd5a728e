"""The differences between two signatures, side by side, judged for one direction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from services.signatures.answer_rules import AnswerRules
from services.signatures.param_rules import diff_params
from services.signatures.request_rules import RequestRules
from services.signatures.rules import Place, Rules, shown
from services.signatures.type_diff import diff_requirement, diff_types
from services.signatures.values import Column, Columns, Schema, Signature, Tensor, Tensors, column_by_label
from services.signatures.verdicts import Change, ChangeKind, Judged, Side

WHOLE_SIDE = "*"

_INPUTS = RequestRules(Side.INPUTS)
_OUTPUTS = AnswerRules()
_PARAMS = RequestRules(Side.PARAMS)


def diff_signatures(old: Signature, new: Signature) -> list[Change]:
    """Return the changes from `old` to `new`, judged for those who call, and read, the old model today.

    A side that one of the two does not declare is left out.
    """
    return [
        *_diff_schemas(_INPUTS, old.inputs, new.inputs),
        *_diff_schemas(_OUTPUTS, old.outputs, new.outputs),
        *diff_params(_PARAMS, old.params or (), new.params or ()),
    ]


def diff_order(old: Signature, new: Signature) -> list[Change]:
    """Return the named columns that moved among the others: the fewest whose moving explains the new order."""
    return [*_moves(_INPUTS, old.inputs, new.inputs), *_moves(_OUTPUTS, old.outputs, new.outputs)]


def _diff_schemas(rules: Rules, old: Schema | None, new: Schema | None) -> Iterator[Change]:
    match old, new:
        case Columns(), Columns() if old.is_named != new.is_named:
            labels = [f"{'named' if schema.is_named else 'unnamed'} columns" for schema in (old, new)]
            yield _whole(rules, labels[0], labels[1], rules.relabelled(old, new))
        case Columns(), Columns():
            yield from _diff_columns(rules, old, new)
        case Tensors(), Tensors():
            yield from _diff_tensors(rules, old, new)
        case Columns(), Tensors():
            yield _whole(rules, "columns", "tensors", rules.to_tensors(old, new))
        case Tensors(), Columns():
            yield _whole(rules, "tensors", "columns", rules.to_columns(old, new))


def _whole(rules: Rules, before: str, after: str, judged: Judged) -> Change:
    return Change(side=rules.side, path=WHOLE_SIDE, kind=ChangeKind.RESHAPED, before=before, after=after, judged=judged)


def _diff_columns(rules: Rules, old: Columns, new: Columns) -> Iterator[Change]:
    was, now = column_by_label(old), column_by_label(new)
    for key, before in was.items():
        after = now.get(key)
        if after is None:
            judged = rules.removed(Place.COLUMN, is_named=old.is_named)
            yield Change(
                side=rules.side,
                path=str(key),
                kind=ChangeKind.REMOVED,
                before=shown(before.type),
                after=None,
                judged=judged,
            )
        elif before is not after and before != after:
            yield from diff_requirement(rules, str(key), was_required=before.is_required, is_required=after.is_required)
            nullable = not after.is_required
            yield from diff_types(rules, str(key), before.type, after.type, Place.COLUMN, is_nullable=nullable)
    for key, after in now.items():
        if key not in was:
            judged = rules.added(Place.COLUMN, is_required=after.is_required, is_named=new.is_named)
            yield Change(
                side=rules.side,
                path=str(key),
                kind=ChangeKind.ADDED,
                before=None,
                after=shown(after.type),
                judged=judged,
            )


def _diff_tensors(rules: Rules, old: Tensors, new: Tensors) -> Iterator[Change]:
    if old.is_named != new.is_named:
        labels = [f"{'named' if schema.is_named else 'unnamed'} tensors" for schema in (old, new)]
        yield _whole(rules, labels[0], labels[1], rules.renamed_tensors(old, new))
        if len(old.tensors) == len(new.tensors) == 1:
            name = new.tensors[0].name if new.is_named else old.tensors[0].name
            yield from _diff_tensor(rules, str(name), old.tensors[0], new.tensors[0])
        return
    was = {tensor.name or 0: tensor for tensor in old.tensors}
    now = {tensor.name or 0: tensor for tensor in new.tensors}
    for key, before in was.items():
        after = now.get(key)
        if after is None:
            judged = rules.removed(Place.COLUMN, is_named=True)
            yield Change(
                side=rules.side, path=str(key), kind=ChangeKind.REMOVED, before=str(before), after=None, judged=judged
            )
        else:
            yield from _diff_tensor(rules, str(key), before, after)
    for key, after in now.items():
        if key not in was:
            judged = rules.added(Place.COLUMN, is_required=True, is_named=True)
            yield Change(
                side=rules.side, path=str(key), kind=ChangeKind.ADDED, before=None, after=str(after), judged=judged
            )


def _diff_tensor(rules: Rules, path: str, old: Tensor, new: Tensor) -> Iterator[Change]:
    if old.dtype != new.dtype:
        yield Change(
            side=rules.side,
            path=path,
            kind=ChangeKind.RETYPED,
            before=old.dtype,
            after=new.dtype,
            judged=rules.tensor_dtypes(old, new),
        )
    if old.shape != new.shape:
        yield Change(
            side=rules.side,
            path=path,
            kind=ChangeKind.RESHAPED,
            before=list(old.shape),
            after=list(new.shape),
            judged=rules.tensor_shapes(old, new),
        )


def _moves(rules: Rules, old: Schema | None, new: Schema | None) -> Iterator[Change]:
    was, now = _positions(old), _positions(new)
    common = [name for name in was if name in now]
    order = [now[name] for name in common]
    kept = set(order if order == sorted(order) else _longest_run(order))
    for name in common:
        if now[name] not in kept:
            yield Change(
                side=rules.side,
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
