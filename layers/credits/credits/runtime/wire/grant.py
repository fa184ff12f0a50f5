"""Grants by hand, as they are asked for and answered."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from credits.domain.entry import AnyEntry as LedgerEntry
from credits.domain.grant import GrantKind
from credits.domain.instant import floor, to_text
from credits.runtime.wire.charge import Balance
from credits.runtime.wire.shape import Answer, Instant, Request, Text


class GrantRequest(Request):
    """Credits to give, why, and until when; without `expires_at` they never expire."""

    kind: Literal["promotion", "adjustment"]
    credits: Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
    reason: Text
    expires_at: Annotated[AwareDatetime, AfterValidator(floor)] | None = None


class Grant(Answer):
    """Credits that were given."""

    grant_id: str
    kind: GrantKind
    credits: int
    remaining: int = Field(description="What was left of the grant at that moment: all of it.")
    expires_at: Instant | None
    balance: Balance

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Grant":
        """The answer to a grant, from its entry alone."""
        (draw,) = entry.draws
        return cls(
            grant_id=draw.grant_id,
            kind=draw.kind,
            credits=draw.credits,
            remaining=draw.credits,
            expires_at=to_text(draw.expires_at) if draw.expires_at else None,
            balance=Balance(remaining=entry.remaining, total=entry.total),
        )
