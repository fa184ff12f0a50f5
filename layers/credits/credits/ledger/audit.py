"""Audit: prove that an account's balance is what its entries say, and that no entry was touched.

Every entry carries the account as it left it, so each is checked against the one before alone: the chain (seq, hashes,
time), the sums (draws, balance, every single grant), and at the end the account's item itself.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from credits.domain.account import GENESIS, Account
from credits.domain.entry import Entry
from credits.domain.grant import Grant
from credits.domain.record import chain_hash, entry_to_record, state_to_record
from credits.errors import AccountNotFound
from credits.ledger.read import answering
from credits.ledger.store import AccountKey, Ledger, Place, Span, place

ENTRIES_AT_ONCE = 500

LAG_SECONDS = 0.1
LOOKS_AGAIN = 3
"""An index is behind its table for milliseconds; an entry that is missing after this long is missing."""

PARTS = ("remaining", "held", "frozen")

MOST_PROBLEMS = 100
"""A broken chain breaks every check after it; the first problems are the ones to read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not hold, at the entry with this seq and key; without a key, at the account's item."""

    seq: int
    key: str | None
    problem: str


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
def audit(store: Ledger, account_id: str) -> Audit:
    """Check the whole ledger of an account, in constant memory. Raises AccountNotFound.

    The account's item is read first; entries of commits that came after it are left for the next audit.
    """
    account = _item(store, account_id)
    count = 0
    newest = account.seq
    problems: list[Problem] = []
    last: Entry | None = None
    for entry in _entries(store, account):
        newest = max(newest, entry.seq)
        if entry.seq > account.seq:
            continue
        problems += [Problem(entry.seq, entry.key, problem) for problem in check(last, entry)]
        last = entry
        count += 1
        if len(problems) >= MOST_PROBLEMS:
            return Audit(count, tuple(problems[:MOST_PROBLEMS]))
    problems += [Problem(account.seq, None, problem) for problem in check_item(last, account)]
    if newest > account.seq and _item(store, account_id).seq < newest:
        problems.append(Problem(newest, None, f"entry {newest} is in the ledger and not in the account"))
    return Audit(count, tuple(problems))


def check(last: Entry | None, entry: Entry) -> Iterator[str]:
    """What does not hold of `entry`, given the one before it in its book (None for the first)."""
    before = last.after if last else None
    if entry.seq != (last.seq if last else 0) + 1:
        yield f"seq {entry.seq} follows {last.seq if last else 0}"
    if entry.prev_hash != (last.hash if last else GENESIS):
        yield "prev_hash is not the hash of the entry before"
    if entry.hash != chain_hash(entry.prev_hash, entry_to_record(entry)):
        yield "hash is not that of the entry's fields"
    if last and entry.at < last.at:
        yield "at is before the entry before"
    if entry.credits != sum(draw.credits for draw in entry.draws):
        yield f"credits are {entry.credits}, the draws {sum(draw.credits for draw in entry.draws)}"
    if entry.remaining != entry.after.remaining:
        yield f"remaining is {entry.remaining}, the grants hold {entry.after.remaining}"
    if entry.total != entry.after.total:
        yield f"total is {entry.total}, the account's is {entry.after.total}"
    yield from _check_grants(before, entry)


def _check_grants(before: Account | None, entry: Entry) -> Iterator[str]:
    """Each grant moves by its draws and by nothing else: granted = remaining + held + frozen + spent + expired."""
    nothing = (0, 0, 0)
    expected = {grant.id: _parts(grant) for grant in before.grants} if before else {}
    for draw in entry.draws:
        remaining, held, frozen = expected.get(draw.grant_id, nothing)
        expected[draw.grant_id] = remaining + draw.credits, held + draw.held, frozen + draw.frozen
    actual = {grant.id: _parts(grant) for grant in entry.after.grants}
    for grant_id in sorted(expected.keys() | actual.keys()):
        should, has = expected.get(grant_id, nothing), actual.get(grant_id, nothing)
        for part, leaves, holds in zip(PARTS, should, has, strict=True):
            if leaves != holds:
                yield f"grant {grant_id} has {holds} {part}, the entries leave {leaves}"
    for grant in entry.after.grants:
        if min(_parts(grant)) < 0 or sum(_parts(grant)) > grant.credits:
            yield f"grant {grant.id} has {_parts(grant)} of {grant.credits}"


def _parts(grant: Grant) -> tuple[int, int, int]:
    return grant.remaining, grant.held, grant.frozen


def check_item(last: Entry | None, account: Account) -> Iterator[str]:
    """What does not hold of the account's item, given its last entry."""
    if last is None or (last.seq, last.hash) != (account.seq, account.head):
        yield f"the account stands at entry {account.seq}, the entries end at {last.seq if last else 0}"
    elif state_to_record(last.after) != state_to_record(account) or last.at != account.at:
        yield "the account's item is not what its last entry left"


def _item(store: Ledger, account_id: str) -> Account:
    (account,) = store.read(AccountKey(account_id))
    if account is None:
        raise AccountNotFound(account_id)
    return account


def _entries(store: Ledger, account: Account) -> Iterator[Entry]:
    """The entries of the account's own book, in time. It ends on any ledger: a place that goes back is forged.

    The index may lag the table by a moment, so an end that comes before the account's is looked at again.
    """
    beyond: Place | None = None
    reached = 0
    looks = 0
    while True:
        rows = store.entries(Span(account.account_id), limit=ENTRIES_AT_ONCE, newest_first=False, beyond=beyond)
        own = [entry for entry in rows if entry.book_id == account.book_id]
        yield from own
        reached = max([reached, *(entry.seq for entry in own)])
        if rows:
            last = place(rows[-1])
            if beyond and last.moment <= beyond.moment:
                return
            beyond = last
        elif reached >= account.seq or looks == LOOKS_AGAIN:
            return
        else:
            looks += 1
            time.sleep(LAG_SECONDS)
