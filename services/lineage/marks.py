"""What stands on versions in the graph besides aliases: promotions, from the changes that asked for them."""

from __future__ import annotations

from collections.abc import Iterable

from services.changes import Change
from services.lineage.graph import NodeKind
from services.lineage.records import Mark


def promotion_marks(changes: Iterable[Change]) -> list[Mark]:
    """Return a mark for each promotion, newest last; other kinds of change are passed over."""
    return [
        Mark(
            kind=NodeKind.PROMOTION,
            key=str(change.id),
            label=f"{change.payload['to']} {change.id}: {change.state.replace('_', ' ')}",
            name=str(change.payload["model"]),
            version=int(change.payload["version"]),
        )
        for change in sorted(changes, key=lambda change: change.id)
        if change.kind == "promotion"
    ]


def pin_marks(model: str, pinned: dict[str, int | None]) -> list[Mark]:
    """Return a mark for each pin of a model, given the version by pin (`current`, `previous`, `fallback`)."""
    return [
        Mark(kind=NodeKind.PIN, key=f"{model}/{pin}", label=pin, name=model, version=version)
        for pin, version in pinned.items()
        if version is not None
    ]
