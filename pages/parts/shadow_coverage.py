"""What of a log is counted: rows, pairs and files add up, and every file and column with a problem is named."""

from __future__ import annotations

import streamlit as st

from app import ui
from services.shadow.figures import Figures
from services.shadow.reading import Coverage

_PAGE = 15
_REASONS_OF_SIDES = ("champion", "candidate", "both")


def show_coverage(figures: Figures, coverage: Coverage) -> None:
    """Draw how rows become valid pairs, and what is wrong with files."""
    others = coverage.rows_read - coverage.duplicates - figures.pairs
    pairs = [
        ("Rows of the counted files", ui.figure(coverage.rows_read)),
        ("less rows that repeat a request", ui.figure(coverage.duplicates)),
        *([("less pairs of other versions", ui.figure(others))] if others else []),
        ("Pairs of these versions", ui.strong(f"{figures.pairs:,}")),
        *((f"less {_reason(reason)}", ui.figure(count)) for reason, count in figures.invalid.items()),
        ("Valid pairs", ui.strong(f"{figures.valid_pairs:,}")),
    ]
    if unread := figures.regression.unread_labels:
        pairs.append(("of which have a label that is no number", ui.figure(unread)))
    ui.key_values(pairs, alt="From rows to valid pairs")
    ui.section("Files")
    counted = f"{coverage.files_counted:,} of {ui.count(coverage.files_found, 'file')} are counted"
    changed = [
        f"{ui.count(len(names), 'file')} {what} since the log was read before"
        for what, names in (("changed", coverage.changed), ("were deleted", coverage.deleted))
        if names
    ]
    st.markdown(". ".join([counted, *changed]) + ".")
    _problems(coverage)


def _reason(reason: str) -> str:
    side, _, what = reason.partition("_")
    if side not in _REASONS_OF_SIDES:
        return f"pairs {reason.replace('_', ' ')}"
    return f"{'both' if side == 'both' else f'the {side}'}: {what.replace('_', ' ')}"


def _problems(coverage: Coverage) -> None:
    pager = ui.Pager("problems", size=_PAGE, reset_on=len(coverage.problems), find_start=lambda row: row)
    start = pager.after or 0
    shown = coverage.problems[start : start + _PAGE]
    if not shown:
        st.markdown(":gray[Nothing is wrong with any of them.]")
        return
    ui.data_table(
        [
            {
                "file": problem.file,
                "column": problem.column,
                "rows": problem.rows,
                "counted": "yes" if problem.is_counted else "no",
                "message": problem.message,
            }
            for problem in shown
        ],
        [
            ui.Column(name="file", label="File", width="medium"),
            ui.Column(name="column", label="Column"),
            ui.Column(name="message", label="Problem", width="large"),
            ui.Column(name="counted", label="Rows counted"),
            ui.Column(name="rows", label="Rows", kind=ui.Kind.NUMBER, format="localized"),
        ],
        key="problems_table",
        alt="What is wrong with files, by file and column",
    )
    pager.draw(
        shown=len(shown),
        next_after=start + _PAGE if start + _PAGE < len(coverage.problems) else None,
        noun="problem",
        total=len(coverage.problems),
    )
