"""Pack: credits that were bought once, and what becomes of them when their money goes back or is fought over.

Each step has a key of its own (the payment, the refund, the dispute), so it happens once, whoever hears of it and
however often. What was spent of a pack before its money went back cannot be taken: the entry says how much was missing.
What of that is in an open hold is not spent yet: it is recalled, and goes when the hold gives it back (`release`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog, Pack
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.give import PLAN_ROOM
from credits.domain.grant import PLAN_GRANTS, Draw, Grant, GrantKind, frozen, thawed, without
from credits.domain.journal import Posting
from credits.domain.renew import renew


def give_pack(account: Account, catalog: Catalog, *, now: datetime, key: str, pack: Pack) -> Posting:
    """Give the credits of a pack that was paid for; they never expire.

    What was paid for is never refused: where the book has no room for one grant more, an earlier pack takes them in.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    full = sum(grant.kind not in PLAN_GRANTS for grant in account.grants) >= catalog.policies.most_grants - PLAN_ROOM
    earlier = next((grant for grant in reversed(account.grants) if grant.kind is GrantKind.PACK), None)
    if full and earlier:
        account, draws = account.grow(earlier, pack.credits)
    else:
        account, draws = account.give(GrantKind.PACK, pack.credits, None)
    journal.write(EntryKind.PACK, key, now, account, draws, description=pack.name)
    return journal.posting()


def take_back(
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Take `credits` of a pack whose money went back: as many as are unspent, frozen ones last; then recall what is
    held."""
    journal = renew(account, catalog, now)
    grants, draws = without(journal.account.grants, credits, grant_id)
    missing = credits + sum(draw.credits + draw.frozen for draw in draws)
    after = replace(journal.account, grants=_recalled(grants, grant_id, missing))
    facts = {"description": reason, "shortfall": missing}
    journal.write(EntryKind.REVOCATION, key, now, after, draws, **facts)
    return journal.posting()


def bring_back(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    key: str,
    grant_id: str,
    credits: int,
    reason: str,
    missing: int = 0,
) -> Posting:
    """Give back `credits` of a pack that were taken for a refund which did not go through; of the `missing` ones that
    it recalled, those that are still held stay."""
    journal = renew(account, catalog, now)
    account = replace(journal.account, grants=_recalled(journal.account.grants, grant_id, -missing))
    there = next((grant for grant in account.grants if grant.id == grant_id), None)
    kind: EntryKind = EntryKind.CONFIRMATION
    draws: tuple[Draw, ...] = ()
    if credits:
        kind = EntryKind.PACK
        account, draws = account.grow(there, credits) if there else account.give(GrantKind.PACK, credits, None)
    journal.write(kind, key, now, account, draws, description=reason)
    return journal.posting()


def freeze(
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Freeze `credits` of a pack whose payment is disputed: as many as are unspent."""
    journal = renew(account, catalog, now)
    grants, draws = frozen(journal.account.grants, credits, grant_id)
    after = replace(journal.account, grants=grants)
    facts = {"description": reason, "shortfall": credits - sum(draw.frozen for draw in draws)}
    journal.write(EntryKind.FREEZE, key, now, after, draws, **facts)
    return journal.posting()


def thaw(
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Let go of the `credits` of a pack that a dispute froze, since it was won."""
    journal = renew(account, catalog, now)
    grants, draws = thawed(journal.account.grants, credits, grant_id)
    journal.write(EntryKind.THAW, key, now, replace(journal.account, grants=grants), draws, description=reason)
    return journal.posting()


def lose(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    key: str,
    grant_id: str,
    credits: int,
    reason: str,
    missing: int = 0,
) -> Posting:
    """Take the `credits` of a pack that a dispute froze, since it was lost; and of those that were `missing` then, what
    has come back to the pack since. What is held still is recalled."""
    journal = renew(account, catalog, now)
    account = journal.account
    pack = next((grant for grant in account.grants if grant.id == grant_id), None)
    frozen = min(credits, pack.frozen) if pack else 0
    free = min(missing, pack.remaining) if pack else 0
    draws = [Draw(pack.id, pack.kind, -free, pack.expires_at, frozen=-frozen)] if pack and (frozen or free) else []
    grants = tuple(
        replace(grant, frozen=grant.frozen - frozen, remaining=grant.remaining - free) if grant is pack else grant
        for grant in account.grants
    )
    grants = _recalled(tuple(grant for grant in grants if not grant.empty), grant_id, missing - free)
    facts = {"description": reason, "shortfall": credits - frozen}
    journal.write(EntryKind.REVOCATION, key, now, replace(account, grants=grants), draws, **facts)
    return journal.posting()


def _recalled(grants: Sequence[Grant], grant_id: str, credits: int) -> tuple[Grant, ...]:
    """The grants with `credits` more recalled of this one, up to all that is held of it; fewer, where negative."""
    return tuple(
        replace(grant, recalled=min(max(grant.recalled + credits, 0), grant.held)) if grant.id == grant_id else grant
        for grant in grants
    )
