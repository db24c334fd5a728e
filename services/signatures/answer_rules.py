"""What a change does to those who read the model's answers: will they find what the old outputs promised?

MLflow never enforces outputs, so the rule is ours (docs/decisions/signature-verdicts.md): an answer that is gone, or of
another kind, breaks its readers; one that is wider, narrower in precision, or may be null is risky.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.signatures.rules import Place, shown
from services.signatures.tensor_dtypes import scalar_of
from services.signatures.values import AnyType, Columns, Scalar, Tensor, Tensors, Type
from services.signatures.verdicts import Effect, Judged, Judgement, Side, both

_WHOLE = frozenset({Scalar.INTEGER, Scalar.LONG})
_FRACTIONS = frozenset({Scalar.FLOAT, Scalar.DOUBLE})
_NUMBERS: Mapping[tuple[Scalar, Scalar], tuple[Effect, Effect, str]] = {
    (Scalar.INTEGER, Scalar.LONG): (Effect.RISKY, Effect.RISKY, "answers may be larger than 32 bits hold"),
    (Scalar.LONG, Scalar.INTEGER): (Effect.COMPATIBLE, Effect.COMPATIBLE, "every answer fits where it did before"),
    (Scalar.FLOAT, Scalar.DOUBLE): (
        Effect.RISKY,
        Effect.COMPATIBLE,
        "answers have more digits than 32-bit readers hold",
    ),
    (Scalar.DOUBLE, Scalar.FLOAT): (Effect.RISKY, Effect.RISKY, "answers are rounded to 7 digits"),
}
_ADDED = both(Effect.COMPATIBLE, "readers find what they look for by name, and more beside it")
_ADDED_BY_POSITION = both(Effect.BREAKING, "each answer has more values than its readers take apart by position")
_REMOVED = both(Effect.BREAKING, "readers no longer find it in the answer")


class AnswerRules:
    """Rules for outputs."""

    side = Side.OUTPUTS

    def added(self, place: Place, *, is_required: bool, is_named: bool) -> Judged:
        return _ADDED if is_named or place is not Place.COLUMN else _ADDED_BY_POSITION

    def removed(self, place: Place, *, is_named: bool) -> Judged:
        return _REMOVED

    def made_required(self) -> Judged:
        return both(Effect.COMPATIBLE, "it is always in the answer now")

    def made_optional(self) -> Judged:
        return both(Effect.RISKY, "readers may meet an answer without it, or null")

    def reordered(self) -> Judged:
        return both(Effect.COMPATIBLE, "readers find it by name; those who count positions find another")

    def scalars(self, old: Scalar, new: Scalar, place: Place) -> Judged:
        if (old, new) in _NUMBERS:
            frame, in_json, reason = _NUMBERS[old, new]
            return Judged(Judgement(frame, reason), Judgement(in_json, reason))
        if old in _WHOLE and new in _FRACTIONS:
            return both(Effect.BREAKING, "readers of whole numbers, such as class labels, meet fractions")
        if old in _FRACTIONS and new in _WHOLE:
            return both(Effect.RISKY, "readers of scores meet whole numbers, such as class labels")
        return both(Effect.BREAKING, f"readers of {old} meet {new}")

    def structures(self, old: Type, new: Type, place: Place, *, is_nullable: bool) -> Judged:
        if isinstance(old, AnyType):
            return both(Effect.COMPATIBLE, "nothing was promised of its type")
        if isinstance(new, AnyType):
            return both(Effect.RISKY, f"nothing is promised of its type any more, where it was {shown(old)}")
        return both(Effect.BREAKING, f"readers of {shown(old)} meet {shown(new)}")

    def relabelled(self, old: Columns, new: Columns) -> Judged:
        how = "names" if old.is_named else "positions"
        return both(Effect.BREAKING, f"readers find answers by {how}, which are gone")

    def to_tensors(self, old: Columns, new: Tensors) -> Judged:
        column, tensor = old.columns[0], new.tensors[0]
        is_flat = len(old.columns) == 1 and column.name is None and tensor.name is None and len(tensor.shape) == 1
        return self._table_and_array(column.type, tensor, is_same_values=is_flat)

    def to_columns(self, old: Tensors, new: Columns) -> Judged:
        column, tensor = new.columns[0], old.tensors[0]
        is_flat = len(new.columns) == 1 and column.name is None and tensor.name is None and len(tensor.shape) == 1
        return self._table_and_array(column.type, tensor, is_same_values=is_flat)

    def _table_and_array(self, of: Type, tensor: Tensor, *, is_same_values: bool) -> Judged:
        if is_same_values and of == scalar_of(tensor.dtype):
            return both(Effect.RISKY, "the same values, declared once as a column and once as an array")
        return both(Effect.BREAKING, "readers of a table meet arrays, or the other way round")

    def renamed_tensors(self, old: Tensors, new: Tensors) -> Judged:
        return both(Effect.BREAKING, "readers of one array meet a mapping of arrays, or the other way round")

    def tensor_dtypes(self, old: Tensor, new: Tensor) -> Judged:
        before, after = scalar_of(old.dtype), scalar_of(new.dtype)
        if before is None or after is None:
            return both(Effect.BREAKING, f"readers of {old.dtype} meet {new.dtype}")
        if before is after:
            return both(Effect.RISKY, f"readers of {old.dtype} meet the finer or coarser {new.dtype}")
        return self.scalars(before, after, Place.COLUMN)

    def tensor_shapes(self, old: Tensor, new: Tensor) -> Judged:
        if len(old.shape) != len(new.shape):
            return both(Effect.BREAKING, "answers have another number of dimensions")
        pairs = list(zip(old.shape, new.shape, strict=True))
        if any(after not in {before, -1} and before != -1 for before, after in pairs):
            return both(Effect.BREAKING, "answers have another length")
        if any(before != -1 and after == -1 for before, after in pairs):
            return both(Effect.RISKY, "a length that was fixed is free now")
        return both(Effect.COMPATIBLE, "a length that was free is fixed now")
