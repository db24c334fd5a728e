"""Names that are easily taken for one another: alike but for case, separators, a plural, a letter, or another script.

Two texts that become equal when each loses at most one letter are at most one replaced, added, missing or moved letter
apart; looking those texts up finds all pairs without comparing every name with every other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

MIN_LETTERS_FOR_EDITS = 6

_MARKUP = re.compile(r"</?[A-Za-z][^>]*>")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_DIGITS = re.compile(r"[0-9]+")
# Cyrillic and Greek letters drawn like Latin ones (unicode.org/reports/tr39, confusables).
_SAME_SHAPE = str.maketrans("аеорсухіјѕԁԛԝαοενρτυ", "aeopcyxijsdqwaoevptu")
_DIGIT_FOR_LETTER = (re.compile(r"(?<=[a-z])0(?=[a-z])"), "o"), (re.compile(r"(?<=[a-z])1(?=[a-z])"), "l")


def split_words(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents, whichever way they are joined.

    >>> split_words("FraudDetector-v2")
    ['fraud', 'detector', 'v2']
    """
    spaced = _HUMP.sub("_", _MARKUP.sub(" ", name))
    decomposed = unicodedata.normalize("NFKD", spaced.casefold().translate(_SAME_SHAPE))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return [word for word in _SEPARATORS.split(plain) if word]


def find_look_alike(name: str, existing: Collection[str]) -> str | None:
    """Return the first name by spelling that a new name is easily taken for, or None; a name that exists is not new.

    >>> find_look_alike("fraud_detectors", ["churn_predictor", "fraud_detector"])
    'fraud_detector'
    """
    if name in existing:
        return None
    own = _keys(name)
    return min((other for other in existing if not own.isdisjoint(_keys(other))), default=None)


def group_look_alikes(names: Sequence[str]) -> Mapping[str, str]:
    """Return for each name that is easily taken for an earlier one the earliest; who came first is nobody's look-alike.

    >>> group_look_alikes(["fraud_detector", "churn_predictor", "fraud_detectors"])
    {'fraud_detectors': 'fraud_detector'}
    """
    age = {name: place for place, name in enumerate(names)}
    first_of: dict[tuple[str, str], str] = {}
    found: dict[str, str] = {}
    for name in age:
        earlier = {first for key in _keys(name) if (first := first_of.setdefault(key, name)) != name}
        if earlier:
            found[name] = min(earlier, key=age.__getitem__)
    return found


def _keys(name: str) -> frozenset[tuple[str, str]]:
    """Return what a look-alike shares at least one of; names that differ in their numbers share none."""
    joined = "".join(word.removesuffix("s") for word in split_words(name))
    for pattern, letter in _DIGIT_FOR_LETTER:
        joined = pattern.sub(letter, joined)
    letters, numbers = _DIGITS.sub("", joined), "-".join(_DIGITS.findall(joined))
    if not letters:
        return frozenset()
    shorter = [letters[:index] + letters[index + 1 :] for index in range(len(letters))]
    return frozenset((text, numbers) for text in (letters, *(shorter if len(letters) >= MIN_LETTERS_FOR_EDITS else ())))
