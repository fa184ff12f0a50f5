"""The history: a page of ledger entries as rows that people know, newest first.

What was used in one conversation on one day is one row, which opens to its messages and tools. Whatever else moved the
balance (a grant, a pack, a refund, an expiry) is a row of its own, marked as what it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from credits.catalog import Catalog
from credits.domain.entry import CHARGES, SHARED, AnyEntry, ChangeStatus, EntryKind, PlanChange, mirrors
from credits.domain.grant import GrantKind
from credits.domain.instant import to_text
from credits.page.chart import colour_of, counted, in_order, name_of
from credits.page.reader import Reader
from credits.usage.fold import Conversation, Tallies, Tally

NO_CONVERSATION = "Outside conversations"

MOVEMENTS: Mapping[str, str] = {
    "allocation": "Monthly credits",
    "proration": "Credits for an upgrade",
    "carryover": "Credits carried over",
    "pack": "Credit pack",
    "promotion": "Gift",
    "adjustment": "Adjustment",
    "refund": "Refund",
    "expiry": "Credits expired",
    "revocation": "Credits withdrawn",
    "freeze": "Credits put on hold",
    "thaw": "Credits back from hold",
    "hold": "Set aside for a task",
    "extension": "More set aside for a task",
    "release": "Given back by a task",
    "plan_change": "Plan change",
    "standing": "Payment status",
    "period": "New period",
    "opened": "Account opened",
}
"""How a movement that is no usage is called, by the kind of its entry."""

BOOKKEEPING = frozenset({"confirmation", "member", "meter", "top_up"})
"""Kinds that move no credits and tell people nothing: the ledger keeps them, the history leaves them out."""

TELLING = frozenset({EntryKind.PROMOTION, EntryKind.ADJUSTMENT})
"""Kinds whose description somebody wrote for people; the ledger's own words for others are for those who audit it."""

