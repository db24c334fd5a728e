"""The deprecated versions of a model: the countdown to each sunset, what to use instead, and who has not moved yet."""

from __future__ import annotations

from app import ui
from app.facade import Gatehouse
from app.stories import list_marks
from services.lineage.endings import list_endings
from services.lineage.graph import NodeKind
from services.registry.entries import ModelEntry


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw them, or nothing where no version is deprecated."""
    pins = [mark for mark in list_marks(gatehouse, model.name) if mark.kind is NodeKind.PIN]
    endings = list_endings(gatehouse.index, model.name, pins, today=gatehouse.clock().date())
    if not endings:
        return
    ui.section("Deprecated", help="From its sunset on, a version is neither promoted nor pinned nor gone back to.")
    ui.data_table(
        [
            {
                "version": each.version.version,
                "state": "sunset_over" if each.sunset.is_over(gatehouse.clock().date()) else "sunset_near",
                "on": None if each.sunset.on is None else each.sunset.on.isoformat(),
                "left": each.countdown,
                "instead": each.sunset.replacement,
                "consumers": ", ".join(each.consumers) or "nobody",
            }
            for each in endings
        ],
        [
            ui.Column(name="version", label="Version", kind=ui.Kind.VERSION, width=76),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE, width=128),
            ui.Column(name="on", label="Sunset", width=116),
            ui.Column(name="left", label="When", width=130),
            ui.Column(name="instead", label="Use instead", width=180),
            ui.Column(name="consumers", label="Still used by", width=320),
        ],
        key="endings_table",
        alt=f"Deprecated versions of {model.name}, the nearest sunset first",
    )
