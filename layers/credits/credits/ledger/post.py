"""The one door: `post` is the only function in the project that writes a balance.

    read the book ──> bring it up to now ──> decide (pure) ──> commit (one transaction)

What it guarantees: the decision under a key takes effect at most once, for ever; when `post` returns, the entries and
the books are there together; when it raises, nothing was written (but for `Unavailable`, which says that it is not
known yet).
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

from credits.domain.account import Account
from credits.domain.entry import AnyEntry, Entry, line_key, owns
from credits.domain.hold import Hold
from credits.domain.journal import Posting, seal
from credits.errors import AccountNotFound, Contended, CreditsError, IdempotencyKeyReused, Unavailable
from credits.ledger.store import (
    AccountKey,
    BookKey,
    Cancelled,
    Collided,
    EntryKey,
    HoldKey,
    MemberKey,
    Store,
    StoreError,
    Unanswered,
)
from credits.ledger.turn import turn

DEADLINE_SECONDS = 16.0
"""How long a caller is kept waiting before it is told to try again; well inside the functions' time-out."""

SPREAD = 8
"""The longest pause after a first lost race, in attempts: losers spread over the time that this many of them need."""

THROTTLE_SECONDS = 0.05
"""The longest pause after a first throttled or unanswered call."""

LONGEST_PAUSE_SECONDS = 4.0
"""Pauses double up to this bound and no further: a caller that lost often must not starve beside newcomers."""

MOST_DOUBLINGS = 16
RETRY_AFTER_SECONDS = 1
CLIENT = "c#"

MOST_BOOKS = 12
"""Of one post: an account, a hold, and the members that a batch names. Each is a conditional write that can lose."""

Decide = Callable[..., Posting]
"""`decide(*books, now=…)`: a pure rule over the books, in their order, with None for a hold or a member that is not
there. It raises a CreditsError to refuse."""


@dataclass(frozen=True, slots=True)
class Receipt[B: Account | Hold = Account]:
    """What came of a post: the entries under its key in the first book, in order, and that book as it was after them.

    `hold` is the hold as its entry under the same key left it, where an account and a hold were posted together.
    A replay has the entries of the first time, and so the same answer. No entries: there was nothing to change.
    """

    entries: tuple[Entry[B], ...]
    book: B
    hold: Hold | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how restlessly to try; a simulation brings its own clock and its own dice."""

    deadline_seconds: float = DEADLINE_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


PATIENCE = Patience()


def client_key(key: str) -> str:
    """The stored form of a caller's Idempotency-Key: in a namespace of its own, so it never meets a key of ours."""
    return f"{CLIENT}{key}"


@overload
def post(  # type: ignore[overload-overlap]  # a post over holds alone is one over books, too
    store: Store,
    key: str,
    books: Sequence[HoldKey],
    decide: Decide,
    *,
    now: datetime,
    fingerprint: str | None = None,
    opens: bool = False,
    patience: Patience = PATIENCE,
) -> Receipt[Hold]: ...
@overload
def post(
    store: Store,
    key: str,
    books: Sequence[BookKey],
    decide: Decide,
    *,
    now: datetime,
    fingerprint: str | None = None,
    opens: bool = False,
    patience: Patience = PATIENCE,
) -> Receipt[Account]: ...
def post(
    store: Store,
    key: str,
    books: Sequence[BookKey],
    decide: Decide,
    *,
    now: datetime,
    fingerprint: str | None = None,
    opens: bool = False,
    patience: Patience = PATIENCE,
) -> Receipt[Any]:
    """Decide on the books (an account, a hold or a member; at most `MOST_BOOKS`) as of `now` and commit, once under
    `key`, which the first book owns.

    A key that has acted before returns its stored receipt (`replayed`), or raises IdempotencyKeyReused where the
    fingerprint differs. A refusal by `decide` is raised only after a consistent read has found nothing under the key,
    so a retry whose first reply was lost is never told that the credits it spent are missing.

    Raises AccountNotFound (unless the decision `opens` a book), whatever `decide` raises, Contended (the deadline
    passed; nothing was written) and Unavailable (the store did not answer; the same key will tell).
    """
    return _Post(store, key, books, decide, now, fingerprint, opens, _Waiting(patience)).receipt()


