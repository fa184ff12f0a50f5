"""Pack: credits that were bought once, and what becomes of them when their money goes back or is fought over.

Each step has a key of its own (the payment, the refund, the dispute), so it happens once, whoever hears of it and
however often. A pack is a grant of its own for ever: it joins no other, and where it has left the book and comes back,
it comes back as itself, so that every later step finds it.

What was spent of a pack before its money went back cannot be taken: that much is `missing` of the grant, which stays in
the book to say so. What of it is in an open hold is not spent yet: it is recalled, and goes when the hold gives it back
(`release`). So, once no hold is open and no dispute undecided, there is left of a pack what was bought, less what was
spent, less what its money went back for, or nothing: in whatever order all that came.
"""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog, Pack
from credits.domain.account import Account
from credits.domain.entry import AnyEntry, Corrected, EntryKind
from credits.domain.grant import Draw, Grant, GrantKind, frozen, thawed
from credits.domain.journal import Journal, Posting
from credits.domain.renew import renew
from credits.errors import TooManyPacks

MOST_PACKS = 100
"""Packs that are not used up, from which on an account is sold no more; what was paid for is given all the same.

A pack takes 65 bytes of the account's item. At this many, a charge writes twice 7 KB (the item, and the account in its
entry) where it wrote 1 KB each. What is beyond, because it was paid for from a link of before, ends at some 1,200: then
a batch of 50 charges, which carries the account 51 times, comes to the 4 MB that a transaction may have. An automatic
top-up comes nowhere near: it buys when little is left, and the older packs are spent first.
"""


def give_pack(
    account: Account, catalog: Catalog, *, now: datetime, key: str, pack: Pack, for_line: bool = False
) -> Posting:
    """Give the credits of a pack that was paid for; they never expire. What was paid for is never refused.

    One that the account bought by itself, `for_line`, ends the crossing it was bought for: where the balance is still
    below the line, it is crossed again.
    """
    journal = renew(account, catalog, now)
    account, draws = journal.account.give(GrantKind.PACK, pack.credits, None)
    if for_line:
        account = replace(account, top_up_due=False)
    journal.write(EntryKind.PACK, key, now, account, draws, description=pack.name)
    return journal.posting()


def require_place(account: Account) -> None:
    """Raises TooManyPacks where so many packs are in the book already that no more are sold."""
    if sum(grant.bought for grant in account.grants) >= MOST_PACKS:
        raise TooManyPacks(account.account_id, MOST_PACKS)


def take_back(
    account: Account, catalog: Catalog, *, now: datetime, key: str, grant_id: str, credits: int, reason: str
) -> Posting:
    """Take `credits` of a pack whose money went back: as many as are unspent, frozen ones last; the others are missing,
    and those of them that are held recalled."""
    journal = renew(account, catalog, now)
    return _take(journal, now, key, grant_id, credits, reason)


def asked(taken: AnyEntry) -> int:
    """How many credits an entry was to take: those it took, and those that were missing."""
    return taken.shortfall - sum(draw.credits + draw.frozen for draw in taken.draws)


def undone_key(taken: AnyEntry) -> str:
    """What is given back under, once, that this entry took for a refund which did not go through."""
    return f"{taken.key}#failed"


def bring_back(
    account: Account, catalog: Catalog, *, now: datetime, grant_id: str, taken: AnyEntry, reason: str
) -> Posting:
    """Give back what the entry `taken` was to take of a pack, for a refund that did not go through.

    What is missing of the pack then is missing no more, and is not given; the rest is, as if only what else its money
    went back for had been taken. A pack that has left the book comes back under its own id.
    """
    journal = renew(account, catalog, now)
    pack = _found(journal.account, grant_id)
    missing = min(pack.missing, asked(taken))
    back = asked(taken) - missing
    pack = replace(
        pack,
        credits=pack.credits + back,
        remaining=pack.remaining + back,
        missing=pack.missing - missing,
        recalled=min(pack.recalled, pack.missing - missing),
    )
    journal.write(
        EntryKind.PACK if back else EntryKind.CONFIRMATION,
        undone_key(taken),
        now,
        journal.account.put(pack),
        (Draw(pack.id, pack.kind, back),) if back else (),
        description=reason,
        shortfall=missing,
        corrects=Corrected(taken.book_id, taken.key, taken.at),
    )
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
    """Take the `credits` of a pack that a dispute froze, since it was lost, and those that were `missing` then: as many
    as are unspent by now, as for a refund."""
    journal = renew(account, catalog, now)
    return _take(journal, now, key, grant_id, credits + missing, reason, frozen_for_it=credits)


def _take(
    journal: Journal, now: datetime, key: str, grant_id: str, credits: int, reason: str, *, frozen_for_it: int = 0
) -> Posting:
    """Take `credits` of the pack: those that were frozen for this, then what can be spent, then what else is frozen."""
    pack = _found(journal.account, grant_id)
    own = min(frozen_for_it, pack.frozen)
    free = min(credits - own, pack.remaining)
    frozen = min(credits - free, pack.frozen)
    missing = credits - free - frozen
    after = replace(
        pack,
        remaining=pack.remaining - free,
        frozen=pack.frozen - frozen,
        missing=pack.missing + missing,
        recalled=min(pack.recalled + missing, pack.held),
    )
    draws = (Draw(pack.id, pack.kind, -free, frozen=-frozen),) if free or frozen else ()
    facts = {"description": reason, "shortfall": missing}
    journal.write(EntryKind.REVOCATION, key, now, journal.account.put(after), draws, **facts)
    return journal.posting()


def _found(account: Account, grant_id: str) -> Grant:
    """The pack as it is in the book; of one that has left it, that nothing is left."""
    there = (grant for grant in account.grants if grant.id == grant_id)
    return next(there, Grant(grant_id, GrantKind.PACK, 0, 0))
