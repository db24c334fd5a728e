"""Names of models: which can exist at all (what MLflow stores and a page can show safely)."""

from __future__ import annotations

import unicodedata

from services.errors import InvalidInput
from services.untrusted.escape import as_line

MAX_NAME_CHARACTERS = 255
_SHOWN_CHARACTERS = 60
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def check_model_name(name: str) -> str:
    """Return `name` if the registry can hold it and nothing in it can deceive a reader.

    Raises:
        InvalidInput: it is empty, too long, or has a character that may not be in a name.
    """
    problem = find_unusable(name)
    if problem is not None:
        raise InvalidInput(
            f"The model name {quoted(name)} {problem}.",
            next_step="Use letters, digits and underscores, such as fraud_detector or risk.cards.fraud_detector.",
        )
    return name


def find_unusable(name: str) -> str | None:
    """Return why `name` can be no model's name, as the end of a sentence, or None if it can."""
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"has {len(name)} characters, more than the {MAX_NAME_CHARACTERS} that the registry keeps"
    problem = next(filter(None, map(_unusable_character, name)), None)
    if problem is not None:
        return problem
    if name != name.strip():
        return "begins or ends with a space"
    return "is a folder, not a name" if name in {".", ".."} else None


def quoted(text: str) -> str:
    r"""Return text from outside as it may stand in a message: one line, visible, cut to a readable length.

    >>> quoted("a\nb")
    "'a↵b'"
    """
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
    return f"'{as_line(cut)}'"


def _unusable_character(character: str) -> str | None:
    if unicodedata.category(character) in _UNSAFE_CATEGORIES:
        return f"contains the invisible character U+{ord(character):04X}"
    if character in "<>":
        return f"contains {character}, which belongs to HTML"
    if character in "/:\\":
        return f"contains {character}, which separates parts of a reference"
    return None
