"""The moves of an account as tests make them, each one `post` through the one door."""

from datetime import UTC, datetime
from functools import partial
from typing import Final

from credits.catalog import load
from credits.domain.charge import Usage, charge
from credits.domain.give import give
from credits.domain.grant import GrantKind
from credits.domain.hold import Hold
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.renew import renewal
from credits.domain.subscribe import change_plan
from credits.ledger.post import PATIENCE, Decide, Patience, Receipt, client_key, post
from credits.ledger.spend import capture_from, set_aside, settle
from credits.ledger.store import AccountKey, Ledger, Store

CATALOG: Final = load()

NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the tests' accounts are opened; their first period ends on 23 December at noon."""


def opened(store: Store, account_id: str = "acme", *, at: datetime = NOON, patience: Patience = PATIENCE) -> Receipt:
    """The account opened on Free, with its 300 credits."""
    rule = partial(open_account, catalog=CATALOG, account_id=account_id)
    return post(store, OPENED_KEY, [AccountKey(account_id)], rule, now=at, opens=True, patience=patience)


def charged(
    store: Store,
    key: str,
    *lines: Usage,
    account_id: str = "acme",
    at: datetime = NOON,
    fingerprint: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """The lines charged (one message, where none is given) under a caller's key; no member is counted."""
    rule = partial(charge, catalog=CATALOG, key=client_key(key), lines=lines or [Usage(action="message")])
    books = [AccountKey(account_id)]
    return post(store, client_key(key), books, rule, now=at, fingerprint=fingerprint, patience=patience)


def held(
    store: Ledger,
    hold_id: str,
    credits: int,
    *,
    account_id: str = "acme",
    at: datetime = NOON,
    expires_in_seconds: int | None = None,
    member_id: str | None = None,
    patience: Patience = PATIENCE,
) -> Receipt:
    """Credits set aside in a hold of this id."""
    return set_aside(
        store,
        CATALOG,
        account_id,
        hold_id,
        credits,
        now=at,
        expires_in_seconds=expires_in_seconds,
        member_id=member_id,
        patience=patience,
    )


def captured(
    store: Store,
    hold_id: str,
    key: str,
    usage: Usage | None = None,
    *,
    account_id: str = "acme",
    at: datetime = NOON,
    patience: Patience = PATIENCE,
) -> Receipt[Hold]:
    """A message captured from the hold, or what is given instead."""
    usage = usage or Usage(action="message")
    return capture_from(store, CATALOG, account_id, hold_id, key, usage, now=at, patience=patience)


def released(
    store: Ledger, hold_id: str, *, account_id: str = "acme", at: datetime = NOON, patience: Patience = PATIENCE
) -> Receipt:
    """The hold closed."""
    return settle(store, CATALOG, account_id, hold_id, now=at, patience=patience)


def messages(quantity: int) -> Usage:
    """Messages cost one credit each."""
    return Usage(action="message", quantity=quantity)


def granted(
    store: Store,
    key: str,
    credits: int,
    *,
    account_id: str = "acme",
    kind: GrantKind = GrantKind.PROMOTION,
    at: datetime = NOON,
    expires_at: datetime | None = None,
) -> Receipt:
    """Credits given by hand."""
    rule = partial(
        give,
        catalog=CATALOG,
        key=client_key(key),
        kind=kind,
        credits=credits,
        reason="Sorry for the outage",
        expires_at=expires_at,
    )
    return post(store, client_key(key), [AccountKey(account_id)], rule, now=at)


def moved_to(
    store: Store,
    key: str,
    plan: str,
    *,
    seats: int = 1,
    account_id: str = "acme",
    at: datetime = NOON,
    fingerprint: str | None = None,
) -> Receipt:
    """The account on another plan, or on its way there."""
    rule: Decide = partial(change_plan, catalog=CATALOG, key=client_key(key), plan=plan, seats=seats)
    return post(store, client_key(key), [AccountKey(account_id)], rule, now=at, fingerprint=fingerprint)


def renewed(store: Store, *, at: datetime, account_id: str = "acme", patience: Patience = PATIENCE) -> Receipt:
    """What time did to the account, written down."""
    rule = partial(renewal, catalog=CATALOG)
    return post(store, "renewal", [AccountKey(account_id)], rule, now=at, patience=patience)
