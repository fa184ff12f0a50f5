"""Ledger entries: one immutable line for each thing that happened to a book, chained by hash."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from credits.domain.account import Account, CreditWarning, Standing
from credits.domain.grant import Draw


class EntryKind(StrEnum):
    """What happened. A kind that gives credits has the name of the grant it gives."""

    OPENED = "opened"
    CHARGE = "charge"
    ALLOCATION = "allocation"
    PRORATION = "proration"
    CARRYOVER = "carryover"
    PACK = "pack"
    PROMOTION = "promotion"
    ADJUSTMENT = "adjustment"
    EXPIRY = "expiry"
    REVOCATION = "revocation"
    FREEZE = "freeze"
    THAW = "thaw"
    CONFIRMATION = "confirmation"
    PERIOD = "period"
    PLAN_CHANGE = "plan_change"
    STANDING = "standing"


class ChangeStatus(StrEnum):
    """How far a change of plan or seats has come: done, waiting for its date, or called off before it."""

    APPLIED = "applied"
    PENDING = "pending"
    CALLED_OFF = "called_off"


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What a change of plan or seats changes. `at` is when it applies, or would have applied had it not been called
    off."""

    from_plan: str
    from_seats: int
    to_plan: str
    to_seats: int
    at: datetime
    status: ChangeStatus = ChangeStatus.APPLIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a book.

    - `key` is unique in the book for ever: what makes a request, an allocation or an expiry happen once.
    - `credits` is signed, and is the sum of its `draws`; `remaining`, `total` and `warning` are those after it.
    - `alert` names the warning line that was crossed with this entry, once for each crossing.
    - `change` is there where the entry changes plan or seats, announces such a change, or calls it off.
    - `standing_before` is there where the entry changes what payment allows; `after` has the new standing.
    - `shortfall` are credits that were to be taken or frozen and had been spent: they are not in the draws.
    - `after` is the whole account after it, so that any past instant can be read from a single entry.
    - `lines` is how many entries the same key wrote (a batch): this one, and `key#01` … after it.
    - `hash` covers every other field and, through `prev_hash`, every entry before.
    """

    book_id: str
    account_id: str
    key: str
    kind: EntryKind
    at: datetime
    seq: int
    credits: int
    draws: tuple[Draw, ...] = ()
    remaining: int
    total: int
    warning: CreditWarning | None = None
    alert: CreditWarning | None = None
    action: str | None = None
    quantity: int | None = None
    conversation_id: str | None = None
    conversation_title: str | None = None
    member_id: str | None = None
    model: str | None = None
    tool: str | None = None
    description: str | None = None
    change: PlanChange | None = None
    standing_before: Standing | None = None
    shortfall: int = 0
    after: Account
    catalog_version: str
    lines: int = 1
    fingerprint: str | None = None
    prev_hash: str = ""
    hash: str = ""


def line_key(key: str, index: int) -> str:
    """The key of line `index` of what `key` wrote: the first line carries the key itself, so that the key is taken."""
    return key if index == 0 else f"{key}#{index:02d}"


def owns(key: str, entry: Entry) -> bool:
    """Whether the entry was written under `key`, as its first line or a further one."""
    return entry.key == key or entry.key.startswith(f"{key}#")
