"""The projection: stream records in whatever order and number they come, and the rollups they add up to."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Place, Span, moment, place
from credits.ledger.tables import create_missing
from credits.usage.fold import Conversation, Day, Rollup, Tally
from credits.usage.project import Missing, Parked, Rebuilt, project, rebuild
from credits.usage.tables import Rollups, Watermark, open_rollups
from tests.moves import NOON, charged, granted, moved_to, opened

MINUTE = timedelta(minutes=1)


@pytest.fixture
def rollups(moto_connection: Connection) -> Iterator[Rollups]:
    """An empty usage table."""
    made = open_rollups(moto_connection, f"usage-{uuid4().hex}")
    create_missing([made.items])
    yield made
    made.items.delete_table()


@pytest.fixture
def ledger() -> MemoryStore:
    """An account with five charges, a minute apart, after its opening and its allocation (entries 1 and 2)."""
    store = MemoryStore()
    opened(store)
    for number, (action, conversation, member) in enumerate(
        [
            ("message", "chat-1", "alice"),
            ("agent_step", "chat-1", "alice"),
            ("message", "chat-2", "bob"),
            ("ai_response", "chat-1", "alice"),
            ("web_fetch", None, None),
        ],
        start=1,
    ):
        usage = Usage(
            action=action,
            quantity=number,
            conversation_id=conversation,
            conversation_title=f"Title {number}" if conversation else None,
            member_id=member,
        )
        charged(store, f"k{number}", usage, at=NOON + number * 10 * MINUTE)
    return store


def written(store: MemoryStore, account_id: str = "acme") -> list[AnyEntry]:
    return list(store.entries(Span(account_id), limit=100_000, newest_first=False))


def stored(rollups: Rollups) -> dict[tuple[str, str], dict[str, Any]]:
    """The whole table, attribute by attribute."""
    return {(item.account_id, item.key): item.serialize() for item in rollups.items.scan()}


def read(rollups: Rollups, *keys: str) -> dict[str, Rollup]:
    return rollups.read("acme", keys)


def assert_all_counted(rollups: Rollups) -> None:
    """The fixture's ledger, as it must be counted whatever happened on the way."""
    assert read(rollups, "day#2026-11-23", "member#alice#2026-11-23", "conversation#chat-1") == {
        "day#2026-11-23": Day(
            "day#2026-11-23",
            {
                "12:00": {"message": Tally(1, 1)},
                "12:15": {"agent_step": Tally(2, 4)},
                "12:30": {"message": Tally(3, 3), "ai_response": Tally(4, 0)},
                "12:45": {"web_fetch": Tally(5, 5)},
            },
            {"12:00": 1, "12:30": 1},
        ),
        "member#alice#2026-11-23": Day(
            "member#alice#2026-11-23",
            {
                "12:00": {"message": Tally(1, 1)},
                "12:15": {"agent_step": Tally(2, 4)},
                "12:30": {"ai_response": Tally(4, 0)},
            },
        ),
        "conversation#chat-1": Conversation(
            "conversation#chat-1",
            {"message": Tally(1, 1), "agent_step": Tally(2, 4), "ai_response": Tally(4, 0)},
            NOON + 10 * MINUTE,
            NOON + 40 * MINUTE,
            "Title 4",
            "2026-11-23T12:40:00.000Z#0000000006",
        ),
    }
    assert rollups.watermark("acme", "acme") == Watermark("acme", "acme", 7, NOON + 50 * MINUTE)


def test_entries_are_counted_by_quarter_hour_member_and_conversation(ledger: MemoryStore, rollups: Rollups) -> None:
    assert project(ledger, rollups, written(ledger)) == {}

    assert_all_counted(rollups)


def test_entries_delivered_again_count_once(ledger: MemoryStore, rollups: Rollups) -> None:
    for _ in range(3):
        assert project(ledger, rollups, written(ledger)) == {}

    assert_all_counted(rollups)


