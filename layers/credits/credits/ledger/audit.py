"""Audit: prove that an account's balance is what its entries say, and that no entry was touched; the same of its holds
and its members' counts.

Every entry carries its book as it left it, so each is checked against the one before alone: the chain (seq, hashes,
time), the sums (draws, balance, every single grant), and at the end the book's item itself. What moves credits between
an account and a hold is an entry in each, and the two must say the same.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from credits.domain.account import GENESIS, Account
from credits.domain.entry import SHARED, AnyEntry, EntryKind
from credits.domain.grant import Draw, Grant
from credits.domain.hold import HOLD_MARK, Hold, hold_book
from credits.domain.member import Member
from credits.domain.record import after_to_record, chain_hash, entry_to_record
from credits.errors import AccountNotFound
from credits.ledger.read import MILLISECOND, answering
from credits.ledger.store import AccountKey, Due, EntryKey, HoldKey, Ledger, Place, Span, place

ENTRIES_AT_ONCE = 500

LAG_SECONDS = 0.1
LOOKS_AGAIN = 3
"""An index is behind its table for milliseconds; an entry that is missing after this long is missing."""

BOOKS_AT_ONCE = 100

PARTS = ("remaining", "held", "frozen")

MOST_PROBLEMS = 100
"""A broken chain breaks every check after it; the first problems are the ones to read."""

COUNTED = frozenset({EntryKind.CHARGE, EntryKind.HOLD, EntryKind.EXTENSION})
"""What adds all of its credits to the count of the member it names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not hold, at the entry with this seq and key; without a key, at the item of its book. That is
    the account's, unless it names a hold or a member."""

    seq: int
    key: str | None
    problem: str
    hold_id: str | None = None
    member_id: str | None = None


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
    """Check the whole ledger of an account, in memory that grows only with its open holds and its members. Raises
    AccountNotFound.

    The items are read first; entries of commits that came after them are left for the next audit.
    """
    account = _item(store, account_id)
    trail = Trail(account, _open_holds(store, account_id))
    members = list(_members(store, account_id))
    problems: list[Problem] = []
    for entry in _entries(store, account):
        problems += trail.see(entry)
        if len(problems) >= MOST_PROBLEMS:
            return Audit(trail.entries, tuple(problems[:MOST_PROBLEMS]))
    problems += trail.end(members, {key: _looked_for(store, account_id, key, at) for key, at in trail.missing()})
    if trail.newest > account.seq and _item(store, account_id).seq < trail.newest:
        problem = f"entry {trail.newest} is in the ledger and not in the account"
        problems.append(Problem(trail.newest, None, problem))
    return Audit(trail.entries, tuple(problems[:MOST_PROBLEMS]))


