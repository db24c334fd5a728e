"""What waits for me, and the review of one promotion: `?id=` opens it."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import inbox, review
from services.errors import InvalidInput

gatehouse = get_gatehouse()
actor = current_actor()

asked = st.query_params.get("id")
if asked is None:
    inbox.show(gatehouse, actor)
elif asked.isdecimal():
    review.show(gatehouse, actor, int(asked))
else:
    ui.show_error(InvalidInput(f"{asked!r} is no change.", next_step="Choose one from the inbox."))
