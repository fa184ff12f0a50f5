"""Due: the books of one shard that time has changed, brought up to now, each through `post`.

Nobody waits for this: a charge or a reading brings its own book up to now. The schedule writes down, for the books
that nobody touches, what a reader of them would see. So being late, running twice or ending half way changes nothing:
each change has a key of its own, and is in the ledger once, at the boundary where it happened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from credits.catalog import Catalog
from credits.domain.hold import HOLD_MARK
from credits.domain.renew import renewal
from credits.ledger.post import Patience, post
from credits.ledger.spend import settle
from credits.ledger.store import AccountKey, Due, Ledger

BOOKS_AT_ONCE = 100
"""Due books found by one query: a few KB of index rows, worked off in about a second."""

PATIENCE: Final = Patience(deadline_seconds=4)
"""For one book. A caller is kept waiting longer; a book that is not renewed now is simply tried again later."""

LONGEST_STEP_SECONDS = 28
"""The longest one book takes: its patience, a read before it (of a hold), and a read, a commit and a last read that
began within it, of 6 s each (the client's time-outs and one retry)."""

RENEWAL_KEY = "renewal"
"""The key the schedule posts under. No entry has it: those of a renewal are keyed by what happened, and when."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A book that could not be brought up to now, and why. It stays due."""

    book_id: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a shard. `renewed` counts the books that are up to now, whoever brought them there.

    `finished`: every due book was tried. If not, time ran out, and the next run goes on after `beyond`.
    """

    renewed: int
    failed: tuple[Failure, ...]
    finished: bool
    beyond: Due | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of book that falls due: how the due ones of a shard are found, and how one is brought up to now."""

    find: Callable[[Ledger, str, datetime, int, Due | None], Sequence[Due]]
    renew: Callable[[Ledger, Catalog, str, datetime, Patience], None]


def renew_due(
    store: Ledger,
    catalog: Catalog,
    kind: str,
    shard: str,
    *,
    now: datetime,
    time_left: Callable[[], float],
    beyond: Due | None = None,
    patience: Patience = PATIENCE,
) -> Run:
    """Bring the books of this kind and shard that are due by `now` up to `now`, the longest waiting first.

    No book is begun once `time_left()` (seconds) is 0 or less. A book that fails, whatever the reason, is in `failed`
    and stops no other. A book that is not due is never read. Raises Throttled or Unanswered where the shard cannot
    be listed; what was renewed until then stays.
    """
    books = KINDS[kind]
    renewed = 0
    failed: list[Failure] = []
    # It ends: every page begins after the one before, and `now` stands still.
    while True:
        page = books.find(store, shard, now, BOOKS_AT_ONCE, beyond)
        for due in page:
            if time_left() <= 0:
                return Run(renewed, tuple(failed), finished=False, beyond=beyond)
            try:
                books.renew(store, catalog, due.book_id, now, patience)
                renewed += 1
            except Exception as error:  # noqa: BLE001 - one book that cannot be read must not keep the others waiting
                failed.append(Failure(due.book_id, error))
            beyond = due
        if len(page) < BOOKS_AT_ONCE:
            return Run(renewed, tuple(failed), finished=True, beyond=beyond)


def _due_accounts(store: Ledger, shard: str, until: datetime, limit: int, beyond: Due | None) -> Sequence[Due]:
    return store.due(shard, until=until, limit=limit, beyond=beyond)


def _renew_account(store: Ledger, catalog: Catalog, account_id: str, now: datetime, patience: Patience) -> None:
    decide = partial(renewal, catalog=catalog)
    post(store, RENEWAL_KEY, [AccountKey(account_id)], decide, now=now, patience=patience)


def _due_holds(store: Ledger, shard: str, until: datetime, limit: int, beyond: Due | None) -> Sequence[Due]:
    return store.due_holds(shard, until=until, limit=limit, beyond=beyond)


def _settle_hold(store: Ledger, catalog: Catalog, book_id: str, now: datetime, patience: Patience) -> None:
    account_id, _, hold_id = book_id.partition(HOLD_MARK)
    settle(store, catalog, account_id, hold_id, now=now, expired_only=True, patience=patience)


KINDS: Final[Mapping[str, Kind]] = {
    "account": Kind(_due_accounts, _renew_account),
    "hold": Kind(_due_holds, _settle_hold),
}
"""Every kind of book that falls due, under the name that a message to the workers has for it."""
