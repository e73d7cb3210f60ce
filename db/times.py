"""Times as the store has them, and durations in words."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now in UTC, without an offset, as every time column of the store holds it."""
    return datetime.now(UTC).replace(tzinfo=None)


def duration(seconds: float) -> str:
    """A duration in words.

    >>> duration(45), duration(180), duration(9000)
    ('45 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
