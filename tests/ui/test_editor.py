"""Where the bundle was not built, the same validation stands behind a plain text area, and a line says so."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.ui import editor


def script() -> None:
    import streamlit as st

    from app.ui.editor import Finding, editor_text, yaml_editor

    loaded = "b: 2\n" if st.checkbox("another") else "a: 1\n"
    text = editor_text("doc", loaded)
    findings = [] if text.startswith(("a", "b")) else [Finding(line=1, message="<b>no</b> such key")]
    st.session_state.text = yaml_editor(loaded, key="doc", label="Document", findings=findings)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setattr(editor, "BUNDLE", tmp_path / "editor.js")
    return AppTest.from_function(script).run()


def test_without_the_bundle_a_text_area_says_so(app: AppTest) -> None:
    assert not app.exception
    assert "not built" in app.caption[0].value
    assert app.text_area[0].value == "a: 1\n"


def test_what_is_typed_is_validated_and_listed_with_its_line(app: AppTest) -> None:
    app.text_area[0].set_value("x: 1\n").run()
    assert app.session_state["text"] == "x: 1\n"
    assert any(text.value.startswith("**Line 1** \\<b\\>no") for text in app.markdown)


def test_another_document_replaces_what_was_typed(app: AppTest) -> None:
    app.text_area[0].set_value("x: 1\n").run()
    app.checkbox[0].check().run()
    assert app.session_state["text"] == "b: 2\n"
    assert not app.exception


def test_the_browser_is_told_the_text_that_replaces_what_was_typed(app: AppTest) -> None:
    app.text_area[0].set_value("x: 1\n").run()
    app.checkbox[0].check().run()
    told = app.text_area[0].proto
    assert (told.set_value, told.value) == (True, "b: 2\n")