def test_entries_in_any_order_and_twice_in_a_batch_count_once(ledger: MemoryStore, rollups: Rollups) -> None:
    assert project(ledger, rollups, [*reversed(written(ledger)), *written(ledger)]) == {}

    assert_all_counted(rollups)


def test_what_is_missing_is_read_from_the_ledger(ledger: MemoryStore, rollups: Rollups) -> None:
    assert project(ledger, rollups, written(ledger)[-1:]) == {}

    assert_all_counted(rollups)


def test_a_gap_after_the_watermark_is_read_from_the_ledger(ledger: MemoryStore, rollups: Rollups) -> None:
    entries = written(ledger)
    project(ledger, rollups, entries[:3])

    assert project(ledger, rollups, entries[-1:]) == {}

    assert_all_counted(rollups)


class Lagging(MemoryStore):
    """A ledger whose index has not heard of some entries yet."""

    def __init__(self, ledger: MemoryStore, unheard: set[int]) -> None:
        super().__init__()
        self.ledger, self.unheard = ledger, unheard

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        rows = self.ledger.entries(span, limit=limit, newest_first=newest_first, beyond=beyond)
        return [entry for entry in rows if entry.seq not in self.unheard]


def test_while_an_entry_is_missing_its_book_fails_and_what_came_before_it_counts(
    ledger: MemoryStore, rollups: Rollups
) -> None:
    entries = written(ledger)
    late = Lagging(ledger, {4})

    failed = project(late, rollups, entries[4:])
    assert {book: type(reason) for book, reason in failed.items()} == {"acme": Missing}
    assert rollups.watermark("acme", "acme").seq == 3

    late.unheard = set()
    assert project(late, rollups, entries[4:]) == {}
    assert_all_counted(rollups)


def test_a_gap_is_filled_over_many_pages(rollups: Rollups) -> None:
    store = MemoryStore()
    opened(store)
    moved_to(store, "team", "team")
    for number in range(1_200):
        charged(store, f"k{number}", at=NOON + number * timedelta(seconds=1))

    assert project(store, rollups, written(store)[-1:]) == {}

    (day,) = rollups.days("acme", "2026-11-23", "2026-11-23")
    assert {quarter: tallies["message"] for quarter, tallies in day.quarters.items()} == {
        "12:00": Tally(900, 900),
        "12:15": Tally(300, 300),
    }


def test_what_touches_more_items_than_a_transaction_has_room_for_takes_several(rollups: Rollups) -> None:
    store = MemoryStore()
    opened(store)
    for number in range(250):
        charged(store, f"k{number}", Usage(action="message", conversation_id=f"chat-{number}"))

    assert project(store, rollups, written(store)) == {}

    assert len(rollups.conversations("acme", limit=1_000)) == 250
    assert len(stored(rollups)) == 502  # a conversation and its thread each, the day, the watermark
    assert rollups.watermark("acme", "acme").seq == 252


def test_what_is_not_usage_moves_the_watermark_alone(rollups: Rollups) -> None:
    store = MemoryStore()
    opened(store)
    granted(store, "gift", 50)

    assert project(store, rollups, written(store)) == {}

    assert [key for _, key in stored(rollups)] == ["watermark#acme"]
    assert rollups.watermark("acme", "acme").seq == 3


def test_one_book_that_cannot_be_projected_does_not_stop_another(ledger: MemoryStore, rollups: Rollups) -> None:
    opened(ledger, "globex")
    charged(ledger, "k1", account_id="globex")
    forged = replace(written(ledger, "globex")[0], seq=9)

    failed = project(ledger, rollups, [forged, *written(ledger)])

    assert list(failed) == ["globex"]
    assert_all_counted(rollups)


def test_a_rebuilt_table_is_the_same_to_the_byte(ledger: MemoryStore, rollups: Rollups) -> None:
    for entry in written(ledger):
        project(ledger, rollups, [entry])
    before = stored(rollups)
    rollups.items("acme", "day#2026-11-23", counts='{"12:00":{"message":[900,900]}}').save()
    rollups.items("acme", "conversation#made-up", counts="{}", first_at="x", last_at="x").save()
    assert stored(rollups) != before

    assert rebuild(ledger, rollups, "acme").entries == 7

    assert stored(rollups) == before
    assert_all_counted(rollups)


