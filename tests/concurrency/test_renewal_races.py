"""Workers that meet each other, and charges, at one boundary on DynamoDB Local: each renewal is written once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from credits.domain.entry import EntryKind
from credits.ledger.audit import audit
from credits.ledger.due import Run, renew_due
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import AccountKey, Span
from credits.ledger.tables import Tables
from tests.moves import CATALOG, charged, messages, opened

RESET = datetime(2026, 12, 23, 12, tzinfo=UTC)
IN_SHARD_00 = ("a6", "a34", "a55", "a62", "a88", "a97", "a108", "a117", "a120", "a141")


def work(tables: Tables) -> Run:
    """A worker with a store of its own, as a process has."""
    return renew_due(DynamoStore(tables), CATALOG, "account", "00", now=RESET, time_left=lambda: 1.0)


def test_four_workers_on_one_shard_renew_each_account_once(tables: Tables) -> None:
    store = DynamoStore(tables)
    for name in IN_SHARD_00:
        opened(store, name)
    together = Barrier(4)

    def worker(_: int) -> Run:
        together.wait()
        return work(tables)

    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(worker, range(4)))

    assert [run.failed for run in runs] == [()] * 4
    for name in IN_SHARD_00:
        kinds = Counter(entry.kind for entry in store.entries(Span(name), limit=10))
        assert kinds == {EntryKind.OPENED: 1, EntryKind.ALLOCATION: 2, EntryKind.EXPIRY: 1}
        assert audit(store, name).problems == ()
    assert work(tables) == Run(0, (), finished=True, beyond=None)


def test_workers_and_charges_that_meet_at_the_very_instant_leave_every_credit_counted_once(tables: Tables) -> None:
    store = DynamoStore(tables)
    opened(store, "a6")
    charged(store, "before", messages(290), account_id="a6")
    together = Barrier(12)

    def one(number: int) -> None:
        together.wait()
        if number < 4:
            assert work(tables).failed == ()
        else:
            charged(DynamoStore(tables), f"k{number}", messages(3), account_id="a6", at=RESET)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(one, range(12)))

    (account,) = store.read(AccountKey("a6"))
    assert account
    assert account.remaining == 276
    entries = store.entries(Span("a6"), limit=100, newest_first=False)
    assert [(entry.kind, entry.at, entry.credits) for entry in entries[3:5]] == [
        (EntryKind.EXPIRY, RESET, -10),
        (EntryKind.ALLOCATION, RESET, 300),
    ]
    assert [entry.credits for entry in entries[5:]] == [-3] * 8
    assert audit(store, "a6").problems == ()
