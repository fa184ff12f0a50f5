"""Entitle: what paid invoices entitle an account to. Credits follow the money.

A line of an invoice pays for so many seats of a plan for a span of time, or credits such time back. What a period is
entitled to is one rounding up over the exact sum of its lines, each counted once by its id, so that neither the order
of events nor any loop of changes mints a credit:

    Σ plan credits × share of the period that the line covers, negative for time that was credited back

A renewal's invoice that is still open entitles provisionally, where the period before it was paid: at most one
allocation is ever ahead of the money.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby
from math import ceil

from credits.catalog import Catalog
from credits.domain.account import PendingChange, Standing, Term
from credits.domain.cycle import Period, lead_in, period, period_at

ON_PLAN = frozenset({Standing.ACTIVE, Standing.TRIALING, Standing.PAST_DUE})
"""The standings in which an account is on the plan of its subscription; in any other it is on Free."""

MILLISECOND = timedelta(milliseconds=1)

LONGEST_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice: `quantity` seats of a plan, [start, end).

    - `credit`: it pays that time back.
    - `proration`: it changes a period that another line began.
    - `paid`: its invoice is. A line that is not belongs to the open invoice of a renewal.
    - `trial`: it costs nothing, since its time is a trial.
    - `stopped_at`: when the cycle it belongs to ended before its time, by an upgrade or a cancellation.
    """

    id: str
    subscription_id: str
    plan: str
    quantity: int
    start: datetime
    end: datetime
    credit: bool = False
    proration: bool = False
    paid: bool = True
    trial: bool = False
    stopped_at: datetime | None = None

    @property
    def begins_a_period(self) -> bool:
        """It pays for a period from its beginning, rather than changing one."""
        return not (self.credit or self.proration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as Stripe has it now.

    - `anchor` is where its cycle begins: in the future during a trial.
    - `started_at` is where the current lead-in to that began.
    - `period_ends_at` is where Stripe's own current period ends.
    - `pending` is what it will be at a date: another plan, other seats, or Free where it was cancelled for then.
    - `unpaid_since` is when the oldest invoice that is open was due.
    """

    id: str
    standing: Standing
    plan: str
    seats: int
    anchor: datetime
    started_at: datetime
    period_ends_at: datetime
    pending: PendingChange | None = None
    unpaid_since: datetime | None = None

    def period_at(self, now: datetime) -> Period:
        """The period of its cycle that contains `now`."""
        if now < self.anchor:
            return lead_in(self.anchor, min(self.started_at, now))
        return period_at(self.anchor, now)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Stripe says of one customer: the subscription that counts, and the lines of all invoices that may.

    `lines` are None where Stripe no longer has them, because the customer was deleted.
    """

    subscription: Subscription | None
    lines: tuple[Line, ...] | None


Terms = Mapping[tuple[str, datetime], Term]


def entitled(snapshot: Snapshot, catalog: Catalog, now: datetime) -> Terms:
    """The terms that have not ended at `now`, by subscription and end, each with what it is entitled to.

    The current period's is there for a subscription that an account is on the plan of; beside it those of cycles that
    were cut short: time that was paid for and not paid back keeps its credits until it would have ended.
    """
    lines = {line.id: line for line in snapshot.lines or ()}.values()
    subscription = snapshot.subscription
    current = subscription if subscription and subscription.standing in ON_PLAN else None
    own = _of_the_cycle(lines, current, now) if current else []
    terms = {term_key(term): term for term in _former(set(lines) - set(own), catalog, now)}
    if current:
        term = _current(current, own, lines, catalog, now)
        earlier = terms.get(term_key(term))  # of a cycle that was cut short in the second in which it began
        terms[term_key(term)] = replace(term, given=term.given + earlier.given) if earlier else term
    return terms


def term_key(term: Term) -> tuple[str, datetime]:
    """What tells a term from every other."""
    return term.subscription_id, term.ends_at


def paid_until(subscription: Subscription, lines: Iterable[Line]) -> datetime | None:
    """How far the subscription's own cycle is paid."""
    ends = (
        line.end
        for line in lines
        if line.subscription_id == subscription.id
        and line.begins_a_period
        and line.paid
        and not line.trial
        and line.start >= subscription.anchor
    )
    return max(ends, default=None)


def _of_the_cycle(lines: Iterable[Line], subscription: Subscription, now: datetime) -> list[Line]:
    """The lines of the cycle that the subscription is in, rather than of one before. What changes a period ends with
    it, so it belongs to the cycle that began that period, also where both changed in one second."""
    began = subscription.anchor if subscription.anchor <= now else subscription.started_at
    of_it = [line for line in lines if line.subscription_id == subscription.id]
    begun = {line.end for line in of_it if line.begins_a_period and line.start >= began}
    before = {line.end for line in of_it if line.begins_a_period and line.start < began} - begun
    return [line for line in of_it if line.start >= began and (line.begins_a_period or line.end not in before)]


def _current(
    subscription: Subscription, own: Sequence[Line], lines: Iterable[Line], catalog: Catalog, now: datetime
) -> Term:
    span = subscription.period_at(now)
    if subscription.standing is Standing.TRIALING:
        allocation = catalog.plans[subscription.plan].allocation(subscription.seats)
        return Term(subscription.id, span.end, allocation, allocation)
    month = span if span.number >= 0 else period(subscription.anchor, -1)
    paid = _credits((line for line in own if line.paid and not line.trial), span, month, catalog)
    provisional = 0
    if not any(line.paid and line.begins_a_period and _covers(line, span) for line in own if not line.trial):
        paid_before = any(
            line.subscription_id == subscription.id and line.paid and line.begins_a_period and line.end == span.start
            for line in lines
        )
        open_lines = (line for line in own if not line.paid and line.begins_a_period)
        provisional = _credits(open_lines, span, month, catalog) if paid_before else 0
    return Term(subscription.id, span.end, paid + provisional, provisional)


def _former(lines: Iterable[Line], catalog: Catalog, now: datetime) -> Iterator[Term]:
    """The terms of cycles that were cut short, one for each that has not ended."""
    running = sorted(
        (line for line in lines if line.paid and not line.trial and line.end > now),
        key=lambda line: (line.subscription_id, line.end, line.start, line.id),
    )
    for (subscription_id, _), group in groupby(running, key=lambda line: (line.subscription_id, line.end)):
        members = list(group)
        root = next((line for line in members if line.begins_a_period), None)
        if root is None:
            continue
        span = Period(0, root.start, root.end)
        if root.end - root.start > LONGEST_MONTH:  # a year: the month in which its cycle was cut short
            span = period_at(root.start, root.stopped_at or now)
        if span.end > now:
            yield Term(subscription_id, span.end, _credits(members, span, span, catalog))


def _covers(line: Line, span: Period) -> bool:
    return line.start < span.end and line.end > span.start


def _credits(lines: Iterable[Line], span: Period, month: Period, catalog: Catalog) -> int:
    """What these lines entitle the span to: one rounding up over their exact sum, and never below nothing."""
    length = (month.end - month.start) // MILLISECOND
    total = Fraction(0)
    for line in lines:
        overlap = (min(line.end, span.end) - max(line.start, span.start)) // MILLISECOND
        if overlap > 0:
            share = Fraction(catalog.plans[line.plan].allocation(line.quantity) * overlap, length)
            total += -share if line.credit else share
    return max(0, ceil(total))
