"""A form that the browser posts to the app's own address, since only an HTTP response can set or drop a cookie.

Streamlit's widgets speak over the WebSocket, which cannot. The form is a component that takes its look from the theme;
what the server has to say against it is shown inside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

_HTML = "<form method='post' novalidate></form>"
_CSS = """
form { display: flex; flex-direction: column; gap: 14px; margin: 0; font-family: var(--st-font); }
label { display: flex; flex-direction: column; gap: 6px; font-size: 0.87rem; color: var(--st-text-color); }
input {
  font: inherit;
  font-size: 1rem;
  color: var(--st-text-color);
  background: var(--st-secondary-background-color);
  border: 1px solid var(--st-widget-border-color, var(--st-border-color));
  border-radius: var(--st-base-radius);
  padding: 9px 12px;
}
button {
  font: inherit;
  min-height: 2.5rem;
  padding: 4px 12px;
  cursor: pointer;
  color: var(--st-text-color);
  background: var(--st-background-color);
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius);
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button.primary {
  color: var(--st-background-color);
  background: var(--st-primary-color);
  border-color: var(--st-primary-color);
}
button.primary:hover { filter: brightness(1.08); color: var(--st-background-color); }
button.link {
  min-height: 0; padding: 0; text-align: left; font-size: 0.87rem; border: none; background: none;
  color: var(--st-gray-text-color);
}
button.link:hover { color: var(--st-primary-color); text-decoration: underline; }
button.person { display: flex; flex-direction: column; align-items: flex-start; padding: 10px 14px; line-height: 1.4; }
button .note { font-size: 0.87rem; color: var(--st-gray-text-color); }
:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
button:disabled { opacity: 0.6; cursor: progress; }
[role=alert] {
  padding: 10px 12px;
  font-size: 0.93rem;
  color: var(--st-red-text-color);
  background: var(--st-red-background-color);
  border-radius: var(--st-base-radius);
}
"""
_JS = """
export default function ({ data, parentElement }) {
  const form = parentElement.querySelector("form")
  const drawn = JSON.stringify(data)
  if (form.dataset.drawn === drawn) return
  form.dataset.drawn = drawn
  form.action = data.action
  form.replaceChildren(...data.fields.map(field), submit(data))

  form.onsubmit = async (event) => {
    event.preventDefault()
    const button = form.querySelector("button")
    button.disabled = true
    try {
      const body = new URLSearchParams([...new FormData(form), ...Object.entries(data.hidden)])
      const response = await fetch(data.action, { method: "POST", body, credentials: "same-origin" })
      if (response.ok) return void location.assign(data.next ?? location.pathname + location.search)
      const answer = await response.json()
      refuse(`${answer.error.message} ${answer.error.next_step}`)
    } catch {
      refuse("The app did not answer. Try again in a moment.")
    }
    button.disabled = false
  }

  function refuse(text) {
    const shown = form.querySelector("[role=alert]") ?? form.insertBefore(document.createElement("div"), form.lastChild)
    shown.role = "alert"
    shown.textContent = text
    form.querySelector("input")?.focus()
  }
}

function field({ name, label, type, autocomplete, value }) {
  const input = Object.assign(document.createElement("input"), { name, type, autocomplete, value, required: true })
  const outer = document.createElement("label")
  outer.append(label, input)
  return outer
}

function submit(data) {
  const button = document.createElement("button")
  button.type = "submit"
  button.className = data.look
  const words = document.createElement("span")
  words.textContent = data.submit
  button.append(words)
  if (data.note) {
    const note = document.createElement("span")
    note.className = "note"
    note.textContent = data.note
    button.append(note)
  }
  return button
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of a form."""

    name: str
    label: str
    type: Literal["text", "password"] = "text"
    autocomplete: str = "off"
    value: str = ""


def post_form(
    action: str,
    *,
    key: str,
    submit: str,
    fields: Sequence[Field] = (),
    hidden: Mapping[str, str] | None = None,
    note: str = "",
    look: Literal["primary", "secondary", "link", "person"] = "primary",
    next_path: str | None = None,
) -> None:
    """Draw a form that posts to `action` and then goes to `next_path`, or opens this address anew.

    Args:
        action: the path of a route of ours.
        submit: the words on its button, `note` smaller words under them.
        fields: its inputs, in order.
        hidden: what is sent besides.
    """
    _component()(
        key=key,
        data={
            "action": action,
            "submit": submit,
            "note": note,
            "look": look,
            "hidden": dict(hidden or {}),
            "next": next_path,
            "fields": [
                {
                    "name": field.name,
                    "label": field.label,
                    "type": field.type,
                    "autocomplete": field.autocomplete,
                    "value": field.value,
                }
                for field in fields
            ],
        },
    )


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component("gatehouse_post_form", html=_HTML, css=_CSS, js=_JS)
