"""The journal: the entries one decision writes in one account's book, and the alerts they set off; and those it writes
in the books beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from credits.catalog import Catalog
from credits.domain.account import GENESIS, Account, CreditWarning, below_top_up_line, warning_at
from credits.domain.book import Book
from credits.domain.entry import AnyEntry, Entry, EntryKind, owns
from credits.domain.grant import Draw
from credits.domain.hold import Hold
from credits.domain.member import Member
from credits.domain.record import chain_hash, entry_to_record

TOP_UP = "top_up"
"""What an entry calls for whose balance came below the account's own line."""


@dataclass(frozen=True, slots=True)
class Posting:
    """What a decision comes to: the books after it, and the entries that explain the change, in their order.

    The first book owns the key. Entries of the account stand before those of a hold. No entries, no change: nothing is
    committed.
    """

    books: tuple[Book, ...]
    entries: tuple[AnyEntry, ...]

    @property
    def account(self) -> Account:
        """The account after it; StopIteration for a posting that leaves the account alone."""
        return next(book for book in self.books if isinstance(book, Account))


class Journal:
    """Collects the entries of one decision. `account` is the book as of the last one.

    An alert latches here: `low` and `exhausted` are set off once, by the last entry of the commit that leaves the
    balance at or under the line, and again only after an entry lifted it above. Credits in a hold count as still
    there, or opening and closing a hold would set the alert off again and again. The account's own line for a top-up
    latches in the same way.
    """

    def __init__(self, account: Account, catalog: Catalog) -> None:
        self.account = account
        self._catalog = catalog
        self._entries: list[Entry] = []

    def write(
        self,
        kind: EntryKind,
        key: str,
        at: datetime,
        after: Account,
        draws: Sequence[Draw] = (),
        **facts: Any,
    ) -> None:
        """Add the entry that turns `account` into `after`. Time in a book never runs backwards: `at` is raised to the
        last entry's if it is before it."""
        threshold = self._catalog.policies.low_threshold
        after = replace(
            after,
            at=max(at, self.account.at),
            seq=self.account.seq + 1,
            warned=_still_latched(after.warned, warning_at(after.remaining + after.held, threshold)),
            top_up_due=after.top_up_due and below_top_up_line(after),
        )
        self._entries.append(
            Entry(
                book_id=after.book_id,
                account_id=after.account_id,
                key=key,
                kind=kind,
                at=after.at,
                seq=after.seq,
                credits=sum(draw.credits for draw in draws),
                draws=tuple(draws),
                remaining=after.remaining,
                total=after.total,
                warning=warning_at(after.remaining, threshold),
                after=after,
                catalog_version=self._catalog.version,
                **facts,
            )
        )
        self.account = after

    def posting(self, *beside: Book, entries: Sequence[Entry[Hold]] = ()) -> Posting:
        """The decision, with its alert on the account's last entry; and the books beside the account, with theirs."""
        if not self._entries:
            return Posting((self.account,), ())
        account = self.account
        warning = warning_at(account.remaining + account.held, self._catalog.policies.low_threshold)
        if warning and account.warned is not warning:
            account = replace(account, warned=warning)
            self._entries[-1] = replace(self._entries[-1], alert=warning, after=account)
        if below_top_up_line(account) and not account.top_up_due:
            account = replace(account, top_up_due=True)
            self._entries[-1] = replace(self._entries[-1], calls_for=TOP_UP, after=account)
        return Posting((account, *beside), (*self._entries, *entries))


def write_hold(
    hold: Hold,
    catalog: Catalog,
    kind: EntryKind,
    key: str,
    at: datetime,
    after: Hold,
    draws: Sequence[Draw] = (),
    **facts: Any,
) -> Entry[Hold]:
    """The entry that turns `hold` into `after`; the hold as it then stands is in the entry."""
    after = replace(after, at=max(at, hold.at), seq=hold.seq + 1)
    return Entry(
        book_id=after.book_id,
        account_id=after.account_id,
        key=key,
        kind=kind,
        at=after.at,
        seq=after.seq,
        credits=sum(draw.credits for draw in draws),
        draws=tuple(draws),
        remaining=after.remaining,
        total=after.credits,
        hold_id=after.hold_id,
        after=after,
        catalog_version=catalog.version,
        **facts,
    )


def seal(posting: Posting, key: str, fingerprint: str | None) -> Posting:
    """Chain the entries to the books they belong to; those that `key` owns carry the request's fingerprint.

    A hold's chain starts from the account's entry that opened it. A member stands at the account's entry that moved it.
    """
    heads = {book.book_id: book.head for book in posting.books}
    sealed: list[AnyEntry] = []
    for entry in posting.entries:
        # The books' heads as they were before the decision: a decision moves everything of a book but its head.
        prev_hash = heads[entry.book_id]
        if prev_hash == GENESIS and entry.book_id != entry.account_id:
            prev_hash = heads[entry.account_id]
        marked = replace(entry, prev_hash=prev_hash, fingerprint=fingerprint) if owns(key, entry) else entry
        head = heads[entry.book_id] = chain_hash(prev_hash, entry_to_record(marked))
        # What an entry knows of its book is what its record says: its own hash is the head, and no version.
        after = replace(entry.after, head=head, version=0)
        sealed.append(replace(marked, prev_hash=prev_hash, hash=head, after=after))
    return Posting(tuple(_standing_at(book, heads, sealed) for book in posting.books), tuple(sealed))


def _standing_at(book: Book, heads: Mapping[str, str], sealed: Sequence[AnyEntry]) -> Book:
    """The book at its last entry; a member, who has none, at the last of the account's that counts with them."""
    if not isinstance(book, Member):
        return replace(book, head=heads[book.book_id])
    counts = (entry for entry in reversed(sealed) if entry.member_used is not None)
    last = next(entry for entry in counts if entry.member_id == book.member_id)
    return replace(book, at=last.at, seq=last.seq, head=last.hash)


def _still_latched(warned: CreditWarning | None, warning: CreditWarning | None) -> CreditWarning | None:
    """The latch that stays at this warning: a line that the balance is above again releases its own."""
    if warning is None or warned is None:
        return None
    return CreditWarning.LOW if warning is CreditWarning.LOW else warned
