"""Time: aware UTC datetimes from a clock that tests can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime, to the microsecond."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Return microseconds since the epoch; microseconds stay below 2^53, nanoseconds would not.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of `micros` microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=micros)


def to_text(moment: datetime) -> str:
    """Return the RFC 3339 text of a moment, in UTC with microseconds and `Z`.

    >>> to_text(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    # Not strftime, which takes five times as long and drops the zeros before the year 1000 on some systems.
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def to_words(moment: datetime) -> str:
    """Return a moment as people read it, in UTC to the second.

    >>> to_words(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    '2026-01-02 03:04:05 UTC'
    """
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ', timespec='seconds')} UTC"


def from_text(text: str) -> datetime:
    """Return the moment an ISO 8601 text names; a text without offset is UTC.

    Raises:
        ValueError: the text is no ISO 8601 date or time, or one outside of the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside of the years 1 to 9999 in UTC") from error


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
