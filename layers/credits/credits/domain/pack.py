"""Pack: credits that were bought once, and what becomes of them when their money goes back or is fought over.

Each step has a key of its own (the payment, the refund, the dispute), so it happens once, whoever hears of it and
however often. What was spent of a pack before its money went back cannot be taken: the entry says how much was missing.
"""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog, Pack
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.give import PLAN_ROOM
from credits.domain.grant import PLAN_GRANTS, Draw, GrantKind, frozen, thawed, without
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
    """Take `credits` of a pack whose money went back: as many as are unspent, frozen ones last."""
    journal = renew(account, catalog, now)
    grants, draws = without(journal.account.grants, credits, grant_id)
    taken = -sum(draw.credits + draw.frozen for draw in draws)
    after = replace(journal.account, grants=grants)
    facts = {"description": reason, "shortfall": credits - taken}
    journal.write(EntryKind.REVOCATION, key, now, after, draws, **facts)
    return journal.posting()


def bring_back(
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Give back `credits` of a pack that were taken for a refund which did not go through."""
    journal = renew(account, catalog, now)
    account = journal.account
    there = next((grant for grant in account.grants if grant.id == grant_id), None)
    account, draws = account.grow(there, credits) if there else account.give(GrantKind.PACK, credits, None)
    journal.write(EntryKind.PACK, key, now, account, draws, description=reason)
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
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Take the `credits` of a pack that a dispute froze, since it was lost."""
    journal = renew(account, catalog, now)
    account = journal.account
    gone = {grant.id: min(credits, grant.frozen) for grant in account.grants if grant.id == grant_id}
    draws = [
        Draw(grant.id, grant.kind, 0, grant.expires_at, frozen=-gone[grant.id])
        for grant in account.grants
        if gone.get(grant.id)
    ]
    kept = (replace(grant, frozen=grant.frozen - gone.get(grant.id, 0)) for grant in account.grants)
    after = replace(account, grants=tuple(grant for grant in kept if not grant.empty))
    facts = {"description": reason, "shortfall": credits - sum(gone.values())}
    journal.write(EntryKind.REVOCATION, key, now, after, draws, **facts)
    return journal.posting()
