"""Holds and their captures, as they are asked for and answered."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, RootModel, model_validator

from credits.domain.account import Account
from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry as LedgerEntry
from credits.domain.hold import Hold as Book
from credits.domain.hold import HoldStatus
from credits.domain.instant import to_text
from credits.ledger.read import charge_id
from credits.runtime.wire.charge import Balance, Charge
from credits.runtime.wire.entry import Entry
from credits.runtime.wire.shape import POLICIES, Answer, Id, Instant, Model, Quantity, Request, Text, Title

Credits = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
Lifetime = Annotated[int, Field(strict=True, ge=1, le=POLICIES.hold_longest_seconds)]
LIFETIME = f"Seconds from now. A hold lives {POLICIES.hold_longest_seconds} at most, extensions included."


class HoldRequest(Request):
    """Credits to set aside, for how long, and for what. The member is fixed here, for every capture."""

    credits: Credits
    expires_in: Lifetime | None = Field(
        default=None, description=f"{LIFETIME} Without it, {POLICIES.hold_default_seconds}."
    )
    member_id: Id | None = None
    conversation_id: Id | None = Field(default=None, description="Of the captures that name none.")
    description: Text | None = None


class ExtensionRequest(Request):
    """More credits for an open hold, a later expiry, or both."""

    credits: Credits | None = None
    expires_in: Lifetime | None = Field(default=None, description=f"{LIFETIME} It never makes a hold expire sooner.")

    @model_validator(mode="after")
    def _asks_for_something(self) -> "ExtensionRequest":
        if self.credits is None and self.expires_in is None:
            raise ValueError("give credits, expires_in, or both")
        return self


class CaptureRequest(Request):
    """One action, `quantity` times, paid from the hold. The member is the hold's."""

    action: Id
    quantity: Quantity = 1
    conversation_id: Id | None = None
    conversation_title: Title | None = None
    model: Model | None = None
    tool: Text | None = None
    description: Text | None = None

    def usage(self) -> Usage:
        """The same, for the rule."""
        return Usage(**self.model_dump())


class Hold(Answer):
    """A hold: what was set aside, what of it was spent, what can still be captured. The balance is its account's."""

    hold_id: str
    account_id: str
    status: HoldStatus
    credits: int
    captured: int
    remaining: int
    expires_at: Instant
    member_id: str | None
    conversation_id: str | None
    description: str | None
    balance: Balance

    @classmethod
    def of(cls, hold: Book, account: Account | LedgerEntry, now: datetime) -> "Hold":
        """The hold as of `now`, beside the balance of its account, or of the account's entry of that moment."""
        return cls(
            hold_id=hold.hold_id,
            account_id=hold.account_id,
            status=hold.status_at(now),
            credits=hold.credits,
            captured=hold.captured,
            remaining=0 if hold.is_over(now) else hold.remaining,
            expires_at=to_text(hold.expires_at),
            member_id=hold.member_id,
            conversation_id=hold.conversation_id,
            description=hold.description,
            balance=Balance(remaining=account.remaining, total=account.total),
        )


class HoldPage(Answer):
    """Open holds, the soonest to expire first, and where the next page begins; null at the end."""

    holds: list[Hold]
    cursor: str | None


class HoldLeft(Answer):
    """What a hold has spent and has left."""

    hold_id: str
    captured: int
    remaining: int

    @classmethod
    def of(cls, hold: Book) -> "HoldLeft":
        """The hold as an entry of its own left it."""
        return cls(hold_id=hold.hold_id, captured=hold.captured, remaining=hold.remaining)


class Capture(Answer):
    """A capture that was made. It says nothing of the account's balance, which it did not touch."""

    charge_id: str
    action: str
    quantity: int
    credits: int
    hold: HoldLeft
    entry: Entry

    @classmethod
    def of(cls, entry: LedgerEntry, hold: Book) -> "Capture":
        """The answer to a capture, from its entry and the hold that it left."""
        return cls(
            charge_id=charge_id(entry),
            action=entry.action or "",
            quantity=entry.quantity or 0,
            credits=-entry.credits,
            hold=HoldLeft.of(hold),
            entry=Entry.of(entry),
        )


class ChargeOrCapture(RootModel[Charge | Capture]):
    """What a charge id stands for."""


class Closed(Answer):
    """A hold that is over: what it spent, what came back, and the account's balance with that."""

    hold_id: str
    captured: int
    released: int = Field(description="Credits that came back and can be spent.")
    expired: int = Field(
        description="Credits that came back too late: their grant had expired, or its money had gone back."
    )
    balance: Balance

    @classmethod
    def of(cls, entries: tuple[LedgerEntry, ...]) -> "Closed":
        """The answer to a close, from the account's entries: the release, and what of it went at once."""
        release, last = entries[0], entries[-1]
        expired = -sum(entry.credits for entry in entries[1:])
        return cls(
            hold_id=release.hold_id or "",
            captured=-sum(draw.credits + draw.held for draw in release.draws),
            released=release.credits - expired,
            expired=expired,
            balance=Balance(remaining=last.remaining, total=last.total),
        )
