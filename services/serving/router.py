"""The sticky split of a ramp: which version answers a request, by its key alone.

The rule, for those who write it in another language: the first eight bytes of SHA-256 over `SALT:KEY` in UTF-8, as a
big-endian number over 2^64, give every key a place from 0 to 1; the candidate answers the keys whose place is below the
ratio. So a key has the same answer everywhere and at any time, a growing ratio only adds keys to the candidate, and the
next ramp, with another salt, begins with other keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from services.errors import InvalidInput

_PLACES = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Says which version answers.

    Args:
        champion: the version that serves.
        candidate: the version that is on its way, if any.
        candidate_ratio: which share of keys the candidate answers, from 0 to 1.
        salt: what tells one ramp from another, such as the id of its plan.

    Raises:
        InvalidInput: the ratio is not from 0 to 1, or above 0 without a candidate.

    >>> router = Router(champion=7, candidate=8, candidate_ratio=0.25, salt="41")
    >>> [router.choose(key) for key in ("ada", "ben", "cleo", "dan")]
    [7, 8, 8, 7]
    """

    champion: int
    candidate: int | None = None
    candidate_ratio: float = 0.0
    salt: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.candidate_ratio <= 1:
            raise InvalidInput(
                f"A share of {self.candidate_ratio:g} is not from 0 to 1.", next_step="Give 0.05 for five percent."
            )
        if self.candidate is None and self.candidate_ratio:
            raise InvalidInput(
                f"There is no candidate that could answer {self.candidate_ratio:g} of the requests.",
                next_step="Name the candidate's version, or leave the ratio at 0.",
            )

    def choose(self, key: str) -> int:
        """Return the version that answers requests with this key."""
        if self.candidate is not None and place_of(self.salt, key) < self.candidate_ratio:
            return self.candidate
        return self.champion


def place_of(salt: str, key: str) -> float:
    """Return the place of a key from 0 to below 1, the same for ever.

    >>> round(place_of("41", "ada"), 6)
    0.410402
    """
    digest = hashlib.sha256(f"{salt}:{key}".encode("utf-8", "surrogatepass")).digest()
    # Rounding to a double must not make it 1, which no ratio lies above.
    return min(int.from_bytes(digest[:8], "big") / _PLACES, 1 - 2**-53)
