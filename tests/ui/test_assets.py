"""What the browser is given: the theme and its fonts from the checkout, and an editor built from pinned packages."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
EDITOR = ROOT / "app" / "editor"


def test_every_font_of_the_theme_is_in_the_checkout_with_its_licence() -> None:
    for face in CONFIG["theme"]["fontFaces"]:
        assert (ROOT / face["url"]).stat().st_size < 120_000
    assert "OPEN FONT LICENSE" in (ROOT / "app" / "static" / "LICENSE-Inter.txt").read_text().upper()
    assert "OPEN FONT LICENSE" in (ROOT / "app" / "static" / "LICENSE-JetBrainsMono.txt").read_text().upper()


def test_nothing_of_the_look_comes_from_another_host() -> None:
    sources = [*(ROOT / "app").glob("**/*.svg"), *(ROOT / "app").glob("**/*.css"), ROOT / ".streamlit" / "config.toml"]
    for source in sources:
        text = source.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), source


def test_both_themes_say_the_same_things() -> None:
    light, dark = CONFIG["theme"]["light"], CONFIG["theme"]["dark"]
    assert light.keys() == dark.keys()
    assert light["sidebar"].keys() == dark["sidebar"].keys()


def test_the_settings_that_matter_are_set() -> None:
    assert CONFIG["runner"]["postScriptGC"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["server"]["allowedHosts"] == ["localhost", "127.0.0.1"]


def test_the_packages_of_the_editor_are_pinned_and_locked_without_the_address_of_any_index() -> None:
    package = json.loads((EDITOR / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    lock = json.loads((EDITOR / "package-lock.json").read_text())
    assert all(lock["packages"][f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    locked = [entry for path, entry in lock["packages"].items() if path]
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in locked)
