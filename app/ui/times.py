"""Times as people read them: how long ago in the text, the exact moment on hover, always UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_STEPS = ((timedelta(days=365), "y"), (timedelta(days=30), "mo"), (timedelta(days=1), "d"), (timedelta(hours=1), "h"))


def ago(moment: datetime, now: datetime) -> str:
    """Return how far `moment` is from `now`, either side of it.

    >>> now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> ago(now - timedelta(hours=5), now), ago(now + timedelta(days=3), now), ago(now, now)
    ('5 h ago', 'in 3 d', 'just now')
    """
    distance = abs(now - moment)
    if distance < timedelta(seconds=5):
        return "just now"
    text = duration(distance)
    return f"{text} ago" if moment < now else f"in {text}"


def duration(length: timedelta) -> str:
    """Return a length of time in its largest whole unit.

    >>> duration(timedelta(seconds=75)), duration(timedelta(days=45)), duration(timedelta(milliseconds=20))
    ('1 min', '1 mo', '0 s')
    """
    for unit, name in _STEPS:
        if length >= unit:
            return f"{length // unit} {name}"
    if length >= timedelta(minutes=1):
        return f"{length // timedelta(minutes=1)} min"
    return f"{length // timedelta(seconds=1)} s"


def exact(moment: datetime) -> str:
    """Return a moment to the second, in UTC.

    >>> exact(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01 12:00:00 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def day(moment: datetime) -> str:
    """Return the UTC date of a moment.

    >>> day(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d}"
