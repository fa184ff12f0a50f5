"""Reports: usage by day, week or month in the reader's time zone, and conversations, from the read models.

What a report costs depends on how many days it spans, never on how many entries the account has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from credits.domain.cycle import Period
from credits.domain.instant import floor, from_text, to_text
from credits.errors import ConversationNotFound, InvalidRequest
from credits.ledger.page import Page, from_cursor, to_cursor
from credits.ledger.read import answering
from credits.usage.fold import QUARTER, Conversation, Day, Tally, conversation_key
from credits.usage.tables import Rollups

MOST_DAYS = 400
"""A year and a month of days: each day is an item that is read, and a bucket that is answered."""


YEARS = range(1970, 9000)
"""Far enough from the calendar's ends that a time zone or a bucket never leaves it."""


class Granularity(StrEnum):
    """What a bucket of a report is. Weeks are ISO weeks: they begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to report: from `since` on and before `until`, maybe one action or one member alone.

    Usage is counted by quarter hours, so a quarter hour that `since` or `until` cuts counts whole (decision 9).
    """

    granularity: Granularity
    since: datetime
    until: datetime
    zone: tzinfo = UTC
    action: str | None = None
    member_id: str | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A day, week or month: its first instant, in the reader's zone, and what was used in it by action."""

    start: datetime
    actions: Mapping[str, Tally]

    @property
    def credits(self) -> int:
        return sum(tally.credits for tally in self.actions.values())


@dataclass(frozen=True, slots=True)
class Report:
    """The buckets that the wanted time touches, in their order, the empty ones among them."""

    wanted: Wanted
    buckets: tuple[Bucket, ...]

    @property
    def total(self) -> int:
        return sum(bucket.credits for bucket in self.buckets)


def zone_named(name: str, field: str = "tz") -> tzinfo:
    """The time zone with this IANA name. InvalidRequest for any other text, in this field."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of names
        raise InvalidRequest(
            [(field, f"there is no time zone {name!r}; take an IANA name such as Europe/Berlin")]
        ) from None


def instant_of(text: str, field: str, zone: tzinfo) -> datetime:
    """The instant that `from` or `to` means: a date is its first instant in the zone, a time needs its offset."""
    try:
        if len(text) == len("2026-11-23"):
            return _first_instant(date.fromisoformat(text), zone).astimezone(UTC)
        return floor(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise InvalidRequest([(field, "is neither a date nor an instant with its offset")]) from None


def within_years(instant: datetime, field: str) -> datetime:
    """The instant, where a report can be drawn around it. Raises InvalidRequest."""
    if instant.year not in YEARS:
        raise InvalidRequest([(field, f"is not in the years {YEARS.start} to {YEARS.stop - 1}")])
    return instant


def wanted_time(since: datetime | None, until: datetime | None, period: Period) -> tuple[datetime, datetime]:
    """The time to report; what is not given is the current period's. InvalidRequest for none, and for too much."""
    since, until = within_years(since or period.start, "from"), within_years(until or period.end, "to")
    if until <= since:
        raise InvalidRequest([("to", f"is not after {to_text(since)}")])
    if until - since > timedelta(days=MOST_DAYS):
        raise InvalidRequest([("to", f"is more than {MOST_DAYS} days after {to_text(since)}")])
    return since, until


@answering
def report(rollups: Rollups, account_id: str, wanted: Wanted) -> Report:
    """The account's report. It reads the days of the wanted time, and nothing else."""
    days = rollups.days(account_id, to_text(wanted.since)[:10], to_text(wanted.until)[:10], wanted.member_id)
    return drawn(days, wanted)


def drawn(days: Iterable[Day], wanted: Wanted) -> Report:
    """The report of these days."""
    buckets: dict[date, dict[str, Tally]] = {}
    first = _bucket_of(wanted.since, wanted)
    last = _bucket_of(wanted.until - timedelta(milliseconds=1), wanted)
    while first <= last:
        buckets[first] = {}
        first = _next(first, wanted.granularity)
    for day in days:
        for quarter, tallies in day.quarters.items():
            begins = from_text(f"{day.date}T{quarter}:00.000Z")
            if begins + QUARTER <= wanted.since or begins >= wanted.until:
                continue
            # A quarter hour that `since` cuts may begin in the bucket before.
            actions = buckets[_bucket_of(max(begins, wanted.since), wanted)]
            for action, tally in tallies.items():
                if wanted.action in (None, action):
                    actions[action] = actions.get(action, Tally()) + tally
    return Report(
        wanted, tuple(Bucket(_first_instant(start, wanted.zone), actions) for start, actions in buckets.items())
    )


@answering
def conversations(rollups: Rollups, account_id: str, *, limit: int, cursor: str | None = None) -> Page[Conversation]:
    """The account's conversations, the last used first."""
    beyond = from_cursor(cursor, 2) if cursor else None
    found = rollups.conversations(account_id, limit=limit + 1, beyond=(beyond[0], beyond[1]) if beyond else None)
    shown = found[:limit]
    more = to_cursor(to_text(shown[-1].last_at), shown[-1].key) if len(found) > limit else None
    return Page(tuple(shown), more)


@answering
def conversation(rollups: Rollups, account_id: str, conversation_id: str) -> Conversation:
    """One conversation of the account. Raises ConversationNotFound."""
    found = rollups.conversation(account_id, conversation_key(conversation_id))
    if found is None:
        raise ConversationNotFound(account_id, conversation_id)
    return found


def _bucket_of(instant: datetime, wanted: Wanted) -> date:
    """The first day of the bucket that the instant is in."""
    day = instant.astimezone(wanted.zone).date()
    match wanted.granularity:
        case Granularity.DAY:
            return day
        case Granularity.WEEK:
            return day - timedelta(days=day.weekday())
        case Granularity.MONTH:
            return day.replace(day=1)


def _next(first: date, granularity: Granularity) -> date:
    match granularity:
        case Granularity.DAY:
            return first + timedelta(days=1)
        case Granularity.WEEK:
            return first + timedelta(days=7)
        case Granularity.MONTH:
            return (first + timedelta(days=31)).replace(day=1)


def _first_instant(day: date, zone: tzinfo) -> datetime:
    """When the day begins there. Where clocks go forward at midnight that is an hour later than 00:00."""
    return datetime.combine(day, time(), zone).astimezone(UTC).astimezone(zone)


def named(tallies: Mapping[str, Tally]) -> Sequence[tuple[str, Tally]]:
    """Actions in the order of their ids, so that the same usage is always told in the same words."""
    return sorted(tallies.items())