class Trail:
    """What an audit carries from one entry of an account's ledger to the next, oldest first. Pure.

    `account` and `holds` are the items as they were before the entries were read: `see` each entry, then `end`.
    """

    def __init__(self, account: Account, holds: Mapping[str, Hold]) -> None:
        self.entries = 0
        self.newest = account.seq
        self._account = account
        self._holds = holds
        self._last: dict[str, AnyEntry] = {}  # of the account's book and of each open hold's
        self._alone: dict[str, AnyEntry] = {}  # shared entries whose other half was not seen yet, by their key
        self._before: dict[str, Hold] = {}  # the holds of such entries, as they were before them
        self._set_aside: dict[str, dict[str, int]] = {}  # by hold and grant, as the account tells it
        self._counts: dict[str, AnyEntry] = {}  # the last entry that moved each member's count

    def see(self, entry: AnyEntry) -> Iterator[Problem]:
        """What does not hold of this entry."""
        if entry.book_id == self._account.book_id:
            self.newest = max(self.newest, entry.seq)
            if entry.seq > self._account.seq:
                return
            yield from _at(entry, self._check_holds(entry))
            if entry.member_used is not None and entry.member_id:
                yield from _at(entry, check_count(self._counts.get(entry.member_id), entry))
                self._counts[entry.member_id] = entry
        self.entries += 1
        last = self._last.get(entry.book_id)
        yield from _at(entry, check(last, entry))
        if entry.kind in SHARED:
            yield from _at(entry, self._check_halves(last, entry))
        item = self._holds.get(entry.book_id)
        if item and item.seq == entry.seq:
            yield from (Problem(item.seq, None, each, item.hold_id) for each in check_item(entry, item))
        self._last[entry.book_id] = entry
        if isinstance(entry.after, Hold) and not entry.after.open:
            del self._last[entry.book_id]  # a hold that is over is never written again

    def missing(self) -> Sequence[tuple[EntryKey, datetime]]:
        """Where the other halves of shared entries should be that were not seen, and when: the index may lag."""
        return [(_other_half(entry), entry.at) for entry in self._alone.values()]

    def end(self, members: Sequence[Member], found: Mapping[EntryKey, AnyEntry | None]) -> Iterator[Problem]:
        """What does not hold at the end of the ledger, given the members' items and what was `missing`."""
        for entry in self._alone.values():
            other = found[_other_half(entry)]
            if other is None:
                yield from _at(entry, ["its other half, under the same key, is not in the ledger"])
            elif other.book_id != self._account.book_id or other.seq <= self._account.seq:
                yield from _at(entry, check_halves(*_in_order(entry, other), None))
        last = self._last.get(self._account.book_id)
        yield from (Problem(self._account.seq, None, each) for each in check_item(last, self._account))
        for hold in self._holds.values():
            reached = self._last.get(hold.book_id)
            if hold.open and (reached is None or reached.seq < hold.seq):
                yield from (Problem(hold.seq, None, each, hold.hold_id) for each in check_item(reached, hold))
        for member in members:
            if member.seq <= self._account.seq:
                problems = check_member(self._counts.get(member.member_id), member)
                yield from (Problem(member.seq, None, each, member_id=member.member_id) for each in problems)

    def _check_holds(self, entry: AnyEntry) -> Iterator[str]:
        """Credits are held for a hold, and given up whole when it is closed."""
        moved = {draw.grant_id: draw.held for draw in entry.draws if draw.held}
        if moved and (entry.kind not in SHARED or entry.hold_id is None):
            yield "held credits move without a hold"
        if entry.kind not in SHARED or entry.hold_id is None:
            return
        held = self._set_aside.setdefault(entry.hold_id, {})
        for grant_id, credits in moved.items():
            held[grant_id] = held.get(grant_id, 0) + credits
        if entry.kind is EntryKind.RELEASE:
            if left := {grant_id: credits for grant_id, credits in held.items() if credits}:
                yield f"the hold had set aside other credits: {left} are left"
            del self._set_aside[entry.hold_id]

    def _check_halves(self, last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
        """Of two halves, the one that is seen first waits for the other."""
        if isinstance(entry.after, Hold) and last and isinstance(last.after, Hold):
            self._before[entry.key] = last.after
        other = self._alone.pop(entry.key, None)
        if other is None or other.book_id == entry.book_id:
            self._alone[entry.key] = entry
        else:
            yield from check_halves(*_in_order(entry, other), self._before.pop(entry.key, None))


def check(last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
    """What does not hold of `entry`, given the one before it in its book (None for the first).

    Whether a hold's first entry stands on the account's that opened it is for `check_halves` to say.
    """
    before = last.after if last else None
    if entry.seq != (last.seq if last else 0) + 1:
        yield f"seq {entry.seq} follows {last.seq if last else 0}"
    if (last or isinstance(entry.after, Account)) and entry.prev_hash != (last.hash if last else GENESIS):
        yield "prev_hash is not the hash of the entry before"
    if entry.hash != chain_hash(entry.prev_hash, entry_to_record(entry)):
        yield "hash is not that of the entry's fields"
    if last and entry.at < last.at:
        yield "at is before the entry before"
    if entry.credits != sum(draw.credits for draw in entry.draws):
        yield f"credits are {entry.credits}, the draws {sum(draw.credits for draw in entry.draws)}"
    if entry.remaining != entry.after.remaining:
        yield f"remaining is {entry.remaining}, the grants hold {entry.after.remaining}"
    if isinstance(entry.after, Hold):
        if entry.total != entry.after.credits:
            yield f"total is {entry.total}, the hold's is {entry.after.credits}"
        yield from _check_hold(before if isinstance(before, Hold) else None, entry, entry.after)
    else:
        if entry.total != entry.after.total:
            yield f"total is {entry.total}, the account's is {entry.after.total}"
        yield from _check_grants(before.grants if before else (), entry)


def _check_hold(before: Hold | None, entry: AnyEntry, hold: Hold) -> Iterator[str]:
    """A hold's parts move by its draws. What was captured is what they lost while it was open; closing empties them."""
    if hold.open:
        yield from _check_grants(before.grants if before else (), entry, holds=True)
        if hold.credits != sum(part.credits for part in hold.grants):
            yield f"the hold has {hold.credits} credits, its parts {sum(part.credits for part in hold.grants)}"
        if hold.captured != hold.credits - hold.remaining:
            yield f"captured is {hold.captured}, the parts tell {hold.credits - hold.remaining}"
        return
    if before is None or not before.open:
        yield "a hold that is over has an entry"
        return
    if hold.grants or {draw.grant_id: -draw.credits for draw in entry.draws} != {
        part.id: part.remaining for part in before.grants if part.remaining
    }:
        yield "the close does not empty the hold's parts"
    if (hold.credits, hold.captured) != (before.credits, before.captured):
        yield "the close changes what was set aside or captured"


def check_halves(account: AnyEntry, hold: AnyEntry, before: Hold | None) -> Iterator[str]:
    """What does not hold of the two entries of one commit over an account and a hold; `before` is the hold before it,
    where that is known."""
    if (account.kind, account.at, account.hold_id) != (hold.kind, hold.at, hold.hold_id):
        yield "the account's entry and the hold's under this key tell of different things"
    if hold.seq == 1 and hold.prev_hash != account.hash:
        yield "the hold's chain does not start from the account's entry that opened it"
    if hold.kind is not EntryKind.RELEASE:
        if _moved(account.draws, "held") != _moved(hold.draws, "credits"):
            yield "what the account holds is not what the hold got"
        return
    if _moved(account.draws, "credits") != {
        grant: -credits for grant, credits in _moved(hold.draws, "credits").items()
    }:
        yield "what came back to the account is not what the hold gave up"
    if before and {part.id: -part.credits for part in before.grants} != _moved(account.draws, "held"):
        yield "what the account held is not what the hold had"


def check_count(last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
    """What does not hold of a member's count at `entry`, given the last entry before it that moved the count."""
    if not isinstance(entry.after, Account) or entry.member_used is None:
        return
    same_period = last and isinstance(last.after, Account) and last.after.period.start == entry.after.period.start
    used = last.member_used or 0 if last and same_period else 0
    if entry.kind in COUNTED and entry.member_used != used - entry.credits:
        yield f"the member's count is {entry.member_used}, and was {used} before {-entry.credits} credits"
    if entry.kind not in COUNTED and not 0 <= entry.member_used <= used:
        yield f"the member's count is {entry.member_used}, and was {used}"


def check_item(last: AnyEntry | None, book: Account | Hold) -> Iterator[str]:
    """What does not hold of a book's item, given its last entry."""
    name = "hold" if isinstance(book, Hold) else "account"
    if last is None or (last.seq, last.hash) != (book.seq, book.head):
        yield f"the {name} stands at entry {book.seq}, the entries end at {last.seq if last else 0}"
    elif after_to_record(last.after) != after_to_record(book) or last.at != book.at:
        yield f"the {name}'s item is not what its last entry left"


def check_member(last: AnyEntry | None, member: Member) -> Iterator[str]:
    """What does not hold of a member's item, given the last entry that moved its count."""
    if last is None or (last.seq, last.hash) != (member.seq, member.head):
        yield f"the member stands at entry {member.seq}, the last that counts is {last.seq if last else 0}"
    elif last.member_used != member.used:
        yield f"the member's count is {member.used}, the last entry left {last.member_used}"


def _check_grants(before: Sequence[Grant], entry: AnyEntry, *, holds: bool = False) -> Iterator[str]:
    """Each grant moves by its draws and by nothing else: granted = remaining + held + frozen + spent + expired.

    The parts of a hold stay when they are empty."""
    nothing = (0, 0, 0)
    expected = {grant.id: _parts(grant) for grant in before}
    for draw in entry.draws:
        remaining, held, frozen = expected.get(draw.grant_id, nothing)
        expected[draw.grant_id] = remaining + draw.credits, held + draw.held, frozen + draw.frozen
    actual = {grant.id: _parts(grant) for grant in entry.after.grants}
    for grant_id in sorted(expected.keys() | actual.keys()):
        should, has = expected.get(grant_id, nothing), actual.get(grant_id, nothing)
        for part, leaves, left in zip(PARTS, should, has, strict=True):
            if leaves != left:
                yield f"grant {grant_id} has {left} {part}, the entries leave {leaves}"
    for grant in entry.after.grants:
        if min(_parts(grant)) < 0 or sum(_parts(grant)) > grant.credits:
            yield f"grant {grant.id} has {_parts(grant)} of {grant.credits}"
        elif grant.empty and not holds:
            yield f"grant {grant.id} is empty and still in the book"


def _parts(grant: Grant) -> tuple[int, int, int]:
    return grant.remaining, grant.held, grant.frozen


def _moved(draws: Sequence[Draw], what: str) -> dict[str, int]:
    moved = {draw.grant_id: int(getattr(draw, what)) for draw in draws}
    return {grant_id: credits for grant_id, credits in moved.items() if credits}


def _at(entry: AnyEntry, problems: Iterator[str] | Sequence[str]) -> Iterator[Problem]:
    hold_id = None if entry.book_id == entry.account_id else entry.hold_id
    return (Problem(entry.seq, entry.key, problem, hold_id) for problem in problems)


def _other_half(entry: AnyEntry) -> EntryKey:
    if entry.book_id != entry.account_id:
        return EntryKey(entry.account_id, entry.key)
    return EntryKey(hold_book(entry.account_id, entry.hold_id or ""), entry.key)


def _in_order(one: AnyEntry, other: AnyEntry) -> tuple[AnyEntry, AnyEntry]:
    """The account's, then the hold's."""
    return (one, other) if one.book_id == one.account_id else (other, one)


def _item(store: Ledger, account_id: str) -> Account:
    (account,) = store.read(AccountKey(account_id))
    if account is None:
        raise AccountNotFound(account_id)
    return account


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


def _members(store: Ledger, account_id: str) -> Iterator[Member]:
    beyond: str | None = None
    while rows := store.members(account_id, limit=BOOKS_AT_ONCE, beyond=beyond):
        yield from rows
        beyond = rows[-1].member_id


def _entries(store: Ledger, account: Account) -> Iterator[AnyEntry]:
    """The entries of the account and of its holds, in time. It ends on any ledger: a place that goes back is forged.

    The index may lag the table by a moment, so an end that comes before the account's is looked at again.
    """
    beyond: Place | None = None
    reached = 0
    looks = 0
    while True:
        rows = store.entries(Span(account.account_id), limit=ENTRIES_AT_ONCE, newest_first=False, beyond=beyond)
        yield from rows
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
