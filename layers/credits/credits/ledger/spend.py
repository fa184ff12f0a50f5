"""Spend: the posts that need credits, over all the books they touch; and the settling of holds, which gives some back.

A hold that has expired keeps credits set aside until somebody writes that down. The schedule does; but whoever is
refused for want of credits before it comes settles the account's expired holds first, and asks once more.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.capture import capture
from credits.domain.charge import Usage, charge
from credits.domain.hold import HOLD_MARK, Hold
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.domain.release import release, release_key
from credits.domain.set_aside import extend_hold, open_hold
from credits.errors import Contended, HoldNotFound, InsufficientCredits, InvalidRequest, MemberCapReached, Unavailable
from credits.ledger.post import MOST_BOOKS, PATIENCE, Decide, Patience, Receipt, client_key, post
from credits.ledger.read import answering
from credits.ledger.store import AccountKey, BookKey, HoldKey, Ledger, MemberKey, Store

MOST_MEMBERS = MOST_BOOKS - 1
"""That one batch may name: the account and each of them are conditional writes of one transaction."""

MOST_SWEPT = 10
"""Expired holds that one refusal settles; the schedule settles the others."""

SWEEP_SECONDS = 4.0
"""How long a refusal settles holds: its caller waits for it."""


def spend(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    key: str,
    lines: Sequence[Usage],
    *,
    now: datetime,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Charge the lines under a caller's key, and count each with the member it names.

    Raises what `post` and `charge` raise, and InvalidRequest where a batch names too many members.
    """
    key = client_key(key)
    members = list(dict.fromkeys(line.member_id for line in lines if line.member_id))
    if len(members) > MOST_MEMBERS:
        raise InvalidRequest([("charges", f"name {len(members)} members; at most {MOST_MEMBERS} fit in one batch")])

    def decide(account: Account, *counting: Member | None, now: datetime) -> Posting:
        return charge(account, catalog, now=now, key=key, lines=lines, members=counting)

    books: list[BookKey] = [AccountKey(account_id)]
    books += [MemberKey(account_id, member_id) for member_id in members]
    return _swept(store, catalog, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


def set_aside(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    hold_id: str,
    credits: int,
    *,
    now: datetime,
    expires_in_seconds: int | None = None,
    member_id: str | None = None,
    conversation_id: str | None = None,
    description: str | None = None,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Open a hold, whose id is the caller's key. Raises what `post` and `open_hold` raise."""
    key = client_key(hold_id)
    decide = partial(
        open_hold,
        catalog=catalog,
        key=key,
        hold_id=hold_id,
        credits=credits,
        expires_in_seconds=expires_in_seconds,
        member_id=member_id,
        conversation_id=conversation_id,
        description=description,
    )
    books = _books(account_id, hold_id, member_id)
    return _swept(store, catalog, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


def capture_from(
    store: Store,
    catalog: Catalog,
    account_id: str,
    hold_id: str,
    key: str,
    usage: Usage,
    *,
    now: datetime,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt[Hold]:
    """Capture an action from a hold under a caller's key, which is the hold's own: its account is neither read nor
    written. Raises what `post` and `capture` raise."""
    key = client_key(key)
    decide = partial(capture, catalog=catalog, key=key, account_id=account_id, hold_id=hold_id, usage=usage)
    books = [HoldKey(account_id, hold_id)]
    return post(store, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


def extend(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    hold_id: str,
    key: str,
    *,
    now: datetime,
    credits: int = 0,
    expires_in_seconds: int | None = None,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Put more into a hold, or let it live longer, under a caller's key. Raises what `post` and `extend_hold` raise."""
    key = client_key(key)
    decide = partial(
        extend_hold,
        catalog=catalog,
        key=key,
        hold_id=hold_id,
        credits=credits,
        expires_in_seconds=expires_in_seconds,
    )
    books = _books(account_id, hold_id, _member_of(store, account_id, hold_id))
    return _swept(store, catalog, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


def settle(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    hold_id: str,
    *,
    now: datetime,
    expired_only: bool = False,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Close a hold, once: whoever comes later hears what the first did. With `expired_only`, one that is still alive is
    left as it is. Raises HoldNotFound and what `post` raises."""
    books = _books(account_id, hold_id, _member_of(store, account_id, hold_id))
    decide = partial(release, catalog=catalog, hold_id=hold_id, expired_only=expired_only)
    return post(store, release_key(hold_id), books, decide, now=now, patience=patience)


def sweep(store: Ledger, catalog: Catalog, account_id: str, *, now: datetime, patience: Patience = PATIENCE) -> int:
    """Settle the account's expired holds, those that expired first before the others, within bounds. Returns how many
    it came to. One that somebody else has in hand is passed over."""
    deadline = patience.monotonic() + SWEEP_SECONDS
    expired = answering(store.open_holds)(account_id, limit=MOST_SWEPT, until=now)
    settled = 0
    for due in expired:
        left = deadline - patience.monotonic()
        if left <= 0:
            break
        hold_id = due.book_id.partition(HOLD_MARK)[2]
        with suppress(Contended, Unavailable):
            hasty = replace(patience, deadline_seconds=left)
            settle(store, catalog, account_id, hold_id, now=now, expired_only=True, patience=hasty)
            settled += 1
    return settled


def _swept(
    store: Ledger,
    catalog: Catalog,
    key: str,
    books: Sequence[BookKey],
    decide: Decide,
    *,
    now: datetime,
    fingerprint: str | None,
    patience: Patience,
) -> Receipt:
    """Post; and once more, in the time that is left, where credits were missing and expired holds gave some back."""
    began = patience.monotonic()
    try:
        return post(store, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)
    except (InsufficientCredits, MemberCapReached) as refusal:
        # Without credits in holds there is nothing to look for. A cap does not know what its member's holds have.
        may_help = isinstance(refusal, MemberCapReached) or "held" in refusal.fields
        if not (may_help and sweep(store, catalog, books[0].account_id, now=now, patience=patience)):
            raise
    left = patience.deadline_seconds - (patience.monotonic() - began)
    patience = replace(patience, deadline_seconds=max(left, 0.0))
    return post(store, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


@answering
def _member_of(store: Ledger, account_id: str, hold_id: str) -> str | None:
    """The member that the hold was opened for, which never changes."""
    (hold,) = store.read(HoldKey(account_id, hold_id))
    if hold is None:
        raise HoldNotFound(account_id, hold_id)
    return hold.member_id


def _books(account_id: str, hold_id: str, member_id: str | None) -> list[BookKey]:
    books: list[BookKey] = [AccountKey(account_id), HoldKey(account_id, hold_id)]
    return [*books, MemberKey(account_id, member_id)] if member_id else books
