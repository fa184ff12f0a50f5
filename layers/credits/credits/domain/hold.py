"""The hold: a book of credits set aside, from which an agent run is paid without touching the account."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from credits.domain.account import GENESIS
from credits.domain.grant import Grant

HOLD_MARK = "#hold#"
"""Between the account's id and the hold's in the name of a hold's book. No id contains a `#`."""


class HoldStatus(StrEnum):
    """Whether a hold can be captured; and if not, whether somebody closed it or its time ran out."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold at one instant.

    - `hold_id` is the Idempotency-Key that opened it.
    - `grants` are its parts of the account's grants, under their ids: `credits` were set aside of each, `remaining` can
      still be captured. Until the hold is over the account keeps all of `credits` as held; then it has no parts.
    - `credits` were set aside in all, and `captured` of them spent, refunds taken off.
    - `plan` and `member_id` are fixed at opening, and decide what captures may do.
    - `counted` credits of it are in the member's count of the period that begins at `counted_from`.
    - `seq`, `head` and `at` are those of the last entry; `version` counts commits and belongs to the store.
    """

    account_id: str
    hold_id: str
    opened_at: datetime
    expires_at: datetime
    plan: str
    member_id: str | None = None
    conversation_id: str | None = None
    description: str | None = None
    status: HoldStatus = HoldStatus.OPEN
    grants: tuple[Grant, ...] = ()
    credits: int = 0
    captured: int = 0
    counted: int = 0
    counted_from: datetime | None = None
    at: datetime
    seq: int = 0
    head: str = GENESIS
    version: int = 0

    @property
    def book_id(self) -> str:
        """The name of this book in the ledger."""
        return hold_book(self.account_id, self.hold_id)

    @property
    def remaining(self) -> int:
        """Credits that can still be captured; none once it is over."""
        return sum(part.remaining for part in self.grants)

    @property
    def open(self) -> bool:
        """Not settled with its account yet. Its time may have run out all the same: see `is_over`."""
        return self.status is HoldStatus.OPEN

    def due_at(self) -> datetime:
        """The next instant at which time itself changes this book, while it is open."""
        return self.expires_at

    def is_over(self, now: datetime) -> bool:
        """Whether it can be captured no more: settled, or expired by `now`, whether that is written down or not."""
        return not self.open or max(now, self.at) >= self.expires_at

    def status_at(self, now: datetime) -> HoldStatus:
        """Its status as of `now`."""
        return HoldStatus.EXPIRED if self.open and self.is_over(now) else self.status


def hold_book(account_id: str, hold_id: str) -> str:
    """The name of a hold's book."""
    return f"{account_id}{HOLD_MARK}{hold_id}"