def test_a_deleted_table_is_rebuilt_by_the_next_entry(ledger: MemoryStore, rollups: Rollups) -> None:
    project(ledger, rollups, written(ledger))
    before = stored(rollups)
    with rollups.items.batch_write() as batch:
        for item in list(rollups.items.scan()):
            batch.delete(item)

    project(ledger, rollups, written(ledger)[-1:])

    assert stored(rollups) == before


def test_projections_wait_while_a_rebuild_clears(ledger: MemoryStore, rollups: Rollups) -> None:
    project(ledger, rollups, written(ledger)[:4])
    rollups.park("acme")  # where a rebuild was killed

    failed = project(ledger, rollups, written(ledger))
    assert {book: type(reason) for book, reason in failed.items()} == {"acme": Parked}

    rebuild(ledger, rollups, "acme")
    assert project(ledger, rollups, written(ledger)) == {}
    assert_all_counted(rollups)


class Written:
    """A ledger as it was written, and nothing else."""

    def __init__(self, entries: Sequence[AnyEntry]) -> None:
        self.written = sorted(entries, key=lambda entry: (entry.at, entry.seq, entry.book_id))

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        assert not newest_first or limit == 1
        after = [place(each) for each in self.written].index(beyond) + 1 if beyond else 0
        rows = [entry for entry in self.written[after:] if span.holds(moment(entry.at, entry.seq))]
        return rows[:limit]


HOLD = "acme#hold#h1"


@pytest.fixture
def two_books(ledger: MemoryStore) -> Written:
    """The same ledger, but that the second and the fourth charge are of a hold's book."""
    of_the_hold = [entry for entry in written(ledger) if entry.key in ("c#k2", "c#k4")]
    of_the_account = [entry for entry in written(ledger) if entry not in of_the_hold]
    return Written(
        [replace(entry, seq=number) for number, entry in enumerate(of_the_account, start=1)]
        + [replace(entry, seq=number, book_id=HOLD) for number, entry in enumerate(of_the_hold, start=1)]
    )


def of_book(two_books: Written, book_id: str) -> list[AnyEntry]:
    return [entry for entry in two_books.written if entry.book_id == book_id]


@pytest.mark.parametrize("order", [("acme", HOLD), (HOLD, "acme")])
def test_the_books_of_an_account_are_counted_to_the_byte_whichever_comes_first(
    two_books: Written, rollups: Rollups, order: tuple[str, str]
) -> None:
    for book_id in order:
        assert project(two_books, rollups, of_book(two_books, book_id)) == {}  # type: ignore[arg-type]
    before = stored(rollups)

    assert rebuild(two_books, rollups, "acme") == Rebuilt(7, 2)  # type: ignore[arg-type]

    assert stored(rollups) == before
    assert rollups.watermark("acme", "acme").seq == 5
    assert rollups.watermark("acme", HOLD).seq == 2
    assert sum(conversation.credits for conversation in rollups.conversations("acme", limit=10)) == 8


def test_a_gap_of_a_book_of_which_nothing_is_counted_is_read_from_its_opening_on(
    two_books: Written, rollups: Rollups
) -> None:
    (opening, last) = of_book(two_books, HOLD)
    before = [replace(opening, book_id=f"acme#hold#{number}", seq=1) for number in range(3)]
    late = replace(last, after=replace(last.after, opened_at=opening.at))
    asked: list[Span] = []
    ledger = Written([*before, opening, late])
    reading = ledger.entries

    def noted(span: Span, **options: Any) -> Sequence[AnyEntry]:
        asked.append(span)
        return reading(span, **options)

    ledger.entries = noted  # type: ignore[method-assign]

    assert project(ledger, rollups, [late]) == {}  # type: ignore[arg-type]

    assert [span.since for span in asked] == [opening.at]
    assert rollups.watermark("acme", HOLD).seq == 2


