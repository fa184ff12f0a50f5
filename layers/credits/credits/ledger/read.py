"""Readings: an account as of now or of an earlier instant, and the ledger by time and by conversation.

Nothing here writes: an account that time has changed is shown as it is, and written by whoever posts next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import CHARGES, AnyEntry, EntryKind, line_key
from credits.domain.hold import HOLD_MARK, Hold, hold_book
from credits.domain.instant import from_text, to_text
from credits.domain.member import Member
from credits.domain.renew import as_of
from credits.errors import AccountNotFound, ChargeNotFound, HoldNotFound, InvalidRequest, MemberNotFound, Unavailable
from credits.ledger.page import Page, from_cursor, not_of_this_list, to_cursor
from credits.ledger.post import CLIENT, RETRY_AFTER_SECONDS, client_key
from credits.ledger.store import (
    AccountKey,
    Due,
    EntryKey,
    History,
    HoldKey,
    Ledger,
    MemberKey,
    Place,
    Span,
    Store,
    StoreError,
    place,
)

LINE_MARK = "~"
"""Between a batch's key and its line's number in a charge id; no caller's key can contain it."""

CAPTURE_MARK = "!"
"""Between a hold's id and a capture's key in a charge id; neither can contain it."""

REFUND_MARK = "~refund"
"""After a charge's id, in its refund's."""

ROWS_AT_ONCE = 100
MOST_ROWS_READ = 500
"""Entries a filtered page looks at before it answers with what it found, so that a rare kind costs no scan."""

LARGE_PAGE = 500
"""For whoever reads a whole span: half a megabyte, which is half of what a query hands over at once."""
MOST_ROWS_BEHIND = 10_000
"""Captures that a reading of the past looks behind for the account's last entry before them."""

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of an account to list: from `since` on, before `until`, of one conversation, kind, action or
    member."""

    since: datetime | None = None
    until: datetime | None = None
    conversation_id: str | None = None
    kind: EntryKind | None = None
    action: str | None = None
    member_id: str | None = None

    @property
    def sifts(self) -> bool:
        """Whether it wants less than what the index sorts by."""
        return any((self.kind, self.action, self.member_id))

    def matches(self, entry: AnyEntry) -> bool:
        """What the index does not sort by."""
        return (
            self.kind in (None, entry.kind)
            and self.action in (None, entry.action)
            and self.member_id in (None, entry.member_id)
        )


def answering[**P, R](reading: Callable[P, R]) -> Callable[P, R]:
    """A reading that tells a store's failure as Unavailable."""

    @wraps(reading)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return reading(*args, **kwargs)
        except StoreError as error:
            raise Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error

    return answer


def charge_id(entry: AnyEntry) -> str:
    """The id of a charge: the Idempotency-Key it was made with, plus the line's number in a batch (`k1~03`). A
    capture's begins with its hold's (`run-7!k1`), since each hold has keys of its own."""
    return charge_name(entry.book_id, entry.key)


def charge_name(book_id: str, key: str) -> str:
    """The charge id of the entry under this key in this book."""
    hold_id, own = book_id.partition(HOLD_MARK)[2], key.removeprefix(CLIENT).replace("#", LINE_MARK)
    return f"{hold_id}{CAPTURE_MARK}{own}" if hold_id else own


def charge_place(account_id: str, charge: str) -> EntryKey:
    """Where the charge with this id would be. Raises ChargeNotFound for a text that is no charge's id."""
    hold_id, captured, own = charge.rpartition(CAPTURE_MARK)
    key, mark, line = own.partition(LINE_MARK)
    if mark and (captured or not line.isdecimal()):
        raise ChargeNotFound(account_id, charge)
    book_id = hold_book(account_id, hold_id) if captured else account_id
    return EntryKey(book_id, line_key(client_key(key), int(line) if mark else 0))


@answering
def account_now(store: Store, catalog: Catalog, account_id: str, now: datetime) -> Account:
    """The account as of `now`, from one strongly consistent read. Raises AccountNotFound."""
    (account,) = store.read(AccountKey(account_id))
    if account is None:
        raise AccountNotFound(account_id)
    return as_of(account, catalog, now)


@answering
def account_at(store: Ledger, catalog: Catalog, account_id: str, *, at: datetime, now: datetime) -> Account:
    """The account as it was at the instant `at`: what the last entry not after it left, brought up to it.

    Raises AccountNotFound, also for an instant before the account was opened, and InvalidRequest for one after `now`.
    """
    if at > now:
        raise InvalidRequest([("at", "is in the future")])
    last = _last_of_account(store, Span(account_id, until=at + MILLISECOND))
    if last is None:
        raise AccountNotFound(account_id, f"There was no account {account_id} at {to_text(at)}.")
    return as_of(last, catalog, at)


def _last_of_account(store: Ledger, span: Span) -> Account | None:
    """The account as the last entry of its own book within the span left it. Holds' entries stand in the same time."""
    beyond: Place | None = None
    limit, read = 1, 0
    while read < MOST_ROWS_BEHIND:
        rows = store.entries(span, limit=limit, beyond=beyond)
        for entry in rows:
            if isinstance(entry.after, Account):
                return entry.after
        if len(rows) < limit:
            return None
        beyond = place(rows[-1])
        read += len(rows)
        limit = ROWS_AT_ONCE
    raise InvalidRequest(
        [("at", f"more than {MOST_ROWS_BEHIND:,} captures stand right before it: ask for an earlier one")]
    )


