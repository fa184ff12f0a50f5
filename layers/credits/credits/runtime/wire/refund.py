"""Refunds, as they are asked for and answered."""

from typing import Annotated

from pydantic import Field

from credits.domain.entry import AnyEntry as LedgerEntry
from credits.domain.hold import Hold
from credits.ledger.read import REFUND_MARK, charge_name
from credits.runtime.wire.charge import Balance
from credits.runtime.wire.hold import HoldLeft
from credits.runtime.wire.shape import Answer, Request, Text


class RefundRequest(Request):
    """How much of a charge to give back, all of it where nothing is said, and why."""

    credits: Annotated[int, Field(strict=True, ge=1)] | None = None
    reason: Text


class Refund(Answer):
    """A refund. It went to the account, whose balance is told, or to the open hold that had paid: then that is told."""

    refund_id: str
    charge_id: str
    credits: int
    balance: Balance | None
    hold: HoldLeft | None

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Refund":
        """The answer to a refund, from its entry alone."""
        corrected = entry.corrects
        charge = charge_name(corrected.book_id, corrected.key) if corrected else ""
        to_hold = isinstance(entry.after, Hold)
        return cls(
            refund_id=f"{charge}{REFUND_MARK}",
            charge_id=charge,
            credits=entry.credits,
            balance=None if to_hold else Balance(remaining=entry.remaining, total=entry.total),
            hold=HoldLeft.of(entry.after) if isinstance(entry.after, Hold) else None,
        )
