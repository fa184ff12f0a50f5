"""What the ledger asks of its store: two operations to write (`read`, `commit`), and the readings of its history.

`dynamo` is the store of a stack, `memory` the one of simulations and fast tests; one contract suite holds both to the
same answers. What can go wrong is part of the contract, and is told in these errors, never in the words of a driver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, overload
from zlib import crc32

from credits.domain.account import Account
from credits.domain.book import Book
from credits.domain.entry import AnyEntry
from credits.domain.hold import Hold, hold_book
from credits.domain.instant import to_text
from credits.domain.journal import Posting
from credits.domain.member import MEMBER_MARK, Member

DUE_SHARDS = 16
"""How many workers can renew side by side. A shard is a partition of the `due` index."""


class StoreError(Exception):
    """Why an operation did not go through."""


class Cancelled(StoreError):
    """The commit was refused and wrote nothing: a key was taken, or a book had moved on.

    `entries` are the ones found under keys that were to be new, `books` the books as they are now.
    """

    def __init__(self, entries: Mapping["EntryKey", AnyEntry], books: Mapping[str, Book]) -> None:
        super().__init__(f"taken: {sorted(taken.key for taken in entries)}, moved: {sorted(books)}")
        self.entries = entries
        self.books = books


class Collided(StoreError):
    """Another transaction held one of the items; nothing was written."""


class Throttled(StoreError):
    """The store asks for fewer requests; nothing was written."""


class Unanswered(StoreError):
    """No answer, or a failure inside the store: the operation may have happened or not."""


class Unreadable(Exception):
    """What is there is no book and no entry, as nothing that we wrote could be: a hand was in the table. `key` is that
    of an entry, and None for a book; of a stream's record neither is known."""

    def __init__(self, book_id: str | None, key: str | None) -> None:
        super().__init__(f"{book_id} {key or ''}".strip())
        self.book_id = book_id or ""
        self.key = key


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Where an account is."""

    account_id: str

    @property
    def book_id(self) -> str:
        """The name of the book."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class HoldKey:
    """Where a hold is."""

    account_id: str
    hold_id: str

    @property
    def book_id(self) -> str:
        """The name of the book."""
        return hold_book(self.account_id, self.hold_id)


@dataclass(frozen=True, slots=True)
class MemberKey:
    """Where a member is."""

    account_id: str
    member_id: str

    @property
    def book_id(self) -> str:
        """The name of the book."""
        return f"{self.account_id}{MEMBER_MARK}{self.member_id}"


type BookKey = AccountKey | HoldKey | MemberKey


@dataclass(frozen=True, slots=True)
class EntryKey:
    """Where an entry is."""

    book_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Span:
    """Entries of one account, or of one conversation of it, from `since` on and before `until`; maybe none at all."""

    account_id: str
    conversation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def empty(self) -> bool:
        """It ends before it begins."""
        return self.since is not None and self.until is not None and self.until <= self.since

    def holds(self, moment: str) -> bool:
        """Whether a moment is in its time. `until` itself is outside: every moment at it is longer."""
        since = to_text(self.since) if self.since else ""
        return since <= moment and (self.until is None or moment < to_text(self.until))


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an entry in its account's time: where a page ended."""

    moment: str
    book_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Due:
    """A book that waits for time: its id, and the instant from which it is due. Also where a page of them ended."""

    due_at: datetime
    book_id: str


class Store(Protocol):
    """The two operations through which every balance changes."""

    @overload
    def read(self, *keys: AccountKey) -> Sequence[Account | None]: ...
    @overload
    def read(self, *keys: HoldKey) -> Sequence[Hold | None]: ...
    @overload
    def read(self, *keys: MemberKey) -> Sequence[Member | None]: ...
    @overload
    def read(self, *keys: EntryKey) -> Sequence[AnyEntry | None]: ...
    @overload
    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]: ...
    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        """The items under these keys, each strongly consistent; None where there is none. Several of them are not of
        one instant.

        Raises Throttled or Unanswered.
        """

    def commit(self, posting: Posting) -> None:
        """Write the entries and the books, all or nothing: each entry where its key is free, each book where its
        version is the one that was read.

        Raises Cancelled, Collided or Throttled (nothing was written), or Unanswered (it may have been).
        """


class History(Protocol):
    """The readings that are not part of a decision. They may lag the last commit by a moment."""

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        """At most `limit` entries of the span, in time, beginning after the place `beyond`."""

    def accounts(self, *, limit: int, beyond: tuple[str, str] | None = None) -> Sequence[Account]:
        """At most `limit` accounts, newest first, beginning after `beyond`, an (opened_at, account_id)."""

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """At most `limit` accounts of the shard that are due at `until` or before it, the longest waiting first,
        beginning after `beyond`. Accounts that are due later are not touched, however many there are.

        Raises Throttled or Unanswered.
        """

    def due_holds(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """The same of open holds, which are due when they expire."""

    def open_holds(
        self, account_id: str, *, limit: int, until: datetime | None = None, beyond: Due | None = None
    ) -> Sequence[Due]:
        """At most `limit` open holds of the account that expire at `until` or before it, the soonest first, beginning
        after `beyond`."""

    def members(self, account_id: str, *, limit: int, beyond: str | None = None) -> Sequence[Member]:
        """At most `limit` members of the account, those that were removed among them, in the order of their ids,
        beginning after the id `beyond`."""


class Ledger(Store, History, Protocol):
    """A whole store."""


def due_shard(book_id: str) -> str:
    """The shard of the `due` index in which the book waits."""
    return f"{crc32(book_id.encode()) % DUE_SHARDS:02d}"


def moment(at: datetime, seq: int) -> str:
    """How an entry is sorted within its account: by its instant, then by its place in its book."""
    return f"{to_text(at)}#{seq:010d}"


def place(entry: AnyEntry) -> Place:
    """Where the entry stands."""
    return Place(moment(entry.at, entry.seq), entry.book_id, entry.key)
