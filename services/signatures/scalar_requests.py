"""What becomes of a plain value that was sent for one type where another is declared now.

The truth is MLflow 3.17.2: `_enforce_mlflow_datatype` for DataFrames, `cast_df_types_according_to_schema` before it for
JSON. A JSON column is cast, so its numbers may change in silence; inside nested fields nothing is cast, so they may be
refused. A change is breaking if some value of the old type is refused or destroyed, risky if it is accepted but may
arrive rounded or as something else than meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from services.signatures.rules import Place
from services.signatures.values import Array, Map, Object, Scalar, Type
from services.signatures.verdicts import Effect, Judged, Judgement

_WIDER = frozenset({(Scalar.INTEGER, Scalar.LONG), (Scalar.INTEGER, Scalar.DOUBLE), (Scalar.FLOAT, Scalar.DOUBLE)})
_TEXT_AND_BYTES = frozenset({Scalar.STRING, Scalar.BINARY})
_NUMBERS = frozenset({Scalar.INTEGER, Scalar.LONG, Scalar.FLOAT, Scalar.DOUBLE})
_WHOLE = frozenset({Scalar.INTEGER, Scalar.LONG})
_ROUNDED: Mapping[tuple[Scalar, Scalar], str] = {
    (Scalar.INTEGER, Scalar.FLOAT): "whole numbers beyond 16,777,216 (2^24) are rounded in silence",
    (Scalar.LONG, Scalar.FLOAT): "whole numbers beyond 16,777,216 (2^24) are rounded in silence",
    (Scalar.LONG, Scalar.DOUBLE): "whole numbers beyond 9,007,199,254,740,992 (2^53) are rounded in silence",
    (Scalar.DOUBLE, Scalar.FLOAT): "numbers are rounded to 7 digits in silence, and become infinite beyond 3.4e38",
}
# Which JSON values reach a nested field of each type: MLflow reads them as bool, int64, float64 or text and casts
# nothing, but takes 0 and 1 for fractions.
_CARRIED_NESTED: Mapping[Scalar, frozenset[str]] = {
    Scalar.BOOLEAN: frozenset({"true or false"}),
    Scalar.INTEGER: frozenset(),
    Scalar.LONG: frozenset({"0 or 1", "whole numbers"}),
    Scalar.FLOAT: frozenset({"0 or 1"}),
    Scalar.DOUBLE: frozenset({"0 or 1", "fractions"}),
    Scalar.STRING: frozenset({"text"}),
    Scalar.BINARY: frozenset({"text"}),
    Scalar.DATETIME: frozenset(),
}
# A list is cast on arrival and then checked once more, as which its 32-bit fractions do not pass.
_CARRIED_IN_LISTS: Mapping[Scalar, frozenset[str]] = {**_CARRIED_NESTED, Scalar.FLOAT: frozenset()}


@cache
def judge_scalars(old: Scalar, new: Scalar, place: Place) -> Judged:
    """Judge requests made for `old` that now meet `new`.

    >>> judge_scalars(Scalar.LONG, Scalar.DOUBLE, Place.COLUMN).frame.effect
    <Effect.BREAKING: 'breaking'>
    """
    in_json = _judge_json_column(old, new) if place is Place.COLUMN else _judge_json_nested(old, new, place)
    return Judged(_judge_frame(old, new, place), in_json)


def judge_any(old: Type, place: Place) -> Judged:
    """Judge requests made for `old` that now meet `any`, which MLflow neither checks nor casts."""
    frame = Judgement(Effect.COMPATIBLE, "any takes every value, and MLflow no longer checks it")
    if _is_text_cast(old, place):
        return Judged(
            frame, Judgement(Effect.RISKY, "JSON text is no longer turned into bytes or times: it arrives as text")
        )
    return Judged(frame, frame)


def _is_text_cast(of: Type, place: Place) -> bool:
    """Whether MLflow turns JSON text of that type, at that place, into something else."""
    match of:
        case Scalar():
            return (of is Scalar.BINARY and place is not Place.FIELD) or (
                of is Scalar.DATETIME and place is Place.COLUMN
            )
        case Array():
            return _is_text_cast(of.items, Place.ITEM)
        case Map():
            return _is_text_cast(of.values, Place.FIELD)
        case Object():
            return any(_is_text_cast(part.type, Place.FIELD) for part in of.properties)
        case _:
            return False


def is_carried(of: Type, place: Place) -> bool:
    """Whether any JSON value passes for the type at that place; an empty list or map always does."""
    if isinstance(of, Object):
        return all(is_carried(part.type, Place.FIELD) for part in of.properties if part.is_required)
    return not isinstance(of, Scalar) or place is Place.COLUMN or bool(_carried(place)[of])


def _carried(place: Place) -> Mapping[Scalar, frozenset[str]]:
    return _CARRIED_IN_LISTS if place is Place.ITEM else _CARRIED_NESTED


def judge_never_carried(old: object) -> Judgement:
    """Judge a nested type that no JSON request could fill before."""
    return Judgement(Effect.COMPATIBLE, f"JSON could not carry a nested {old} before, so no request changes")


def _judge_frame(old: Scalar, new: Scalar, place: Place) -> Judgement:
    if (old, new) in _WIDER:
        return Judgement(Effect.COMPATIBLE, f"every {old} fits into {new}, and MLflow casts it")
    if {old, new} <= _TEXT_AND_BYTES:
        if place is Place.ITEM:
            return Judgement(Effect.BREAKING, f"a list of {old} with anything beyond ASCII is refused as {new}")
        return Judgement(
            Effect.RISKY, f"MLflow cannot tell {old} from {new} in a DataFrame: it passes, and the model gets {old}"
        )
    return Judgement(Effect.BREAKING, f"predict refuses {old} where {new} is declared")


def _judge_json_column(old: Scalar, new: Scalar) -> Judgement:
    if (old, new) in _WIDER:
        return Judgement(Effect.COMPATIBLE, f"the scoring server casts to {new} without loss")
    if (old, new) in _ROUNDED:
        return Judgement(Effect.RISKY, f"the scoring server casts to {new}: {_ROUNDED[old, new]}")
    if old is Scalar.BOOLEAN and new in _NUMBERS:
        return Judgement(Effect.RISKY, f"true and false are cast to {new} and arrive as 1 and 0")
    if old is Scalar.DATETIME and new is Scalar.STRING:
        return Judgement(Effect.RISKY, "times are no longer parsed: they arrive as the text that was sent")
    return Judgement(Effect.BREAKING, _how_json_breaks(old, new))


def _how_json_breaks(old: Scalar, new: Scalar) -> str:
    if new is Scalar.BOOLEAN:
        return f"the scoring server turns any {old} but 0 and empty text into true, in silence"
    if old in _NUMBERS and new in _WHOLE:
        lost = "fractions are cut off: 0.5 arrives as 0" if old not in _WHOLE else "2^40 arrives as 0"
        return f"the scoring server casts to {new} in silence: {lost}"
    if new is Scalar.DATETIME and old in _NUMBERS:
        return "the scoring server reads numbers as nanoseconds since 1970, in silence"
    if new is Scalar.STRING:
        carried = "base64 text undecoded" if old is Scalar.BINARY else f"a {old}, not as text"
        return f"what was sent as {old} passes, but arrives as {carried}"
    if new is Scalar.BINARY:
        return f"the scoring server decodes base64, so {old} is refused or arrives as other bytes"
    return f"the scoring server cannot read {old} as {new} and refuses the request"


def _judge_json_nested(old: Scalar, new: Scalar, place: Place) -> Judgement:
    if {old, new} <= _TEXT_AND_BYTES:
        if place is Place.ITEM and new is Scalar.BINARY:
            return Judgement(Effect.BREAKING, "a list of text with anything beyond ASCII is refused as binary")
        return Judgement(Effect.RISKY, f"inside nested fields text passes as {new} as it was sent, undecoded")
    carried = _carried(place)
    if not carried[old]:
        return judge_never_carried(old)
    if carried[old] <= carried[new]:
        return Judgement(Effect.COMPATIBLE, f"what JSON carries as a nested {old} is taken for {new} as well")
    lost = sorted(carried[old] - carried[new])
    return Judgement(
        Effect.BREAKING, f"nested values are not cast: {', '.join(lost)} are refused where {new} is declared"
    )
