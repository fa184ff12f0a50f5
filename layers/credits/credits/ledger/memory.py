"""The store in memory: for simulations and fast tests. Same contract, same answers; nothing outlives the process."""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any

from credits.domain.account import Account
from credits.domain.book import Book
from credits.domain.entry import AnyEntry
from credits.domain.hold import Hold
from credits.domain.instant import from_text, to_text
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.ledger.store import BookKey, Cancelled, Due, EntryKey, Place, Span, due_shard, place


class MemoryStore:
    """`Ledger` in a few dicts. A commit is one critical section, so it is as atomic as DynamoDB's."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._entries: dict[tuple[str, str], AnyEntry] = {}
        self._places: dict[str, list[tuple[str, str, str]]] = {}
        self._due: dict[tuple[type, str], list[tuple[str, str]]] = {}
        self._lock = Lock()

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`."""
        with self._lock:
            return [
                self._entries.get((key.book_id, key.key)) if isinstance(key, EntryKey) else self._books.get(key.book_id)
                for key in keys
            ]

    def commit(self, posting: Posting) -> None:
        """See `Store.commit`."""
        with self._lock:
            taken = {
                EntryKey(entry.book_id, entry.key): self._entries[entry.book_id, entry.key]
                for entry in posting.entries
                if (entry.book_id, entry.key) in self._entries
            }
            moved = {
                book.book_id: self._books[book.book_id]
                for book in posting.books
                if book.book_id in self._books and self._books[book.book_id].version != book.version
            }
            if taken or moved:
                raise Cancelled(taken, moved)
            for entry in posting.entries:
                self._entries[entry.book_id, entry.key] = entry
                insort(self._places.setdefault(entry.account_id, []), _sort_key(entry))
            for book in posting.books:
                if before := self._books.get(book.book_id):
                    for queue, waiting in _waiting(before):
                        self._due[queue].remove(waiting)
                for queue, waiting in _waiting(book):
                    insort(self._due.setdefault(queue, []), waiting)
                self._books[book.book_id] = replace(book, version=book.version + 1)

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        """See `History.entries`."""
        limit_of = (beyond.moment, beyond.book_id, beyond.key) if beyond else None
        with self._lock:
            places = self._places.get(span.account_id, [])
            found: list[AnyEntry] = []
            for where in reversed(places) if newest_first else places:
                if limit_of and (where >= limit_of if newest_first else where <= limit_of):
                    continue
                entry = self._entries[where[1], where[2]]
                in_conversation = span.conversation_id is None or span.conversation_id == entry.conversation_id
                if span.holds(where[0]) and in_conversation and len(found) < limit:
                    found.append(entry)
            return found

    def accounts(self, *, limit: int, beyond: tuple[str, str] | None = None) -> Sequence[Account]:
        """See `History.accounts`."""
        with self._lock:
            accounts = [book for book in self._books.values() if isinstance(book, Account)]
        newest = sorted(accounts, key=_opening, reverse=True)
        return [account for account in newest if beyond is None or _opening(account) < beyond][:limit]

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due`."""
        return self._waiting_in((Account, shard), until, limit, beyond)

    def due_holds(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due_holds`."""
        return self._waiting_in((Hold, shard), until, limit, beyond)

    def open_holds(
        self, account_id: str, *, limit: int, until: datetime | None = None, beyond: Due | None = None
    ) -> Sequence[Due]:
        """See `History.open_holds`."""
        return self._waiting_in((Hold, f"of {account_id}"), until, limit, beyond)

    def members(self, account_id: str, *, limit: int, beyond: str | None = None) -> Sequence[Member]:
        """See `History.members`."""
        with self._lock:
            found = [
                book for book in self._books.values() if isinstance(book, Member) and book.account_id == account_id
            ]
        found.sort(key=lambda member: member.member_id)
        return [member for member in found if beyond is None or member.member_id > beyond][:limit]

    def _waiting_in(
        self, queue: tuple[type, str], until: datetime | None, limit: int, beyond: Due | None
    ) -> Sequence[Due]:
        with self._lock:
            waiting = self._due.get(queue, [])
            first = bisect_right(waiting, (to_text(beyond.due_at), beyond.book_id)) if beyond else 0
            found = waiting[first : first + limit]
        return [Due(from_text(due_at), book_id) for due_at, book_id in found if not until or due_at <= to_text(until)]


def _waiting(book: Book) -> Sequence[tuple[tuple[type, str], tuple[str, str]]]:
    """The queues that the book waits in, and as what: a shard of those that fall due, the open holds of its account."""
    match book:
        case Account():
            return [((Account, due_shard(book.account_id)), (to_text(book.due_at()), book.account_id))]
        case Hold(open=True):
            place_of_it = (to_text(book.due_at()), book.book_id)
            return [((Hold, due_shard(book.book_id)), place_of_it), ((Hold, f"of {book.account_id}"), place_of_it)]
        case _:
            return []


def _opening(account: Account) -> tuple[str, str]:
    return to_text(account.opened_at), account.account_id


def _sort_key(entry: AnyEntry) -> tuple[str, str, str]:
    where = place(entry)
    return where.moment, where.book_id, where.key
