"""The store in memory: for simulations and fast tests. Same contract, same answers; nothing outlives the process."""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any

from credits.domain.account import Account
from credits.domain.entry import Entry
from credits.domain.instant import from_text, to_text
from credits.domain.journal import Posting
from credits.ledger.store import AccountKey, Cancelled, Due, EntryKey, Place, Span, due_shard, place


class MemoryStore:
    """`Ledger` in two dicts. A commit is one critical section, so it is as atomic as DynamoDB's."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._entries: dict[tuple[str, str], Entry] = {}
        self._places: dict[str, list[tuple[str, str, str]]] = {}
        self._due: dict[str, list[tuple[str, str]]] = {}
        self._lock = Lock()

    def read(self, *keys: AccountKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`."""
        with self._lock:
            return [
                self._accounts.get(key.account_id)
                if isinstance(key, AccountKey)
                else self._entries.get((key.book_id, key.key))
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
                book.book_id: self._accounts[book.book_id]
                for book in posting.books
                if book.book_id in self._accounts and self._accounts[book.book_id].version != book.version
            }
            if taken or moved:
                raise Cancelled(taken, moved)
            for entry in posting.entries:
                self._entries[entry.book_id, entry.key] = entry
                insort(self._places.setdefault(entry.account_id, []), _sort_key(entry))
            for book in posting.books:
                waiting = self._due.setdefault(due_shard(book.account_id), [])
                if before := self._accounts.get(book.book_id):
                    waiting.remove(_waiting(before))
                insort(waiting, _waiting(book))
                self._accounts[book.book_id] = replace(book, version=book.version + 1)

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[Entry]:
        """See `History.entries`."""
        limit_of = (beyond.moment, beyond.book_id, beyond.key) if beyond else None
        with self._lock:
            places = self._places.get(span.account_id, [])
            found: list[Entry] = []
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
            newest = sorted(self._accounts.values(), key=_opening, reverse=True)
        return [account for account in newest if beyond is None or _opening(account) < beyond][:limit]

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due`."""
        with self._lock:
            waiting = self._due.get(shard, [])
            first = bisect_right(waiting, (to_text(beyond.due_at), beyond.book_id)) if beyond else 0
            found = waiting[first : first + limit]
        return [Due(from_text(due_at), account_id) for due_at, account_id in found if due_at <= to_text(until)]


def _waiting(account: Account) -> tuple[str, str]:
    return to_text(account.due_at()), account.account_id


def _opening(account: Account) -> tuple[str, str]:
    return to_text(account.opened_at), account.account_id


def _sort_key(entry: Entry) -> tuple[str, str, str]:
    where = place(entry)
    return where.moment, where.book_id, where.key