GRANTS: Mapping[GrantKind, str] = {
    GrantKind.ALLOCATION: "monthly credits",
    GrantKind.PRORATION: "credits for added seats",
    GrantKind.CARRYOVER: "credits carried over",
    GrantKind.PACK: "purchased credits",
    GrantKind.PROMOTION: "gift credits",
    GrantKind.ADJUSTMENT: "adjusted credits",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One action of a row, and how often it happened where that is more than once."""

    name: str
    colour: int
    times: str


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of an opened row. They stand in the order in which they happened."""

    time: str
    what: str
    about: str
    credits: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. `usage` is False for a movement, whose `what` says what it is, `tag` what it does to
    the balance, and `about` the rest.

    `conversation_id` is what the row can be narrowed to. `cut` says that more of the day may be on the next page.
    """

    date: str
    instant: str
    what: str
    about: str
    usage: bool
    gain: bool
    credits: str
    chips: tuple[Chip, ...] = ()
    lines: tuple[Line, ...] = ()
    conversation_id: str | None = None
    cut: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class OneConversation:
    """What one conversation used in all, whenever that was."""

    conversation_id: str
    title: str
    credits: str
    since: str
    until: str
    chips: tuple[Chip, ...]


def rows_of(entries: Sequence[AnyEntry], catalog: Catalog, reader: Reader, *, more: bool) -> tuple[Row, ...]:
    """The rows of a page of entries; `more` where another page follows."""
    groups: dict[tuple[date, str | None] | str, list[AnyEntry]] = {}
    for entry in entries:
        if entry.kind.value in BOOKKEEPING or mirrors(entry):
            continue
        used = entry.kind in CHARGES
        key = (reader.day_of(entry.at), entry.conversation_id) if used else f"{entry.book_id} {entry.seq}"
        groups.setdefault(key, []).append(entry)
    oldest = reader.day_of(entries[-1].at) if entries and more else None
    return tuple(
        _movement(group[0], catalog, reader)
        if isinstance(key, str)
        else _usage(group, catalog, reader, cut=key[0] == oldest)
        for key, group in groups.items()
    )


def conversation_of(conversation: Conversation, catalog: Catalog, reader: Reader) -> OneConversation:
    """What is said of a conversation that the history is narrowed to."""
    return OneConversation(
        conversation.conversation_id,
        conversation.title or conversation.conversation_id,
        counted(conversation.credits, "credit", reader),
        reader.day_and_year(conversation.first_at),
        reader.day_and_year(conversation.last_at),
        _chips(conversation.actions, catalog, reader),
    )


def movement_name(kind: EntryKind) -> str:
    """`Monthly credits`; a kind without a name of its own is called what it is."""
    return MOVEMENTS.get(kind.value) or kind.value.replace("_", " ").capitalize()


def _usage(entries: Sequence[AnyEntry], catalog: Catalog, reader: Reader, *, cut: bool) -> Row:
    newest = entries[0]
    credits = sum(entry.credits for entry in entries)
    titles = (entry.conversation_title for entry in entries if entry.conversation_title)
    return Row(
        date=reader.day_and_year(newest.at),
        instant=to_text(newest.at),
        what=next(titles, newest.conversation_id or NO_CONVERSATION),
        about="",
        usage=True,
        gain=False,
        credits=reader.signed(credits),
        chips=_chips(_tallies(entries), catalog, reader),
        lines=tuple(_line(entry, catalog, reader) for entry in reversed(entries)),
        conversation_id=newest.conversation_id,
        cut=cut,
    )


def _line(entry: AnyEntry, catalog: Catalog, reader: Reader) -> Line:
    name = name_of(entry.action or "", catalog)
    told = entry.tool or entry.description
    model = catalog.models[entry.model].name if entry.model and entry.model in catalog.models else entry.model
    about = (name if told else None, entry.description if entry.tool else None, model, entry.member_id)
    times = f" × {reader.number(entry.quantity)}" if entry.quantity and entry.quantity > 1 else ""
    return Line(
        reader.time(entry.at),
        (told or name) + times,
        " · ".join(part for part in about if part),
        reader.signed(entry.credits),
    )


def _tallies(entries: Iterable[AnyEntry]) -> Tallies:
    tallies: dict[str, Tally] = {}
    for entry in entries:
        action = entry.action or ""
        tallies[action] = tallies.get(action, Tally()) + Tally(entry.quantity or 1, -entry.credits)
    return tallies


def _chips(tallies: Tallies, catalog: Catalog, reader: Reader) -> tuple[Chip, ...]:
    """The actions in the catalog's order. What is free is named only where nothing else happened."""
    costly = [action for action, tally in tallies.items() if tally.credits]
    return tuple(
        Chip(
            name_of(action, catalog),
            colour_of(action, catalog),
            reader.number(tallies[action].count) if tallies[action].count > 1 else "",
        )
        for action in in_order(costly or tallies, catalog)
    )


def _movement(entry: AnyEntry, catalog: Catalog, reader: Reader) -> Row:
    about = [
        _change(entry.change, catalog, reader) if entry.change else None,
        entry.description if entry.kind in TELLING else None,
        f"Unused {GRANTS[entry.draws[0].kind]}" if entry.kind is EntryKind.EXPIRY and entry.draws else None,
        f"{counted(entry.remaining, 'credit', reader)} left after it",
    ]
    return Row(
        date=reader.day_and_year(entry.at),
        instant=to_text(entry.at),
        what=movement_name(entry.kind),
        about=" · ".join(part for part in about if part),
        usage=False,
        gain=entry.credits > 0 and entry.kind not in SHARED,
        credits=reader.signed(entry.credits),
        tag=_tag(entry),
    )


def _tag(entry: AnyEntry) -> str:
    """What a movement does to the balance. A hold only sets aside: what its task used is a row of its own."""
    if entry.kind in SHARED:
        return "Only set aside"
    if entry.credits:
        return "Credits added" if entry.credits > 0 else "Credits removed"
    return "Not usage"


def _change(change: PlanChange, catalog: Catalog, reader: Reader) -> str:
    before, after = (
        plan_name(plan, seats, catalog, reader)
        for plan, seats in ((change.from_plan, change.from_seats), (change.to_plan, change.to_seats))
    )
    match change.status:
        case ChangeStatus.APPLIED:
            return f"{before} → {after}"
        case ChangeStatus.PENDING:
            return f"{before} → {after}, planned for {reader.day_and_year(change.at)}"
        case ChangeStatus.CALLED_OFF:
            return f"{before} → {after}, called off"


def plan_name(plan_id: str, seats: int, catalog: Catalog, reader: Reader) -> str:
    """`Pro`; `Team, 3 seats`."""
    plan = catalog.plans[plan_id]
    return f"{plan.name}, {counted(seats, 'seat', reader)}" if plan.per_seat else plan.name
