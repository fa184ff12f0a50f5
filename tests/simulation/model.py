"""The oracle: an account as a person with pencil and paper would keep it, written from the product's rules alone.

It shares nothing with `credits.domain` but the catalog's figures: another calendar, another order of work, mutable and
slow where that is plainer. What the ledger wrote is right where both come to the same lines.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from tests.moves import CATALOG

FROM_THE_PLAN = ("allocation", "proration", "carryover")
BY_HAND = ("promotion", "adjustment")
NEVER = datetime.max.replace(tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Refused(Exception):
    """The rules say no; `code` is what the caller is told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Line(NamedTuple):
    """One line of the account's book, or of a hold's: what happened and when, what it moved, what was left, and the
    alert it set off. Lines sort as a reader is shown them."""

    at: datetime
    seq: int
    hold: str
    kind: str
    credits: int
    remaining: int
    total: int
    alert: str | None = None


@dataclass(slots=True)
class Lot:
    """Credits that came together, or a hold's part of such: `left` can be spent, `held` is in holds, `frozen` waits for
    a dispute. `number` tells how old it is. Of what is held, `recalled` goes when it comes back. Of a pack whose money
    went back, `missing` could not be taken."""

    number: int
    kind: str
    given: int
    left: int
    until: datetime | None
    held: int = 0
    frozen: int = 0
    recalled: int = 0
    missing: int = 0


class Drawn(NamedTuple):
    """What was taken of one lot."""

    number: int
    kind: str
    until: datetime | None
    credits: int


class Charged(NamedTuple):
    """A charge, or a capture of a hold, as a refund needs it. `used_in` and `member_in` are when the counts began that
    it is in: a capture is used in that of its hold's close, and no count has what a stranger spends."""

    action: str
    credits: int
    used_in: datetime | None
    member_in: datetime | None
    member: str | None
    hold: str | None
    drawn: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A member: what they may spend a period, and what they did since `counted_from`."""

    cap: int | None
    used: int
    counted_from: datetime
    removed: bool = False


@dataclass(slots=True)
class Aside:
    """A hold: its parts of the account's lots, of which `given` was set aside and `left` can be captured."""

    opened_at: datetime
    until: datetime
    plan: str
    member: str | None
    parts: list[Lot]
    at: datetime
    credits: int = 0
    captured: int = 0
    counted: int = 0
    counted_from: datetime | None = None
    member_in: datetime | None = None
    closed_in: datetime | None = None
    lines: int = 0
    closed: bool = False
    ran_out: bool = False

    def copied(self) -> "Aside":
        return replace(self, parts=_copies(self.parts))

    @property
    def left(self) -> int:
        return sum(part.left for part in self.parts)

    @property
    def status(self) -> str:
        """As it is written down: one whose time is over stays open until somebody closes it."""
        if not self.closed:
            return "open"
        return "expired" if self.ran_out else "closed"

    def is_over(self, now: datetime) -> bool:
        return self.closed or max(now, self.at) >= self.until


