"""Quotes, as they are asked for and answered."""

from pydantic import Field

from credits.domain.quote import Quote as Price
from credits.runtime.wire.shape import POLICIES, Answer, Id, Model, Quantity, Request


class QuotedAction(Request):
    """One action, `quantity` times."""

    action: Id
    quantity: Quantity = 1


class QuoteRequest(Request):
    """Actions, and the model they would run on."""

    actions: list[QuotedAction] = Field(min_length=1, max_length=POLICIES.longest_batch)
    model: Model | None = None


class QuoteLine(Answer):
    """One action and its price."""

    action: str
    quantity: int
    credits: int


class Quote(Answer):
    """The price of the actions together, and whether the balance covers it."""

    lines: list[QuoteLine]
    total: int
    affordable: bool
    remaining_after: int | None = Field(description="What a charge would leave; null where it would be refused.")

    @classmethod
    def of(cls, quote: Price) -> "Quote":
        """The quote as it is shown."""
        return cls(
            lines=[QuoteLine(action=line.action, quantity=line.quantity, credits=line.credits) for line in quote.lines],
            total=quote.total,
            affordable=quote.affordable,
            remaining_after=quote.remaining_after,
        )
