"""Documents as files: what is in force as a ZIP, and files from git as proposals."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.documents.files import export_documents
from services.identity import Actor, Permission


def show_folder(gatehouse: Gatehouse, actor: Actor) -> None:
    """Offer every document in force as one file."""
    if Permission.READ_MODEL not in actor.permissions:
        return
    st.download_button(
        "Export what is in force",
        data=lambda: _zip(gatehouse),
        file_name="policies.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        help="One file a document, KIND/NAME.yaml, byte for byte; `gatehouse policy import` takes the folder back.",
    )


def _zip(gatehouse: Gatehouse) -> bytes:
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in export_documents(gatehouse.documents, Path(folder)):
            archive.write(file, file.relative_to(folder))
    return packed.getvalue()


def show_file(key: str) -> str | None:
    """Ask for a file, and return its text when another one was chosen."""
    uploaded = st.file_uploader("A YAML file", type=["yaml", "yml"], key=f"{key}_file")
    if uploaded is None or st.session_state.get(f"{key}_taken") == uploaded.file_id:
        return None
    st.session_state[f"{key}_taken"] = uploaded.file_id
    try:
        return uploaded.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError:
        st.warning(f"{ui.md(uploaded.name)} is not UTF-8: save it as such and choose it again.", icon=":material/edit:")
        return None
