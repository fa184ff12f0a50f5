"""Project: ledger entries into the usage table, each exactly once.

    failed = project(ledger, rollups, entries)      # of one batch, in any order, some of them perhaps for a second time

Exactly once comes from the watermark: it moves in the transaction that writes the rollups, on condition that it is the
one that was read. The entries of a book are taken in their `seq`; what the watermark has passed is dropped; what is
missing is read from the ledger itself. A batch that is cut off anywhere is simply delivered again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from credits.domain.entry import AnyEntry
from credits.ledger.read import LARGE_PAGE, MILLISECOND, in_time
from credits.ledger.store import History, Span
from credits.usage.fold import fold, touched
from credits.usage.tables import MOST_ITEMS_OF_A_COMMIT, PARKED, Moved, Rollups, Watermark

TRIES = 5
"""The watermark moves under a projection only while a batch runs twice or a rebuild runs; then it comes again."""

MOST_ROWS_OF_A_GAP = 5_000
"""What one delivery reads of a gap. What it folded of it stays folded: the next delivery goes on from there."""


class Missing(Exception):
    """Entries before these are neither in the batch nor in the ledger's index, which may lag: deliver them again."""


class Parked(Exception):
    """A rebuild clears the account's rollups at this moment."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many entries a rebuild folded, of how many books."""

    entries: int
    books: int


def project(history: History, rollups: Rollups, entries: Iterable[AnyEntry]) -> dict[str, Exception]:
    """Fold the entries into the rollups of their accounts. Returns the books that could not be brought up to theirs,
    each with the reason; the others are. Whatever is the matter with one book does not stop another."""
    books: dict[tuple[str, str], dict[int, AnyEntry]] = {}
    for entry in entries:
        books.setdefault((entry.account_id, entry.book_id), {})[entry.seq] = entry
    failed: dict[str, Exception] = {}
    for (account_id, book_id), delivered in books.items():
        try:
            _bring_up(history, rollups, account_id, book_id, delivered)
        except Exception as reason:  # noqa: BLE001 - it is returned, and the record is delivered again
            failed[book_id] = reason
    return failed


def rebuild(history: History, rollups: Rollups, account_id: str) -> Rebuilt:
    """Delete the account's rollups and fold its whole ledger again: the same items, to the byte.

    Projections wait (their batches fail and are delivered again): those of a book until its first entries are folded,
    those of a new book until the account's are. A rebuild that was cut off is started again. Raises Moved where two of
    them run at once.
    """
    marks: dict[str, Watermark] = {}
    if not history.entries(Span(account_id), limit=1):
        return Rebuilt(0, 0)
    parked = rollups.park(account_id)
    rollups.clear(account_id)
    for rows in in_time(history, Span(account_id)):
        books: dict[str, list[AnyEntry]] = {}
        for entry in rows:
            books.setdefault(entry.book_id, []).append(entry)
        for book_id, run in books.items():
            if book_id not in marks:
                marks[book_id] = rollups.watermark(account_id, book_id)
                # A book that is newer than the clearing may have been counted by a projection meanwhile.
                if book_id in parked and marks[book_id].seq > 0:
                    raise Moved(book_id)
            marks[book_id] = _fold_run(rollups, marks[book_id], run)
    return Rebuilt(sum(mark.seq for mark in marks.values()), len(marks))


def _bring_up(
    history: History, rollups: Rollups, account_id: str, book_id: str, delivered: dict[int, AnyEntry]
) -> None:
    mark = rollups.watermark(account_id, book_id)
    if mark.seq == PARKED:
        raise Parked(book_id)
    mark = _fold_run(rollups, mark, delivered.values())
    if mark.seq >= max(delivered):
        return
    since = mark.at or next(iter(delivered.values())).after.opened_at
    span = Span(account_id, since=since, until=max(entry.at for entry in delivered.values()) + MILLISECOND)
    for page, rows in enumerate(in_time(history, span), start=1):
        own = {entry.seq: entry for entry in rows if entry.book_id == book_id}
        mark = _fold_run(rollups, mark, (delivered | own).values())
        if mark.seq >= max(delivered):
            return
        if page * LARGE_PAGE >= MOST_ROWS_OF_A_GAP:
            break
    raise Missing(f"{book_id} after {mark.seq}")


def _fold_run(rollups: Rollups, mark: Watermark, entries: Iterable[AnyEntry]) -> Watermark:
    """Fold what follows the watermark without a gap. Returns the watermark after it."""
    run = sorted(entries, key=lambda entry: entry.seq)
    rebuilding = mark.seq == PARKED
    for _ in range(TRIES):
        try:
            for some in _chunks(_following(mark, run)):
                mark = _commit(rollups, mark, some)
        except Moved:
            mark = rollups.watermark(mark.account_id, mark.book_id)
            if mark.seq == PARKED and not rebuilding:
                raise Parked(mark.book_id) from None
        else:
            return mark
    raise Moved(mark.book_id)


def _following(mark: Watermark, run: Iterable[AnyEntry]) -> Sequence[AnyEntry]:
    following: list[AnyEntry] = []
    reached = max(mark.seq, 0)
    for entry in run:
        if entry.seq == reached + 1:
            following.append(entry)
            reached = entry.seq
    return following


def _chunks(entries: Sequence[AnyEntry]) -> Iterator[Sequence[AnyEntry]]:
    """As many at a time as one transaction has room for the rollups of, beside the watermark."""
    some: list[AnyEntry] = []
    keys: set[str] = set()
    for entry in entries:
        keys.update(touched(entry))
        if len(keys) >= MOST_ITEMS_OF_A_COMMIT:
            yield some
            some, keys = [], set(touched(entry))
        some.append(entry)
    if some:
        yield some


def _commit(rollups: Rollups, mark: Watermark, entries: Sequence[AnyEntry]) -> Watermark:
    after = Watermark(mark.account_id, mark.book_id, entries[-1].seq, entries[-1].at)
    was = rollups.read(mark.account_id, {key for entry in entries for key in touched(entry)})
    rollups.commit(mark, after, was, fold(was, entries))
    return after
