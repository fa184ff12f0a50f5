"""Charges, as they are asked for and answered."""

from collections.abc import Sequence

from pydantic import Field

from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry as LedgerEntry
from credits.ledger.read import charge_id
from credits.runtime.wire.entry import Entry, WarningName
from credits.runtime.wire.shape import POLICIES, Answer, Id, Model, Quantity, Request, Text, Title


class ChargeRequest(Request):
    """One action, `quantity` times, and where it happened."""

    action: Id
    quantity: Quantity = 1
    conversation_id: Id | None = None
    conversation_title: Title | None = None
    member_id: Id | None = None
    model: Model | None = None
    tool: Text | None = None
    description: Text | None = None

    def usage(self) -> Usage:
        """The same, for the rule."""
        return Usage(**self.model_dump())


class BatchRequest(Request):
    """Charges that are made together or not at all."""

    charges: list[ChargeRequest] = Field(min_length=1, max_length=POLICIES.longest_batch)


class Balance(Answer):
    """What is left after the charge, of how much."""

    remaining: int
    total: int


class Charge(Answer):
    """A charge that was made: what it cost, and what it left."""

    charge_id: str
    action: str
    quantity: int
    credits: int
    balance: Balance
    warning: WarningName | None
    entry: Entry

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Charge":
        """The answer to a charge, from its entry alone: the same one however often it is asked for."""
        return cls(
            charge_id=charge_id(entry),
            action=entry.action or "",
            quantity=entry.quantity or 0,
            credits=-entry.credits,
            balance=Balance(remaining=entry.remaining, total=entry.total),
            warning=entry.warning and entry.warning.value,
            entry=Entry.of(entry),
        )


class Batch(Answer):
    """The charges of a batch, what they cost together, and what they left."""

    charges: list[Charge]
    credits: int
    balance: Balance
    warning: WarningName | None

    @classmethod
    def of(cls, entries: Sequence[LedgerEntry]) -> "Batch":
        """The answer to a batch, from its entries alone."""
        charges = [Charge.of(entry) for entry in entries]
        last = charges[-1]
        return cls(
            charges=charges,
            credits=sum(charge.credits for charge in charges),
            balance=last.balance,
            warning=last.warning,
        )
