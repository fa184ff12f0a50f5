"""The fold: messages that came within a minute of each other, whatever the order in which they are heard of."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from credits.domain.entry import Entry
from credits.usage.fold import Day, Rollup, Run, Thread, fold
from tests.unit.books import Book

MESSAGE = Book.opened("2026-01-10").charge(at="2026-01-10")[0]


def message(at: str, conversation: str | None = "chat-1", member: str | None = None, quantity: int = 1) -> Entry:
    """A message at `23:59:30` of the 23rd, or at a time of another day."""
    instant = datetime.fromisoformat(at if " " in at else f"2026-11-23 {at}").replace(tzinfo=UTC)
    return replace(
        MESSAGE,
        at=instant,
        quantity=quantity,
        credits=-quantity,
        conversation_id=conversation,
        member_id=member,
    )


def folded(entries: Sequence[Entry]) -> dict[str, Rollup]:
    return fold({}, entries)


def runs(rollups: dict[str, Rollup], key: str = "day#2026-11-23") -> dict[str, int]:
    day = rollups[key]
    assert isinstance(day, Day)
    return dict(day.runs)


def test_messages_within_a_minute_of_the_one_before_are_one_run() -> None:
    rollups = folded([message("10:00:00"), message("10:01:00"), message("10:02:00"), message("10:03:00.001")])

    assert rollups["thread#2026-11-23#conversation#chat-1"] == Thread(
        "thread#2026-11-23#conversation#chat-1",
        (Run(36_000_000, 36_120_000, 3), Run(36_180_001, 36_180_001, 1)),
    )
    assert runs(rollups) == {"10:00": 2}


def test_a_run_counts_in_the_quarter_hour_it_begins_in() -> None:
    assert runs(folded([message("10:14:30"), message("10:15:10"), message("10:16:00"), message("10:30:00")])) == {
        "10:00": 1,
        "10:30": 1,
    }


def test_a_message_between_two_runs_makes_one_of_them() -> None:
    rollups = folded([message("10:14:10"), message("10:15:40")])
    assert runs(rollups) == {"10:00": 1, "10:15": 1}

    rollups |= fold(rollups, [message("10:14:55")])

    assert runs(rollups) == {"10:00": 1}


def test_several_messages_of_one_charge_are_a_run() -> None:
    rollups = folded([message("10:00:00", quantity=3)])

    assert runs(rollups) == {"10:00": 1}
    assert rollups["thread#2026-11-23#conversation#chat-1"].runs == (Run(36_000_000, 36_000_000, 3),)  # type: ignore[union-attr]


def test_conversations_members_and_what_names_neither_are_threads_of_their_own() -> None:
    rollups = folded(
        [
            message("10:00:00", "chat-1", "alice"),
            message("10:00:01", "chat-1", "bob"),
            message("10:00:02", "chat-2", "alice"),
            message("10:00:03", None, "alice"),
            message("10:00:04", None, "bob"),
            message("10:00:05", None),
            message("10:00:06", None),
        ]
    )

    assert runs(rollups) == {"10:00": 5}
    assert sorted(key for key in rollups if key.startswith("thread#")) == [
        "thread#2026-11-23#account",
        "thread#2026-11-23#conversation#chat-1",
        "thread#2026-11-23#conversation#chat-2",
        "thread#2026-11-23#member#alice",
        "thread#2026-11-23#member#bob",
    ]


def test_a_utc_day_ends_a_run() -> None:
    rollups = folded([message("23:59:50"), message("2026-11-24 00:00:10")])

    assert (runs(rollups), runs(rollups, "day#2026-11-24")) == ({"23:45": 1}, {"00:00": 1})


def test_only_messages_make_runs() -> None:
    rollups = folded([replace(message("10:00:00"), action="web_fetch")])

    assert sorted(rollups) == ["conversation#chat-1", "day#2026-11-23"]
    assert runs(rollups) == {}


@given(st.lists(st.integers(0, 30 * 60), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_in_any_order_and_in_any_batches_runs_are_the_same(seconds: list[int], dice: random.Random) -> None:
    in_time = [message(f"{timedelta(hours=10, seconds=each)}".zfill(8)) for each in sorted(seconds)]
    # A message begins a run where the one before it is more than a minute back.
    begun = sum(
        later - earlier > 60 for earlier, later in zip([-1_000, *sorted(seconds)], sorted(seconds), strict=False)
    )
    shuffled = dice.sample(in_time, len(in_time))
    rollups: dict[str, Rollup] = {}
    while shuffled:
        size = dice.randint(1, 5)
        rollups |= fold(rollups, shuffled[:size])
        shuffled = shuffled[size:]

    assert rollups == folded(in_time)
    assert sum(runs(rollups).values()) == begun
