"""A story as one file: HTML that needs nothing but itself, or Markdown.

Everything in a story was written by others. In HTML it is escaped text, and a policy in the page forbids scripts and
every connection; pictures are PNG and JPEG inside the page. In Markdown every mark is taken literally.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from string import Template

from services.lineage.card_blocks import Block, BlockKind
from services.lineage.story import Story
from services.lineage.story_sections import Picture, Section, lay_out
from services.untrusted.escape import as_html, as_line, as_text

_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1e293b; }
h1, h2, h3, h4 { line-height: 1.25; } h2 { border-top: 1px solid #cbd5e1; margin-top: 2rem; padding-top: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #e2e8f0; padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
th { color: #475569; font-weight: 600; } pre { background: #f1f5f9; overflow-x: auto; padding: .75rem; }
img { max-width: 100%; }
@media (prefers-color-scheme: dark) {
  body { background: #0f172a; color: #e2e8f0; } th { color: #94a3b8; } pre { background: #1e293b; }
  th, td, h2 { border-color: #334155; } img { background: #fff; }
}
</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
"""
)
_MARKS = re.compile(r"([\\`*_\[\]<>#|~&!$])")
_OPENING = re.compile(r"\A(\d*)([-+=:.)])")


def write_html(story: Story) -> str:
    """Return the story as one page."""
    sections = "\n".join(map(_html_section, lay_out(story)))
    return _PAGE.substitute(title=as_html(f"{story.records.version.reference}"), body=sections)


def write_markdown(story: Story) -> str:
    """Return the story as Markdown; pictures are named, not embedded."""
    parts = [f"# {_mark(story.records.version.reference)}"]
    for section in lay_out(story):
        parts.append(f"## {_mark(section.title)}")
        parts += [_markdown(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _html_section(section: Section) -> str:
    return f"<h2>{as_html(section.title)}</h2>\n" + "\n".join(map(_html, section.blocks))


def _html(block: Block | Picture) -> str:
    if isinstance(block, Picture):
        data = b64encode(block.content).decode()
        return f'<img alt="{as_html(block.title)}" src="data:{block.media_type};base64,{data}">'
    match block.kind:
        case BlockKind.HEADING:
            return f"<h3>{as_html(block.text)}</h3>"
        case BlockKind.PARAGRAPH:
            return f"<p>{as_html(block.text)}</p>"
        case BlockKind.CODE:
            return f'<pre tabindex="0">{as_html(block.text)}</pre>'
        case BlockKind.BULLETS:
            return "<ul>" + "".join(f"<li>{as_html(item)}</li>" for (item,) in block.rows) + "</ul>"
        case BlockKind.TABLE:
            return _html_table(block.rows)


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    head = "" if not any(rows[0]) else f"<thead>{_html_row(rows[0], 'th')}</thead>"
    body = "".join(_html_row(row, "td") for row in rows[1:])
    return f'<table tabindex="0">{head}<tbody>{body}</tbody></table>'


def _html_row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{as_html(cell)}</{tag}>" for cell in cells) + "</tr>"


def _markdown(block: Block | Picture) -> str:
    if isinstance(block, Picture):
        return f"Picture: {_mark(block.title)}, {len(block.content):,} bytes"
    match block.kind:
        case BlockKind.HEADING:
            return f"{'#' * min(block.level + 2, 6)} {_mark(block.text)}"
        case BlockKind.PARAGRAPH:
            return _mark(block.text)
        case BlockKind.CODE:
            return "\n".join(f"    {line}" for line in as_text(block.text).split("\n"))
        case BlockKind.BULLETS:
            return "\n".join(f"- {_mark(item)}" for (item,) in block.rows)
        case BlockKind.TABLE:
            rows = [block.rows[0], ["---"] * len(block.rows[0]), *block.rows[1:]]
            marked = [row if number == 1 else list(map(_mark, row)) for number, row in enumerate(rows)]
            return "\n".join("| " + " | ".join(row) + " |" for row in marked)


def _mark(text: str) -> str:
    """Return text on one line in which no character means anything to Markdown."""
    return _OPENING.sub(r"\1\\\2", _MARKS.sub(r"\\\1", as_line(text).strip()))
