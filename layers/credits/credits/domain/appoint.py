"""Appoint: make somebody a member of an account, with or without a cap; change the cap; remove the member.

The account is posted with the member, so that a charge that is under way meets the change and decides again.
"""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.journal import Journal, Posting
from credits.domain.member import Member
from credits.domain.renew import renew
from credits.errors import MemberNotFound


def appoint(
    account: Account,
    member: Member | None,
    *,
    catalog: Catalog,
    now: datetime,
    key: str,
    member_id: str,
    credit_cap: int | None,
) -> Posting:
    """A member with this cap (None for none). One who has it already stays as they are.

    What somebody spends counts from the moment they are made a member; one who comes back is counted on.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    now = max(now, account.at)
    if member and not member.removed and member.credit_cap == credit_cap:
        return journal.posting()
    if member is None:
        start = account.counts_from
        member = Member(account_id=account.account_id, member_id=member_id, joined_at=now, counted_from=start, at=now)
        account = replace(account, members=account.members + 1)
    member = replace(member.as_of(account), credit_cap=credit_cap, removed=False)
    return _written(journal, account, member, now, key, "no cap" if credit_cap is None else f"cap {credit_cap}")


def remove(
    account: Account, member: Member | None, *, catalog: Catalog, now: datetime, key: str, member_id: str
) -> Posting:
    """A member no more. What they did stays in the ledger, under their id. Raises MemberNotFound."""
    if member is None or member.removed:
        raise MemberNotFound(account.account_id, member_id)
    journal = renew(account, catalog, now)
    member = replace(member.as_of(journal.account), removed=True)
    return _written(journal, journal.account, member, now, key, "removed")


def _written(journal: Journal, account: Account, member: Member, now: datetime, key: str, words: str) -> Posting:
    journal.write(
        EntryKind.MEMBER,
        key,
        now,
        account,
        member_id=member.member_id,
        member_used=member.used,
        description=words,
    )
    return journal.posting(member)
