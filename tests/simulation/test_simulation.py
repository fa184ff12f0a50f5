"""The simulator: the ledger as it is passes, a seed plays the same everywhere, and planted bugs are found."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from credits.catalog import Catalog
from credits.domain import refund
from credits.domain.account import Account
from credits.domain.book import Book
from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.grant import GrantKind
from credits.domain.journal import Posting
from credits.domain.refund import refund_key
from credits.domain.renew import renew
from credits.ledger import due, spend
from credits.ledger.export import lines
from credits.ledger.memory import MemoryStore
from tests.e2e.launch import environment
from tests.simulation.world import Broken, World
from tests.verifier import said_of


def simulated(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`make simulate`, without make."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )


def test_a_year_of_a_hundred_accounts_under_every_fault_is_right_to_the_credit() -> None:
    world = World(20261125)

    world.run(20_000)

    assert (world.now - datetime.fromisoformat("2027-01-29T06:00:00Z")).days > 365
    assert world.counts["commits"] > 10_000
    assert world.counts["audits"] == 200
    for account in world.truth.accounts(limit=1_000):
        assert said_of(lines(world.truth, account.account_id)) == "holds", account.account_id
    for fault in ("lost", "late", "collided", "throttled", "unanswered", "crash before", "crash after", "meanwhile"):
        assert world.counts[fault] > 50, fault
    for outcome in ("answered", "refused", "gave up", "renewed", "landed too late"):
        assert world.counts[outcome] > 50, outcome
    for request in ("OpenHold", "Capture", "CloseHold", "Refund", "Adjust", "Appoint", "SetWords", "MoveWorkflows"):
        assert world.counts[request] > 50, request
    for request in ("Buy", "PayBack", "PayBackFails", "Dispute", "WinDispute", "LoseDispute", "ExtendHold"):
        assert world.counts[request] > 20, request
    assert world.counts["Remove"] > 20


def test_a_seed_plays_the_same_in_any_process_and_another_seed_another_way() -> None:
    prints = []
    for seed, hash_seed in (("7", "0"), ("7", "1"), ("8", "0")):
        done = simulated("--seed", seed, "--steps", "1500", PYTHONHASHSEED=hash_seed)
        assert done.returncode == 0, done.stdout + done.stderr
        prints.append(done.stdout.split()[-1])

    assert prints[0] == prints[1] != prints[2]


# Planted bugs


class Forgetful(MemoryStore):
    """Commits whatever version a book has come to meanwhile."""

    def commit(self, posting: Posting) -> None:
        books = tuple(replace(book, version=self._version(book)) for book in posting.books)
        super().commit(Posting(books, posting.entries))

    def _version(self, book: Book) -> int:
        has = self._books.get(book.book_id)
        return has.version if has else 0


def renewal_without_the_key(account: Account, catalog: Catalog, *, now: datetime) -> Posting:
    """Gives the allocation of the period whenever the schedule comes, under a key that is new each time."""
    journal = renew(account, catalog, now)
    if not (posting := journal.posting()).entries:
        credits = catalog.plans[account.plan].allocation(account.seats)
        given, draws = account.give(GrantKind.ALLOCATION, credits, account.period.end)
        journal.write(EntryKind.ALLOCATION, f"allocation#{account.seq}", now, given, draws)
        posting = journal.posting()
    return posting


class TwiceRefunded:
    """A key for each refund that is new each time, in the place of the charge's own."""

    def __init__(self) -> None:
        self._refunds = 0

    def __call__(self, charge: AnyEntry) -> str:
        self._refunds += 1
        return f"{refund_key(charge)}#{self._refunds}"


def breaks(make: Callable[[int], World], within: int) -> str:
    """What is said of the first of three worlds that breaks within so many steps."""
    for seed in (1, 2, 3):
        world = make(seed)
        try:
            world.run(within)
        except Broken as broken:
            return str(broken)
    pytest.fail(f"nothing was found in three worlds of {within} steps")


def test_a_store_that_skips_the_version_condition_is_found() -> None:
    said = breaks(lambda seed: World(seed, store=Forgetful()), within=1_000)

    assert re.search("the rules say|acted twice|could not|in the ledger", said), said


def test_a_renewal_without_its_key_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "renewal", renewal_without_the_key)

    said = breaks(World, within=10_000)

    assert "'allocation'" in said


def test_a_refund_without_its_once_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    key_each_time = TwiceRefunded()
    monkeypatch.setattr(spend, "refund_key", key_each_time)
    monkeypatch.setattr(refund, "refund_key", key_each_time)

    said = breaks(World, within=1_000)

    assert "refund#" in said
