"""Notices: what the product hears of an entry. Pure, so the same entry is always the same notices under the same ids.

A notice is a fact about one account at one entry. Which entries speak, and of what:

- an `alert`: `credits.low` or `credits.exhausted`, once for each crossing;
- an allocation: `credits.renewed`; any other grant: `credits.granted`;
- a `change`: `plan.changed`, or `seats.changed` where the plan stays. A change that waits for its date is told twice:
  when it is announced (`pending`) and when it is `applied`. One that is given up before that is told as `called_off`;
- a standing that came to past due: `payment.past_due`; one that came back from there, or from unpaid, to where credits
  can be spent: `payment.recovered`;
- what calls for a top-up: `credits.top_up_due`, once for each crossing of the account's own line.

All other entries, ordinary charges among them, say nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from credits.domain.account import Account, CreditWarning, Standing
from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.instant import to_text
from credits.domain.journal import TOP_UP

VERSION = "1"
"""The version of every notice's shape. A field may be added to it; a change that could break a reader is version 2."""

ID_DIGITS = 32


class NoticeType(StrEnum):
    """What a notice tells of."""

    CREDITS_LOW = "credits.low"
    CREDITS_EXHAUSTED = "credits.exhausted"
    CREDITS_RENEWED = "credits.renewed"
    CREDITS_GRANTED = "credits.granted"
    PLAN_CHANGED = "plan.changed"
    SEATS_CHANGED = "seats.changed"
    PAYMENT_PAST_DUE = "payment.past_due"
    PAYMENT_RECOVERED = "payment.recovered"
    TOP_UP_DUE = "credits.top_up_due"


ALERTS = {CreditWarning.LOW: NoticeType.CREDITS_LOW, CreditWarning.EXHAUSTED: NoticeType.CREDITS_EXHAUSTED}
GIVEN = frozenset({EntryKind.PRORATION, EntryKind.CARRYOVER, EntryKind.PACK, EntryKind.PROMOTION, EntryKind.ADJUSTMENT})
DUNNED = frozenset({Standing.PAST_DUE, Standing.UNPAID})
PAYING = frozenset({Standing.ACTIVE, Standing.TRIALING})


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.

    - `id` is the same however often it is delivered: of the book, the entry's `seq` and the type.
    - `seq` is the entry's place in its book: of two notices about an account, the higher is the later.
    - `at` is when it happened, however late it is told.
    - `data` holds text, whole numbers and None: the account as the entry left it, and what is the type's own.
    """

    id: str
    type: NoticeType
    account_id: str
    seq: int
    at: datetime
    data: Mapping[str, Any]
    version: str = VERSION

    def to_record(self) -> dict[str, Any]:
        """The notice as it is sent, in plain JSON values."""
        return {
            "version": self.version,
            "id": self.id,
            "type": self.type.value,
            "account_id": self.account_id,
            "seq": self.seq,
            "at": to_text(self.at),
            "data": dict(self.data),
        }


def notices(entry: AnyEntry) -> tuple[Notice, ...]:
    """Everything the product hears of this entry, at most one notice of each type. Entries of a hold say nothing."""
    account = entry.after
    if not isinstance(account, Account):
        return ()
    standing = {
        "remaining": entry.remaining,
        "total": entry.total,
        "plan": account.plan,
        "seats": account.seats,
        "resets_at": to_text(account.period.end),
    }
    return tuple(
        Notice(_id(entry, kind), kind, entry.account_id, entry.seq, entry.at, standing | facts)
        for kind, facts in _facts(entry, account)
    )


def _facts(entry: AnyEntry, account: Account) -> Iterator[tuple[NoticeType, dict[str, Any]]]:
    """The types that the entry calls for, in the order in which they are read best, and what each says of its own."""
    if change := entry.change:
        yield (
            NoticeType.SEATS_CHANGED if change.from_plan == change.to_plan else NoticeType.PLAN_CHANGED,
            {
                "status": change.status.value,
                "from_plan": change.from_plan,
                "from_seats": change.from_seats,
                "to_plan": change.to_plan,
                "to_seats": change.to_seats,
                "effective_at": to_text(change.at),
            },
        )
    before, after = entry.standing_before, account.standing
    if before and after is Standing.PAST_DUE:
        ends_at = account.grace_ends_at
        yield NoticeType.PAYMENT_PAST_DUE, {"grace_ends_at": to_text(ends_at) if ends_at else None}
    if before in DUNNED and after in PAYING:
        yield NoticeType.PAYMENT_RECOVERED, {}
    if entry.kind is EntryKind.ALLOCATION:
        yield NoticeType.CREDITS_RENEWED, {"period": account.period_number} | _grant(entry)
    elif entry.kind in GIVEN and entry.credits > 0:
        yield NoticeType.CREDITS_GRANTED, {"reason": entry.description} | _grant(entry)
    if entry.alert:
        yield ALERTS[entry.alert], {}
    if entry.calls_for == TOP_UP:
        yield NoticeType.TOP_UP_DUE, {"below": account.top_up_below}


def _grant(entry: AnyEntry) -> dict[str, Any]:
    """What an entry that gives credits gave."""
    (draw,) = entry.draws
    return {
        "grant_id": draw.grant_id,
        "kind": draw.kind.value,
        "credits": draw.credits,
        "expires_at": to_text(draw.expires_at) if draw.expires_at else None,
    }


def _id(entry: AnyEntry, kind: NoticeType) -> str:
    """Opaque and without a dot: Standard Webhooks signs ids with dots around them."""
    name = f"{entry.book_id}#{entry.seq}#{kind.value}"
    return f"evt_{sha256(name.encode()).hexdigest()[:ID_DIGITS]}"