class Meanwhile:
    """The rollups of a rebuild, during which something else happens before and after each of its calls."""

    def __init__(self, rollups: Rollups, other: Callable[[], object], calls: Sequence[str]) -> None:
        self._rollups, self._other, self._calls = rollups, other, calls

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._rollups, name)

        def call(*args: Any) -> Any:
            if name not in self._calls:
                return operation(*args)
            self._other()
            result = operation(*args)
            self._other()
            return result

        return call


@pytest.mark.parametrize("calls", [["park"], ["clear"], ["commit"], ["watermark"], ["park", "clear", "commit"]])
def test_a_book_that_is_opened_while_a_rebuild_runs_counts_once(
    two_books: Written, rollups: Rollups, calls: list[str]
) -> None:
    project(two_books, rollups, two_books.written)  # type: ignore[arg-type]
    expected = stored(rollups)
    with rollups.items.batch_write() as batch:
        for item in list(rollups.items.scan()):
            batch.delete(item)
    project(two_books, rollups, of_book(two_books, "acme"))  # type: ignore[arg-type]

    def opened_meanwhile() -> None:
        project(two_books, rollups, of_book(two_books, HOLD))  # type: ignore[arg-type]

    rebuild(two_books, Meanwhile(rollups, opened_meanwhile, calls), "acme")  # type: ignore[arg-type]
    opened_meanwhile()

    assert stored(rollups) == expected


def test_an_account_without_a_ledger_is_rebuilt_to_nothing(rollups: Rollups) -> None:
    assert rebuild(MemoryStore(), rollups, "nobody").entries == 0
    assert stored(rollups) == {}


class Crash(Exception):
    """The process ended here."""


class Crashing:
    """The rollups, in a process that may be killed before or after any call of the store."""

    def __init__(self, rollups: Rollups, dice: random.Random, chance: float) -> None:
        self._rollups, self._dice, self._chance = rollups, dice, chance
        self.crashes = 0

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, getattr(self._rollups, name))

    def _call(self, operation: Any, *args: Any) -> Any:
        self._maybe_crash()
        result = operation(*args)
        self._maybe_crash()
        return result

    def _maybe_crash(self) -> None:
        if self._dice.random() < self._chance:
            self.crashes += 1
            raise Crash


def delivered(entries: Sequence[AnyEntry], dice: random.Random) -> Iterator[list[AnyEntry]]:
    """Batches as a stream may deliver them: of any size, some of them again and in part, one commit's lines in any
    order."""
    shuffled: list[AnyEntry] = []
    commits: dict[tuple[str, str], list[AnyEntry]] = {}
    for entry in entries:
        commits.setdefault((entry.book_id, entry.key.partition("#0")[0].partition("#1")[0]), []).append(entry)
    for commit in commits.values():
        shuffled += dice.sample(commit, len(commit))
    begin = 0
    while begin < len(shuffled):
        size = dice.randint(1, 400)
        yield shuffled[max(0, begin - dice.randint(0, 60)) : begin + size]
        begin += size


def ledgers_sums(entries: Sequence[AnyEntry], *names: str) -> Mapping[tuple[Any, ...], int]:
    """The credits that the ledger itself says were spent, by some of its fields."""
    sums: dict[tuple[Any, ...], int] = {}
    for entry in entries:
        if entry.kind == "charge" and None not in (fields := tuple(getattr(entry, name) for name in names)):
            sums[fields] = sums.get(fields, 0) - entry.credits
    return sums


def runs_in(entries: Sequence[AnyEntry]) -> int:
    """How many messages came more than a minute after the one before of their thread and day, says the ledger."""
    last: dict[tuple[Any, ...], Any] = {}
    runs = 0
    for entry in entries:
        if entry.kind == "charge" and entry.action == "message":
            thread = (entry.at.date(), entry.conversation_id, None if entry.conversation_id else entry.member_id)
            runs += thread not in last or entry.at - last[thread] > MINUTE
            last[thread] = entry.at
    return runs


