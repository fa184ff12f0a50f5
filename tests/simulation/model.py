"""The oracle: an account as a person with pencil and paper would keep it, written from the product's rules alone.

It shares nothing with `credits.domain` but the catalog's figures: another calendar, another order of work, mutable and
slow where that is plainer. What the ledger wrote is right where both come to the same lines.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from tests.moves import CATALOG

FROM_THE_PLAN = ("allocation", "proration", "carryover")
NEVER = datetime.max.replace(tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Refused(Exception):
    """The rules say no; `code` is what the caller is told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Line(NamedTuple):
    """One line of the book: what happened and when, what it moved, what was left, and the alert it set off."""

    kind: str
    at: datetime
    credits: int
    remaining: int
    total: int
    alert: str | None = None


@dataclass(slots=True)
class Lot:
    """Credits that came together."""

    kind: str
    given: int
    left: int
    until: datetime | None


class Plain:
    """One account's book. `lines` are those written since it was copied; `own` are those of the request itself."""

    def __init__(self, opened_at: datetime) -> None:
        self.opened_at = opened_at
        self.at = opened_at
        self.plan = "free"
        self.seats = 1
        self.anchor = opened_at
        self.number = 0
        self.pending: tuple[str, int, datetime] | None = None
        self.lots: list[Lot] = []
        self.used = 0
        self.free_month_given = -1
        self.told_low = False
        self.told_exhausted = False
        self.lines: list[Line] = []
        self._own = slice(0)

    @classmethod
    def opened(cls, now: datetime) -> "Plain":
        """A new account, on Free, with its first 300."""
        book = cls(now)
        book._write("opened", now, 0)
        book._begin(0, now)
        book._own = slice(1)
        return book._finished()

    def copied(self) -> "Plain":
        """The same book with no lines yet."""
        book = copy.copy(self)
        book.lots = [Lot(lot.kind, lot.given, lot.left, lot.until) for lot in self.lots]
        book.lines = []
        book._own = slice(0)
        return book

    # Figures

    @property
    def own(self) -> tuple[Line, ...]:
        return tuple(self.lines[self._own])

    @property
    def remaining(self) -> int:
        return sum(lot.left for lot in self.lots)

    @property
    def total(self) -> int:
        return self.remaining + self.used

    @property
    def ends(self) -> datetime:
        """When the period is over."""
        return _boundary(self.anchor, self.number + 1)

    def next_instant(self) -> datetime:
        """When time itself does something to this book."""
        return min([self.ends, *(lot.until for lot in self.lots if lot.until)])

    # What is asked for

    def charge(self, now: datetime, lines: Sequence[tuple[str, int]], model: str | None) -> "Plain":
        """Everything in one go, or Refused."""
        self.pass_time(now)
        if any(action not in CATALOG.actions for action, _ in lines):
            raise Refused("invalid_request")
        if self.plan == "free" and model not in (None, "gpt-5.1"):
            raise Refused("not_in_plan")
        prices = [CATALOG.actions[action].credits * quantity for action, quantity in lines]
        if sum(prices) > self.remaining:
            raise Refused("insufficient_credits" if self.remaining else "credits_exhausted")
        for price in prices:
            self._take(price)
            self.used += price
            self._write("charge", now, -price)
        self._own = slice(-len(lines), None)
        return self._finished()

    def give(self, now: datetime, kind: str, credits: int, until: datetime | None) -> "Plain":
        """Credits by hand."""
        self.pass_time(now)
        if until and until <= max(now, self.at):
            raise Refused("invalid_request")
        if len([lot for lot in self.lots if lot.kind not in FROM_THE_PLAN]) >= 15:
            raise Refused("too_many_grants")
        self.lots.append(Lot(kind, credits, credits, until))
        self._own_line(kind, now, credits)
        return self._finished()

    def change_plan(self, now: datetime, plan: str, seats: int) -> "Plain":
        """More: at once. Less: at the period's end. The same: a change that waits is called off."""
        self.pass_time(now)
        now = max(now, self.at)
        has, wants = (CATALOG.plans[name].credits * count for name, count in ((self.plan, self.seats), (plan, seats)))
        change = (plan, seats, self.ends)
        if (plan, seats) == (self.plan, self.seats):
            if self.pending:
                self.pending = None
                self._own_line("plan_change", now, 0)
        elif wants > has and plan == self.plan:
            self.seats, self.pending = seats, None
            self._own_line("proration", now, self._prorate(now, wants - has))
        elif wants > has:
            for lot in self.lots:
                if lot.kind in FROM_THE_PLAN:
                    lot.kind = "carryover"
            self.plan, self.seats, self.pending = plan, seats, None
            self.anchor = max(now, self.anchor + MILLISECOND)
            self._begin(0, now)
            self._own_line("plan_change", now, 0)
        elif self.pending != change:
            self.pending = change
            self._own_line("plan_change", now, 0)
        return self._finished()

    def renew(self, now: datetime) -> "Plain":
        """Nothing but the time."""
        self.pass_time(now)
        return self._finished()

    # What time does

    def pass_time(self, now: datetime) -> None:
        """Lots run out, a change that waits comes to its date, a period ends; each at its own instant, in that order
        where they meet."""
        now = max(now, self.at)
        while True:
            happens: list[tuple[datetime, int, int]] = [
                (lot.until, 0, index) for index, lot in enumerate(self.lots) if lot.until and lot.until <= now
            ]
            if self.pending and self.pending[2] <= now:
                happens.append((self.pending[2], 1, 0))
            if self.ends <= now:
                number = self.number
                while _boundary(self.anchor, number + 1) <= now:
                    number += 1
                happens.append((_boundary(self.anchor, number), 2, number))
            if not happens:
                return
            at, what, which = min(happens)
            if what == 0:
                lot = self.lots.pop(which)
                self._write("expiry", at, -lot.left)
            elif what == 1:
                self._apply_pending(at, now)
            else:
                self._begin(which, at)

    def _apply_pending(self, at: datetime, now: datetime) -> None:
        assert self.pending
        self.plan, self.seats, _ = self.pending
        self.pending = None
        if self.plan != "free":
            self._write("plan_change", at, 0)
            return
        self.anchor = self.opened_at
        self.number = 0
        while self.ends <= at:
            self.number += 1
        self._write("plan_change", at, 0)
        if now < self.ends:
            self._begin(self.number, at)

    def _begin(self, number: int, at: datetime) -> None:
        self.number = number
        self.used = 0
        if self.plan == "free":
            if number <= self.free_month_given:
                self._write("period", at, 0)
                return
            self.free_month_given = number
        credits = CATALOG.plans[self.plan].credits * self.seats
        self.lots.append(Lot("allocation", credits, credits, self.ends))
        self._write("allocation", at, credits)

    # Bookkeeping

    def _take(self, credits: int) -> None:
        """Soonest to run out first, then those that stay; bought last; then the older."""
        while credits:
            _, index = min(
                ((lot.until or NEVER, lot.kind == "pack"), index) for index, lot in enumerate(self.lots) if lot.left
            )
            part = min(credits, self.lots[index].left)
            self.lots[index].left -= part
            credits -= part
        self.lots = [lot for lot in self.lots if lot.left]

    def _prorate(self, now: datetime, added: int) -> int:
        """The share of `added` credits a month for what is left of the period, rounded up, as a lot of the period."""
        start = _boundary(self.anchor, self.number)
        share = ceil(added * Fraction((self.ends - now) // MILLISECOND, (self.ends - start) // MILLISECOND))
        for lot in self.lots:
            if lot.kind == "proration" and lot.until == self.ends:
                lot.given += share
                lot.left += share
                return share
        self.lots.append(Lot("proration", share, share, self.ends))
        return share

    def _own_line(self, kind: str, at: datetime, credits: int) -> None:
        self._write(kind, at, credits)
        self._own = slice(-1, None)

    def _write(self, kind: str, at: datetime, credits: int) -> None:
        self.at = max(self.at, at)
        remaining = self.remaining
        self.told_low = self.told_low and remaining <= 10
        self.told_exhausted = self.told_exhausted and remaining == 0
        self.lines.append(Line(kind, self.at, credits, remaining, remaining + self.used))

    def _finished(self) -> "Plain":
        """The commit ends here: at most one alert, on its last line."""
        if not self.lines:
            return self
        if self.remaining == 0 and not self.told_exhausted:
            self.told_low = self.told_exhausted = True
            self.lines[-1] = self.lines[-1]._replace(alert="exhausted")
        elif self.remaining <= 10 and not self.told_low:
            self.told_low = True
            self.lines[-1] = self.lines[-1]._replace(alert="low")
        return self


def _boundary(anchor: datetime, months: int) -> datetime:
    """The anchor's day of the month so many months later, or the nearest earlier day that the month has."""
    year, month = anchor.year + (anchor.month - 1 + months) // 12, (anchor.month - 1 + months) % 12 + 1
    day = anchor.day
    while True:
        try:
            return anchor.replace(year=year, month=month, day=day)
        except ValueError:
            day -= 1
