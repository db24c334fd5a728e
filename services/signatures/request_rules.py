"""What a change does to those who send requests: will the new schema take, and keep, what the old one took.

The truth is MLflow 3.17.2's `_enforce_schema` and its scoring server. Columns that a schema does not declare are
outside the verdict: a caller may have sent anything under such a name.
"""

from __future__ import annotations

from itertools import product

from services.signatures.rules import Place, shown
from services.signatures.scalar_requests import is_carried, judge_any, judge_never_carried, judge_scalars
from services.signatures.tensor_dtypes import judge_json_cast
from services.signatures.type_diff import diff_types
from services.signatures.values import AnyType, Columns, Map, Object, Scalar, Tensor, Tensors, Type
from services.signatures.verdicts import Effect, Judged, Judgement, Side, both, worse_of_both

_OPTIONAL_ADDED = both(Effect.COMPATIBLE, "it is optional, so requests without it pass")
_ADDED = both(Effect.BREAKING, "it is required, and requests made so far do not hold it")
_ADDED_BY_POSITION = both(Effect.BREAKING, "requests have fewer columns than the model now declares")
_REMOVED = both(Effect.COMPATIBLE, "MLflow ignores an undeclared column, with a warning in its log")
_REMOVED_BY_POSITION = both(Effect.COMPATIBLE, "MLflow ignores columns beyond the declared ones")
_PROPERTY_REMOVED = both(Effect.BREAKING, "inside an object, MLflow refuses what is not declared")
_OBJECT_TAKERS = frozenset({Scalar.STRING, Scalar.BINARY, Scalar.BOOLEAN})


