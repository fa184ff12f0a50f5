"""The clock: the only place that reads the time. Everything below the handlers is given `now`.

The local stack can move it forward, to show a month pass.
"""

from datetime import UTC, datetime, timedelta

from credits.domain.instant import floor

_offset = timedelta()


def now() -> datetime:
    """The current instant in UTC, to the millisecond."""
    return floor(datetime.now(UTC) + _offset)


def shift(offset: timedelta) -> None:
    """Let the clock run ahead of the machine's by `offset`, from now on. For the local stack."""
    global _offset  # noqa: PLW0603 - a process has one clock
    _offset = offset
