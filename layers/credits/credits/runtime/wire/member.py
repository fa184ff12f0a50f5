"""Members, as they are set and shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from credits.domain.entry import AnyEntry
from credits.domain.instant import to_text
from credits.domain.member import Member as Book
from credits.runtime.wire.shape import Answer, Instant, Request

CreditCap = Annotated[int, Field(strict=True, ge=0, le=100_000_000)]


class MemberRequest(Request):
    """The most that the member may spend in a period of the account; null, or nothing said, for no cap."""

    credit_cap: CreditCap | None = None


class Member(Answer):
    """A member, with what they have spent in the account's current period."""

    member_id: str
    credit_cap: int | None
    used: int = Field(description="Since the period began, or since they were made a member.")
    joined_at: Instant

    @classmethod
    def of(cls, member: Book) -> "Member":
        """The member as they are shown; the count must be that of the current period."""
        return cls(
            member_id=member.member_id,
            credit_cap=member.credit_cap,
            used=member.used,
            joined_at=to_text(member.joined_at),
        )

    @classmethod
    def made(cls, entry: AnyEntry, *, credit_cap: int | None, joined_at: datetime) -> "Member":
        """The member as the entry left them, that set this cap."""
        return cls(
            member_id=entry.member_id or "",
            credit_cap=credit_cap,
            used=entry.member_used or 0,
            joined_at=to_text(joined_at),
        )


class MemberPage(Answer):
    """Members, in the order of their ids, and where the next page begins; null at the end."""

    members: list[Member]
    cursor: str | None
