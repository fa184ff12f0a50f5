"""The member: the book that counts what one member of an account spends in a period, against a cap.

A member has no entries of its own: the account's entries explain the count. Each that moves it names the member and
carries the count after it (`member_used`), and the member's `seq` and `head` are those of the last such entry.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from credits.domain.account import GENESIS, Account
from credits.errors import MemberCapReached

MEMBER_MARK = "#member#"
"""Between the account's id and the member's in the name of a member's book. No id contains a `#`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member at one instant.

    - `credit_cap` is the most that the member may spend in a period of the account; None is no cap.
    - `used` is what was spent since `counted_from`, which is the account's `counts_from`, refunds taken off; a hold
      counts whole from its opening, and what it did not use is given back at its close.
    - `removed`: no member any more, and what is spent is not counted. It keeps its place, and gets back what had been
      counted: who comes back is counted on.
    """

    account_id: str
    member_id: str
    joined_at: datetime
    credit_cap: int | None = None
    used: int = 0
    counted_from: datetime
    removed: bool = False
    at: datetime
    seq: int = 0
    head: str = GENESIS
    version: int = 0

    @property
    def book_id(self) -> str:
        """The name of this book."""
        return f"{self.account_id}{MEMBER_MARK}{self.member_id}"

    def as_of(self, account: Account) -> Self:
        """The member in the account's current period: in a new one the count begins anew."""
        start = account.counts_from
        return self if self.counted_from == start else replace(self, used=0, counted_from=start)


def counted(member: Member | None, account: Account, credits: int) -> Member | None:
    """The member after `credits` more were spent (negative: given back) in the account's current period.

    None for somebody who is no member, whom nothing counts; one who was removed still gets back what was counted.
    Raises MemberCapReached where the cap forbids it.
    """
    if member is None or (member.removed and credits >= 0):
        return None
    member = member.as_of(account)
    used = max(member.used + credits, 0)
    if credits > 0 and member.credit_cap is not None and used > member.credit_cap:
        raise MemberCapReached(
            member.member_id,
            credit_cap=member.credit_cap,
            used=member.used,
            required=credits,
            resets_at=account.period.end,
        )
    return replace(member, used=used)
