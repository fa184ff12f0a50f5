"""Give: credits an operator grants by hand."""

from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.grant import PLAN_GRANTS, GrantKind
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
    most = catalog.policies.most_grants - PLAN_ROOM
    if sum(grant.kind not in PLAN_GRANTS for grant in account.grants) >= most:
        raise TooManyGrants(account.account_id, most)
    account, draws = account.give(kind, credits, expires_at)
    journal.write(BY_HAND[kind], key, now, account, draws, description=reason)
    return journal.posting()
