"""Adjustments by an operator, as they are asked for and answered."""

from typing import Annotated

from pydantic import Field

from credits.domain.entry import AnyEntry as LedgerEntry
from credits.runtime.wire.charge import Balance
from credits.runtime.wire.shape import Answer, Id, NotZero, Request, Text


class AdjustmentRequest(Request):
    """Credits to put right, up or down; why, and who asks for it."""

    credits: Annotated[int, Field(strict=True, ge=-100_000_000, le=100_000_000), NotZero]
    reason: Text
    by: Id
    force: bool = Field(default=False, description="Take all there is where the balance does not cover it.")


class Adjustment(Answer):
    """An adjustment. `credits` is what the balance moved by; `shortfall` what it did not cover, and is owed."""

    key: str
    credits: int
    shortfall: int
    forced: bool
    by: str
    balance: Balance

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Adjustment":
        """The answer to an adjustment, from its entry alone."""
        return cls(
            key=entry.key,
            credits=entry.credits,
            shortfall=entry.shortfall,
            forced=entry.forced,
            by=entry.by or "",
            balance=Balance(remaining=entry.remaining, total=entry.total),
        )
