"""Fold: how ledger entries add up to what people see of their usage. Pure, and the only place that says what usage is.

Four kinds of rollup, each an item of its own, so that each stays small however large the account is:

    day#2026-11-23                          what the account used on that UTC day
    member#alice#2026-11-23                 what one member of it used on that day
    conversation#chat-1                     what one conversation used, from its first action to its last
    thread#2026-11-23#conversation#chat-1   when the messages of one conversation came on that day

A day is counted by the quarter hour, since every time zone's days begin at one: a report can draw days anywhere.

A *run* is messages of one thread of which each came within a minute of the one before: what could have been one
message. A thread is a conversation; messages outside of any are a thread by their member, or by the account. A UTC day
ends every run, so a thread's day is small (at most one run a minute) and complete in itself.

The fold does not depend on the order in which several books of an account are folded. That holds for runs, too: they
are what a set of instants falls apart into, whichever of them is heard of first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from credits.domain.entry import CHARGES, AnyEntry, EntryKind
from credits.domain.instant import to_text
from credits.ledger.store import moment

FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
USAGE = CHARGES | {EntryKind.REFUND}
QUARTER = timedelta(minutes=15)

MESSAGE = "message"
"""The action that people can combine: several messages into one."""

RUN_GAP_MS = 60_000
"""Two messages of a thread are of one run where no more than this is between them."""


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
    """One UTC day of an account or of a member; `quarters` by when each begins (`08:15`).

    `runs` of an account's day: how many runs of messages began in a quarter hour, those where any did. Each message
    beyond them could have been part of the one before.
    """

    key: str
    quarters: Mapping[str, Tallies] = field(default_factory=dict)
    runs: Mapping[str, int] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Messages of which each came within a minute of the one before; in milliseconds since the day began."""

    first_ms: int
    last_ms: int
    messages: int

    @property
    def quarter(self) -> str:
        """The quarter hour it begins in."""
        return _quarter(self.first_ms)


@dataclass(frozen=True, slots=True)
class Thread:
    """The messages of one thread on one UTC day, as runs in their order. At most 1,440: more than a minute is between
    any two."""

    key: str
    runs: tuple[Run, ...] = ()


Rollup = Day | Conversation | Thread


def is_usage(entry: AnyEntry) -> bool:
    """Whether the entry is something people did, or takes it back. Grants, holds and other moves of credits are not."""
    return entry.kind in USAGE and entry.action is not None


def used_at(entry: AnyEntry) -> datetime:
    """The instant at which the entry counts: a refund's is that of the charge it corrects."""
    return entry.corrects.at if entry.corrects else entry.at


def day_key(date: str, member_id: str | None = None) -> str:
    """The key of a day of the account, or of one member; days of either sort by date. No id contains a `#`."""
    return f"member#{member_id}#{date}" if member_id else f"day#{date}"


def conversation_key(conversation_id: str) -> str:
    return f"conversation#{conversation_id}"


def thread_key(entry: AnyEntry) -> str:
    """The key of the thread that a message is of, on its day."""
    if entry.conversation_id:
        thread = f"conversation#{entry.conversation_id}"
    else:
        thread = f"member#{entry.member_id}" if entry.member_id else "account"
    return f"thread#{to_text(entry.at)[:10]}#{thread}"


def touched(entry: AnyEntry) -> tuple[str, ...]:
    """The keys of the rollups that the entry belongs to; none for what is not usage."""
    if not is_usage(entry):
        return ()
    date = to_text(used_at(entry))[:10]
    keys = [day_key(date)]
    if entry.member_id:
        keys.append(day_key(date, entry.member_id))
    if entry.conversation_id:
        keys.append(conversation_key(entry.conversation_id))
    if entry.action == MESSAGE and entry.kind in CHARGES:
        keys.append(thread_key(entry))
    return tuple(keys)


def fold(rollups: Mapping[str, Rollup], entries: Iterable[AnyEntry]) -> dict[str, Rollup]:
    """The rollups that the entries touch, as they are after them, given those that were there before."""
    changed: dict[str, Rollup] = {}
    for entry in entries:
        for key in touched(entry):
            before = changed.get(key) or rollups.get(key)
            if key.startswith("conversation#"):
                changed[key] = _in_conversation(
                    before if isinstance(before, Conversation) else Conversation(key), entry
                )
            elif key.startswith("thread#"):
                thread = before if isinstance(before, Thread) else Thread(key)
                runs = _with_message(thread.runs, entry)
                # The day of the entry is among what it touches, and comes first.
                day = changed[day_key(to_text(entry.at)[:10])]
                if isinstance(day, Day):
                    changed[day.key] = _recounted(day, thread.runs, runs)
                changed[key] = replace(thread, runs=runs)
            else:
                changed[key] = _in_day(before if isinstance(before, Day) else Day(key), entry)
    return changed


def _in_day(day: Day, entry: AnyEntry) -> Day:
    quarter = _quarter(_ms_of_day(used_at(entry)))
    return replace(day, quarters={**day.quarters, quarter: _counted(day.quarters.get(quarter, {}), entry)})


def _with_message(runs: tuple[Run, ...], entry: AnyEntry) -> tuple[Run, ...]:
    """The runs and the message: what it is near to, on either side, becomes one run with it."""
    at = _ms_of_day(entry.at)
    near = [run for run in runs if run.first_ms - RUN_GAP_MS <= at <= run.last_ms + RUN_GAP_MS]
    joined = Run(
        min(at, *(run.first_ms for run in near)) if near else at,
        max(at, *(run.last_ms for run in near)) if near else at,
        (entry.quantity or 1) + sum(run.messages for run in near),
    )
    return tuple(sorted([*(run for run in runs if run not in near), joined]))


def _recounted(day: Day, before: Iterable[Run], after: Iterable[Run]) -> Day:
    """The day, of which these runs of a thread have become those."""
    began = Counter(day.runs)
    began.subtract(run.quarter for run in before)
    began.update(run.quarter for run in after)
    return replace(day, runs={quarter: count for quarter, count in began.items() if count})


def _ms_of_day(at: datetime) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1000 + at.microsecond // 1000


def _quarter(ms_of_day: int) -> str:
    minutes = ms_of_day // 60_000
    return f"{minutes // 60:02d}:{minutes % 60 // 15 * 15:02d}"


def _in_conversation(conversation: Conversation, entry: AnyEntry) -> Conversation:
    titled, title = conversation.titled, conversation.title
    if entry.conversation_title:
        titled, title = max((titled, title or ""), (moment(entry.at, entry.seq), entry.conversation_title))
    return replace(
        conversation,
        actions=_counted(conversation.actions, entry),
        first_at=min(conversation.first_at, used_at(entry)),
        last_at=max(conversation.last_at, used_at(entry)),
        title=title,
        titled=titled,
    )


def _counted(tallies: Tallies, entry: AnyEntry) -> Tallies:
    action = entry.action or ""
    count = (entry.quantity or 1) if entry.kind in CHARGES else 0
    return {**tallies, action: tallies.get(action, Tally()) + Tally(count, -entry.credits)}
