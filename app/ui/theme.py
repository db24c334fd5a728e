"""The two themes, as `.streamlit/config.toml` has them, for the few things that Streamlit does not colour itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

import streamlit as st

from app.ui.states import Tone


class Theme(StrEnum):
    """The two looks a person can choose between."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one theme; `tones` are for lines and marks, `fills` for the areas behind text."""

    theme: Theme
    background: str
    surface: str
    text: str
    muted: str
    border: str
    accent: str
    series: tuple[str, ...]
    tones: MappingProxyType[Tone, str]
    fills: MappingProxyType[Tone, str]


def is_dark() -> bool:
    """Return whether the person looks at the dark theme; on the first run of a session it may not be known."""
    return st.context.theme.type == "dark"


def palette() -> Palette:
    """Return the colours of the theme that is looked at."""
    return palette_of(Theme.DARK if is_dark() else Theme.LIGHT)


@cache
def palette_of(theme: Theme) -> Palette:
    """Return the colours of a theme."""

    def color(name: str) -> str:
        value = st.get_option(f"theme.{theme}.{name}")
        assert isinstance(value, str), f"theme.{theme}.{name} is not in .streamlit/config.toml"
        return value

    return Palette(
        theme=theme,
        background=color("backgroundColor"),
        surface=color("secondaryBackgroundColor"),
        text=color("textColor"),
        muted=color("grayTextColor"),
        border=color("borderColor"),
        accent=color("primaryColor"),
        series=tuple(st.get_option(f"theme.{theme}.chartCategoricalColors")),
        tones=MappingProxyType({tone: color(f"{tone.value}Color") for tone in Tone}),
        fills=MappingProxyType({tone: color(f"{tone.value}BackgroundColor") for tone in Tone}),
    )
