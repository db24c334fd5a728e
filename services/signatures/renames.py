"""Guesses that a column which is gone and one which is new are the same under another name. A guess changes no verdict.

Names are compared by their words (`merchant_id`, `merchantId`), by their letters where the lists are short, and by
standing at the same position; only columns of the same type are paired. Where very many changed, only names that differ
in nothing but case and punctuation are paired.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from services.signatures.values import Column
from services.signatures.verdicts import Rename, Side

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PUNCTUATION = str.maketrans("", "", "_- .")
_LIKELY = 0.5
_MAX_LETTER_PAIRS = 200
_MAX_SHARING = 20
_MAX_BY_WORDS = 400
_SAME_PLACE_BONUS = 0.1

_Placed = tuple[int, Column]


def guess_renames(side: Side, removed: Sequence[_Placed], added: Sequence[_Placed]) -> tuple[Rename, ...]:
    """Pair removed with added columns, likeliest first, each at most once.

    >>> from services.signatures.values import Scalar
    >>> amount = Column(name="merchantId", type=Scalar.LONG)
    >>> later = Column(name="merchant_id", type=Scalar.LONG)
    >>> guess_renames(Side.INPUTS, [(0, amount)], [(0, later)])[0].likelihood
    1.0
    """
    is_long = len(removed) + len(added) > _MAX_BY_WORDS
    scored = sorted((_spelled_alike if is_long else _score_pairs)(removed, added), key=lambda pair: -pair[0])
    guesses, taken = [], set()
    for likelihood, old, new in scored:
        if likelihood >= _LIKELY and ("-", old) not in taken and ("+", new) not in taken:
            taken |= {("-", old), ("+", new)}
            guesses.append(Rename(side=side, before=old, after=new, likelihood=round(likelihood, 2)))
    return tuple(guesses)


def _spelled_alike(removed: Sequence[_Placed], added: Sequence[_Placed]) -> Iterator[tuple[float, str, str]]:
    spelled = {_bare(new): new for _, new in added}
    for _, old in removed:
        new = spelled.get(_bare(old))
        if new is not None and new.type == old.type:
            yield 1.0, str(old.name), str(new.name)


def _bare(column: Column) -> str:
    return str(column.name).lower().translate(_PUNCTUATION)


def _score_pairs(removed: Sequence[_Placed], added: Sequence[_Placed]) -> Iterator[tuple[float, str, str]]:
    is_short = len(removed) * len(added) <= _MAX_LETTER_PAIRS
    by_word: dict[str, list[_Placed]] = defaultdict(list)
    words_of = {column.name: _words(column) for _, column in (*removed, *added)}
    for placed in added:
        for word in words_of[placed[1].name]:
            by_word[word].append(placed)
    for at, old in removed:
        words = words_of[old.name]
        # A word that many share, such as "feature", tells nothing.
        sharing = {new[0]: new for word in words if len(by_word[word]) <= _MAX_SHARING for new in by_word[word]}
        for place, new in added if is_short else sharing.values():
            if new.type != old.type:
                continue
            likelihood = _alike(words, words_of[new.name])
            if is_short:
                likelihood = max(likelihood, SequenceMatcher(None, str(old.name), str(new.name)).ratio())
            yield min(1.0, likelihood + _SAME_PLACE_BONUS * (at == place)), str(old.name), str(new.name)


def _words(column: Column) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORDS.findall(str(column.name)))


def _alike(words: frozenset[str], others: frozenset[str]) -> float:
    return len(words & others) / len(words | others) if words or others else 0.0
