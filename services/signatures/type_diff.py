"""The walk through two nested types side by side: one difference for each place where they part."""

from __future__ import annotations

from collections.abc import Iterator

from services.signatures.rules import Place, Rules, shown
from services.signatures.values import Array, Map, Object, Scalar, Type
from services.signatures.verdicts import Change, ChangeKind, Effect, both


def diff_types(rules: Rules, path: str, old: Type, new: Type, place: Place, *, is_nullable: bool) -> Iterator[Change]:
    """Yield the differences between two types that stand at `path`.

    Args:
        is_nullable: whether what holds the new type is optional, so that MLflow lets null pass inside it.
    """
    if old is new or old == new:
        return
    if isinstance(old, Array) and isinstance(new, Array):
        if old.is_vector != new.is_vector:
            judged = both(Effect.COMPATIBLE, "a Spark vector is enforced as a list of doubles")
            yield Change(
                side=rules.side, path=path, kind=ChangeKind.RETYPED, before=shown(old), after=shown(new), judged=judged
            )
        yield from diff_types(rules, f"{path}[]", old.items, new.items, Place.ITEM, is_nullable=is_nullable)
    elif isinstance(old, Map) and isinstance(new, Map):
        yield from diff_types(rules, f"{path}{{}}", old.values, new.values, Place.FIELD, is_nullable=is_nullable)
    elif isinstance(old, Object) and isinstance(new, Object):
        yield from _diff_objects(rules, path, old, new)
    else:
        if isinstance(old, Scalar) and isinstance(new, Scalar):
            judged = rules.scalars(old, new, place)
        else:
            judged = rules.structures(old, new, place, is_nullable=is_nullable)
        yield Change(
            side=rules.side, path=path, kind=ChangeKind.RETYPED, before=shown(old), after=shown(new), judged=judged
        )


def diff_requirement(rules: Rules, path: str, *, was_required: bool, is_required: bool) -> Iterator[Change]:
    """Yield the difference between a column or property that must be there and one that may be left out."""
    if was_required == is_required:
        return
    before, after = ("required", "optional") if was_required else ("optional", "required")
    kind = ChangeKind.MADE_OPTIONAL if was_required else ChangeKind.MADE_REQUIRED
    judged = rules.made_optional() if was_required else rules.made_required()
    yield Change(side=rules.side, path=path, kind=kind, before=before, after=after, judged=judged)


def _diff_objects(rules: Rules, path: str, old: Object, new: Object) -> Iterator[Change]:
    was = {part.name: part for part in old.properties}
    now = {part.name: part for part in new.properties}
    for name in sorted(was.keys() | now.keys()):
        before, after, inner = was.get(name), now.get(name), f"{path}.{name}"
        if before is None and after is not None:
            judged = rules.added(Place.FIELD, is_required=after.is_required, is_named=True)
            yield Change(
                side=rules.side, path=inner, kind=ChangeKind.ADDED, before=None, after=shown(after.type), judged=judged
            )
        elif before is not None and after is None:
            judged = rules.removed(Place.FIELD, is_named=True)
            yield Change(
                side=rules.side,
                path=inner,
                kind=ChangeKind.REMOVED,
                before=shown(before.type),
                after=None,
                judged=judged,
            )
        elif before is not None and after is not None:
            yield from diff_requirement(rules, inner, was_required=before.is_required, is_required=after.is_required)
            nullable = not after.is_required
            yield from diff_types(rules, inner, before.type, after.type, Place.FIELD, is_nullable=nullable)
