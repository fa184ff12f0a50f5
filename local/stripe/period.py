"""Billing periods as Stripe counts them: from the anchor, n intervals at a time, clamped to the month's end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from credits.domain.cycle import months_after

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end), in seconds since 1970."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.start


def moved(start: int, recurring: Mapping[str, Any], times: int) -> int:
    """The instant `times` intervals after `start`; before it, if negative."""
    at = datetime.fromtimestamp(start, UTC)
    count = times * int(recurring["interval_count"])
    if recurring["interval"] in DAYS:
        return start + int(timedelta(days=count * DAYS[recurring["interval"]]).total_seconds())
    return int(months_after(at, count * MONTHS[recurring["interval"]]).timestamp())


def span_at(anchor: int, recurring: Mapping[str, Any], instant: int) -> Span:
    """The period of the cycle around `anchor` that contains `instant`, which may be before the anchor."""
    # Two steps at most: the shortest interval of its kind never makes the first guess too low by more than one.
    length = moved(anchor, recurring, 1) - anchor
    number = (instant - anchor) // length
    while moved(anchor, recurring, number) > instant:
        number -= 1
    while moved(anchor, recurring, number + 1) <= instant:
        number += 1
    return Span(moved(anchor, recurring, number), moved(anchor, recurring, number + 1))
