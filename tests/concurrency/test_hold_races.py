"""Holds on DynamoDB Local: opened against each other, and captured side by side without meeting on the account."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from credits.domain.charge import Usage
from credits.domain.journal import Posting
from credits.errors import CreditsError
from credits.ledger.audit import audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.spend import spend
from credits.ledger.store import AccountKey, Cancelled, Collided, HoldKey, StoreError
from credits.ledger.tables import Tables
from tests.moves import CATALOG, NOON, captured, granted, held, opened, released

HOLDS = 64
CAPTURES = 100


def test_of_20_holds_of_75_at_once_on_500_credits_6_succeed_and_50_credits_remain(tables: Tables) -> None:
    store = DynamoStore(tables)
    opened(store)
    granted(store, "gift", 200)

    def one(number: int) -> str | None:
        try:
            held(DynamoStore(tables), f"run-{number}", 75)
        except CreditsError as error:
            return error.code
        return None

    with ThreadPoolExecutor(20) as threads:
        codes = Counter(threads.map(one, range(20)))

    (account,) = store.read(AccountKey("acme"))
    assert account
    assert codes == {None: 6, "insufficient_credits": 14}
    assert (account.held, account.remaining) == (450, 50)
    assert audit(store, "acme").problems == ()


def test_64_holds_are_captured_100_times_each_side_by_side_and_no_capture_meets_another_or_writes_the_account(
    tables: Tables,
) -> None:
    lost: list[StoreError] = []

    class Watched(DynamoStore):
        """Remembers each commit that lost a race."""

        def commit(self, posting: Posting) -> None:
            try:
                super().commit(posting)
            except (Cancelled, Collided) as race:
                lost.append(race)
                raise

    store = Watched(tables)
    opened(store)
    granted(store, "gift", HOLDS * CAPTURES)
    for number in range(HOLDS):
        held(store, f"run-{number}", CAPTURES, expires_in_seconds=7_200)
    (before,) = store.read(AccountKey("acme"))

    def run(number: int) -> int:
        return sum(-captured(store, f"run-{number}", f"k{each}").entries[0].credits for each in range(CAPTURES))

    began = time.perf_counter()
    with ThreadPoolExecutor(HOLDS) as threads:
        spent = list(threads.map(run, range(HOLDS)))

    assert time.perf_counter() - began < 600
    (after,) = store.read(AccountKey("acme"))
    holds = store.read(*(HoldKey("acme", f"run-{number}") for number in range(HOLDS)))
    assert spent == [100] * 64
    assert lost == []
    assert after == before
    assert [(hold.captured, hold.remaining, hold.version) for hold in holds if hold] == [(100, 0, 101)] * 64
    for number in range(HOLDS):
        released(store, f"run-{number}")
    assert audit(store, "acme").problems == ()
    (account,) = store.read(AccountKey("acme"))
    assert account
    assert (account.remaining, account.held, account.used) == (300, 0, 6_400)


def test_a_hold_that_16_close_while_16_capture_gives_back_exactly_what_was_not_captured(tables: Tables) -> None:
    store = DynamoStore(tables)
    opened(store)
    held(store, "run", 50)

    def one(number: int) -> str:
        try:
            if number % 2:
                captured(DynamoStore(tables), "run", f"k{number}")
                return "captured"
            released(DynamoStore(tables), "run")
        except CreditsError as error:
            return error.code
        return "closed"

    with ThreadPoolExecutor(32) as threads:
        told = Counter(threads.map(one, range(32)))

    (account,) = store.read(AccountKey("acme"))
    assert account
    assert told["closed"] == 16
    assert told["captured"] + told["hold_closed"] == 16
    assert (account.remaining, account.held, account.used) == (300 - told["captured"], 0, told["captured"])
    assert audit(store, "acme").problems == ()


def test_an_expired_hold_that_16_refusals_sweep_at_once_is_settled_once(tables: Tables) -> None:
    store = DynamoStore(tables)
    opened(store)
    held(store, "run", 300, expires_in_seconds=60)
    later = NOON + timedelta(minutes=2)

    def one(number: int) -> int:
        lines = [Usage(action="message", quantity=10)]
        receipt = spend(DynamoStore(tables), CATALOG, "acme", f"k{number}", lines, now=later)
        return -receipt.entries[0].credits

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(one, range(16))) == [10] * 16

    (account,) = store.read(AccountKey("acme"))
    assert account
    assert (account.remaining, account.held) == (140, 0)
    assert audit(store, "acme").problems == ()
