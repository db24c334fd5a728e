"""The pager inside a running script: what it asks the store for, and where it sends the reader."""

from streamlit.testing.v1 import AppTest

SCRIPT = """
import streamlit as st
from app.ui.paging import Pager

ITEMS = list(range(100, 145))
only_even = st.checkbox("even", key="even")
items = [item for item in ITEMS if not only_even or item % 2 == 0]
pager = Pager("list", size=10, reset_on=only_even, find_start=FIND)
st.session_state.asked = pager.after
rows = [item for item in items if pager.after is None or item > pager.after][:11]
pager.draw(shown=len(rows[:10]), next_after=rows[9] if len(rows) > 10 else None, noun="item", total=TOTAL)
st.session_state.rows = rows[:10]
"""


def run(*, total: str = "len(items)", find: str = "None") -> AppTest:
    return AppTest.from_string(SCRIPT.replace("TOTAL", total).replace("FIND", find)).run()


def go_to(app: AppTest, page: int) -> None:
    app.session_state["list"] = page
    app.run()
    assert not app.exception


def test_the_first_page_begins_at_the_beginning() -> None:
    app = run()
    assert app.session_state["asked"] is None
    assert app.session_state["rows"] == list(range(100, 110))
    assert ":gray[:small[45 items · page 1 of 5]]" in [text.value for text in app.markdown]


def test_the_next_page_begins_after_the_last_key_of_the_one_before() -> None:
    app = run()
    go_to(app, 2)
    assert app.session_state["asked"] == 109
    go_to(app, 3)
    assert app.session_state["rows"] == list(range(120, 130))
    go_to(app, 1)
    assert app.session_state["asked"] is None


def test_a_page_that_no_key_is_known_of_falls_back_to_the_last_known() -> None:
    app = run()
    go_to(app, 5)
    assert app.session_state["rows"] == list(range(110, 120))


def test_any_page_can_be_jumped_to_where_the_store_finds_its_start() -> None:
    app = run(find="lambda row: items[row - 1]")
    go_to(app, 5)
    assert app.session_state["rows"] == list(range(140, 145))


def test_another_filter_sends_the_reader_back_to_the_first_page() -> None:
    app = run()
    go_to(app, 3)
    app.checkbox[0].check().run()
    assert app.session_state["asked"] is None
    assert app.session_state["rows"][0] == 100


def test_without_a_count_the_pager_says_where_the_reader_is() -> None:
    app = run(total="None")
    go_to(app, 2)
    assert ":gray[:small[11 to 20]]" in [text.value for text in app.markdown]


def test_a_list_of_one_page_has_no_pages_to_turn() -> None:
    app = AppTest.from_string(
        "from app.ui.paging import Pager\nPager('l').draw(shown=3, next_after=None, noun='item', total=3)"
    ).run()
    assert [text.value for text in app.markdown] == [":gray[:small[3 items]]"]
    assert not app.get("pagination")
