"""Comparing two signatures: may the new model stand where the old one stands?

Laws: comparing a readable signature with itself is identical; backward(a, b) and forward(b, a) have the same verdict.
A signature that is missing, unreadable or silent on its inputs gives `unknown`, as do outputs that are no longer
declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.signatures.renames import guess_renames
from services.signatures.schema_diff import diff_order, diff_signatures
from services.signatures.values import Columns, Schema, Signature, SignatureReading
from services.signatures.verdicts import (
    Change,
    Comparison,
    Direction,
    Rename,
    Side,
    Verdict,
    verdict_of,
    worse_of_both,
    worst_verdict,
)

_SIDES = {side: index for index, side in enumerate(Side)}


def compare(old: SignatureReading, new: SignatureReading, direction: Direction = Direction.BACKWARD) -> Comparison:
    """Return every change between two signatures and what it does to callers and readers in one direction."""
    reason = _why_unknown(old, new)
    if old.signature is None or new.signature is None or reason:
        return Comparison(verdict=Verdict.UNKNOWN, json_verdict=Verdict.UNKNOWN, direction=direction, reason=reason)
    changes = _changes(old.signature, new.signature, direction)
    lost = _why_answers_unknown(old.signature, new.signature, direction)
    verdict, json_verdict = _judge(changes, _least_verdict(old.signature, new.signature, lost))
    return Comparison(
        verdict=verdict,
        json_verdict=json_verdict,
        direction=direction,
        changes=changes,
        renames=_renames(old.signature, new.signature),
        reason=lost,
        notes=_notes(old, new),
    )


def judge(old: SignatureReading, new: SignatureReading, direction: Direction) -> tuple[Verdict, Verdict]:
    """Return the two verdicts of a comparison alone, for DataFrame and for JSON callers."""
    if old.signature is None or new.signature is None or _why_unknown(old, new):
        return Verdict.UNKNOWN, Verdict.UNKNOWN
    changes = _changes(old.signature, new.signature, direction)
    lost = _why_answers_unknown(old.signature, new.signature, direction)
    return _judge(changes, _least_verdict(old.signature, new.signature, lost))


def _judge(changes: Sequence[Change], least: Verdict) -> tuple[Verdict, Verdict]:
    return (
        worst_verdict([least, verdict_of([change.effect for change in changes])]),
        worst_verdict([least, verdict_of([change.json_effect for change in changes])]),
    )


def _least_verdict(old: Signature, new: Signature, lost: str) -> Verdict:
    """Return how things stand before any change is looked at: outputs that are new to everybody are no change."""
    if lost:
        return Verdict.UNKNOWN
    return Verdict.IDENTICAL if (old.outputs is None) == (new.outputs is None) else Verdict.COMPATIBLE


def _changes(old: Signature, new: Signature, direction: Direction) -> tuple[Change, ...]:
    moved = diff_order(old, new)
    if direction is not Direction.FULL:
        changes = diff_signatures(old, new) if direction is Direction.BACKWARD else _mirrored(old, new)
        return tuple(sorted([*changes, *moved], key=_side_of) if moved else changes)
    merged = {(change.side, change.path, change.kind): change for change in diff_signatures(old, new)}
    for change in _mirrored(old, new):
        key = (change.side, change.path, change.kind)
        known = merged.get(key)
        merged[key] = replace(known, judged=worse_of_both(known.judged, change.judged)) if known else change
    return tuple(sorted([*merged.values(), *moved], key=_side_of))


def _mirrored(old: Signature, new: Signature) -> list[Change]:
    return [change.mirrored() for change in diff_signatures(new, old)]


def _side_of(change: Change) -> int:
    return _SIDES[change.side]


def _why_unknown(old: SignatureReading, new: SignatureReading) -> str:
    reasons = [
        f"{which} version: {reading.reason}"
        for which, reading in (("Old", old), ("New", new))
        if reading.signature is None or reading.signature.inputs is None
    ]
    return " ".join(reasons)


def _why_answers_unknown(old: Signature, new: Signature, direction: Direction) -> str:
    promised, kept = (new, old) if direction is Direction.FORWARD else (old, new)
    if promised.outputs is not None and kept.outputs is None:
        return (
            f"The {'old' if kept is old else 'new'} version does not declare the outputs that the other one promises."
        )
    if direction is Direction.FULL and old.outputs is None and new.outputs is not None:
        return "The old version does not declare the outputs that the other one promises."
    return ""


def _notes(old: SignatureReading, new: SignatureReading) -> tuple[str, ...]:
    notes = []
    for which, reading in (("old", old), ("new", new)):
        if reading.is_from_type_hints:
            notes.append(
                f"The {which} version checks its input by its own type hints; MLflow enforces nothing of this."
            )
    outputs = {"old": old.signature and old.signature.outputs, "new": new.signature and new.signature.outputs}
    silent = [which for which, schema in outputs.items() if schema is None]
    if len(silent) == len(outputs):
        notes.append("Neither version declares its outputs, so only requests were compared.")
    elif silent:
        notes.append(f"The {silent[0]} version declares no outputs, so only requests were compared.")
    return tuple(notes)


def _renames(old: Signature, new: Signature) -> tuple[Rename, ...]:
    return (
        *_guess(Side.INPUTS, old.inputs, new.inputs),
        *_guess(Side.OUTPUTS, old.outputs, new.outputs),
    )


def _guess(side: Side, old: Schema | None, new: Schema | None) -> Sequence[Rename]:
    if not (isinstance(old, Columns) and isinstance(new, Columns) and old.is_named and new.is_named):
        return ()
    was, now = {column.name for column in old.columns}, {column.name for column in new.columns}
    removed = [(index, column) for index, column in enumerate(old.columns) if column.name not in now]
    added = [(index, column) for index, column in enumerate(new.columns) if column.name not in was]
    return guess_renames(side, removed, added)
