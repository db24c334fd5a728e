"""Draws every hostile text in each place that takes Markdown; `test_escape_browser` looks at what came of it."""

import streamlit as st

from services.untrusted.escape import as_markdown, as_text
from tests.untrusted.hostile import TEXTS

for number, text in enumerate(TEXTS):
    shown = as_markdown(text)
    with st.container(key=f"case_{number}"):
        st.markdown(shown)
        st.markdown(f":gray[{shown}]")
        st.markdown(f"⟦{shown}⟧")
        st.markdown(f"**⟦{shown}⟧** · :small[:gray[⟦{shown}⟧]]")
        st.button(f"⟦{shown}⟧", key=f"button_{number}", help=shown)
        st.error(f"⟦{shown}⟧")
        st.metric(f"⟦{shown}⟧", "1")
        st.table({"cell": [f"⟦{shown}⟧"]})
        st.text(as_text(text))
