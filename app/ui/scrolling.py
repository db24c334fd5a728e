"""What scrolls and holds nothing to focus, made reachable by keyboard in every browser, and named.

Streamlit gives its containers and tables no tab stop. A part of a page that may be wider than a telephone asks for one.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

TABLES = "[data-testid=stTable] > div"
"""What holds the tables of a page."""

_JS = """
export default function ({ data }) {
  const reach = () => {
    for (const region of document.querySelectorAll(data.selector)) {
      const isScrolled = region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight
      if (!isScrolled || region.hasAttribute("tabindex")) continue
      region.setAttribute("tabindex", "0")
      region.setAttribute("role", "region")
      const table = region.querySelector("table[aria-label]")
      region.setAttribute("aria-label", table ? `${data.label}: ${table.getAttribute("aria-label")}` : data.label)
    }
  }
  // Streamlit draws parts in any order, later than this, and again.
  let asked = 0
  const ask = () => { asked ||= requestAnimationFrame(() => { asked = 0; reach() }) }
  const observer = new MutationObserver(ask)
  observer.observe(document.body, { childList: true, subtree: true })
  addEventListener("resize", ask)
  reach()
  return () => { observer.disconnect(); removeEventListener("resize", ask) }
}
"""


def reach_by_keyboard(selector: str, *, label: str, key: str) -> None:
    """Give a tab stop to each element of a CSS selector that scrolls; drawn after what it is about."""
    _component()(key=key, data={"selector": selector, "label": label}, height="content")


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component("gatehouse_scrolling", js=_JS, isolate_styles=False)
