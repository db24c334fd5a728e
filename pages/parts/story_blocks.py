"""The sections of a story on a page: tables, lists, text and pictures of plain text, none of which is markup."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pandas as pd
import streamlit as st

from app import ui
from services.lineage.card_blocks import Block, BlockKind
from services.lineage.story_sections import Picture, Section

_ROWS_READ_AT_ONCE = 40
_PICTURE_PX = 620


def draw_section(section: Section) -> None:
    """Draw one section; what was logged as a file stands folded under its name."""
    ui.section(section.title)
    for number, blocks in zip(count(), _by_heading(section.blocks), strict=False):
        head, rest = blocks[0], blocks[1:]
        key = f"story_{section.title}_{number}"
        if section.title == "Artifacts" and isinstance(head, Block) and head.kind is BlockKind.HEADING:
            is_picture = any(isinstance(block, Picture) for block in rest)
            with st.expander(ui.md(head.text), expanded=is_picture, icon=":material/draft:"):
                _draw(rest, key, alt=head.text)
        else:
            _draw(blocks, key, alt=section.title)


def _by_heading(blocks: Sequence[Block | Picture]) -> list[list[Block | Picture]]:
    grouped: list[list[Block | Picture]] = []
    for block in blocks:
        begins = isinstance(block, Block) and block.kind is BlockKind.HEADING
        if begins or not grouped:
            grouped.append([])
        grouped[-1].append(block)
    return grouped


def _draw(blocks: Sequence[Block | Picture], key: str, *, alt: str) -> None:
    for number, block in enumerate(blocks):
        if isinstance(block, Picture):
            st.image(block.content, width=_PICTURE_PX, alt=block.title)
            continue
        match block.kind:
            case BlockKind.HEADING:
                st.markdown(ui.strong(block.text))
            case BlockKind.PARAGRAPH:
                st.markdown(ui.md(block.text))
            case BlockKind.BULLETS:
                st.markdown("\n".join(f"- {ui.md(item)}" for (item,) in block.rows))
            case BlockKind.CODE:
                st.code(block.text, language=None, wrap_lines=True, height=min(40 + 20 * block.text.count("\n"), 320))
            case BlockKind.TABLE:
                _table(block.rows, f"{key}_{number}", alt=alt)


def _table(rows: Sequence[Sequence[str]], key: str, *, alt: str) -> None:
    head, body = rows[0], rows[1:]
    if not any(head):
        ui.key_values([(name, ui.md(text)) for name, text in body], alt=alt)
        return
    width = max(map(len, rows))
    names = [*head, *("" for _ in range(width - len(head)))]
    cells = [[*row, *("" for _ in range(width - len(row)))] for row in body]
    if len(body) > _ROWS_READ_AT_ONCE:
        keys = [f"column_{place}" for place in range(width)]
        ui.data_table(
            [dict(zip(keys, row, strict=True)) for row in cells],
            [ui.Column(name=each, label=ui.md(name)) for each, name in zip(keys, names, strict=True)],
            key=key,
            alt=alt,
            max_rows=12,
        )
        return
    # Two columns may have one name, and Streamlit wants them apart: spaces that nobody sees do it.
    labels = [ui.md(name) + " " * place for place, name in enumerate(names)]
    marked = [[ui.md(cell) if cell else ui.NOTHING for cell in row] for row in cells]
    st.table(pd.DataFrame(marked, columns=labels), border="horizontal", hide_index=True, alt=alt)
