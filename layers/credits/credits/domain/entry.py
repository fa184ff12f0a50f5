"""Ledger entries: one immutable line for each thing that happened to a book, chained by hash."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from credits.domain.account import Account, CreditWarning, Standing
from credits.domain.grant import Draw
from credits.domain.hold import Hold


class EntryKind(StrEnum):
    """What happened. A kind that gives credits has the name of the grant it gives."""

    OPENED = "opened"
    CHARGE = "charge"
    HOLD = "hold"
    EXTENSION = "extension"
    CAPTURE = "capture"
    RELEASE = "release"
    REFUND = "refund"
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
    METER = "meter"
    MEMBER = "member"
    TOP_UP = "top_up"


CHARGES = frozenset({EntryKind.CHARGE, EntryKind.CAPTURE})
"""What people did, paid for by the account or by a hold: it has a charge id."""


SHARED = frozenset({EntryKind.HOLD, EntryKind.EXTENSION, EntryKind.RELEASE})
"""What is written into an account's book and a hold's at once, under one key."""


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


@dataclass(frozen=True, slots=True)
class Corrected:
    """The entry that another one corrects: where it is, and when it happened."""

    book_id: str
    key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry[B: Account | Hold = Account]:
    """One line of a book: of an account's, as `Entry` alone says, or of a hold's.

    - `key` is unique in the book for ever: what makes a request, an allocation or an expiry happen once. What moves
      credits between an account and a hold is an entry in each, under one key.
    - `credits` is signed, and is the sum of its `draws`; `remaining`, `total` and `warning` are those after it.
    - `alert` names the warning line that was crossed with this entry, once for each crossing.
    - `change` is there where the entry changes plan or seats, announces such a change, or calls it off.
    - `standing_before` is there where the entry changes what payment allows; `after` has the new standing.
    - `shortfall` are credits that were to be taken, frozen or given back, and were spent or held (of those that are to
      be given back: had not been taken): they are not in the draws.
    - `calls_for` is `top_up` where the balance came below the account's own line for it, once for each crossing.
    - `after` is the whole book after it, so that any past instant can be read from a single entry.
    - `hold_id` is the hold in whose book it stands, or which it opens, extends or closes.
    - `corrects` names the entry that this one takes back, in whole or in part.
    - `member_used` is the count of the member it names, after it; None for somebody who is no member.
    - `by` is the operator who asked for it, and `forced` that the balance did not cover it.
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
    hold_id: str | None = None
    model: str | None = None
    tool: str | None = None
    description: str | None = None
    change: PlanChange | None = None
    standing_before: Standing | None = None
    shortfall: int = 0
    calls_for: str | None = None
    corrects: Corrected | None = None
    member_used: int | None = None
    by: str | None = None
    forced: bool = False
    after: B
    catalog_version: str
    lines: int = 1
    fingerprint: str | None = None
    prev_hash: str = ""
    hash: str = ""


type AnyEntry = Entry[Account | Hold]
"""An entry of an account's book or of a hold's."""


def mirrors(entry: AnyEntry) -> bool:
    """Whether it is a hold's half of what the account's entry tells as well: people need to see only one."""
    return entry.kind in SHARED and entry.book_id != entry.account_id


def line_key(key: str, index: int) -> str:
    """The key of line `index` of what `key` wrote: the first line carries the key itself, so that the key is taken."""
    return key if index == 0 else f"{key}#{index:02d}"


def owns(key: str, entry: AnyEntry) -> bool:
    """Whether the entry was written under `key`, as its first line or a further one."""
    return entry.key == key or entry.key.startswith(f"{key}#")
