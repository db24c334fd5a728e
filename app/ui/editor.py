"""The YAML editor: CodeMirror with the validator's findings in the gutter, keys from the schema, and a comparison.

The bundle is built at set-up into `app/static/editor.js` (app/editor). Where that did not happen the same validator
stands behind a plain text area, and a line says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app.ui.text import count, md

BUNDLE = Path(__file__).parents[1] / "static" / "editor.js"

_HTML = '<div class="editor" data-editor></div>'
_CSS = """
.editor {
  height: var(--editor-height, 420px);
  min-height: 120px;
  overflow: auto;
  resize: vertical;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius);
}
.editor > .cm-editor, .editor > .cm-mergeView { height: 100%; }
.editor > .cm-mergeView { overflow: auto; }
.editor > .cm-mergeView .cm-mergeViewEditor + .cm-mergeViewEditor { border-left: 1px solid var(--st-border-color); }
.failed { padding: 16px; color: var(--st-red-text-color); }
"""
# The bundle is large: imported from its address the browser keeps it, passed inline it would be sent at every change.
_JS = """
const bundle = import(new URL("app/static/editor.js?v=VERSION", document.baseURI))

export default function (component) {
  const { parentElement } = component
  bundle.then(
    (editor) => editor.render(component),
    () => {
      const root = parentElement.querySelector("[data-editor]")
      root.className = "failed"
      root.textContent = "The editor could not be loaded. Reload the page."
    },
  )
  return () => bundle.then((editor) => editor.unmount(parentElement), () => {})
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the validator has to say about a line (from 1)."""

    line: int
    message: str
    severity: Literal["error", "warning"] = "error"


def yaml_editor(
    text: str,
    *,
    key: str,
    label: str,
    findings: Sequence[Finding] = (),
    schema: Mapping[str, Any] | None = None,
    read_only: bool = False,
    base: str | None = None,
    base_label: str = "",
    height: int = 420,
) -> str:
    """Draw the editor and return the text in it.

    Draw it inside a fragment: each pause in typing reruns what stands around it. What to validate is what the last run
    returned, so validate `editor_text(key, text)` first and hand the findings in.

    Args:
        text: the document to begin with; when another one is passed under the same key it replaces what is there.
        key: unique on the page.
        label: what is edited, for those who do not see it.
        findings: drawn in the gutter and listed below.
        schema: the JSON schema that keys and closed values are completed from.
        base: what to compare with, side by side; None for the editor alone.
        base_label: what `base` is, such as `Revision 4, in force`.
    """
    current = editor_text(key, text)
    if not BUNDLE.exists():
        return _text_area(current, key=key, label=label, findings=findings, read_only=read_only, height=height)
    result = _component()(
        key=key,
        data={
            "text": current,
            "label": label,
            "readOnly": read_only,
            "diagnostics": [
                {"line": finding.line, "message": finding.message, "severity": finding.severity} for finding in findings
            ],
            "schema": None if schema is None else dict(schema),
            "base": base,
            "baseLabel": base_label,
            "height": height,
        },
        on_text_change=_nothing,
        height="content",
    )
    _list_findings(findings)
    typed = result.get("text")
    return current if typed is None else str(typed)


def editor_text(key: str, text: str) -> str:
    """Return what stands in the editor `key` now: what was typed, or `text` when nothing was or another was loaded."""
    loaded = f"{key}_loaded"
    if st.session_state.get(loaded) != text:
        st.session_state[loaded] = text
        if key in st.session_state:
            del st.session_state[key]
        if f"{key}_plain" in st.session_state:
            # Set, not forgotten: the browser keeps what stands in a field until it is told another value.
            st.session_state[f"{key}_plain"] = text
        return text
    state = st.session_state.get(key)
    typed = state.get("text") if state else st.session_state.get(f"{key}_plain")
    return text if typed is None else str(typed)


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    version = f"{BUNDLE.stat().st_mtime_ns:x}"
    return st.components.v2.component("gatehouse_editor", html=_HTML, css=_CSS, js=_JS.replace("VERSION", version))


def _text_area(text: str, *, key: str, label: str, findings: Sequence[Finding], read_only: bool, height: int) -> str:
    st.caption("The code editor was not built on this machine (`make assets` builds it): this is a plain text field.")
    st.session_state.setdefault(f"{key}_plain", text)
    typed = st.text_area(label, key=f"{key}_plain", disabled=read_only, height=height)
    _list_findings(findings)
    return typed or ""


def _list_findings(findings: Sequence[Finding]) -> None:
    if not findings:
        return
    errors = sum(finding.severity == "error" for finding in findings)
    told = f":red[{count(errors, 'problem')}]" if errors else f":orange[{count(len(findings), 'note')}]"
    with st.expander(told, expanded=True, icon=":material/error:" if errors else ":material/info:"):
        for finding in findings:
            st.markdown(f"**Line {finding.line}** {md(finding.message)}")


def _nothing() -> None:
    """Streamlit returns a state's value only where a callback listens to it."""
