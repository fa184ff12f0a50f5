"""The selection: which part of the history a reader asked to see, read from the page's address.

An address is typed, shared and kept, so nothing in it is an error page: what cannot be read is left out, with a word
about it beside the filters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.errors import InvalidRequest
from credits.ledger.read import MILLISECOND, EntryFilter
from credits.page.reader import Reader
from credits.usage.report import MOST_DAYS, Granularity, Wanted, instant_of, within_years

PERIOD = "period"
CUSTOM = "custom"
DAYS_BACK: Mapping[str, int] = {"7d": 7, "30d": 30, "90d": 90, "12m": 365}
"""Spans that end with today, by what they are called in an address, and how many days each has."""

MOST_BARS = 62
"""Two months of days: more bars than that are too thin to read or to point at, and wider ones tell the same."""

BAR_DAYS: Mapping[Granularity, int] = {Granularity.DAY: 1, Granularity.WEEK: 7, Granularity.MONTH: 28}

LONGEST_VALUE = 500
"""Of one parameter of the address; the longest of ours is a cursor."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of the history: from `since` on and before `until`, which are `first` to `last` where the reader is.

    `kind` is a movement that is no usage. `problem` says what of the address could not be used.
    """

    span: str
    since: datetime
    until: datetime
    first: date
    last: date
    by: Granularity
    action: str | None = None
    kind: EntryKind | None = None
    conversation_id: str | None = None
    member_id: str | None = None
    cursor: str | None = None
    problem: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the span is chosen."""
        return any((self.action, self.kind, self.conversation_id, self.member_id))

    @property
    def entries(self) -> EntryFilter:
        """What the ledger is asked for."""
        return EntryFilter(self.since, self.until, self.conversation_id, self.kind, self.action, self.member_id)

    def wanted(self, reader: Reader) -> Wanted:
        """What the read models are asked for."""
        return Wanted(self.by, self.since, self.until, reader.zone, self.action, self.member_id)

    @property
    def parameters(self) -> dict[str, str]:
        """The selection as an address has it, without what goes without saying, and without its place in the list."""
        dates = {"from": self.first.isoformat(), "to": self.last.isoformat()} if self.span == CUSTOM else {}
        chosen = {
            "span": self.span if self.span not in {PERIOD, CUSTOM} else None,
            **dates,
            "by": self.by.value if self.by is not Granularity.DAY else None,
            "type": self.action or (self.kind and self.kind.value),
            "conversation": self.conversation_id,
            "member": self.member_id,
        }
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True, slots=True)
class Address:
    """How the page is reached: its path, and what every link of it carries."""

    path: str
    carried: Mapping[str, str]

    def to(self, parameters: Mapping[str, str], fragment: str = "", *, path: str | None = None) -> str:
        """A link to the page, or to another path of it."""
        return f"{path or self.path}?{urlencode({**self.carried, **parameters})}" + (f"#{fragment}" if fragment else "")


def selection_of(
    query: Mapping[str, str], account: Account, catalog: Catalog, reader: Reader, *, now: datetime
) -> Selection:
    """The selection that the address of the page asks for; `account` is as of `now`."""
    asked = {name: value for name, value in query.items() if value and len(value) <= LONGEST_VALUE}
    span, since, until, problem = _span(asked, account, reader, now)
    first, last = reader.day_of(since), reader.day_of(until - MILLISECOND)
    by, coarser = _granularity(asked.get("by"), (last - first).days + 1)
    chosen = Selection(
        span,
        since,
        until,
        first,
        last,
        by,
        conversation_id=asked.get("conversation"),
        member_id=asked.get("member"),
        cursor=asked.get("cursor"),
        problem=problem or coarser,
    )
    what = asked.get("type")
    if what is None:
        return chosen
    if what in catalog.actions:
        return replace(chosen, action=what)
    if what in set(EntryKind):
        return replace(chosen, kind=EntryKind(what))
    return replace(chosen, problem=problem or "There is no such type of activity, so all of them are shown.")


def _span(
    asked: Mapping[str, str], account: Account, reader: Reader, now: datetime
) -> tuple[str, datetime, datetime, str | None]:
    """The span's name, its bounds, and what was wrong with the one that was asked for."""
    span = asked.get("span", PERIOD)
    preset = span if span in DAYS_BACK else PERIOD
    since, until = _preset(preset, account, reader, now)
    first, last = asked.get("from"), asked.get("to")
    shown = (reader.day_of(since).isoformat(), reader.day_of(until - MILLISECOND).isoformat())
    if not (first or last) or (first or shown[0], last or shown[1]) == shown:
        return preset, since, until, None
    try:
        begins = within_years(instant_of(first, "from", reader.zone), "from") if first else since
        ends = _day_after(last, reader) if last else until
    except InvalidRequest:
        return preset, since, until, "These dates could not be read."
    if ends <= begins:
        return preset, since, until, "The first date is after the last, so neither was used."
    if ends - begins > MOST_DAYS * DAY:
        return preset, since, until, f"More than {MOST_DAYS} days cannot be shown at once."
    return CUSTOM, begins, ends, None


def _preset(span: str, account: Account, reader: Reader, now: datetime) -> tuple[datetime, datetime]:
    if span == PERIOD:
        return account.period.start, account.period.end
    today = reader.day_of(now)
    first = today - (DAYS_BACK[span] - 1) * DAY
    return instant_of(first.isoformat(), "from", reader.zone), _day_after(today.isoformat(), reader)


def _day_after(day: str, reader: Reader) -> datetime:
    """The first instant after this day."""
    try:
        following = date.fromisoformat(day) + DAY
    except (ValueError, OverflowError):
        raise InvalidRequest([("to", "is not a date")]) from None
    return within_years(instant_of(following.isoformat(), "to", reader.zone), "to")


def _granularity(asked: str | None, days: int) -> tuple[Granularity, str | None]:
    """What a bar is: what was asked for, or the finest that leaves them wide enough."""
    fine = [each for each in Granularity if days <= MOST_BARS * BAR_DAYS[each]]
    by = Granularity(asked) if asked in set(Granularity) else fine[0]
    if by in fine:
        return by, None
    return fine[0], f"So many days are drawn by {fine[0].value}."
