"""The stack's clock: the machine's, moved forward by as much as it was told to."""

import re
import threading
from datetime import UTC, datetime, timedelta

# ISO 8601 durations of fixed length. Years and months have none: `P31D` says which month is meant.
NUMBER = r"([0-9]{1,8})"
DURATION = re.compile(rf"P(?=.)(?:{NUMBER}W)?(?:{NUMBER}D)?(?:T(?=.)(?:{NUMBER}H)?(?:{NUMBER}M)?(?:{NUMBER}S)?)?")

# As far as the clock goes, in all. Wide enough for every rule, and far from where dates end.
MAX_OFFSET = timedelta(days=100 * 365)


class NotADuration(ValueError):
    """The text is no duration the clock can move by; the message says what is."""


class Clock:
    """Runs with the machine's clock, `offset` ahead of it. It can be moved forward, never back."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._moving = threading.Lock()

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, duration: object) -> datetime:
        """Moves forward by an ISO 8601 duration such as `P31D` or `PT90M` and returns the new time.

        Raises NotADuration for anything else, and for a move beyond MAX_OFFSET.
        """
        parts = DURATION.fullmatch(duration) if isinstance(duration, str) else None
        if parts is None:
            raise NotADuration(
                "advance is a duration of weeks, days, hours, minutes, seconds; for example P31D or PT90M"
            )
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        with self._moving:
            offset = self._offset + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
            if offset > MAX_OFFSET:
                raise NotADuration(f"the clock moves at most {MAX_OFFSET.days} days forward")
            self._offset = offset
        return self.now()
