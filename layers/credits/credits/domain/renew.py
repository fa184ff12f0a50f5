"""As of now: time's own changes of a book, brought in before any decision and any reading.

What time does to an account: a grant expires, a pending change comes to its boundary, a period ends and the one that
contains `now` begins with its allocation. Each is an entry with a key of its own, at the boundary where it happened,
so it can happen only once, whoever comes first (a charge, a webhook, the schedule) and however late. An account that
was idle for a year jumps to its current period: the months between gave nothing and leave no entry.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from credits.catalog import Catalog
from credits.domain.account import Account, PendingChange, Standing
from credits.domain.cycle import period_at
from credits.domain.entry import ChangeStatus, EntryKind, PlanChange
from credits.domain.grant import Draw, Grant, GrantKind
from credits.domain.instant import to_text
from credits.domain.journal import Journal, Posting

FREE = "free"
"""The plan everybody starts on and falls back to; its cycle runs from the account's opening, whatever comes between."""

RENEWING = frozenset({Standing.ACTIVE, Standing.TRIALING})
"""The standings in which a new period brings a new allocation."""


def renew(account: Account, catalog: Catalog, now: datetime) -> Journal:
    """A journal of what time did to the book up to `now`, in the order in which it happened.

    It ends: every step empties a grant, clears the pending change, or moves the period to the one that holds `now`.
    """
    journal = Journal(account, catalog)
    now = max(now, account.at)
    while steps := list(_steps(journal.account, catalog, now)):
        _, _, step = min(steps, key=lambda each: each[:2])
        step(journal)
    return journal


def as_of(account: Account, catalog: Catalog, now: datetime) -> Account:
    """The account as it is at `now`; what a reader sees, written or not."""
    return renew(account, catalog, now).account


def renewal(account: Account, catalog: Catalog, *, now: datetime) -> Posting:
    """The decision that brings the book up to `now` and does nothing else."""
    return renew(account, catalog, now).posting()


def begin_period(journal: Journal, catalog: Catalog, account: Account, number: int, at: datetime) -> None:
    """Begin period `number` in the cycle of `account` (the journal's, or what it is about to become), with its
    allocation where one is due.

    Free gives one allocation for each month of its own cycle, once, whatever plans came between. A plan that is not
    paid for (standing) begins its period without one.
    """
    free = account.plan == FREE
    due = number > account.free_through if free else account.standing in RENEWING
    stamp = f"{to_text(account.anchor)}#{number}"
    account = replace(account, period_number=number, used=0)
    if not due:
        journal.write(EntryKind.PERIOD, f"period#{stamp}#{account.seq + 1}", at, account)
        return
    expires_at = account.period.end
    allocation = catalog.plans[account.plan].allocation(account.seats)
    account, draws = account.give(GrantKind.ALLOCATION, allocation, expires_at)
    account = replace(account, free_through=number) if free else account
    journal.write(EntryKind.ALLOCATION, f"allocation#{stamp}", at, account, draws)


def move_to_plan(account: Account, plan: str, seats: int, anchor: datetime) -> Account:
    """The account on another plan, its cycle running from `anchor`; Free keeps the anchor of the opening."""
    return replace(account, plan=plan, seats=seats, anchor=account.opened_at if plan == FREE else anchor, pending=None)


def plan_change(
    account: Account, plan: str, seats: int, at: datetime, status: ChangeStatus = ChangeStatus.APPLIED
) -> PlanChange:
    """The change of this account to `plan` with `seats`, at `at`, as its entry tells it."""
    return PlanChange(account.plan, account.seats, plan, seats, at, status)


def plan_words(plan: str, seats: int) -> str:
    """`pro`, `team with 3 seats`: how an entry's description names a plan."""
    return plan if seats == 1 else f"{plan} with {seats} seats"


def _steps(
    account: Account, catalog: Catalog, now: datetime
) -> Iterator[tuple[datetime, int, Callable[[Journal], None]]]:
    """What time has done to the book by `now`: when, in which order at one and the same instant, and what it is.

    At a boundary, what is over expires first, then the pending change applies, then the new period is counted.
    """
    for grant in account.grants:
        if grant.remaining and grant.expires_at and grant.expires_at <= now:
            yield grant.expires_at, 0, partial(_expire, grant=grant, at=grant.expires_at)
    if account.pending and account.pending.at <= now:
        yield account.pending.at, 1, partial(_apply, change=account.pending)
    if account.period.end <= now:
        current = period_at(account.anchor, now)
        yield current.start, 2, partial(_roll, catalog=catalog, number=current.number, at=current.start)


def _expire(journal: Journal, grant: Grant, at: datetime) -> None:
    account = journal.account
    emptied = (replace(each, remaining=0) if each.id == grant.id else each for each in account.grants)
    draw = Draw(grant.id, grant.kind, -grant.remaining, grant.expires_at)
    after = replace(account, grants=tuple(each for each in emptied if not each.empty))
    journal.write(EntryKind.EXPIRY, f"expire#{grant.id}", at, after, (draw,))


def _apply(journal: Journal, change: PendingChange) -> None:
    account = journal.account
    moved = move_to_plan(account, change.plan, change.seats, account.anchor)
    if moved.anchor != account.anchor:
        # Before the period it enters, which is begun next: or, where it is over already, for a reader of that time.
        moved = replace(moved, period_number=period_at(moved.anchor, change.at).number - 1)
    journal.write(
        EntryKind.PLAN_CHANGE,
        f"change#{to_text(change.at)}#{account.seq + 1}",
        change.at,
        moved,
        description=f"{plan_words(account.plan, account.seats)} to {plan_words(change.plan, change.seats)}",
        change=plan_change(account, change.plan, change.seats, change.at),
    )


def _roll(journal: Journal, catalog: Catalog, number: int, at: datetime) -> None:
    begin_period(journal, catalog, journal.account, number, at)
