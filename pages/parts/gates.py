"""Gate results as a table, exceptions first: the same on the review and on the page of gate results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from app import ui

Gate = Mapping[str, Any]

OUTCOMES = ("failed", "error", "inconclusive", "passed")
"""Worst first."""


def exceptions_first(gates: Sequence[Gate]) -> Sequence[Gate]:
    """Return gate results in the JSON of the interface, those that stand in the way first, dry runs last."""
    return sorted(gates, key=lambda gate: (gate["dry_run"], _rank(gate), gate["gate"]))


def summary(gates: Sequence[Gate]) -> str:
    """Return how many gates ended how, such as `2 failed, 11 passed`; dry runs do not count."""
    counted = [gate for gate in gates if not gate["dry_run"]]
    told = [
        (sum(gate["outcome"] == outcome and not gate["waived"] for gate in counted), outcome) for outcome in OUTCOMES
    ]
    told.append((sum(gate["waived"] for gate in counted), "waived"))
    return ", ".join(f"{number} {outcome}" for number, outcome in told if number)


def gate_cards(gates: Sequence[Gate]) -> None:
    """Draw four figures: of the gates that measured a number, those in the way first."""
    measured = [gate for gate in gates if _is_number(gate["observed"])]
    if measured:
        ui.metric_cards([_card(gate) for gate in measured[:4]])


def _card(gate: Gate) -> ui.Card:
    style = ui.style_of("waived" if gate["waived"] else gate["outcome"])
    value = ui.figure(gate["observed"], unit=gate["unit"] or "")
    theirs, champion = (gate.get("details", {}).get(name) for name in ("champion_value", "champion"))
    if _is_number(theirs) and style.tone is ui.Tone.GOOD:
        moved = gate["observed"] - theirs
        arrow: Literal["up", "down", "off"] = "off" if moved == 0 else "up" if moved > 0 else "down"
        note = f"vs {ui.version_label(champion)}"
        return ui.Card(
            label=gate["gate"], value=value, delta=ui.figure(abs(moved)), tone=style.tone, arrow=arrow, note=note
        )
    limit = f"limit {ui.figure(gate['threshold'])}" if _is_number(gate["threshold"]) else ""
    return ui.Card(label=gate["gate"], value=value, delta=style.label, tone=style.tone, note=limit)


def gate_table(gates: Sequence[Gate], *, key: str) -> Gate | None:
    """Draw the results, and what would make the selected one pass; returns that one."""
    if not gates:
        ui.empty_state("No gates apply", "This is decided without measurements.", icon="rule")
        return None
    picked = ui.data_table(
        [
            {
                "gate": gate["gate"],
                "result": ["waived"]
                if gate["waived"]
                else [gate["outcome"], *(["dry_run"] if gate["dry_run"] else [])],
                "observed": _shown(gate["observed"], gate["unit"]),
                "threshold": _shown(gate["threshold"], gate["unit"]),
                "message": gate["message"],
            }
            for gate in gates
        ],
        [
            ui.Column(name="gate", label="Gate", width="medium"),
            ui.Column(name="result", label="Result", kind=ui.Kind.STATES),
            ui.Column(name="observed", label="Observed"),
            ui.Column(name="threshold", label="Limit"),
            ui.Column(name="message", label="Why", width="large"),
        ],
        key=key,
        alt="Gate results, exceptions first",
        select="one",
        max_rows=25,
    )
    if not picked.selected:
        return None
    chosen = gates[picked.selected[0]]
    gate_evidence(chosen)
    return chosen


def gate_evidence(gate: Gate, *, of: str = "") -> None:
    """Draw what one gate found and what would make it pass; `of` names the version where it is not plain."""
    with ui.panel():
        st.markdown(f"{ui.strong(gate['gate'])} {ui.md(of)} {ui.state_markdown(gate['outcome'])}")
        pairs = [("Found", ui.md(gate["message"])), ("To pass", ui.md(gate.get("remedy") or ""))]
        details = {name: value for name, value in gate.get("details", {}).items() if not isinstance(value, list | dict)}
        pairs += [(name.replace("_", " "), ui.md(value)) for name, value in details.items()]
        ui.key_values([pair for pair in pairs if pair[1]], alt=f"Details of {gate['gate']}")
        tables = {name: value for name, value in gate.get("details", {}).items() if isinstance(value, list | dict)}
        if tables:
            st.json(tables, expanded=1)


def _rank(gate: Gate) -> int:
    if gate["waived"]:
        return len(OUTCOMES)
    return OUTCOMES.index(gate["outcome"]) if gate["outcome"] in OUTCOMES else -1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any, unit: str | None) -> str | None:
    if _is_number(value):
        return ui.figure(value, unit=unit or "")
    return None if value is None else str(value)
