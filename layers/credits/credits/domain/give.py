"""Give: credits an operator grants by hand, and what one adjusts, up or down."""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.charge import require_balance
from credits.domain.entry import EntryKind
from credits.domain.grant import GrantKind, burn
from credits.domain.journal import Posting
from credits.domain.renew import renew
from credits.errors import InvalidRequest, TooManyGrants

PLAN_ROOM = 5
"""Places of a book kept for what the plan gives, which is never refused: an allocation, a proration, carryovers."""

BY_HAND = {GrantKind.PROMOTION: EntryKind.PROMOTION, GrantKind.ADJUSTMENT: EntryKind.ADJUSTMENT}


def give(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    key: str,
    kind: GrantKind,
    credits: int,
    reason: str,
    expires_at: datetime | None = None,
) -> Posting:
    """Grant `credits` (1 or more) as a promotion or an adjustment, for ever or until `expires_at`.

    Raises InvalidRequest for an expiry that is not in the future, TooManyGrants where the book has no room for one
    more.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    if expires_at is not None and expires_at <= max(now, account.at):
        raise InvalidRequest([("expires_at", "must be in the future")])
    if not has_room(account, catalog, kind):
        raise TooManyGrants(account.account_id, catalog.policies.most_grants - PLAN_ROOM)
    account, draws = account.give(kind, credits, expires_at)
    journal.write(BY_HAND[kind], key, now, account, draws, description=reason)
    return journal.posting()


def adjust(
    account: Account, catalog: Catalog, *, now: datetime, key: str, credits: int, reason: str, by: str, force: bool
) -> Posting:
    """Put `credits` right, as the operator `by` asks: more of them are a grant that never expires, fewer are taken in
    burn order.

    A balance is never below zero. With `force`, all there is is taken, the entry says that it was forced and how much
    was missing (`shortfall`), and the account owes that: its next plan grant settles it. Without, raises
    InsufficientCredits or CreditsExhausted. Raises TooManyGrants where the book has no room for a grant.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    missing = 0
    if credits > 0:
        if not has_room(account, catalog, GrantKind.ADJUSTMENT):
            raise TooManyGrants(account.account_id, catalog.policies.most_grants - PLAN_ROOM)
        account, draws = account.give(GrantKind.ADJUSTMENT, credits, None)
    else:
        if not force:
            require_balance(account, -credits)
        missing = max(-credits - account.remaining, 0)
        grants, draws = burn(account.grants, -credits - missing)
        account = replace(account, grants=grants, owed=account.owed + missing)
    journal.write(
        EntryKind.ADJUSTMENT,
        key,
        now,
        account,
        draws,
        description=reason,
        by=by,
        forced=missing > 0,
        shortfall=missing,
    )
    return journal.posting()


def has_room(account: Account, catalog: Catalog, kind: GrantKind) -> bool:
    """Whether the book has room for one more grant of this kind; for what was paid for, with the plan or as a pack, it
    always has."""
    most = catalog.policies.most_grants - PLAN_ROOM
    return kind not in BY_HAND or sum(grant.kind in BY_HAND for grant in account.grants) < most
