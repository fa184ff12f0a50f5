"""Billing, as it is asked for and answered: orders, the portal, previews."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from credits.catalog import Catalog
from credits.domain.account import Account as Book
from credits.domain.instant import to_text
from credits.payments.checkout import Answer as Ordered
from credits.payments.checkout import Flow, Outcome
from credits.payments.preview import Bill as Due
from credits.payments.preview import Preview as Foreseen
from credits.payments.top_up import TopUp as Kept
from credits.payments.top_up import month_of
from credits.runtime.wire.shape import Answer, Id, Instant, Request, Seats

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2_000)]
BACK = "Where people come back to; by itself, where they upgrade."


class CheckoutRequest(Request):
    """A plan with its seats, or a pack. `confirmed`: the person has agreed to the price already, and a subscription
    that is there is changed at once, on the card that Stripe has."""

    plan: Id | None = None
    pack: Id | None = None
    seats: Seats = 1
    confirmed: bool = False
    return_url: Url | None = Field(default=None, description=BACK)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.plan is None) == (self.pack is None):
            raise ValueError("name a plan or a pack, and only one of them")
        if self.pack is not None and (self.seats != 1 or self.confirmed):
            raise ValueError("a pack has no seats, and is always paid in Checkout")
        return self


class PortalRequest(Request):
    """Where the customer portal opens; by itself, at its home."""

    flow: Flow | None = None
    return_url: Url | None = Field(default=None, description=BACK)


class SeatsRequest(Request):
    """How many seats the plan shall have."""

    seats: Seats


class Order(Answer):
    """What came of an order: a link to pay or to agree at, or what was done, or will be done at `effective_at`."""

    outcome: Outcome
    url: str | None
    expires_at: Instant | None
    plan: str | None
    seats: int | None
    pack: str | None
    effective_at: Instant | None

    @classmethod
    def of(cls, answer: Ordered) -> "Order":
        """The order as it is shown."""
        return cls(
            outcome=answer.outcome,
            url=answer.url,
            expires_at=to_text(answer.expires_at) if answer.expires_at else None,
            plan=answer.plan,
            seats=answer.seats,
            pack=answer.pack,
            effective_at=to_text(answer.at) if answer.at else None,
        )


class PortalSession(Answer):
    """A link to the customer portal, good for some minutes."""

    url: str


class TopUpRequest(Request):
    """Below `below` credits, buy `pack`, at most `at_most` times in a calendar month."""

    below: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    pack: Id
    at_most: Annotated[int, Field(strict=True, ge=1, le=100)]


class TopUp(Answer):
    """The automatic top-up. While it is paused it buys nothing: give another card in the portal, and set it again."""

    below: int
    pack: str
    at_most: int
    bought_this_month: int
    paused: str | None = Field(description="Why: `no_card`, or the bank's reason as Stripe puts it.")

    @classmethod
    def of(cls, top_up: Kept, now: datetime) -> "TopUp":
        """The top-up as it is shown."""
        return cls(
            below=top_up.below or 0,
            pack=top_up.pack,
            at_most=top_up.at_most,
            bought_this_month=top_up.bought_in(month_of(now)),
            paused=top_up.paused,
        )


class BillLine(Answer):
    """One line of an invoice; an amount may be negative."""

    description: str
    amount_cents: int


class Bill(Answer):
    """What would be paid, when, and for what."""

    amount_cents: int
    at: Instant
    lines: list[BillLine]

    @classmethod
    def of(cls, due: Due) -> "Bill":
        """The bill as it is shown."""
        lines = [BillLine(description=words, amount_cents=cents) for words, cents in due.lines]
        return cls(amount_cents=due.amount_cents, at=to_text(due.at), lines=lines)


class Brought(Answer):
    """The credits right after the change, beside those before it."""

    remaining_before: int
    remaining_after: int
    each_period: int = Field(description="What the plan gives each month from then on.")
    resets_at: Instant


class Preview(Answer):
    """What a change of plan or seats would cost and bring."""

    outcome: Outcome
    plan: str
    seats: int
    effective_at: Instant
    currency: str
    due_now: Bill | None
    due_next: Bill | None
    credits: Brought

    @classmethod
    def of(cls, preview: Foreseen, before: Book, catalog: Catalog, *, plan: str, seats: int) -> "Preview":
        """The preview as it is shown."""
        after = preview.account
        return cls(
            outcome=preview.outcome,
            plan=plan,
            seats=seats,
            effective_at=to_text(preview.at),
            currency=catalog.currency,
            due_now=Bill.of(preview.due_now) if preview.due_now else None,
            due_next=Bill.of(preview.due_next) if preview.due_next else None,
            credits=Brought(
                remaining_before=before.remaining,
                remaining_after=after.remaining,
                each_period=catalog.plans[plan].allocation(seats),
                resets_at=to_text(after.period.end),
            ),
        )
