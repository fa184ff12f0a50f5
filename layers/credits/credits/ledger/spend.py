"""Spend: the posts that need credits, over all the books they touch; and the settling of holds, which gives some back.

A hold that has expired keeps credits set aside until somebody writes that down. The schedule does; but whoever is
refused for want of credits before it comes settles the account's expired holds first, and asks once more.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.capture import capture
from credits.domain.charge import Usage, charge
from credits.domain.entry import AnyEntry
from credits.domain.give import adjust
from credits.domain.hold import HOLD_MARK, Hold
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.domain.quote import Quote, quote
from credits.domain.refund import refund, refund_key, refund_to_hold, refundable
from credits.domain.release import release, release_key
from credits.domain.set_aside import extend_hold, open_hold
from credits.errors import (
    AlreadyRefunded,
    Contended,
    CreditsError,
    HoldClosed,
    HoldNotFound,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidRequest,
    MemberCapReached,
    NotRefundable,
    Unavailable,
)
from credits.ledger.post import MOST_BOOKS, PATIENCE, Decide, Patience, Receipt, client_key, post
from credits.ledger.read import REFUND_MARK, account_now, answering, charge_entry
from credits.ledger.store import AccountKey, BookKey, EntryKey, HoldKey, Ledger, MemberKey, Store

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


def put_right(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    key: str,
    credits: int,
    *,
    reason: str,
    by: str,
    now: datetime,
    force: bool = False,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Adjust the balance under an operator's key. With `force`, what an expired hold keeps is taken before anything is
    owed. Raises what `post` and `adjust` raise."""
    key = client_key(key)
    deadline = patience.monotonic() + patience.deadline_seconds
    rule = partial(adjust, catalog=catalog, key=key, credits=credits, reason=reason, by=by)
    asked: dict[str, Any] = {"now": now, "fingerprint": fingerprint}
    books = [AccountKey(account_id)]
    try:
        return _swept(store, catalog, key, books, partial(rule, force=False), patience=patience, **asked)
    except InsufficientCredits:
        if not force:
            raise
    patience = replace(patience, deadline_seconds=max(deadline - patience.monotonic(), 0.0))
    return post(store, key, books, partial(rule, force=True), patience=patience, **asked)


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


