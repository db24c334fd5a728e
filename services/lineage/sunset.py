"""What deprecation looks like in the registry: three tags and a prefix of the description, as the users' code has them.

`deprecated` is `true`, `sunset_on` a date, `replacement_version` a number of the same model or `NAME/VERSION`, and the
description begins with `[DEPRECATED - sunset DATE] `. Tags that others wrote badly are told apart from none at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

DEPRECATED = "deprecated"
SUNSET_ON = "sunset_on"
REPLACEMENT = "replacement_version"

_PREFIX = re.compile(r"\[DEPRECATED - sunset [^\]\n]{1,40}\] ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sunset:
    """A deprecated version.

    Args:
        on: the day from which nobody should use it; None where the tag is missing or no date.
        replacement: `NAME/VERSION`, empty for none.
    """

    on: date | None
    replacement: str = ""

    def days_left(self, today: date) -> int | None:
        """Return how many days remain, 0 on the day itself and less after it; None where no date is known."""
        return None if self.on is None else (self.on - today).days

    def is_over(self, today: date) -> bool:
        """Return whether the day has come; without a readable date it counts as come, since it is deprecated."""
        return self.on is None or today >= self.on


def find_sunset(name: str, tags: Mapping[str, str]) -> Sunset | None:
    """Return what the tags of a version of `name` say, or None where it is not deprecated.

    >>> find_sunset("fraud", {"deprecated": "true", "sunset_on": "2026-12-31", "replacement_version": "45"})
    Sunset(on=datetime.date(2026, 12, 31), replacement='fraud/45')
    """
    if tags.get(DEPRECATED, "").strip().lower() != "true":
        return None
    try:
        day = date.fromisoformat(tags.get(SUNSET_ON, "").strip())
    except ValueError:
        day = None
    replacement = tags.get(REPLACEMENT, "").strip()
    return Sunset(on=day, replacement=f"{name}/{replacement}" if replacement.isdecimal() else replacement)


def prefix_description(description: str, sunset: date) -> str:
    """Return a description that begins with the notice, once.

    >>> prefix_description(prefix_description("Baseline", date(2026, 1, 1)), date(2027, 1, 1))
    '[DEPRECATED - sunset 2027-01-01] Baseline'
    """
    return f"[DEPRECATED - sunset {sunset.isoformat()}] {strip_description(description)}".rstrip()


def strip_description(description: str) -> str:
    """Return a description without the notice."""
    return _PREFIX.sub("", description, count=1) if _PREFIX.match(description) else description
