"""The differences between the params of two signatures, judged for those who give them to `predict`.

MLflow ignores a param that is not declared, with a warning, and fills the default where one is not given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from services.signatures.param_values import ACCEPTED, accepted_in_json
from services.signatures.rules import Place, Rules, shown
from services.signatures.type_diff import diff_types
from services.signatures.values import Object, Param, Scalar
from services.signatures.verdicts import Change, ChangeKind, Effect, Judged, Judgement, both, finite


def diff_params(rules: Rules, old: Sequence[Param], new: Sequence[Param]) -> Iterator[Change]:
    """Yield the changes of params; their order means nothing."""
    was = {param.name: param for param in old}
    now = {param.name: param for param in new}
    for name, before in was.items():
        after = now.get(name)
        if after is None:
            judged = both(Effect.RISKY, "MLflow ignores it now, and callers who give it get another answer")
            yield Change(
                side=rules.side, path=name, kind=ChangeKind.REMOVED, before=str(before), after=None, judged=judged
            )
        else:
            yield from _diff_param(rules, before, after)
    for name, after in now.items():
        if name not in was:
            judged = both(Effect.COMPATIBLE, "its default applies where callers do not give it")
            yield Change(
                side=rules.side, path=name, kind=ChangeKind.ADDED, before=None, after=shown(after), judged=judged
            )


def _diff_param(rules: Rules, old: Param, new: Param) -> Iterator[Change]:
    if old.is_list != new.is_list:
        one, other = ("a list", "one value") if old.is_list else ("one value", "a list")
        judged = both(Effect.BREAKING, f"callers give {one} where {other} is demanded now")
        yield Change(
            side=rules.side, path=old.name, kind=ChangeKind.RESHAPED, before=shown(old), after=shown(new), judged=judged
        )
    if isinstance(old.type, Object) and isinstance(new.type, Object):
        yield from diff_types(rules, old.name, old.type, new.type, Place.FIELD, is_nullable=False)
    elif old.type != new.type:
        judged = _judge_types(old.type, new.type)
        yield Change(
            side=rules.side,
            path=old.name,
            kind=ChangeKind.RETYPED,
            before=shown(old.type),
            after=shown(new.type),
            judged=judged,
        )
    if _default(old) != _default(new):
        judged = both(Effect.RISKY, "callers who rely on the default get another answer")
        yield Change(
            side=rules.side,
            path=old.name,
            kind=ChangeKind.DEFAULT_CHANGED,
            before=finite(old.default),
            after=finite(new.default),
            judged=judged,
        )


def _judge_types(old: Scalar | Object, new: Scalar | Object) -> Judged:
    if isinstance(old, Object) or isinstance(new, Object):
        return both(Effect.BREAKING, f"MLflow refuses {shown(old)} where {shown(new)} is declared")
    refusal = Judgement(Effect.BREAKING, f"MLflow refuses {old} where {new} is declared")
    taken = Judgement(Effect.COMPATIBLE, f"every {old} is taken for {new}")
    frame = taken if ACCEPTED[old] <= ACCEPTED[new] else refusal
    if old is Scalar.DATETIME and new is Scalar.STRING:
        return Judged(frame, Judgement(Effect.RISKY, "times arrive as the text that was sent"))
    return Judged(frame, taken if accepted_in_json(old) <= accepted_in_json(new) else refusal)


def _default(param: Param) -> str:
    """Return the default such that 1 and 1.0 are the same number, and true is not."""
    default = param.default
    if isinstance(default, int) and not isinstance(default, bool) and param.type in {Scalar.FLOAT, Scalar.DOUBLE}:
        default = float(default)
    return json.dumps(default, sort_keys=True)
