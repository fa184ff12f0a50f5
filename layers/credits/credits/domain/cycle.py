"""The billing cycle: period n of an account begins n months after its anchor.

Counting from the *original* anchor keeps the billing date: 31 January renews on 28 February and on 31 March again,
which is also how Stripe counts a `billing_cycle_anchor`. Everything is UTC.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open span [start, end) of one allocation; `number` counts from the anchor's own period, 0."""

    number: int
    start: datetime
    end: datetime


def months_after(anchor: datetime, months: int) -> datetime:
    """The same day and time `months` later, or the last day of a month that is too short for it."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    month += 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def period(anchor: datetime, number: int) -> Period:
    """Period `number` of the cycle that began at `anchor`.

    A negative one is the lead-in to a cycle that begins in the future: the trial before it, one period however long,
    which began at most `-number` months before the anchor.
    """
    return Period(number, months_after(anchor, number), months_after(anchor, number + 1) if number >= 0 else anchor)


def lead_in(anchor: datetime, start: datetime) -> Period:
    """The one period from `start` to the anchor, which is after it."""
    number = -1
    while months_after(anchor, number) > start:
        number -= 1
    return period(anchor, number)


def period_at(anchor: datetime, instant: datetime) -> Period:
    """The period that contains `instant`; the first for an instant before the anchor (a clock that stepped back)."""
    months = (instant.year - anchor.year) * 12 + instant.month - anchor.month
    if months > 0 and months_after(anchor, months) > instant:
        months -= 1
    return period(anchor, max(months, 0))
