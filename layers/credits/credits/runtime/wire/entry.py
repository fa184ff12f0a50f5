"""Ledger entries, as they are shown."""

from typing import Literal

from pydantic import Field

from credits.domain.account import Standing
from credits.domain.entry import CHARGES, ChangeStatus, EntryKind
from credits.domain.entry import AnyEntry as LedgerEntry
from credits.domain.entry import PlanChange as LedgerPlanChange
from credits.domain.grant import GrantKind
from credits.domain.instant import to_text
from credits.ledger.read import charge_id, charge_name
from credits.runtime.wire.shape import Answer, Instant

WarningName = Literal["low", "exhausted"]


class Draw(Answer):
    """What the entry moved in one grant, all signed: `credits` can be spent, `held` are set aside for holds, `frozen`
    wait for a payment or a dispute."""

    grant_id: str
    kind: GrantKind
    credits: int
    held: int
    frozen: int


class PlanChange(Answer):
    """A change of plan or seats that the entry makes, announces, or calls off."""

    from_plan: str
    from_seats: int
    to_plan: str
    to_seats: int
    at: Instant = Field(description="When it applies; of one that was called off, when it would have.")
    status: ChangeStatus

    @classmethod
    def of(cls, change: LedgerPlanChange) -> "PlanChange":
        """The change as it is shown."""
        return cls(
            from_plan=change.from_plan,
            from_seats=change.from_seats,
            to_plan=change.to_plan,
            to_seats=change.to_seats,
            at=to_text(change.at),
            status=change.status,
        )


class Entry(Answer):
    """One line of the ledger. `credits` is signed: negative for credits that left."""

    seq: int = Field(description="Its place in the book: 1, 2, 3 … without gaps.")
    key: str = Field(description="What it was done under, once for ever.")
    kind: EntryKind
    at: Instant
    credits: int
    remaining: int = Field(description="Credits left after it.")
    total: int
    warning: WarningName | None
    alert: WarningName | None = Field(description="The warning line that was crossed with it.")
    charge_id: str | None
    action: str | None
    quantity: int | None
    conversation_id: str | None
    conversation_title: str | None
    member_id: str | None
    hold_id: str | None = Field(description="The hold in whose book it stands, or which it opens, extends or closes.")
    model: str | None
    tool: str | None
    description: str | None
    change: PlanChange | None
    standing_before: Standing | None = Field(description="What payment allowed before it, where it changes that.")
    shortfall: int = Field(description="Credits that were to be taken or frozen, and had been spent before.")
    corrects: str | None = Field(
        description="The `charge_id` of the charge it takes back, in whole or in part; of a pack that comes back since "
        "a refund of its money failed, the `key` of the entry that took it."
    )
    by: str | None = Field(description="The operator who asked for it.")
    forced: bool = Field(description="The balance did not cover it, and it was made all the same.")
    draws: list[Draw]
    catalog_version: str
    prev_hash: str
    hash: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Entry":
        """The entry as it is shown."""
        return cls(
            seq=entry.seq,
            key=entry.key,
            kind=entry.kind,
            at=to_text(entry.at),
            credits=entry.credits,
            remaining=entry.remaining,
            total=entry.total,
            warning=entry.warning and entry.warning.value,
            alert=entry.alert and entry.alert.value,
            charge_id=charge_id(entry) if entry.kind in CHARGES else None,
            action=entry.action,
            quantity=entry.quantity,
            conversation_id=entry.conversation_id,
            conversation_title=entry.conversation_title,
            member_id=entry.member_id,
            hold_id=entry.hold_id,
            model=entry.model,
            tool=entry.tool,
            description=entry.description,
            change=PlanChange.of(entry.change) if entry.change else None,
            standing_before=entry.standing_before,
            shortfall=entry.shortfall,
            corrects=_corrected(entry),
            by=entry.by,
            forced=entry.forced,
            draws=[
                Draw(grant_id=draw.grant_id, kind=draw.kind, credits=draw.credits, held=draw.held, frozen=draw.frozen)
                for draw in entry.draws
            ],
            catalog_version=entry.catalog_version,
            prev_hash=entry.prev_hash,
            hash=entry.hash,
        )


def _corrected(entry: LedgerEntry) -> str | None:
    if entry.corrects is None:
        return None
    place, key = entry.corrects.book_id, entry.corrects.key
    return charge_name(place, key) if entry.kind is EntryKind.REFUND else key


class EntryPage(Answer):
    """Entries, newest first, and where the next page begins; null at the end."""

    entries: list[Entry]
    cursor: str | None
