"""Fold: how ledger entries add up to what people see of their usage. Pure, and the only place that says what usage is.

Three kinds of rollup, each an item of its own, so that each stays small however large the account is:

    day#2026-11-23              what the account used on that UTC day
    member#alice#2026-11-23     what one member of it used on that day
    conversation#chat-1         what one conversation used, from its first action to its last

A day is counted by the quarter hour, since every time zone's days begin at one: a report can draw days anywhere.
The fold does not depend on the order in which several books of an account are folded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from credits.domain.entry import Entry, EntryKind
from credits.domain.instant import to_text
from credits.ledger.store import moment

FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an action happened, and what it cost. Credits of a rollup are positive numbers."""

    count: int = 0
    credits: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.credits + other.credits)


Tallies = Mapping[str, Tally]
"""By action id."""


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of an account or of a member; `quarters` by when each begins (`08:15`)."""

    key: str
    quarters: Mapping[str, Tallies] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """The day, `2026-11-23`."""
        return self.key.rpartition("#")[2]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. `titled` is the moment of the entry that its title, the last one given, comes from."""

    key: str
    actions: Tallies = field(default_factory=dict)
    first_at: datetime = LAST_INSTANT
    last_at: datetime = FIRST_INSTANT
    title: str | None = None
    titled: str = ""

    @property
    def conversation_id(self) -> str:
        return self.key.partition("#")[2]

    @property
    def credits(self) -> int:
        return sum(tally.credits for tally in self.actions.values())


Rollup = Day | Conversation


def is_usage(entry: Entry) -> bool:
    """Whether the entry is something people did. Grants, expiries and what else moves a balance are not."""
    return entry.kind is EntryKind.CHARGE and entry.action is not None


def day_key(date: str, member_id: str | None = None) -> str:
    """The key of a day of the account, or of one member; days of either sort by date. No id contains a `#`."""
    return f"member#{member_id}#{date}" if member_id else f"day#{date}"


def conversation_key(conversation_id: str) -> str:
    return f"conversation#{conversation_id}"


def touched(entry: Entry) -> tuple[str, ...]:
    """The keys of the rollups that the entry belongs to; none for what is not usage."""
    if not is_usage(entry):
        return ()
    date = to_text(entry.at)[:10]
    keys = [day_key(date)]
    if entry.member_id:
        keys.append(day_key(date, entry.member_id))
    if entry.conversation_id:
        keys.append(conversation_key(entry.conversation_id))
    return tuple(keys)


def fold(rollups: Mapping[str, Rollup], entries: Iterable[Entry]) -> dict[str, Rollup]:
    """The rollups that the entries touch, as they are after them, given those that were there before."""
    changed: dict[str, Rollup] = {}
    for entry in entries:
        for key in touched(entry):
            before = changed.get(key) or rollups.get(key)
            if key.startswith("conversation#"):
                changed[key] = _in_conversation(
                    before if isinstance(before, Conversation) else Conversation(key), entry
                )
            else:
                changed[key] = _in_day(before if isinstance(before, Day) else Day(key), entry)
    return changed


def _in_day(day: Day, entry: Entry) -> Day:
    quarter = f"{entry.at:%H}:{entry.at.minute // 15 * 15:02d}"
    return replace(day, quarters={**day.quarters, quarter: _counted(day.quarters.get(quarter, {}), entry)})


def _in_conversation(conversation: Conversation, entry: Entry) -> Conversation:
    titled, title = conversation.titled, conversation.title
    if entry.conversation_title:
        titled, title = max((titled, title or ""), (moment(entry.at, entry.seq), entry.conversation_title))
    return replace(
        conversation,
        actions=_counted(conversation.actions, entry),
        first_at=min(conversation.first_at, entry.at),
        last_at=max(conversation.last_at, entry.at),
        title=title,
        titled=titled,
    )


def _counted(tallies: Tallies, entry: Entry) -> Tallies:
    action = entry.action or ""
    return {**tallies, action: tallies.get(action, Tally()) + Tally(entry.quantity or 1, -entry.credits)}
