"""Races on DynamoDB Local: many callers on one account at one moment, and every credit is counted exactly once.

Callers are threads. In one process they have one store, and take turns; as processes they have a store each, and meet
only at the table.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest

from credits.domain.entry import EntryKind
from credits.domain.record import entry_to_record
from credits.errors import CreditsError
from credits.ledger.audit import audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import Receipt
from credits.ledger.store import AccountKey, Span
from credits.ledger.tables import Tables
from tests.moves import NOON, charged, messages, opened, renewed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one caller heard, and after how long."""

    receipt: Receipt | None
    code: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Callers:
    """The stores that callers write through, and the one that a test looks through."""

    tables: Tables
    store: DynamoStore
    one_process: bool

    def store_of_one(self) -> DynamoStore:
        """The store that one caller uses."""
        return self.store if self.one_process else DynamoStore(self.tables)

    def at_once(self, calls: Sequence[Callable[[DynamoStore], Receipt]]) -> list[Outcome]:
        """All calls in threads of their own, begun at one moment. What is not an error of ours is raised."""
        together = Barrier(len(calls))

        def one(call: Callable[[DynamoStore], Receipt]) -> Outcome:
            store = self.store_of_one()
            receipt, code = None, None
            together.wait()
            began = time.perf_counter()
            try:
                receipt = call(store)
            except CreditsError as error:
                code = error.code
            return Outcome(receipt, code, time.perf_counter() - began)

        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(one, calls))

    def remaining(self, account_id: str = "acme") -> int:
        """Credits left by the account's item, and proof that its ledger says the same."""
        (account,) = self.store.read(AccountKey(account_id))
        assert account
        assert audit(self.store, account_id).problems == ()
        return int(account.remaining)

    def kinds(self, account_id: str = "acme") -> Counter[EntryKind]:
        """How many entries of each kind the ledger has."""
        return Counter(entry.kind for entry in self.store.entries(Span(account_id), limit=1_000))


@pytest.fixture(params=["one process", "a process for each caller"])
def callers(request: pytest.FixtureRequest, tables: Tables) -> Callers:
    return Callers(tables, DynamoStore(tables), one_process=request.param == "one process")


@pytest.fixture
def one_process(tables: Tables) -> Callers:
    return Callers(tables, DynamoStore(tables), one_process=True)


def charge(key: str, quantity: int = 1, days: int = 0) -> Callable[[DynamoStore], Receipt]:
    """A caller who charges messages under this key."""
    return lambda store: charged(store, key, messages(quantity), at=NOON + timedelta(days=days))


def test_of_128_callers_with_100_credits_100_are_charged_and_28_hear_that_there_are_none(
    one_process: Callers,
) -> None:
    opened(one_process.store)
    charged(one_process.store, "spent-before", messages(200))

    outcomes = one_process.at_once([charge(f"k{number}") for number in range(128)])

    assert Counter(outcome.code for outcome in outcomes) == {None: 100, "credits_exhausted": 28}
    receipts = [outcome.receipt for outcome in outcomes if outcome.receipt]
    assert sorted(receipt.entries[0].remaining for receipt in receipts) == list(range(100))
    assert not any(receipt.replayed for receipt in receipts)
    assert one_process.remaining() == 0
    assert one_process.kinds() == {EntryKind.OPENED: 1, EntryKind.ALLOCATION: 1, EntryKind.CHARGE: 101}
    assert max(outcome.seconds for outcome in outcomes) < 8


def test_64_callers_with_credits_enough_are_all_charged_and_none_waits_more_than_3_seconds(
    one_process: Callers,
) -> None:
    opened(one_process.store)

    outcomes = one_process.at_once([charge(f"k{number}") for number in range(64)])

    assert Counter(outcome.code for outcome in outcomes) == {None: 64}
    assert sorted(o.receipt.entries[0].remaining for o in outcomes if o.receipt) == list(range(236, 300))
    assert one_process.remaining() == 236
    assert max(outcome.seconds for outcome in outcomes) < 3


def test_32_processes_with_20_credits_are_charged_20_times(tables: Tables) -> None:
    callers = Callers(tables, DynamoStore(tables), one_process=False)
    opened(callers.store)
    charged(callers.store, "spent-before", messages(280))

    outcomes = callers.at_once([charge(f"k{number}") for number in range(32)])

    assert Counter(outcome.code for outcome in outcomes) == {None: 20, "credits_exhausted": 12}
    assert sorted(o.receipt.entries[0].remaining for o in outcomes if o.receipt) == list(range(20))
    assert callers.remaining() == 0
    assert max(outcome.seconds for outcome in outcomes) < 8


def test_one_key_from_64_callers_charges_once_and_all_hear_the_same(callers: Callers) -> None:
    opened(callers.store)

    outcomes = callers.at_once([charge("the-same", 7)] * 64)

    receipts = [outcome.receipt for outcome in outcomes if outcome.receipt]
    assert Counter(receipt.replayed for receipt in receipts) == {False: 1, True: 63}
    heard = [[entry_to_record(entry) for entry in receipt.entries] for receipt in receipts]
    assert heard == [heard[0]] * 64
    assert [entry.remaining for entry in receipts[0].entries] == [293]
    assert callers.remaining() == 293
    assert callers.kinds()[EntryKind.CHARGE] == 1


def test_two_accounts_opened_by_32_callers_at_once_get_one_allocation_each(callers: Callers) -> None:
    outcomes = callers.at_once([partial(opened, account_id=name) for name in ["acme", "globex"] * 16])

    assert Counter(outcome.code for outcome in outcomes) == {None: 32}
    first_hand = [o.receipt for o in outcomes if o.receipt and o.receipt.entries and not o.receipt.replayed]
    assert sorted(receipt.book.account_id for receipt in first_hand) == ["acme", "globex"]
    for name in ("acme", "globex"):
        assert callers.remaining(name) == 300
        assert callers.kinds(name) == {EntryKind.OPENED: 1, EntryKind.ALLOCATION: 1}


def test_a_boundary_that_32_callers_come_to_at_once_allocates_once(callers: Callers) -> None:
    opened(callers.store)
    charged(callers.store, "spent-before", messages(290))
    renewal = partial(renewed, at=NOON + timedelta(days=31))

    outcomes = callers.at_once([renewal] * 16 + [charge(f"k{number}", days=31) for number in range(16)])

    assert Counter(outcome.code for outcome in outcomes) == {None: 32}
    assert callers.remaining() == 284
    assert callers.kinds() == {
        EntryKind.OPENED: 1,
        EntryKind.ALLOCATION: 2,
        EntryKind.EXPIRY: 1,
        EntryKind.CHARGE: 17,
    }
