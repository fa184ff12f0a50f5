"""Audit: prove that an account's balance is what its entries say, and that no entry was touched; the same of its holds
and its members' counts.

Here the ledger is read; what must hold of it is in `domain.proof`, entry by entry, and in `trail`, over all books.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from credits.domain.account import Account
from credits.domain.entry import AnyEntry
from credits.domain.hold import HOLD_MARK, Hold, hold_book
from credits.domain.member import Member
from credits.errors import AccountNotFound, LedgerTooLong
from credits.ledger.read import MILLISECOND, answering
from credits.ledger.store import AccountKey, Due, EntryKey, HoldKey, Ledger, Place, Span, Unreadable, place
from credits.ledger.trail import Found, Problem, Trail, named_by

ENTRIES_AT_ONCE = 500

LAG_SECONDS = 0.1
LOOKS_AGAIN = 3
"""An index is behind its table for milliseconds; an entry that is missing after this long is missing."""

BOOKS_AT_ONCE = 100

MOST_PROBLEMS = 100
"""A broken chain breaks every check after it; the first problems are the ones to read."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The verdict over `entries` entries. At most `MOST_PROBLEMS` problems are listed, in the order of the ledger."""

    entries: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


@answering
def audit(store: Ledger, account_id: str, *, seconds: float = math.inf) -> Audit:
    """Check the whole ledger of an account, in memory that grows only with its open holds and its members. Raises
    AccountNotFound, and LedgerTooLong where all is well so far and `seconds` are over.

    The items are read first; entries of commits that came after them are left for the next audit.
    """
    problems: list[Problem] = []
    entries = 0
    try:
        for seen, found in _audited(store, account_id, time.monotonic() + seconds):
            entries = seen
            problems += found
            if len(problems) >= MOST_PROBLEMS:
                break
    except LedgerTooLong:
        if not problems:
            raise
    except Unreadable as item:
        hold_id = item.book_id.partition(HOLD_MARK)[2] or None
        problems.append(Problem(0, item.key, "the item cannot be read any more", hold_id))
    return Audit(entries, tuple(problems[:MOST_PROBLEMS]))


def _audited(store: Ledger, account_id: str, deadline: float) -> Iterator[tuple[int, Sequence[Problem]]]:
    """How many entries were seen, and what more does not hold: after each page of them, and at the end. Raises
    LedgerTooLong where the deadline has passed and there is another page."""
    account = _item(store, account_id)
    trail = Trail(account, _open_holds(store, account_id))
    members = list(_members(store, account_id))
    for entries in _pages(store, account):
        if entries and trail.entries and time.monotonic() > deadline:
            raise LedgerTooLong(account_id, entries=trail.entries)
        found = _found(store, [name for entry in entries for name in named_by(entry)])
        problems = [problem for entry in entries for problem in trail.see(entry, found)]
        yield trail.entries, problems
    halves = {key: _looked_for(store, account_id, key, at) for key, at in trail.missing()}
    yield trail.entries, [*trail.end(members, halves, _unlisted(store, account_id, trail.unlisted()))]
    if trail.newest > account.seq and _item(store, account_id).seq < trail.newest:
        problem = f"entry {trail.newest} is in the ledger and not in the account"
        yield trail.entries, [Problem(trail.newest, None, problem)]


def _item(store: Ledger, account_id: str) -> Account:
    (account,) = store.read(AccountKey(account_id))
    if account is None:
        raise AccountNotFound(account_id)
    return account


def _found(store: Ledger, keys: Sequence[EntryKey]) -> Found:
    """What is under these keys."""
    return dict(zip(keys, store.read(*keys), strict=True)) if keys else {}


def _looked_for(store: Ledger, account_id: str, key: EntryKey, at: datetime) -> AnyEntry | None:
    """The entry of this instant, looked for until an index that lags must have it."""
    span = Span(account_id, since=at, until=at + MILLISECOND)
    for look in range(LOOKS_AGAIN):
        if look:
            time.sleep(LAG_SECONDS)
        for entry in store.entries(span, limit=ENTRIES_AT_ONCE):
            if (entry.book_id, entry.key) == (key.book_id, key.key):
                return entry
    return None


def _open_holds(store: Ledger, account_id: str) -> dict[str, Hold]:
    """The items of the account's open holds, by the names of their books."""
    found: dict[str, Hold] = {}
    beyond: Due | None = None
    while rows := store.open_holds(account_id, limit=BOOKS_AT_ONCE, beyond=beyond):
        keys = [HoldKey(account_id, row.book_id.partition(HOLD_MARK)[2]) for row in rows]
        found |= {hold.book_id: hold for hold in store.read(*keys) if hold}
        beyond = rows[-1]
    return found


def _unlisted(store: Ledger, account_id: str, hold_ids: Sequence[str]) -> dict[str, Hold | None]:
    """The items of these holds, but for those that the list of open ones has after all: it may lag."""
    for look in range(LOOKS_AGAIN if hold_ids else 0):
        if look:
            time.sleep(LAG_SECONDS)
        listed = _open_holds(store, account_id)
        hold_ids = [hold_id for hold_id in hold_ids if hold_book(account_id, hold_id) not in listed]
        if not hold_ids:
            break
    return {hold_id: store.read(HoldKey(account_id, hold_id))[0] for hold_id in hold_ids}


def _members(store: Ledger, account_id: str) -> Iterator[Member]:
    beyond: str | None = None
    while rows := store.members(account_id, limit=BOOKS_AT_ONCE, beyond=beyond):
        yield from rows
        beyond = rows[-1].member_id


def _pages(store: Ledger, account: Account) -> Iterator[Sequence[AnyEntry]]:
    """The entries of the account and of its holds, in time, page by page. It ends on any ledger: a place that goes back
    is forged.

    The index may lag the table by a moment, so an end that comes before the account's is looked at again.
    """
    beyond: Place | None = None
    reached = 0
    looks = 0
    while True:
        rows = store.entries(Span(account.account_id), limit=ENTRIES_AT_ONCE, newest_first=False, beyond=beyond)
        yield rows
        reached = max([reached, *(entry.seq for entry in rows if entry.book_id == account.book_id)])
        if rows:
            last = place(rows[-1])
            if beyond and (last == beyond or last.moment < beyond.moment):
                return
            beyond = last
        elif reached >= account.seq or looks == LOOKS_AGAIN:
            return
        else:
            looks += 1
            time.sleep(LAG_SECONDS)
