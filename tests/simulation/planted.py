"""Bugs planted in the code under test: each leaves out one rule, everywhere, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from credits.catalog import Catalog
from credits.domain import refund
from credits.domain.account import Account
from credits.domain.book import Book
from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.grant import GrantKind
from credits.domain.hold import Hold
from credits.domain.journal import Posting
from credits.domain.refund import refund_key
from credits.domain.release import release
from credits.domain.renew import renew
from credits.ledger import due, spend
from credits.ledger.memory import MemoryStore
from tests.simulation.play import Played, play

Plant = Callable[[pytest.MonkeyPatch], None]


class Forgetful(MemoryStore):
    """Commits whatever version a book has come to meanwhile. `overtaken`: the last commit stood on an older."""

    overtaken = False

    def commit(self, posting: Posting) -> None:
        books = tuple(replace(book, version=self._version(book)) for book in posting.books)
        self.overtaken = books != posting.books
        super().commit(Posting(books, posting.entries))

    def _version(self, book: Book) -> int:
        has = self._books.get(book.book_id)
        return has.version if has else 0


def renewals_without_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule gives the allocation of the period whenever it comes, under a key that is new each time."""

    def renewal(account: Account, catalog: Catalog, *, now: datetime) -> Posting:
        journal = renew(account, catalog, now)
        if not (posting := journal.posting()).entries:
            credits = catalog.plans[account.plan].allocation(account.seats)
            given, draws = account.give(GrantKind.ALLOCATION, credits, account.period.end)
            journal.write(EntryKind.ALLOCATION, f"allocation#{account.seq}", now, given, draws)
            posting = journal.posting()
        return posting

    monkeypatch.setattr(due, "renewal", renewal)


def refunds_without_their_once_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever refunds a charge does it under a key of its own: the one that is looked up is the one that is written."""
    keys: dict[str, str] = {}

    def key_of_this_refund(charge: AnyEntry) -> str:
        refunds = int(keys.get(charge.hash, "#0").rpartition("#")[2])
        keys[charge.hash] = f"{refund_key(charge)}#{refunds + 1}"
        return keys[charge.hash]

    monkeypatch.setattr(spend, "refund_key", key_of_this_refund)
    monkeypatch.setattr(refund, "refund_key", lambda charge: keys[charge.hash])


def play_without_the_once_rule_of_refunds(seed: int, steps: int) -> Played:
    """One world with that bug, in a worker."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        refunds_without_their_once_rule(monkeypatch)
        return play(seed, steps)


def releases_that_forget_what_was_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold is closed as if nothing had been spent of it."""

    def forgetful(account: Account, hold: Hold | None, *members: Any, **facts: Any) -> Posting:
        return release(account, hold and replace(hold, captured=0), *members, **facts)

    monkeypatch.setattr(spend, "release", forgetful)