class Plain:
    """One account's book, with its holds and its members. `lines` are those written since it was copied, the account's
    and its holds'; `own` are those of the request itself, in the book that has its key."""

    def __init__(self, opened_at: datetime) -> None:
        self.opened_at = opened_at
        self.at = opened_at
        self.plan = "free"
        self.seats = 1
        self.anchor = opened_at
        self.number = 0
        self.counts_from = opened_at
        self.pending: tuple[str, int, datetime] | None = None
        self.lots: list[Lot] = []
        self.lots_ever = 0
        self.used = 0
        self.owed = 0
        self.words = 0
        self.workflows = 0
        self.holds: dict[str, Aside] = {}
        self.people: dict[str, Person] = {}
        self.charged: dict[str, Charged] = {}
        self.packs: dict[str, int] = {}
        self.paid_back: dict[str, tuple[str, int]] = {}
        self.entries = 0
        self.free_month_given = -1
        self.told_low = False
        self.told_exhausted = False
        self.lines: list[Line] = []
        self._own: list[int] = []
        self._last: int | None = None

    @classmethod
    def opened(cls, now: datetime) -> "Plain":
        """A new account, on Free, with its first 300."""
        book = cls(now)
        book._write("opened", now, 0)
        book._begin(0, now)
        book._own = [0]
        return book._finished()

    def copied(self) -> "Plain":
        """The same book with no lines yet."""
        book = copy.copy(self)
        book.lots = _copies(self.lots)
        book.holds = dict(self.holds)
        book.people = dict(self.people)
        book.charged = dict(self.charged)
        book.packs = dict(self.packs)
        book.paid_back = dict(self.paid_back)
        book.lines = []
        book._own = []
        book._last = None
        return book

    # Figures

    @property
    def own(self) -> tuple[Line, ...]:
        return tuple(self.lines[index] for index in self._own)

    @property
    def remaining(self) -> int:
        return sum(lot.left for lot in self.lots)

    @property
    def held(self) -> int:
        return sum(lot.held for lot in self.lots)

    @property
    def total(self) -> int:
        return self.remaining + self.held + sum(lot.frozen for lot in self.lots) + self.used

    @property
    def ends(self) -> datetime:
        """When the period is over."""
        return _boundary(self.anchor, self.number + 1)

    def next_instant(self) -> datetime:
        """When time itself does something to this book."""
        return min(
            [
                self.ends,
                *(lot.until for lot in self.lots if lot.until and lot.left),
                *(hold.until for hold in self.holds.values() if not hold.closed),
            ]
        )

    # What is asked for

    def charge(
        self, now: datetime, lines: Sequence[tuple[str, int, str | None]], model: str | None, charge_id: str
    ) -> "Plain":
        """Everything in one go, or Refused. Each line is (action, quantity, member)."""
        self.pass_time(now)
        if any(action not in CATALOG.actions for action, _, _ in lines):
            raise Refused("invalid_request")
        _require_in_plan(self.plan, model)
        prices = [CATALOG.actions[action].credits * quantity for action, quantity, _ in lines]
        self._require(sum(prices))
        for index, ((action, _, member), price) in enumerate(zip(lines, prices, strict=True)):
            person = self._count(member, price)
            drawn = self._take(self.lots, price)
            self._drop_empty()
            self.used += price
            self._own_line("charge", now, -price)
            name = f"{charge_id}~{index:02d}" if index else charge_id
            self.charged[name] = Charged(
                action, price, self.counts_from, person.counted_from if person else None, member, None, drawn
            )
        return self._finished()

    def open_hold(self, now: datetime, hold_id: str, credits: int, seconds: int | None, member: str | None) -> "Plain":
        """Credits set aside, for an hour where nothing else is said, for a day at most."""
        self.pass_time(now)
        now = max(now, self.at)
        until = now + timedelta(seconds=seconds or 3_600)
        hold = Aside(now, until, self.plan, member, [], now)
        hold.member_in = self.counts_from if self._is_counted(member) else None
        return self._more_aside(now, "hold", hold_id, hold, credits, until)

    def extend_hold(self, now: datetime, hold_id: str, credits: int, seconds: int | None) -> "Plain":
        """More of them, or for longer."""
        hold = self._hold(hold_id)
        self.pass_time(now)
        now = max(now, self.at, hold.at)
        if hold.is_over(now):
            raise Refused("hold_closed")
        until = now + timedelta(seconds=seconds) if seconds else hold.until
        return self._more_aside(now, "extension", hold_id, hold, credits, max(until, hold.until), until)

    def capture(
        self, now: datetime, hold_id: str, action: str, quantity: int, model: str | None, charge_id: str
    ) -> "Plain":
        """One action out of a hold, of which the account hears nothing yet."""
        hold = self._hold(hold_id)
        if action not in CATALOG.actions:
            raise Refused("invalid_request")
        if hold.is_over(now):
            raise Refused("hold_closed")
        _require_in_plan(hold.plan, model)
        price = CATALOG.actions[action].credits * quantity
        if price > hold.left:
            raise Refused("hold_exhausted")
        drawn = self._take(hold.parts, price)
        hold.captured += price
        self._hold_line("capture", now, hold_id, hold, -price)
        self._own = [-1]
        self.charged[charge_id] = Charged(action, price, None, hold.member_in, hold.member, hold_id, drawn)
        return self

    def close_hold(self, now: datetime, hold_id: str) -> "Plain":
        """What was captured is spent, the rest goes back; into a lot that has run out since, it is gone at once."""
        hold = self._hold(hold_id)
        if hold.closed:
            raise Refused("hold_closed")
        hold.ran_out = hold.is_over(now)
        self.pass_time(now)
        now = max(now, self.at, hold.at)
        parts = {part.number: part for part in hold.parts}
        gone = []
        called = []
        for lot in self.lots:
            if part := parts.get(lot.number):
                lot.held -= part.given
                lot.left += part.left
                if part.left and lot.until and lot.until <= now:
                    gone.append((lot, part.left))
                if back := min(lot.recalled, part.left):
                    called.append((lot, back))
                lot.recalled = min(lot.recalled - back, lot.held)
        rest = hold.left
        self.used += hold.captured
        self._count(hold.member, -min(rest, hold.counted) if hold.counted_from == self.counts_from else 0)
        hold.closed_in = self.counts_from
        self._drop_empty()
        self._own_line("release", now, rest)
        for kind, lost in (("expiry", gone), ("revocation", called)):
            if lost:
                for lot, credits in lost:
                    lot.left -= credits
                    lot.missing -= credits if kind == "revocation" else 0
                self._drop_empty()
                self._own_line(kind, now, -sum(credits for _, credits in lost))
        hold.parts = []
        hold.closed = True
        self._hold_line("release", now, hold_id, hold, -rest)
        return self._finished()

    def refund(self, now: datetime, charge_id: str, credits: int | None) -> "Plain":
        """A charge given back, all of it or a part: to its hold while that is open, else to where it came from."""
        charged = self._refundable(charge_id, credits)
        credits = credits or charged.credits
        back: list[Drawn] = []
        left = credits
        for drawn in reversed(charged.drawn):
            back.append(drawn._replace(credits=min(left, drawn.credits)))
            left -= back[-1].credits
        back = [each for each in back if each.credits]
        used_in = charged.used_in
        if charged.hold:
            hold = self._hold(charged.hold)
            if not hold.is_over(now):
                for part in hold.parts:
                    part.left += sum(each.credits for each in back if each.number == part.number)
                hold.captured -= credits
                self._hold_line("refund", now, charged.hold, hold, credits)
                self._own = [-1]
                return self
            if not hold.closed:
                raise Refused("hold_closed")
            used_in = hold.closed_in
        self.pass_time(now)
        now = max(now, self.at)
        late = 0
        for each in back:
            if each.until and each.until <= now:
                late += each.credits
            else:
                self._give_back(each.number, each.kind, each.until, each.credits)
        if late:
            self.lots_ever += 1
            self._give_back(self.lots_ever, "promotion", self.ends, late)
        if used_in == self.counts_from:
            self.used = max(self.used - credits, 0)
        self._count(charged.member, -credits if charged.member_in == self.counts_from else 0)
        self._own_line("refund", now, credits)
        return self._finished()

    def adjust(self, now: datetime, credits: int, force: bool) -> "Plain":
        """An operator puts it right: more for ever, or less; what is not there is owed, where they insist."""
        self.pass_time(now)
        if credits > 0:
            self._require_room()
            self._add("adjustment", credits, None)
        else:
            if not force:
                self._require(-credits)
            missing = max(-credits - self.remaining, 0)
            self.owed += missing
            credits += missing
            self._take(self.lots, -credits)
            self._drop_empty()
        self._own_line("adjustment", now, credits)
        return self._finished()

    def set_words(self, now: datetime, words: int) -> "Plain":
        """So many words of knowledge: up to the plan's limit, or fewer than there were."""
        self.pass_time(now)
        plan = CATALOG.plans[self.plan]
        if words > max(self.words, plan.knowledge_words * (self.seats if self.plan == "team" else 1)):
            raise Refused("limit_reached")
        if words != self.words:
            self.words = words
            self._own_line("meter", now, 0)
        return self._finished()

    def move_workflows(self, now: datetime, change: int) -> "Plain":
        """Workflows begun or ended."""
        self.pass_time(now)
        plan = CATALOG.plans[self.plan]
        wanted = self.workflows + change
        if wanted < 0:
            raise Refused("invalid_request")
        if wanted > max(self.workflows, plan.workflows * (self.seats if self.plan == "team" else 1)):
            raise Refused("limit_reached")
        if change:
            self.workflows = wanted
            self._own_line("meter", now, 0)
        return self._finished()

    def appoint(self, now: datetime, member: str, cap: int | None) -> "Plain":
        """A member with a cap, or with none; who comes back is counted on."""
        self.pass_time(now)
        person = self.people.get(member)
        if person and not person.removed and person.cap == cap:
            return self._finished()
        start = self.counts_from
        used = person.used if person and person.counted_from == start else 0
        self.people[member] = Person(cap, used, start)
        self._own_line("member", now, 0)
        return self._finished()

    def remove(self, now: datetime, member: str) -> "Plain":
        """A member no more."""
        person = self.people.get(member)
        if person is None or person.removed:
            raise Refused("member_not_found")
        self.pass_time(now)
        start = self.counts_from
        used = person.used if person.counted_from == start else 0
        self.people[member] = Person(person.cap, used, start, removed=True)
        self._own_line("member", now, 0)
        return self._finished()

    def give(self, now: datetime, kind: str, credits: int, until: datetime | None) -> "Plain":
        """Credits by hand."""
        self.pass_time(now)
        if until and until <= max(now, self.at):
            raise Refused("invalid_request")
        self._require_room()
        self._add(kind, credits, until)
        self._own_line(kind, now, credits)
        return self._finished()

    def buy(self, now: datetime, pack: str, credits: int) -> "Plain":
        """A pack, for ever."""
        self.pass_time(now)
        self.packs[pack] = self._add("pack", credits, None).number
        self._own_line("pack", now, credits)
        return self._finished()

    def pay_back(self, now: datetime, refund: str, pack: str, credits: int) -> "Plain":
        """Money of a pack goes back, and its credits as far as they are there; those in holds when they come back."""
        self.pass_time(now)
        self.paid_back[refund] = (pack, credits)
        self._call_back(now, pack, credits, 0)
        return self._finished()

    def bring_back(self, now: datetime, refund: str) -> "Plain":
        """The money did not go back after all: what of the pack is not spent, nor gone for other money, is there."""
        self.pass_time(now)
        pack, credits = self.paid_back[refund]
        lot = self._pack(pack)
        too_many = lot.missing
        lot.missing = max(too_many - credits, 0)
        lot.recalled = min(lot.held, lot.missing, lot.recalled)
        back = max(credits - too_many, 0)
        lot.given += back
        lot.left += back
        self._drop_empty()
        self._own_line("pack" if back else "confirmation", now, back)
        return self._finished()

    def dispute(self, now: datetime, pack: str, credits: int) -> "Plain":
        """Somebody's bank asks for the money: what is there is frozen."""
        return self._freeze(now, pack, credits, 1)

    def win(self, now: datetime, pack: str, credits: int) -> "Plain":
        """It does not get it."""
        return self._freeze(now, pack, credits, -1)

    def lose(self, now: datetime, pack: str, credits: int, missing: int) -> "Plain":
        """It does: what was frozen goes, and of what was missing then whatever has come back."""
        self.pass_time(now)
        self._call_back(now, pack, credits + missing, credits)
        return self._finished()

    def _call_back(self, now: datetime, pack: str, credits: int, frozen_for_it: int) -> None:
        """Credit by credit: those that were frozen for it, those that are left, those that are frozen for others."""
        lot = self._pack(pack)
        taken = 0
        for number in range(credits):
            if lot.frozen and number < frozen_for_it:
                lot.frozen -= 1
            elif lot.left:
                lot.left -= 1
                taken += 1
            elif lot.frozen:
                lot.frozen -= 1
            else:
                lot.missing += 1
                lot.recalled = min(lot.recalled + 1, lot.held)
        self._drop_empty()
        self._own_line("revocation", now, -taken)

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
            lot, credits = self._prorate(now, wants - has)
            self._own_line("proration", now, credits)
            if settled := self._settled(lot, credits):
                self._own_line("revocation", now, -settled)
        elif wants > has:
            self._carry_over()
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
                (lot.until, 0, index)
                for index, lot in enumerate(self.lots)
                if lot.left and lot.until and lot.until <= now
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
                lot = self.lots[which]
                gone, lot.left = lot.left, 0
                self._drop_empty()
                self._write("expiry", at, -gone)
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
        if self.anchor != self.opened_at:
            self._carry_over()
        self.anchor = self.opened_at
        self.number = 0
        while self.ends <= at:
            self.number += 1
        self._write("plan_change", at, 0)
        if now < self.ends:
            self._begin(self.number, at)

    def _carry_over(self) -> None:
        """What a cycle that is left had from the plan."""
        for lot in self.lots:
            if lot.kind in FROM_THE_PLAN:
                lot.kind = "carryover"

    def _begin(self, number: int, at: datetime) -> None:
        self.number = number
        # Who comes back into a period that had begun before counts from then on.
        starts, at = _boundary(self.anchor, number), max(at, self.at)
        counts_from = at if starts <= self.at and starts < at else starts
        if counts_from != self.counts_from:
            self.counts_from = counts_from
            self.used = 0
        if self.plan == "free":
            if number <= self.free_month_given:
                self._write("period", at, 0)
                return
            self.free_month_given = number
        credits = CATALOG.plans[self.plan].credits * self.seats
        lot = self._add("allocation", credits, self.ends)
        self._write("allocation", at, credits)
        if settled := self._settled(lot, credits):
            self._write("revocation", at, -settled)

    # Bookkeeping

    def _hold(self, hold_id: str) -> Aside:
        if hold_id not in self.holds:
            raise Refused("hold_not_found")
        return self.holds[hold_id].copied()

    def _refundable(self, charge_id: str, credits: int | None) -> Charged:
        if charge_id.endswith("~refund"):
            raise Refused("not_refundable")
        if charge_id not in self.charged:
            raise Refused("charge_not_found")
        charged = self.charged[charge_id]
        if not charged.credits:
            raise Refused("not_refundable")
        if credits is not None and credits > charged.credits:
            raise Refused("invalid_request")
        return charged

    def _more_aside(
        self,
        now: datetime,
        kind: str,
        hold_id: str,
        hold: Aside,
        credits: int,
        until: datetime,
        asked: datetime | None = None,
    ) -> "Plain":
        if (asked or until) > hold.opened_at + timedelta(days=1) and asked != hold.until:
            raise Refused("invalid_request")
        self._require(credits)
        person = self._count(hold.member, credits)
        for drawn in self._take(self.lots, credits):
            lot = next(lot for lot in self.lots if lot.number == drawn.number)
            lot.held += drawn.credits
            part = next((part for part in hold.parts if part.number == drawn.number), None)
            if part is None:
                part = Lot(drawn.number, drawn.kind, 0, 0, drawn.until)
                hold.parts.append(part)
            part.given += drawn.credits
            part.left += drawn.credits
        hold.credits += credits
        hold.until = until
        if person:
            hold.counted = credits + (hold.counted if hold.counted_from == person.counted_from else 0)
            hold.counted_from = person.counted_from
        self._own_line(kind, now, -credits)
        self._hold_line(kind, now, hold_id, hold, credits)
        return self._finished()

    def _lot(self, pack: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.number == self.packs[pack]), None)

    def _pack(self, pack: str) -> Lot:
        """The pack's own lot, put back where it was if it was gone."""
        lot = self._lot(pack)
        if lot is None:
            lot = Lot(self.packs[pack], "pack", 0, 0, None)
            self.lots.append(lot)
            self.lots.sort(key=lambda lot: lot.number)
        return lot

    def _freeze(self, now: datetime, pack: str, credits: int, sign: int) -> "Plain":
        self.pass_time(now)
        moved = 0
        if lot := self._lot(pack):
            moved = sign * min(credits, lot.left if sign > 0 else lot.frozen)
            lot.left -= moved
            lot.frozen += moved
        self._own_line("freeze" if sign > 0 else "thaw", now, -moved)
        return self._finished()

    def _require(self, credits: int) -> None:
        if credits > self.remaining:
            raise Refused("insufficient_credits" if self.remaining else "credits_exhausted")

    def _has_room(self) -> bool:
        return len([lot for lot in self.lots if lot.kind in BY_HAND]) < 15

    def _require_room(self) -> None:
        if not self._has_room():
            raise Refused("too_many_grants")

    def _add(self, kind: str, credits: int, until: datetime | None) -> Lot:
        self.lots_ever += 1
        self.lots.append(Lot(self.lots_ever, kind, credits, credits, until))
        return self.lots[-1]

    def _give_back(self, number: int, kind: str, until: datetime | None, credits: int) -> None:
        """Into the lot it came from, which comes back if it is gone; where there is no room, into the one of its kind
        (or else of those by hand) that lasts as long and no longer than need be, or else as long as possible."""
        lot = next((lot for lot in self.lots if lot.number == number), None)
        if lot is None and kind in BY_HAND and not self._has_room():
            kin = [lot for lot in self.lots if lot.kind == kind] or [lot for lot in self.lots if lot.kind in BY_HAND]
            enough = [lot for lot in kin if (lot.until or NEVER) >= (until or NEVER)]
            if enough:
                lot = min(enough, key=lambda lot: (lot.until or NEVER, lot.number))
            else:
                lot = max(kin, key=lambda lot: (lot.until or NEVER, lot.number))
        if lot is None:
            self.lots.append(Lot(number, kind, credits, credits, until))
            self.lots.sort(key=lambda lot: lot.number)
        else:
            lot.left += credits
            lot.given = max(lot.given, lot.left + lot.held + lot.frozen)

    def _is_counted(self, member: str | None) -> bool:
        person = self.people.get(member or "")
        return person is not None and not person.removed

    def _count(self, member: str | None, credits: int) -> Person | None:
        """Count it with the member; with one who was removed, only what comes back. None where nobody counts it."""
        person = self.people.get(member or "")
        if not member or person is None or (person.removed and credits >= 0):
            return None
        before = person.used if person.counted_from == self.counts_from else 0
        used = max(before + credits, 0)
        if credits > 0 and person.cap is not None and used > person.cap:
            raise Refused("member_cap_reached")
        person = self.people[member] = replace(person, used=used, counted_from=self.counts_from)
        return person

    @staticmethod
    def _take(lots: Sequence[Lot], credits: int) -> tuple[Drawn, ...]:
        """Soonest to run out first, then those that stay; bought last; then the older."""
        drawn: list[Drawn] = []
        while credits:
            lot = min(
                (lot for lot in lots if lot.left), key=lambda lot: (lot.until or NEVER, lot.kind == "pack", lot.number)
            )
            part = min(credits, lot.left)
            lot.left -= part
            credits -= part
            drawn.append(Drawn(lot.number, lot.kind, lot.until, part))
        return tuple(drawn)

    def _drop_empty(self) -> None:
        self.lots = [lot for lot in self.lots if lot.left or lot.held or lot.frozen or lot.missing]

    def _settled(self, lot: Lot, credits: int) -> int:
        """What of these new credits pays what is owed."""
        settled = min(self.owed, credits)
        self.owed -= settled
        lot.left -= settled
        self._drop_empty()
        return settled

    def _prorate(self, now: datetime, added: int) -> tuple[Lot, int]:
        """The share of `added` credits a month for what is left of the period, rounded up, as a lot of the period."""
        start = _boundary(self.anchor, self.number)
        share = ceil(added * Fraction((self.ends - max(now, start)) // MILLISECOND, (self.ends - start) // MILLISECOND))
        for lot in self.lots:
            if lot.kind == "proration" and lot.until == self.ends:
                lot.given += share
                lot.left += share
                return lot, share
        return self._add("proration", share, self.ends), share

    def _own_line(self, kind: str, at: datetime, credits: int) -> None:
        self._write(kind, at, credits)
        self._own.append(len(self.lines) - 1)

    def _write(self, kind: str, at: datetime, credits: int) -> None:
        self.at = max(self.at, at)
        self.entries += 1
        level = self.remaining + self.held
        self.told_low = self.told_low and level <= 10
        self.told_exhausted = self.told_exhausted and level == 0
        self._last = len(self.lines)
        self.lines.append(Line(self.at, self.entries, "", kind, credits, self.remaining, self.total))

    def _hold_line(self, kind: str, at: datetime, hold_id: str, hold: Aside, credits: int) -> None:
        """A line in the hold's own book, which it then stands at."""
        hold.at = max(hold.at, at)
        hold.lines += 1
        self.holds[hold_id] = hold
        self.lines.append(Line(hold.at, hold.lines, hold_id, kind, credits, hold.left, hold.credits))

    def _finished(self) -> "Plain":
        """The commit ends here: at most one alert, on the account's last line. What is held counts as still there."""
        if self._last is None:
            return self
        level = self.remaining + self.held
        if level == 0 and not self.told_exhausted:
            self.told_low = self.told_exhausted = True
            self.lines[self._last] = self.lines[self._last]._replace(alert="exhausted")
        elif level <= 10 and not self.told_low:
            self.told_low = True
            self.lines[self._last] = self.lines[self._last]._replace(alert="low")
        return self


def _require_in_plan(plan: str, model: str | None) -> None:
    if plan == "free" and model not in (None, "gpt-5.1"):
        raise Refused("not_in_plan")


def _copies(lots: Sequence[Lot]) -> list[Lot]:
    return [replace(lot) for lot in lots]


def _boundary(anchor: datetime, months: int) -> datetime:
    """The anchor's day of the month so many months later, or the nearest earlier day that the month has."""
    year, month = anchor.year + (anchor.month - 1 + months) // 12, (anchor.month - 1 + months) % 12 + 1
    day = anchor.day
    while True:
        try:
            return anchor.replace(year=year, month=month, day=day)
        except ValueError:
            day -= 1