class _Post:
    """One post under way: attempts, and what was learned from those that failed."""

    def __init__(
        self,
        store: Store,
        key: str,
        books: Sequence[BookKey],
        decide: Decide,
        now: datetime,
        fingerprint: str | None,
        opens: bool,
        waiting: "_Waiting",
    ) -> None:
        self._store = store
        self._own_key = EntryKey(books[0].book_id, key)
        self._books = books
        self._decide = decide
        self._now = now
        self._fingerprint = fingerprint
        self._opens = opens
        self._waiting = waiting
        self._prior: AnyEntry | None = None  # what the key did before
        self._taken = False  # an entry of this key is in a book of the commit
        self._unanswered: set[str] = set()  # hashes of first entries that were sent and never answered for
        self._versions: list[int] = []  # of the books that the last decision stood on
        self._puzzling: list[int] | None = None  # of books that did not know an entry of theirs

    def receipt(self) -> Receipt[Any]:
        while True:
            try:
                with turn(self._store, self._own_key.book_id, self._waiting.seconds_left()):
                    self._waiting.begin_attempt()
                    if receipt := self._attempt():
                        return receipt
            except StoreError as error:
                self._learn(error)

    def _attempt(self) -> Receipt[Any] | None:
        """Read, decide, commit; None where the key turned out to have acted before, which the next attempt tells."""
        if self._taken and self._prior is None:
            (self._prior,) = self._store.read(self._own_key)
            if self._prior is None:
                # What is written into several books has one key in all of them: another knows it for something else.
                raise IdempotencyKeyReused(self._own_key.key.removeprefix(CLIENT))
        if self._prior is not None:
            return self._stored(self._prior)
        found = self._read()
        self._versions = [book.version if book else 0 for book in found]
        try:
            posting = seal(self._decided(found), self._own_key.key, self._fingerprint)
        except CreditsError:
            # A retry whose first reply was lost must not hear that the credits it spent are missing.
            (self._prior,) = self._store.read(self._own_key)
            if self._prior is None:
                raise
            return None
        own = tuple(entry for entry in posting.entries if self._owns(entry))
        if not own and (not posting.entries or self._fingerprint is not None):
            # What the request asks for is there already, maybe by its own doing: then the first answer stands. A commit
            # of what time did would not meet its key. (The schedule asks for nothing more, and has no fingerprint.)
            (self._prior,) = self._store.read(self._own_key)
            if self._prior is not None:
                return None
        if not posting.entries:
            return Receipt[Any]((), posting.books[0])
        try:
            self._store.commit(posting)
        except Unanswered:
            self._unanswered |= {entry.hash for entry in own[:1]}
            raise
        return Receipt[Any](own, posting.books[0], _hold_beside(posting.entries, self._own_key))

    def _read(self) -> Sequence[Any]:
        """The books. What one read finds is not of one instant, and a commit asks nothing of a book that is not there:
        a member may have come between its own reading and its account's. Where the account has members, one that was
        not found is looked for again, now that the account is known: who comes later moves the account."""
        found = list(self._store.read(*self._books))
        for index, key in enumerate(self._books):
            if isinstance(key, MemberKey) and found[index] is None and found[0] is not None and found[0].members:
                (found[index],) = self._store.read(key)
        return found

    def _learn(self, error: StoreError) -> None:
        """Take what the failure says, and wait as long as it asks for; or give up."""
        if isinstance(error, Cancelled):
            # Duplicate first: the same key may also be why the book has moved.
            self._prior = error.entries.get(self._own_key)
            self._taken = any(taken.key == self._own_key.key for taken in error.entries)
            if self._taken:
                return
            if error.books:
                self._unanswered.clear()  # they stood on a version that is gone, and can no longer land
            elif self._versions == self._puzzling:
                raise CreditsError(f"{error}: the ledger has entries that their book does not know") from error
            else:
                # The book may have moved in the hands of a third, who holds it now: that shows when it is read again.
                self._puzzling = self._versions
        if isinstance(error, Cancelled | Collided):
            self._waiting.after_a_lost_race(in_doubt=bool(self._unanswered))
        else:
            self._waiting.after_a_refused_call(in_doubt=bool(self._unanswered) or isinstance(error, Unanswered))

    def _decided(self, found: Sequence[Any]) -> Posting:
        for key, book in zip(self._books, found, strict=True):
            if book is None and isinstance(key, AccountKey) and not self._opens:
                raise AccountNotFound(key.account_id)
        return self._decide(*found, now=self._now)

    def _owns(self, entry: AnyEntry) -> bool:
        return entry.book_id == self._own_key.book_id and owns(self._own_key.key, entry)

    def _stored(self, first: AnyEntry) -> Receipt[Any]:
        """The receipt of what the key did before. What we sent ourselves and only now hear of is no replay."""
        if self._fingerprint is not None and first.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused(first.key.removeprefix(CLIENT))
        further = [EntryKey(first.book_id, line_key(first.key, index)) for index in range(1, first.lines)]
        further += [EntryKey(key.book_id, first.key) for key in self._books[1:] if isinstance(key, HoldKey)]
        lines = (first, *(line for line in self._store.read(*further) if line)) if further else (first,)
        own = tuple(line for line in lines if line.book_id == first.book_id)
        hold = _hold_beside(lines, self._own_key)
        return Receipt[Any](own, own[-1].after, hold, replayed=first.hash not in self._unanswered)


def _hold_beside(entries: Sequence[AnyEntry], own: EntryKey) -> Hold | None:
    """The hold that the entry under the same key left, in a book beside the one that owns the key."""
    for entry in entries:
        if entry.key == own.key and entry.book_id != own.book_id and isinstance(entry.after, Hold):
            return entry.after
    return None


class _Waiting:
    """The pauses of one post, and its giving up.

    A pause is uniform up to a bound that doubles. After a lost race the bound is measured in attempts,
    not in milliseconds: how long an attempt takes is how long it is exposed to others, so the spread fits a fast table
    and an overloaded one alike (docs/decisions/0003).
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._deadline = patience.monotonic() + patience.deadline_seconds
        self._began = patience.monotonic()
        self._pauses = 0

    def begin_attempt(self) -> None:
        self._began = self._patience.monotonic()

    def after_a_lost_race(self, *, in_doubt: bool) -> None:
        self._pause((self._patience.monotonic() - self._began) * SPREAD, in_doubt=in_doubt)

    def after_a_refused_call(self, *, in_doubt: bool) -> None:
        self._pause(THROTTLE_SECONDS, in_doubt=in_doubt)

    def seconds_left(self) -> float:
        """Until the deadline; 0 once it has passed."""
        return max(0.0, self._deadline - self._patience.monotonic())

    def _pause(self, first_bound_seconds: float, *, in_doubt: bool) -> None:
        """Wait, or give up: `Contended` promises that nothing was written, so not where that is in doubt."""
        bound = min(first_bound_seconds * 2 ** min(self._pauses, MOST_DOUBLINGS), LONGEST_PAUSE_SECONDS)
        seconds = self._patience.uniform(0, bound)
        if self._patience.monotonic() + seconds >= self._deadline:
            raise (Unavailable if in_doubt else Contended)(retry_after_seconds=RETRY_AFTER_SECONDS)
        self._patience.sleep(seconds)
        self._pauses += 1
