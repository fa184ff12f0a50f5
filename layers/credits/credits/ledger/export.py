"""Export: an account's whole ledger as JSON lines, oldest first, for whoever wants to verify it without us.

A line is an entry's record (`domain.record`), with its hash and the one before: what was hashed, and nothing else.
`tools/verify_ledger.py` checks such a file and needs nothing of ours.
"""

from collections.abc import Iterator

from credits.domain.entry import AnyEntry
from credits.domain.record import entry_to_record, to_json
from credits.errors import AccountNotFound
from credits.ledger.page import Page, from_cursor, to_cursor
from credits.ledger.read import answering
from credits.ledger.store import AccountKey, Ledger, Place, Span, place

LINES_AT_ONCE = 500


@answering
def exported(store: Ledger, account_id: str, *, limit: int, cursor: str | None = None) -> Page[AnyEntry]:
    """At most `limit` entries of the account and its other books, in time. Raises AccountNotFound."""
    beyond = Place(*from_cursor(cursor, 3)) if cursor else None
    rows = store.entries(Span(account_id), limit=limit + 1, newest_first=False, beyond=beyond)
    if not rows and cursor is None and store.read(AccountKey(account_id))[0] is None:
        raise AccountNotFound(account_id)
    shown = tuple(rows[:limit])
    last = place(shown[-1]) if len(rows) > limit else None
    return Page(shown, to_cursor(last.moment, last.book_id, last.key) if last else None)


def line(entry: AnyEntry) -> str:
    """The entry as it stands in an export."""
    return to_json(entry_to_record(entry))


def lines(store: Ledger, account_id: str) -> Iterator[str]:
    """Every line, in constant memory. Raises AccountNotFound, and Unavailable where the store stops answering."""
    cursor: str | None = None
    # It ends: every page begins after the one before, and entries that come meanwhile are few.
    while True:
        page = exported(store, account_id, limit=LINES_AT_ONCE, cursor=cursor)
        yield from map(line, page.items)
        cursor = page.cursor
        if cursor is None:
            return
