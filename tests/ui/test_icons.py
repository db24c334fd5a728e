"""Icons are names in text: one that Streamlit does not know raises on the page that shows it, so none may slip in."""

import re
from pathlib import Path

from streamlit.material_icon_names import ALL_MATERIAL_ICONS

from app.ui.navigation import PAGES
from app.ui.states import STATES

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r":material/([a-z0-9_]+):|\bicon=f?\"([a-z0-9_]+)\"")


def test_every_icon_that_pages_name_is_known() -> None:
    sources = [*ROOT.glob("app/ui/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app" / "shell.py"]
    named = {
        (found[1] or found[2], source.name)
        for source in sources
        for found in NAMED.finditer(source.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert {each for each in named if each[0] not in ALL_MATERIAL_ICONS} == set()


def test_every_icon_of_a_state_or_a_page_is_known() -> None:
    assert {style.icon for style in STATES.values()} <= set(ALL_MATERIAL_ICONS)
    assert {entry.icon for entry in PAGES} <= set(ALL_MATERIAL_ICONS)
