"""The view: the whole page as plain values. Templates lay it out and decide nothing."""

from dataclasses import dataclass
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.entry import EntryKind
from credits.page.chart import Chart, chart_of, counted
from credits.page.history import MOVEMENTS, OneConversation, Row, conversation_of, movement_name, rows_of
from credits.page.overview import Overview, overview_of
from credits.page.plans import Plans, plans_of
from credits.page.reader import Reader
from credits.page.readings import MOST_CSV_ROWS, OFFERED_MEMBERS, Readings
from credits.page.selection import PERIOD, Address, Selection
from credits.usage.insights import Advice
from credits.usage.report import Granularity

SPANS = {PERIOD: "This period", "7d": "7 days", "30d": "30 days", "90d": "90 days", "12m": "12 months"}
GRAINS = {Granularity.DAY: "Day", Granularity.WEEK: "Week", Granularity.MONTH: "Month"}

MOVEMENT_CHOICES = tuple(kind for kind in EntryKind if kind.value in MOVEMENTS)


@dataclass(frozen=True, slots=True)
class Link:
    """A choice among others that is one click away."""

    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a list."""

    value: str
    name: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together."""

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """Whom the history of a team can be narrowed to. Where these are not all there may be, others can be typed."""

    choices: tuple[Choice, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters as they stand. `members` is None for a plan of one person."""

    spans: tuple[Link, ...]
    grains: tuple[Link, ...]
    types: tuple[Group, ...]
    conversations: tuple[Choice, ...]
    members: Members | None
    member: str
    first: str
    last: str
    problem: str | None
    clear_url: str | None
    carried: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class History:
    """The history: its filters, its chart or the one conversation it is narrowed to, and a page of its rows."""

    filters: Filters
    when: str
    chart: Chart
    one: OneConversation | None
    rows: tuple[Row, ...]
    empty: str
    first_url: str | None
    next_url: str | None
    csv_url: str
    most_csv_rows: str


@dataclass(frozen=True, slots=True)
class Tip:
    """Advice, and what following it would have saved; empty where nothing measures that."""

    text: str
    saved: str


@dataclass(frozen=True, slots=True)
class View:
    """The page."""

    reader: Reader
    overview: Overview
    history: History
    plans: Plans
    tips: tuple[Tip, ...]
    tips_since: str


def view_of(
    readings: Readings, selection: Selection, address: Address, catalog: Catalog, reader: Reader, *, now: datetime
) -> View:
    """The page of an account, which is as of `now`."""
    account, insights = readings.account, readings.insights
    return View(
        reader=reader,
        overview=overview_of(account, insights.forecast, catalog, reader, now=now),
        history=_history(readings, selection, address, catalog, reader),
        plans=plans_of(account, address, catalog, reader, now=now),
        tips=tuple(Tip(advice.tip.text, _saved(advice, reader)) for advice in insights.tips),
        tips_since=reader.long_date(insights.advised_since),
    )


def _saved(advice: Advice, reader: Reader) -> str:
    if advice.credits_saved:
        return f"Would have saved {counted(advice.credits_saved, 'credit', reader)}"
    return "Nothing to save here" if advice.count == 0 else ""


def _history(readings: Readings, selection: Selection, address: Address, catalog: Catalog, reader: Reader) -> History:
    page, parameters = readings.entries, selection.parameters
    return History(
        filters=_filters(readings, selection, address, catalog, reader),
        when=f"{reader.day_and_year(selection.first)} – {reader.day_and_year(selection.last)}",
        chart=chart_of(readings.report, catalog, reader),
        one=conversation_of(readings.one, catalog, reader) if readings.one else None,
        rows=rows_of(page.items, catalog, reader, more=page.cursor is not None),
        empty=_empty(readings, selection),
        first_url=address.to(parameters, "history") if selection.cursor else None,
        next_url=address.to(parameters | {"cursor": page.cursor}, "history") if page.cursor else None,
        csv_url=address.to(parameters, path=f"{address.path}/history.csv"),
        most_csv_rows=reader.number(MOST_CSV_ROWS),
    )


def _empty(readings: Readings, selection: Selection) -> str:
    if readings.entries.cursor:
        return "Nothing of this kind is among the newest entries. Older ones are on the next page."
    if selection.narrowed:
        return "Nothing fits these filters in this time."
    return "Nothing happened in this time. Send a message, and it will appear here."


def _filters(readings: Readings, selection: Selection, address: Address, catalog: Catalog, reader: Reader) -> Filters:
    chosen = selection.parameters
    unspanned = {name: value for name, value in chosen.items() if name not in {"span", "from", "to", "by"}}
    ungrained = {name: value for name, value in chosen.items() if name != "by"}
    unfiltered = {name: value for name, value in chosen.items() if name in {"span", "from", "to", "by"}}
    return Filters(
        spans=tuple(
            Link(
                name,
                address.to(unspanned | ({"span": span} if span != PERIOD else {}), "history"),
                span == selection.span,
            )
            for span, name in SPANS.items()
        ),
        grains=tuple(
            Link(
                name,
                address.to(ungrained | {"by": grain.value}, "history"),
                grain is selection.by,
            )
            for grain, name in GRAINS.items()
        ),
        types=_types(selection, catalog),
        conversations=_conversations(readings, selection, reader),
        members=_members(readings, selection) if catalog.plans[readings.account.plan].per_seat else None,
        member=selection.member_id or "",
        first=selection.first.isoformat(),
        last=selection.last.isoformat(),
        problem=selection.problem,
        clear_url=address.to(unfiltered, "history") if selection.narrowed else None,
        carried=tuple(address.carried.items()),
        kept=tuple(unfiltered.items()),
    )


def _types(selection: Selection, catalog: Catalog) -> tuple[Group, ...]:
    actions = tuple(Choice(each.id, each.name, each.id == selection.action) for each in catalog.actions.values())
    movements = tuple(Choice(kind.value, movement_name(kind), kind is selection.kind) for kind in MOVEMENT_CHOICES)
    return (Group("What you used", actions), Group("Other movements", movements))


def _conversations(readings: Readings, selection: Selection, reader: Reader) -> tuple[Choice, ...]:
    """Those used last, and the one that is chosen wherever it stands."""
    offered = {each.conversation_id: each for each in readings.recent}
    if readings.one:
        offered.setdefault(readings.one.conversation_id, readings.one)
    choices = [
        Choice(
            each.conversation_id,
            f"{each.title or each.conversation_id}: {counted(each.credits, 'credit', reader)}",
            each.conversation_id == selection.conversation_id,
        )
        for each in offered.values()
    ]
    if selection.conversation_id and selection.conversation_id not in offered:
        choices.append(Choice(selection.conversation_id, selection.conversation_id, chosen=True))
    return tuple(choices)


def _members(readings: Readings, selection: Selection) -> Members:
    """The team's members, those that were removed among them; whoever else this page of the history names; and the one
    that is chosen. A team that makes nobody a member is known by its history alone, so there anybody can be typed."""
    chosen = selection.member_id
    offered = {member.member_id for member in readings.members}
    offered |= {entry.member_id for entry in readings.entries.items if entry.member_id}
    offered |= {chosen} if chosen else set()
    return Members(
        choices=tuple(Choice(each, each, each == chosen) for each in sorted(offered)),
        complete=0 < readings.account.members <= OFFERED_MEMBERS,
    )