def refund_charge(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    charge_id: str,
    credits: int | None,
    reason: str,
    *,
    now: datetime,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt[Account] | Receipt[Hold]:
    """Refund a charge or a capture, once for ever. A capture's goes to its hold while that is open, and is then in the
    hold's book; afterwards to the account, and is in the account's. Never in both: a hold that is over does not change.

    Raises ChargeNotFound, AlreadyRefunded where another request (another `fingerprint`) did it before, and what
    `refundable` and `post` raise.
    """
    if charge_id.endswith(REFUND_MARK):
        raise NotRefundable(charge_id, "is itself a refund")
    charge = charge_entry(store, account_id, charge_id)
    credits = refundable(charge, charge_id, credits)
    facts: dict[str, Any] = {"catalog": catalog, "charge": charge, "credits": credits, "reason": reason}
    doing = partial(post, store, refund_key(charge), now=now, fingerprint=fingerprint, patience=patience)
    settled = counted_by = charge
    try:
        if charge.hold_id and charge.book_id != account_id:
            to_hold = partial(
                doing, books=[HoldKey(account_id, charge.hold_id)], decide=partial(refund_to_hold, **facts)
            )
            with suppress(HoldClosed):
                return to_hold()
            # Its time may be over for us and not yet for another who refunds it: settled, it is over for all.
            settle(store, catalog, account_id, charge.hold_id, now=now, patience=patience)
            with suppress(HoldClosed):
                return to_hold()
            settled, counted_by = _ends(store, account_id, charge.hold_id)
        books: list[BookKey] = [AccountKey(account_id)]
        books += [MemberKey(account_id, charge.member_id)] if charge.member_id else []
        return doing(books=books, decide=partial(refund, **facts, settled=settled, counted_by=counted_by))
    except IdempotencyKeyReused:
        raise AlreadyRefunded(charge_id) from None


def sweep(store: Ledger, catalog: Catalog, account_id: str, *, now: datetime, patience: Patience = PATIENCE) -> None:
    """Settle the account's expired holds, those that expired first before the others, within bounds. One that somebody
    else has in hand is passed over."""
    deadline = patience.monotonic() + SWEEP_SECONDS
    expired = answering(store.open_holds)(account_id, limit=MOST_SWEPT, until=now)
    for due in expired:
        left = deadline - patience.monotonic()
        if left <= 0:
            break
        hold_id = due.book_id.partition(HOLD_MARK)[2]
        with suppress(Contended, Unavailable):
            hasty = replace(patience, deadline_seconds=left)
            settle(store, catalog, account_id, hold_id, now=now, expired_only=True, patience=hasty)


def estimate(
    store: Ledger,
    catalog: Catalog,
    account_id: str,
    actions: Sequence[tuple[str, int]],
    *,
    now: datetime,
    model: str | None = None,
) -> Quote:
    """What `spend` would charge for the actions, (id, quantity) each, and whether it could: with what expired holds
    keep, where that is needed. Nothing is written. Raises AccountNotFound and what `quote` raises."""
    account = account_now(store, catalog, account_id, now)
    quoted = quote(account, catalog, now=now, actions=actions, model=model)
    if quoted.affordable or not account.held:
        return quoted
    return quote(_as_swept(store, catalog, account, now), catalog, now=now, actions=actions, model=model)


def _as_swept(store: Ledger, catalog: Catalog, account: Account, now: datetime) -> Account:
    """The account as a `sweep` would leave it."""
    for due in answering(store.open_holds)(account.account_id, limit=MOST_SWEPT, until=now):
        hold_id = due.book_id.partition(HOLD_MARK)[2]
        with suppress(HoldNotFound, HoldClosed):  # the list is of a moment ago
            hold = _hold(store, account.account_id, hold_id)
            account = release(account, hold, catalog=catalog, now=now, hold_id=hold_id, expired_only=True).account
    return account


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
    """Post; where credits were missing and some are in holds, settle those that expired, and post once more in the time
    that is left: also where none is found, since another refusal may just have settled them."""
    began = patience.monotonic()
    try:
        return post(store, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)
    except (InsufficientCredits, MemberCapReached) as refusal:
        # Without credits in holds there is nothing to look for. A cap does not know what its member's holds have.
        if isinstance(refusal, InsufficientCredits) and "held" not in refusal.fields:
            raise
    sweep(store, catalog, books[0].account_id, now=now, patience=patience)
    left = patience.deadline_seconds - (patience.monotonic() - began)
    patience = replace(patience, deadline_seconds=max(left, 0.0))
    return post(store, key, books, decide, now=now, fingerprint=fingerprint, patience=patience)


@answering
def _hold(store: Store, account_id: str, hold_id: str) -> Hold:
    (hold,) = store.read(HoldKey(account_id, hold_id))
    if hold is None:
        raise HoldNotFound(account_id, hold_id)
    return hold


@answering
def _ends(store: Store, account_id: str, hold_id: str) -> tuple[AnyEntry, AnyEntry]:
    """The account's entries that closed the hold and that opened it, as they are there once it is over."""
    closing, opening = store.read(EntryKey(account_id, release_key(hold_id)), EntryKey(account_id, client_key(hold_id)))
    if closing is None or opening is None:
        raise CreditsError(f"hold {hold_id} of {account_id} is over, and its account does not know both its ends")
    return closing, opening


def _member_of(store: Store, account_id: str, hold_id: str) -> str | None:
    """The member that the hold was opened for, which never changes."""
    return _hold(store, account_id, hold_id).member_id


def _books(account_id: str, hold_id: str, member_id: str | None) -> list[BookKey]:
    books: list[BookKey] = [AccountKey(account_id), HoldKey(account_id, hold_id)]
    return [*books, MemberKey(account_id, member_id)] if member_id else books
