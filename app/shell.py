"""What runs at every rerun: who is signed in, the menu, the frame around the page, and the page itself."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.ui.buttons import show_flash
from app.ui.errors import guarded
from app.ui.navigation import find_refusal, pages
from app.ui.refused import refused_page
from app.ui.session import ORIGIN, find_actor
from app.ui.sidebar import sidebar
from app.ui.sign_in import sign_in_page
from app.ui.status import banners, index_age
from services.logs import begin_request

_STATIC = Path(__file__).with_name("static")
_STYLE = Path(__file__).with_name("ui") / "style.css"

begin_request(ORIGIN)

st.set_page_config(page_title="Gatehouse", page_icon=str(_STATIC / "favicon.png"), layout="wide")
st.html(_STYLE)
st.logo(str(_STATIC / "wordmark.svg"), size="large", icon_image=str(_STATIC / "mark.svg"))

actor, why_not = find_actor()
# Every address is known while nobody is signed in too, so that signing in leads to the page that was asked for.
page = st.navigation(pages(), position="hidden" if actor is None else "sidebar")
if actor is None:
    sign_in_page(why_not)
    st.stop()

show_flash()
with guarded():
    sidebar(actor)
    banners()
with guarded():
    if (lacking := find_refusal(actor, page.title)) is None:
        page.run()
    else:
        refused_page(actor, page.title, lacking)
    index_age(key="footer")
