"""Renewing what is due in a shard: in pages, in bounded time, each account by itself; and only what is due is read."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.journal import Posting
from credits.ledger.audit import audit
from credits.ledger.due import Run, renew_due
from credits.ledger.memory import MemoryStore
from credits.ledger.post import client_key
from credits.ledger.store import AccountKey, BookKey, Due, EntryKey, Ledger, Span, Throttled, due_shard
from tests.faults import FakeTime, FaultyStore
from tests.moves import CATALOG, NOON, charged, granted, messages, opened

RESET = datetime(2026, 12, 23, 12, tzinfo=UTC)
"""When the period of an account opened at noon ends."""

SHARDS = [f"{number:02d}" for number in range(16)]
IN_SHARD_00 = ("a6", "a34", "a55", "a62", "a88")


class Watched:
    """A ledger that counts what is asked of it, and in which some accounts cannot be read."""

    def __init__(self, store: Ledger, poison: Sequence[str] = ()) -> None:
        self._store = store
        self._poison = poison
        self.calls: Counter[str] = Counter()
        self.accounts_read: set[str] = set()

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        self.calls["read"] += 1
        for key in keys:
            if isinstance(key, AccountKey):
                self.accounts_read.add(key.account_id)
                if key.account_id in self._poison:
                    raise ValueError(f"{key.account_id} is not an account")
        found: Sequence[Any] = self._store.read(*keys)
        return found

    def commit(self, posting: Posting) -> None:
        self.calls["commit"] += 1
        self._store.commit(posting)

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        self.calls["due"] += 1
        found = self._store.due(shard, until=until, limit=limit, beyond=beyond)
        self.calls["rows"] += len(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def run(store: Any, shard: str = "00", *, at: datetime = RESET, **options: Any) -> Run:
    """One worker on one shard, with time enough where nothing else is said."""
    return renew_due(store, CATALOG, "account", shard, now=at, **({"time_left": lambda: 1.0} | options))


def run_all(store: Any, at: datetime) -> list[Run]:
    """The schedule at one instant: every shard."""
    return [run(store, shard, at=at) for shard in SHARDS]


def steps(seconds: float) -> Callable[[], float]:
    """A time that goes down by 1 with each look at it."""
    left: Iterator[float] = iter([seconds - step for step in range(1_000)])
    return lambda: next(left)


def ledger(store: Ledger, account_id: str = "acme") -> list[tuple[EntryKind, datetime, int, int]]:
    """The account's entries in time, and proof that they hold."""
    assert audit(store, account_id).problems == ()
    entries: Sequence[AnyEntry] = store.entries(Span(account_id), limit=1_000, newest_first=False)
    return [(entry.kind, entry.at, entry.credits, entry.remaining) for entry in entries]


def test_an_account_that_is_due_is_renewed_at_its_boundary_however_late(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(100))

    assert run(store, "14", at=RESET + timedelta(days=3)) == Run(1, (), finished=True, beyond=Due(RESET, "acme"))

    assert ledger(store) == [
        (EntryKind.OPENED, NOON, 0, 0),
        (EntryKind.ALLOCATION, NOON, 300, 300),
        (EntryKind.CHARGE, NOON, -100, 200),
        (EntryKind.EXPIRY, RESET, -200, 0),
        (EntryKind.ALLOCATION, RESET, 300, 300),
    ]


def test_an_account_is_left_alone_until_its_very_instant(store: Ledger) -> None:
    opened(store)

    assert run(store, "14", at=RESET - timedelta(milliseconds=1)).renewed == 0
    assert run(store, "14", at=RESET).renewed == 1


def test_running_again_finds_nothing(store: Ledger) -> None:
    opened(store)
    run(store, "14")
    before = ledger(store)

    assert run(store, "14") == Run(0, (), finished=True, beyond=None)
    assert ledger(store) == before


def test_a_grant_that_expires_between_two_resets_is_written_at_its_own_instant(store: Ledger) -> None:
    opened(store)
    granted(store, "gift", 50, expires_at=datetime(2026, 12, 1, tzinfo=UTC))

    assert run(store, "14", at=datetime(2026, 12, 2, tzinfo=UTC)).renewed == 1

    assert ledger(store)[-1] == (EntryKind.EXPIRY, datetime(2026, 12, 1, tzinfo=UTC), -50, 300)


