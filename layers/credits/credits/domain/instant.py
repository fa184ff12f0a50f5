"""Instants: aware UTC datetimes, whole milliseconds, and the one text form they have in keys, entries and answers.

The text form is fixed in width (`2026-11-23T06:01:02.123Z`), so that texts sort as the instants do.
"""

from datetime import UTC, datetime


def floor(instant: datetime) -> datetime:
    """The instant in UTC, cut to the millisecond: what the ledger can store.

    ValueError for a naive datetime, and for one that in UTC is before the year 1 or after 9999.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999") from None
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_text(instant: datetime) -> str:
    """`2026-11-23T06:01:02.123Z`; the instant must be in UTC."""
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)
