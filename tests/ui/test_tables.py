"""Tables inside a running script."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from app.ui.tables import Column, Kind, _cells, _config


def cells(kind: Kind, *values: Any) -> Any:
    return _cells(Column(name="x", label="X", kind=kind), [{"x": value} for value in values])


def test_text_shows_its_hidden_characters_and_nothing_for_nothing() -> None:
    assert cells(Kind.TEXT, "a\u202eb", "", None, 3) == ["a⟨U+202E⟩b", None, None, "3"]


def test_states_are_lists_of_labels_so_that_they_become_badges() -> None:
    assert cells(Kind.STATE, "passed", None, "unheard") == [["Passed"], [], ["unheard"]]
    assert cells(Kind.STATES, ["passed", "waived"], ()) == [["Passed", "Waived"], []]


def test_a_badge_has_the_colour_of_its_state() -> None:
    column = Column(name="x", label="X", kind=Kind.STATE)
    config = _config(column, [{"x": "passed"}, {"x": "failed"}, {"x": "passed"}, {"x": None}], clicks="c")
    options = config["type_config"]["options"]
    assert [(option["value"], option["color"]) for option in options] == [("Passed", "green"), ("Failed", "red")]


def test_numbers_that_are_none_are_missing() -> None:
    shown = cells(Kind.NUMBER, 1, None, "x")
    assert shown[0] == 1.0
    assert shown[1:].isna().all()


def test_times_keep_their_moment() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    shown = cells(Kind.WHEN, moment, None)
    assert shown[0] == moment
    assert pd.isna(shown[1])


def test_versions_and_trends() -> None:
    assert cells(Kind.VERSION, 18, None) == ["v18", None]
    assert cells(Kind.TREND, [1, 2], [1], None) == [[1.0, 2.0], None, None]


def test_a_table_reports_the_row_that_was_selected() -> None:
    def script() -> None:
        import streamlit as st

        from app.ui.tables import Column, Kind, data_table

        columns = [Column(name="a", label="A"), Column(name="s", label="S", kind=Kind.STATE)]
        rows: list[dict[str, str | None]] = [{"a": "x", "s": "passed"}, {"a": "y", "s": None}]
        st.session_state.picked = data_table(rows, columns, key="t", alt="Two rows", select="one")

    app = AppTest.from_function(script).run()
    assert not app.exception
    app.session_state["t"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert app.session_state["picked"].selected == (1,)


def test_a_selection_of_a_row_that_is_gone_is_none() -> None:
    def script() -> None:
        import streamlit as st

        from app.ui.tables import Column, data_table

        st.session_state.picked = data_table([], [Column(name="a", label="A")], key="t", alt="None", select="one")

    app = AppTest.from_function(script)
    app.session_state["t"] = {"selection": {"rows": [3], "columns": [], "cells": []}}
    app.run()
    assert app.session_state["picked"].selected == ()


def test_a_selection_ends_where_another_row_stands_in_its_place() -> None:
    def script() -> None:
        import streamlit as st

        from app.ui.tables import Column, data_table

        names = ["new", "a", "b"] if st.checkbox("an event came in") else ["a", "b"]
        rows = [{"a": name} for name in names]
        st.session_state.picked = data_table(rows, [Column(name="a", label="A")], key="t", alt="Rows", select="one")

    app = AppTest.from_function(script).run()
    app.session_state["t"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert app.session_state["picked"].selected == (1,)
    app.session_state["t"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.checkbox[0].check().run()
    assert app.session_state["picked"].selected == ()
    assert not app.exception