def test_an_account_idle_for_a_year_jumps_to_the_period_that_is_now(store: Ledger) -> None:
    opened(store)

    assert run(store, "14", at=datetime(2027, 12, 1, tzinfo=UTC)).renewed == 1

    assert ledger(store)[2:] == [
        (EntryKind.EXPIRY, RESET, -300, 0),
        (EntryKind.ALLOCATION, datetime(2027, 11, 23, 12, tzinfo=UTC), 300, 300),
    ]
    assert run(store, "14", at=datetime(2027, 12, 1, tzinfo=UTC)).renewed == 0


def test_the_key_of_the_schedule_is_no_entry_s_and_stops_no_caller_who_has_the_same(store: Ledger) -> None:
    opened(store)
    charged(store, "renewal")
    run(store, "14")

    assert store.read(EntryKey("acme", "renewal"))[0] is None
    assert store.read(EntryKey("acme", client_key("renewal")))[0] is not None


# At the very instant of the boundary


def test_a_charge_at_the_instant_of_the_boundary_is_in_the_same_books_before_and_after_the_schedule() -> None:
    charge_first, schedule_first = MemoryStore(), MemoryStore()
    for store in (charge_first, schedule_first):
        opened(store)
        charged(store, "before", messages(295))

    charged(charge_first, "k1", messages(7), at=RESET)
    assert run(charge_first, "14").renewed == 0
    assert run(schedule_first, "14").renewed == 1
    charged(schedule_first, "k1", messages(7), at=RESET)

    story = [
        (EntryKind.OPENED, NOON, 0, 0),
        (EntryKind.ALLOCATION, NOON, 300, 300),
        (EntryKind.CHARGE, NOON, -295, 5),
        (EntryKind.EXPIRY, RESET, -5, 0),
        (EntryKind.ALLOCATION, RESET, 300, 300),
        (EntryKind.CHARGE, RESET, -7, 293),
    ]
    assert ledger(charge_first) == story
    assert ledger(schedule_first) == story
    # To the hash: each entry, and the account but for the number of its commits.
    first, second = (store.entries(Span("acme"), limit=10) for store in (charge_first, schedule_first))
    assert [each.hash for each in first] == [each.hash for each in second]
    (one,), (other,) = (store.read(AccountKey("acme")) for store in (charge_first, schedule_first))
    assert replace(one, version=0) == replace(other, version=0)


def test_a_charge_in_the_last_millisecond_of_a_period_spends_the_old_credits(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(7), at=RESET - timedelta(milliseconds=1))
    run(store, "14")

    assert ledger(store)[2:] == [
        (EntryKind.CHARGE, datetime(2026, 12, 23, 11, 59, 59, 999_000, tzinfo=UTC), -7, 293),
        (EntryKind.EXPIRY, RESET, -293, 0),
        (EntryKind.ALLOCATION, RESET, 300, 300),
    ]


# One that fails, and time that runs out


def test_an_account_that_cannot_be_read_stops_no_other(store: Ledger) -> None:
    for name in IN_SHARD_00:
        opened(store, name)
    watched = Watched(store, poison=["a55"])

    outcome = run(watched)

    assert outcome.renewed == 4
    assert [(each.book_id, str(each.error)) for each in outcome.failed] == [("a55", "a55 is not an account")]
    assert outcome.finished
    assert {name: len(ledger(store, name)) for name in IN_SHARD_00} == {"a6": 4, "a34": 4, "a55": 2, "a62": 4, "a88": 4}

    assert run(store).renewed == 1
    assert len(ledger(store, "a55")) == 4


def test_an_account_that_the_store_refuses_for_long_is_given_up_and_stays_due() -> None:
    store, time = MemoryStore(), FakeTime()
    for name in ("a6", "a34"):
        opened(store, name)
    refusing = FaultyStore(store, reads=[Throttled] * 11, time=time)
    watched = Watched(store)
    watched.read = refusing.read  # type: ignore[method-assign]

    outcome = run(watched, patience=replace(time.patience, deadline_seconds=4))

    assert outcome.renewed == 1
    (failure,) = outcome.failed
    assert (failure.book_id, failure.error.__class__.__name__) == ("a34", "Contended")
    assert time.now - 1_000 < 5
    assert run(store).renewed == 1


def test_time_that_runs_out_is_told_with_the_place_to_go_on(store: Ledger) -> None:
    for minutes, name in enumerate(IN_SHARD_00):
        opened(store, name, at=NOON + timedelta(minutes=minutes))
    late = RESET + timedelta(hours=1)

    first = run(store, at=late, time_left=steps(2))
    assert first == Run(2, (), finished=False, beyond=Due(RESET + timedelta(minutes=1), "a34"))
    second = run(store, at=late, time_left=steps(2), beyond=first.beyond)
    assert second == Run(2, (), finished=False, beyond=Due(RESET + timedelta(minutes=3), "a62"))
    third = run(store, at=late, time_left=steps(2), beyond=second.beyond)
    assert third == Run(1, (), finished=True, beyond=Due(RESET + timedelta(minutes=4), "a88"))


