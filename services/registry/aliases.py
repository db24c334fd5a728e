r"""Aliases: which texts are one, and which two are meant as the same.

MLflow 3.17 takes `1`, `None` and even `champion` followed by a newline, and on SQLite holds `champion` and `Champion`
side by side. New aliases are therefore written in one form; existing ones are found as they stand.
"""

from __future__ import annotations

import re
import unicodedata

from services.errors import InvalidInput
from services.registry.names import quoted

MAX_ALIAS_CHARACTERS = 255
_ALIAS_TEXT = re.compile(r"[\w-]+\Z")
_NEW_ALIAS = re.compile(r"[a-z][a-z0-9_-]*\Z")
_TAKEN = re.compile(r"(latest|none|v[0-9]+)\Z")


def check_alias_text(alias: str) -> str:
    """Return `alias` if the registry could hold it, whatever its case.

    Raises:
        InvalidInput: it is empty, too long, or has a character other than a letter, digit, underscore or dash.
    """
    if not _ALIAS_TEXT.match(alias) or len(alias) > MAX_ALIAS_CHARACTERS:
        raise _invalid(alias, f"is not 1 to {MAX_ALIAS_CHARACTERS} letters, digits, underscores and dashes")
    return alias


def check_new_alias(alias: str) -> str:
    """Return `alias` if it may be set: lower case, not read as a version, a stage name or the newest version.

    Raises:
        InvalidInput: it may not.
    """
    check_alias_text(alias)
    if not _NEW_ALIAS.match(alias):
        raise _invalid(alias, "is not in lower case, beginning with a letter")
    if _TAKEN.match(alias):
        raise _invalid(alias, "means something else to MLflow or to people")
    return alias


def normalise_alias(alias: str) -> str:
    r"""Return the one form of all variants that a reader takes for the same alias.

    >>> normalise_alias("Champion\n") == normalise_alias("champion")
    True
    """
    return unicodedata.normalize("NFKC", alias).strip().casefold()


def _invalid(alias: str, problem: str) -> InvalidInput:
    return InvalidInput(
        f"The alias {quoted(alias)} {problem}.",
        next_step="Write it such as production, staging or champion-eu.",
    )
