"""What deprecation looks like in the registry: three tags and a prefix of the description, as the users' code has them.

`deprecated` is `true`, `sunset_on` a date, `replacement_version` a number of the same model or `NAME/VERSION`, and the
description begins with `[DEPRECATED - sunset DATE] `. Tags that others wrote badly are told apart from none at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.errors import Blocked
from services.registry.values import ModelVersion

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


def check_may_serve(version: ModelVersion, today: date) -> None:
    """Let pass only a version whose sunset has not come; whatever makes a version serve asks this.

    Raises:
        Blocked: it has come.
    """
    sunset = find_sunset(version.name, version.tags)
    if sunset is None or not sunset.is_over(today):
        return
    since = f"since {sunset.on}" if sunset.on else "with no readable date"
    step = f"Use its replacement, {sunset.replacement}" if sunset.replacement else "Use another version"
    raise Blocked(
        f"{version.reference} is deprecated and past its sunset ({since}).",
        next_step=f"{step}, or withdraw the deprecation with a reason.",
    )


def prefix_description(description: str, sunset: date) -> str:
    """Return a description that begins with the notice, once.

    >>> prefix_description(prefix_description("Baseline", date(2026, 1, 1)), date(2027, 1, 1))
    '[DEPRECATED - sunset 2027-01-01] Baseline'
    """
    return f"[DEPRECATED - sunset {sunset.isoformat()}] {strip_description(description)}".rstrip()


def strip_description(description: str) -> str:
    """Return a description without the notice."""
    return _PREFIX.sub("", description, count=1) if _PREFIX.match(description) else description