def test_without_any_time_nothing_is_begun_and_the_next_run_begins_at_the_same_place(store: Ledger) -> None:
    opened(store)
    where = Due(NOON, "acme")

    assert run(store, "14", time_left=lambda: 0.0, beyond=where) == Run(0, (), finished=False, beyond=where)
    assert run(store, "14", time_left=lambda: 0.0) == Run(0, (), finished=False, beyond=None)
    assert len(ledger(store)) == 2


def test_a_shard_with_nothing_due_is_finished_whatever_the_time(store: Ledger) -> None:
    assert run(store, time_left=lambda: 0.0) == Run(0, (), finished=True, beyond=None)


def test_a_shard_that_cannot_be_listed_is_an_error_and_what_was_renewed_stays() -> None:
    store = MemoryStore()
    for number in range(3_000):
        if due_shard(f"a{number}") == "00":
            opened(store, f"a{number}")
    watched = Watched(store)

    def lists_once(*args: Any, **options: Any) -> Sequence[Due]:
        if options["beyond"]:
            raise Throttled
        return store.due(*args, **options)

    watched.due = lists_once  # type: ignore[method-assign]

    with pytest.raises(Throttled):
        run(watched)

    assert watched.calls["commit"] == 100
    assert run(store).renewed == 87


# A worker that dies


class Killed(BaseException):
    """The end of a process: no handler of ours hears of it."""


def dies() -> None:
    raise Killed


@pytest.mark.parametrize("moment", range(8))
def test_a_worker_killed_between_any_two_calls_leaves_books_that_the_next_one_completes(moment: int) -> None:
    """Two accounts are two reads and two commits: it dies before or after each of them."""
    store, untouched = MemoryStore(), MemoryStore()
    for each in (store, untouched):
        for name in ("a6", "a34"):
            opened(each, name)
            charged(each, "k1", messages(295), account_id=name)
    run(untouched)
    call, after = divmod(moment, 2)
    watched = Watched(store)
    watched.read = dying(store.read, [0, 2], call, after=bool(after))  # type: ignore[method-assign]
    watched.commit = dying(store.commit, [1, 3], call, after=bool(after))  # type: ignore[method-assign]

    with pytest.raises(Killed):
        run(watched)
    for name in ("a6", "a34"):
        assert audit(store, name).ok
    outcome = run(store)

    assert outcome.failed == ()
    assert outcome.renewed == {0: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0}[moment]
    for name in ("a6", "a34"):
        assert ledger(store, name) == ledger(untouched, name)
        hashes = [[each.hash for each in one.entries(Span(name), limit=10)] for one in (store, untouched)]
        assert hashes[0] == hashes[1]


def dying(operation: Callable[..., Any], places: Sequence[int], call: int, *, after: bool) -> Callable[..., Any]:
    """The operation, which is the process's last one where its place among the calls is `call`."""
    left = iter(places)

    def one(*args: Any) -> Any:
        last = next(left) == call
        if last and not after:
            dies()
        result = operation(*args)
        if last:
            dies()
        return result

    return one


# What it costs


def test_1_000_due_accounts_cost_the_same_among_10_000_as_by_themselves() -> None:
    costs = []
    for others in (0, 9_000):
        store = MemoryStore()
        for number in range(1_000):
            opened(store, f"due-{number}")
        for number in range(others):
            opened(store, f"other-{number}", at=NOON + timedelta(days=1))
        watched = Watched(store)
        runs = run_all(watched, RESET)
        assert sum(each.renewed for each in runs) == 1_000
        assert not any(name.startswith("other") for name in watched.accounts_read)
        costs.append(dict(watched.calls))

    assert costs == [{"due": 16, "rows": 1_000, "read": 1_000, "commit": 1_000}] * 2


def test_a_schedule_among_10_000_accounts_of_which_none_is_due_costs_one_empty_query_a_shard() -> None:
    store = MemoryStore()
    for number in range(10_000):
        opened(store, f"other-{number}", at=NOON + timedelta(days=1))
    watched = Watched(store)

    run_all(watched, RESET)

    assert watched.calls == {"due": 16, "rows": 0}
