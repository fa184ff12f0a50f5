"""The trail of an audit: an account's ledger, followed from entry to entry over all of its books. Pure: what it needs
of the store beside the entries, it is given."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from credits.domain.account import Account
from credits.domain.entry import SHARED, AnyEntry, EntryKind
from credits.domain.hold import HOLD_MARK, Hold, hold_book
from credits.domain.member import Member
from credits.domain.proof import check, check_correction, check_count, check_halves, check_item, check_member
from credits.ledger.store import EntryKey

type Found = Mapping[EntryKey, AnyEntry | None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not hold, at the entry with this seq and key; without a key, at the item of its book. That is
    the account's, unless it names a hold or a member."""

    seq: int
    key: str | None
    problem: str
    hold_id: str | None = None
    member_id: str | None = None

    def __str__(self) -> str:
        book = f"hold {self.hold_id}, " if self.hold_id else f"member {self.member_id}, " if self.member_id else ""
        return f"{book}entry {self.seq} {self.key or 'the item itself'}: {self.problem}"


def named_by(entry: AnyEntry) -> Sequence[EntryKey]:
    """The entries elsewhere in the account's ledger by which this one is judged: what it corrects; and, where that is a
    capture, whose refund stands in its hold's book or in the account's, the same key in the other of the two."""
    corrected = entry.corrects
    if corrected is None or not corrected.key or corrected.book_id.partition(HOLD_MARK)[0] != entry.account_id:
        return []
    names = [EntryKey(corrected.book_id, corrected.key)]
    if corrected.book_id != entry.account_id:
        other = corrected.book_id if entry.book_id == entry.account_id else entry.account_id
        names.append(EntryKey(other, entry.key))
    return names


class Trail:
    """What an audit carries from one entry of an account's ledger to the next, oldest first.

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
        self._set_aside: dict[str, Counter[str]] = {}  # by hold and grant, as the account tells it
        self._counts: dict[str, AnyEntry] = {}  # the last entry that moved each member's count

    def see(self, entry: AnyEntry, found: Found) -> Iterator[Problem]:
        """What does not hold of this entry, given what was found under the keys `named_by` it."""
        if entry.book_id == self._account.book_id:
            self.newest = max(self.newest, entry.seq)
            if entry.seq > self._account.seq:
                return
            yield from _at(entry, self._check_holds(entry))
            if entry.member_used is not None:
                member_id = entry.member_id or ""
                yield from _at(entry, check_count(self._counts.get(member_id), entry))
                self._counts[member_id] = entry
        self.entries += 1
        last = self._last.get(entry.book_id)
        yield from _at(entry, check(last, entry))
        names = [found.get(key) for key in named_by(entry)]
        charge, elsewhere = [*names, None, None][:2]
        yield from _at(entry, check_correction(entry, charge, elsewhere))
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

    def unlisted(self) -> Sequence[str]:
        """The holds that the account's entries leave open and that are not among the open ones it was given."""
        return [name for name in self._set_aside if hold_book(self._account.account_id, name) not in self._holds]

    def end(self, members: Sequence[Member], found: Found, unlisted: Mapping[str, Hold | None]) -> Iterator[Problem]:
        """What does not hold at the end of the ledger, given the members' items, what was `missing`, and the items of
        the holds that were `unlisted`."""
        for entry in self._alone.values():
            other = found[_other_half(entry)]
            if other is None:
                yield from _at(entry, ["its other half, under the same key, is not in the ledger"])
            elif other.book_id != self._account.book_id or other.seq <= self._account.seq:
                yield from _at(entry, check_halves(*_in_order(entry, other), None))
        last = self._last.get(self._account.book_id)
        yield from (Problem(self._account.seq, None, each) for each in check_item(last, self._account))
        yield from (Problem(self._account.seq, None, each) for each in self._check_held())
        for hold in self._holds.values():
            reached = self._last.get(hold.book_id)
            if hold.open and (reached is None or reached.seq < hold.seq):
                yield from (Problem(hold.seq, None, each, hold.hold_id) for each in check_item(reached, hold))
        for hold_id, item in unlisted.items():
            if item is None or item.open:
                where = "is not there" if item is None else "is not in the list of open holds"
                yield Problem(item.seq if item else 0, None, f"the open hold's item {where}", hold_id)
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
        held = self._set_aside.setdefault(entry.hold_id, Counter())
        held.update(moved)
        if entry.kind is EntryKind.RELEASE:
            if left := {grant_id: credits for grant_id, credits in held.items() if credits}:
                yield f"the hold had set aside other credits: {left} are left"
            del self._set_aside[entry.hold_id]

    def _check_held(self) -> Iterator[str]:
        """What the account holds of each grant is what its open holds have set aside of it."""
        aside: Counter[str] = Counter()
        for hold in self._set_aside.values():
            aside.update(hold)
        holds = {grant.id: grant.held for grant in self._account.grants}
        for grant_id in sorted(holds.keys() | aside.keys()):
            if holds.get(grant_id, 0) != aside[grant_id]:
                yield f"grant {grant_id} has {holds.get(grant_id, 0)} held, its open holds {aside[grant_id]}"

    def _check_halves(self, last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
        """Of two halves, the one that is seen first waits for the other."""
        if isinstance(entry.after, Hold) and last and isinstance(last.after, Hold):
            self._before[entry.key] = last.after
        other = self._alone.pop(entry.key, None)
        if other is None or other.book_id == entry.book_id:
            self._alone[entry.key] = entry
        else:
            yield from check_halves(*_in_order(entry, other), self._before.pop(entry.key, None))


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
