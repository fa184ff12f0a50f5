"""Snapshots of Stripe, written short: a subscription as it is now, and the lines of its invoices."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from credits.domain.account import PendingChange, Standing
from credits.domain.entitle import Line, Snapshot, Subscription
from credits.domain.entry import Entry
from credits.domain.follow import follow
from tests.unit.books import Book, utc


def line(plan: str, start: str, end: str, quantity: int = 1, *, of: str = "sub_1", **facts: Any) -> Line:
    """A line of a paid invoice; its id says all of what it is."""
    if stopped_at := facts.pop("stopped_at", None):
        facts["stopped_at"] = utc(stopped_at)
    name = f"{of} {plan} {quantity} {start} {end} {sorted(facts.items())}"
    return Line(id=name, subscription_id=of, plan=plan, quantity=quantity, start=utc(start), end=utc(end), **facts)


def credited(plan: str, start: str, end: str, quantity: int = 1, **facts: Any) -> Line:
    """The line that pays back the rest of a period."""
    return line(plan, start, end, quantity, credit=True, proration=True, **facts)


def added(plan: str, start: str, end: str, quantity: int = 1, **facts: Any) -> Line:
    """The line that pays for the rest of a period."""
    return line(plan, start, end, quantity, proration=True, **facts)


def unpaid(plan: str, start: str, end: str, quantity: int = 1, **facts: Any) -> Line:
    """The line of a renewal's invoice that is still open."""
    return line(plan, start, end, quantity, paid=False, **facts)


def subscribed(
    plan: str,
    anchor: str,
    ends: str,
    *lines: Line,
    seats: int = 1,
    standing: str = "active",
    started: str | None = None,
    unpaid_since: str | None = None,
    pending: tuple[str, int, str] | None = None,
    id: str = "sub_1",  # noqa: A002 - as Stripe calls it
) -> Snapshot:
    """A subscription whose current period ends at `ends`, and every line there is."""
    subscription = Subscription(
        id=id,
        standing=Standing(standing),
        plan=plan,
        seats=seats,
        anchor=utc(anchor),
        started_at=utc(started or anchor),
        period_ends_at=utc(ends),
        unpaid_since=utc(unpaid_since) if unpaid_since else None,
        pending=PendingChange(pending[0], pending[1], utc(pending[2])) if pending else None,
    )
    return Snapshot(subscription, lines)


def following(book: Book, snapshot: Snapshot, at: str, ticket: int | None = None) -> Sequence[Entry]:
    """The entries that the snapshot brings, fetched under a ticket above the last."""
    rule = partial(
        follow, catalog=book.catalog, now=utc(at), snapshot=snapshot, ticket=ticket or book.account.ticket + 1
    )
    return book.post(lambda account, key: rule(account, key=key))


def shuffled(snapshot: Snapshot) -> Snapshot:
    """The same, its lines in another order and each twice."""
    lines = snapshot.lines
    return replace(snapshot, lines=(*reversed(lines), *lines) if lines is not None else None)