class RequestRules:
    """Rules for inputs and params."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def added(self, place: Place, *, is_required: bool, is_named: bool) -> Judged:
        if not is_required:
            return _OPTIONAL_ADDED
        return _ADDED if is_named or place is not Place.COLUMN else _ADDED_BY_POSITION

    def removed(self, place: Place, *, is_named: bool) -> Judged:
        if place is not Place.COLUMN:
            return _PROPERTY_REMOVED
        return _REMOVED if is_named else _REMOVED_BY_POSITION

    def made_required(self) -> Judged:
        return both(Effect.BREAKING, "requests that leave it out are refused now")

    def made_optional(self) -> Judged:
        return both(Effect.COMPATIBLE, "requests that hold it pass as before")

    def reordered(self) -> Judged:
        return both(Effect.COMPATIBLE, "it is found by its name: MLflow puts columns into the declared order")

    def scalars(self, old: Scalar, new: Scalar, place: Place) -> Judged:
        return judge_scalars(old, new, place)

    def structures(self, old: Type, new: Type, place: Place, *, is_nullable: bool) -> Judged:
        if isinstance(new, AnyType):
            return judge_any(old, place)
        if isinstance(old, Object) and isinstance(new, Map):
            judged = self._object_to_map(old, new, is_nullable=is_nullable)
        elif isinstance(new, Scalar) and not isinstance(old, Scalar | AnyType):
            judged = self._structure_to_scalar(old, new, place)
        else:
            judged = both(Effect.BREAKING, f"MLflow refuses {shown(old)} where {shown(new)} is declared")
        return judged if is_carried(old, place) else Judged(judged.frame, judge_never_carried(shown(old)))

    def _structure_to_scalar(self, old: Type, new: Scalar, place: Place) -> Judged:
        in_json = Judgement(Effect.BREAKING, f"{shown(old)} is refused as {new}, or arrives as what it is not")
        passes = place is Place.COLUMN or (place is Place.ITEM and isinstance(old, Object | Map))
        if passes and new in _OBJECT_TAKERS:
            reason = f"MLflow cannot tell it from {new} in a DataFrame: it passes, and the model gets {shown(old)}"
            return Judged(Judgement(Effect.RISKY, reason), in_json)
        return both(Effect.BREAKING, f"MLflow refuses {shown(old)} where {new} is declared")

    def _object_to_map(self, old: Object, new: Map, *, is_nullable: bool) -> Judged:
        judged = both(Effect.COMPATIBLE, "a map takes every key, and its values take those of each property")
        for part in old.properties:
            judged = worse_of_both(
                judged, self._judge_inside(part.type, new.values, Place.FIELD, is_nullable=is_nullable)
            )
            if not (part.is_required or is_nullable or isinstance(new.values, AnyType)):
                judged = both(Effect.BREAKING, f"{part.name} may be null, which the map refuses")
        return judged

    def _judge_inside(self, old: Type, new: Type, place: Place, *, is_nullable: bool) -> Judged:
        judged = both(Effect.COMPATIBLE, "it is the same type")
        for difference in diff_types(self, "", old, new, place, is_nullable=is_nullable):
            judged = worse_of_both(judged, difference.judged)
        return judged

    def relabelled(self, old: Columns, new: Columns) -> Judged:
        if not old.is_named:
            return both(Effect.BREAKING, "columns are found by name now, and requests do not name them")
        if len(new.columns) > sum(column.is_required for column in old.columns):
            return both(Effect.BREAKING, "requests may have fewer columns than the model now declares")
        judged = both(Effect.RISKY, "columns are taken by position now: one that a caller sends elsewhere lands wrong")
        pairs = product({column.type for column in old.columns}, {column.type for column in new.columns})
        for before, after in pairs:
            judged = worse_of_both(judged, self._judge_inside(before, after, Place.COLUMN, is_nullable=False))
            if judged.frame.effect is judged.json.effect is Effect.BREAKING:
                break
        return judged

    def to_tensors(self, old: Columns, new: Tensors) -> Judged:
        return both(
            Effect.BREAKING, "arrays are demanded now; a table passes only with luck in order, index and dtypes"
        )

    def to_columns(self, old: Tensors, new: Columns) -> Judged:
        # Needs pandas, which hardly any comparison has to pay for.
        from services.signatures.counter_examples import find_refused_array

        refusal = find_refused_array(old, new)
        if refusal:
            return both(Effect.BREAKING, refusal)
        return both(Effect.RISKY, "arrays pass as columns, but what a tensor casts is no longer cast")

    def renamed_tensors(self, old: Tensors, new: Tensors) -> Judged:
        if old.is_named:
            return both(Effect.BREAKING, "one array is demanded now, and requests hold a mapping of arrays")
        if len(new.tensors) > 1:
            return both(Effect.BREAKING, "a mapping of several arrays is demanded now, and requests hold one array")
        return both(Effect.RISKY, "one array still passes, but a DataFrame must name its column now")

    def tensor_dtypes(self, old: Tensor, new: Tensor) -> Judged:
        in_json = judge_json_cast(old.dtype, new.dtype)
        if _takes_everything(new):
            return both(Effect.RISKY, "arrays of every dtype and shape pass now; tables may not")
        return Judged(
            Judgement(Effect.BREAKING, f"an array of {old.dtype} is refused; the dtype must be exact"), in_json
        )

    def tensor_shapes(self, old: Tensor, new: Tensor) -> Judged:
        if _takes_everything(new):
            return both(Effect.RISKY, "arrays of every dtype and shape pass now; tables may not")
        if len(old.shape) != len(new.shape) or _takes_everything(old):
            return both(Effect.BREAKING, "arrays with another number of dimensions are refused")
        if any(after not in {-1, before} for before, after in zip(old.shape, new.shape, strict=True)):
            return both(
                Effect.BREAKING, "a length that was free or different is fixed now, so other arrays are refused"
            )
        widened = Judgement(Effect.COMPATIBLE, "-1 takes every length, the one so far among them")
        if _takes_tables(old) and -1 in new.shape[1:]:
            reason = "arrays pass, but a DataFrame is refused once an inner length is free"
            return Judged(Judgement(Effect.RISKY, reason), widened)
        return Judged(widened, widened)


def _takes_everything(tensor: Tensor) -> bool:
    """Whether MLflow passes every array, whatever its dtype and shape: its special case for ragged lists."""
    return tensor.dtype == "object" and tensor.shape == (-1,)


def _takes_tables(tensor: Tensor) -> bool:
    return bool(tensor.shape) and tensor.shape[0] == -1 and -1 not in tensor.shape[1:]