@answering
def hold_now(store: Store, catalog: Catalog, account_id: str, hold_id: str, now: datetime) -> tuple[Hold, Account]:
    """The hold, and its account as of `now`. Raises HoldNotFound, also where there is no such account."""
    account, hold = store.read(AccountKey(account_id), HoldKey(account_id, hold_id))
    if account is None or hold is None:
        raise HoldNotFound(account_id, hold_id)
    return hold, as_of(account, catalog, now)


@answering
def open_holds_now(
    store: Ledger, catalog: Catalog, account_id: str, now: datetime, *, limit: int, cursor: str | None = None
) -> tuple[Page[Hold], Account]:
    """The account's open holds, the soonest to expire first, and the account as of `now`. Raises AccountNotFound.

    A hold that was closed a moment ago may still be in the index; it is left out, so a page may hold fewer.
    """
    account = account_now(store, catalog, account_id, now)
    beyond = None
    if cursor:
        due_at, book_id = from_cursor(cursor, 2)
        beyond = Due(_instant(due_at), book_id)
    found = store.open_holds(account_id, limit=limit + 1, beyond=beyond)
    shown = found[:limit]
    keys = [HoldKey(account_id, due.book_id.partition(HOLD_MARK)[2]) for due in shown]
    holds = store.read(*keys) if keys else []
    more = to_cursor(to_text(shown[-1].due_at), shown[-1].book_id) if len(found) > limit else None
    return Page(tuple(hold for hold in holds if hold and not hold.is_over(now)), more), account


@answering
def member_now(store: Store, catalog: Catalog, account_id: str, member_id: str, now: datetime) -> Member:
    """The member, with the count of the account's current period. Raises AccountNotFound and MemberNotFound."""
    account, member = store.read(AccountKey(account_id), MemberKey(account_id, member_id))
    if account is None:
        raise AccountNotFound(account_id)
    if member is None or member.removed:
        raise MemberNotFound(account_id, member_id)
    found: Member = member.as_of(as_of(account, catalog, now))
    return found


@answering
def joined_at(store: Store, account_id: str, member_id: str) -> datetime:
    """When somebody was made a member for the first time; removed or not. Raises MemberNotFound."""
    (member,) = store.read(MemberKey(account_id, member_id))
    if member is None:
        raise MemberNotFound(account_id, member_id)
    return member.joined_at


@answering
def members_now(
    store: Ledger, catalog: Catalog, account_id: str, now: datetime, *, limit: int, cursor: str | None = None
) -> Page[Member]:
    """The account's members, in the order of their ids. Raises AccountNotFound.

    Those that were removed are left out, so a page may hold fewer.
    """
    account = account_now(store, catalog, account_id, now)
    beyond = from_cursor(cursor, 1)[0] if cursor else None
    found = store.members(account_id, limit=limit + 1, beyond=beyond)
    shown = found[:limit]
    more = to_cursor(shown[-1].member_id) if len(found) > limit else None
    return Page(tuple(member.as_of(account) for member in shown if not member.removed), more)


def _instant(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError:
        raise not_of_this_list() from None


@answering
def accounts_now(
    store: Ledger, catalog: Catalog, now: datetime, *, limit: int, cursor: str | None = None
) -> Page[Account]:
    """Accounts as of `now`, the last opened first."""
    beyond = cursor and from_cursor(cursor, 2)
    found = store.accounts(limit=limit + 1, beyond=(beyond[0], beyond[1]) if beyond else None)
    shown = found[:limit]
    more = to_cursor(to_text(shown[-1].opened_at), shown[-1].account_id) if len(found) > limit else None
    return Page(tuple(as_of(account, catalog, now) for account in shown), more)


@answering
def charge_entry(store: Store, account_id: str, charge: str) -> AnyEntry:
    """The entry of the charge, or of the capture, with this id. Raises ChargeNotFound."""
    (entry,) = store.read(charge_place(account_id, charge))
    if entry is None or entry.kind not in CHARGES or charge_id(entry) != charge:
        raise ChargeNotFound(account_id, charge)
    return entry


@answering
def entries(
    store: Ledger, account_id: str, wanted: EntryFilter, *, limit: int, cursor: str | None = None
) -> Page[AnyEntry]:
    """The entries of the account and its holds that the filter wants, newest first. Raises AccountNotFound.

    It reads at most `MOST_ROWS_READ` rows: a page of a rare kind may hold few entries, or none, and still have a
    cursor.
    """
    span = Span(account_id, wanted.conversation_id, wanted.since, wanted.until)
    beyond = Place(*from_cursor(cursor, 3)) if cursor else None
    if beyond and not span.holds(beyond.moment):
        raise not_of_this_list()
    filtered = wanted.sifts
    step = ROWS_AT_ONCE if filtered else limit + 1
    shown: list[AnyEntry] = []
    for _ in range(MOST_ROWS_READ // ROWS_AT_ONCE if filtered else 1):
        rows = store.entries(span, limit=step, beyond=beyond)
        for entry in rows:
            if len(shown) == limit:
                return Page(tuple(shown), _cursor(beyond))
            if wanted.matches(entry):
                shown.append(entry)
            beyond = place(entry)
        if len(rows) < step:
            if not shown and cursor is None and store.read(AccountKey(account_id))[0] is None:
                raise AccountNotFound(account_id)
            return Page(tuple(shown), None)
    return Page(tuple(shown), _cursor(beyond))


def in_time(store: History, span: Span) -> Iterator[Sequence[AnyEntry]]:
    """All entries of the span, oldest first, by the page of `LARGE_PAGE`."""
    beyond: Place | None = None
    while rows := store.entries(span, limit=LARGE_PAGE, newest_first=False, beyond=beyond):
        yield rows
        beyond = place(rows[-1])


def _cursor(beyond: Place | None) -> str | None:
    return to_cursor(beyond.moment, beyond.book_id, beyond.key) if beyond else None