def test_10_000_records_in_random_batches_with_repeats_and_crashes_add_up_to_the_ledger(rollups: Rollups) -> None:
    dice = random.Random(20261123)
    store = MemoryStore()
    accounts = ["acme", "globex", "initech"]
    at = NOON
    for account_id in accounts:
        opened(store, account_id)
        moved_to(store, "team", "team", seats=20, account_id=account_id)
    total = 0
    while total < 10_000:
        lines = [
            Usage(
                action=dice.choice(["message", "agent_step", "web_fetch", "image_edit", "ai_response"]),
                quantity=dice.randint(1, 3),
                conversation_id=dice.choice([None, *(f"chat-{number}" for number in range(12))]),
                member_id=dice.choice([None, "alice", "bob"]),
            )
            for _ in range(dice.randint(1, 24))
        ]
        at += timedelta(seconds=dice.randint(0, 400))
        charged(store, f"k{total}", *lines, account_id=dice.choice(accounts), at=at)
        total += len(lines)
    books = [written(store, account_id) for account_id in accounts]
    entries = sorted((entry for book in books for entry in book), key=lambda entry: entry.at)
    assert len(entries) >= 10_000

    crashing = Crashing(rollups, dice, chance=0.03)
    for batch in delivered(entries, dice):
        for _ in range(50):
            if not project(store, crashing, batch):  # type: ignore[arg-type]  # it answers as the rollups do
                break
        else:
            pytest.fail("the batch was never projected")

    assert crashing.crashes > 20
    for account_id, book in zip(accounts, books, strict=True):
        days = rollups.days(account_id, "2026-11-23", "2026-12-31")
        assert {
            (action,): sum(
                quarter[action].credits for day in days for quarter in day.quarters.values() if action in quarter
            )
            for action in {action for day in days for quarter in day.quarters.values() for action in quarter}
        } == ledgers_sums(book, "action")
        assert {
            (member,): sum(
                tally.credits
                for day in rollups.days(account_id, "2026-11-23", "2026-12-31", member)
                for quarter in day.quarters.values()
                for tally in quarter.values()
            )
            for member in ("alice", "bob")
        } == ledgers_sums(book, "member_id")
        conversations = rollups.conversations(account_id, limit=100)
        assert {(each.conversation_id,): each.credits for each in conversations} == ledgers_sums(
            book, "conversation_id"
        )
        assert sum(sum(day.runs.values()) for day in days) == runs_in(book)
        assert rollups.watermark(account_id, account_id).seq == len(book)
    before = stored(rollups)
    for account_id in accounts:
        rebuild(store, rollups, account_id)
    assert stored(rollups) == before


def test_a_day_item_stays_small_however_busy_the_day(rollups: Rollups) -> None:
    store = MemoryStore()
    opened(store)
    moved_to(store, "team", "team", seats=1_000)
    actions = ["message", "agent_step", "web_fetch", "image_generation", "image_edit", "deep_research", "ai_response"]
    midnight = NOON + timedelta(hours=12)
    for quarter in range(96):
        lines = [Usage(action=action, quantity=1_000) for action in actions]
        charged(store, f"k{quarter}", *lines, at=midnight + quarter * 15 * MINUTE)

    project(store, rollups, written(store))

    (counts,) = [item["counts"]["S"] for (_, key), item in stored(rollups).items() if key == "day#2026-11-24"]
    assert len(counts) < 20_000


def test_a_threads_item_stays_small_however_long_its_runs_are_kept_apart(rollups: Rollups) -> None:
    midnight = NOON + timedelta(hours=12)
    store = MemoryStore()
    opened(store)
    moved_to(store, "team", "team")
    for number in range(1_415):
        charged(store, f"k{number}", at=midnight + number * timedelta(seconds=61))

    project(store, rollups, written(store))

    (counts,) = [
        item["counts"]["S"] for (_, key), item in stored(rollups).items() if key.startswith("thread#2026-11-24")
    ]
    assert len(counts) < 32_000
    assert sum(rollups.days("acme", "2026-11-24", "2026-11-24")[0].runs.values()) == 1_415
