"""As of now: time's own changes of a book, brought in before any decision and any reading.

What time does to an account: a grant expires, a pending change comes to its boundary, the days of grace are over, a
period ends and the one that contains `now` begins with its allocation.

Each is an entry with a key of its own, at the boundary where it happened, so it can happen only once, whoever comes
first (a charge, a webhook, the schedule) and however late. An account that was idle for a year jumps to its current
period: the months between gave nothing and leave no entry.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from credits.catalog import Catalog
from credits.domain.account import Account, PendingChange, Standing, Term
from credits.domain.cycle import period_at
from credits.domain.entitle import ON_PLAN
from credits.domain.entry import ChangeStatus, EntryKind, PlanChange
from credits.domain.grant import PLAN_GRANTS, Draw, Grant, GrantKind, frozen, without
from credits.domain.instant import to_text
from credits.domain.journal import Journal, Posting

FREE = "free"
"""The plan everybody starts on and falls back to; its cycle runs from the account's opening, whatever comes between."""

RENEWING = frozenset({Standing.ACTIVE, Standing.TRIALING})
"""The standings in which a new period brings a new allocation."""


def renew(account: Account, catalog: Catalog, now: datetime) -> Journal:
    """A journal of what time did to the book up to `now`, in the order in which it happened."""
    journal = Journal(account, catalog)
    bring_up(journal, catalog, now)
    return journal


def bring_up(journal: Journal, catalog: Catalog, now: datetime) -> None:
    """Write what time did to the journal's book up to `now`.

    It ends: every step empties or freezes a grant, clears the pending change, or moves the period to the one that holds
    `now`.
    """
    now = max(now, journal.account.at)
    while steps := list(_steps(journal.account, catalog, now)):
        _, _, step = min(steps, key=lambda each: each[:2])
        step(journal)


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
    paid for (standing) begins its period without one, and so does a subscription whose period before was not paid: at
    most one allocation is ahead of the money. Free's own is a term where the clock alone ended the subscription.
    """
    free = account.plan == FREE
    due = account.free_is_due(number) if free else account.standing in RENEWING and _was_paid(account)
    stamp = f"{to_text(account.anchor)}#{number}"
    terms = tuple(term for term in account.terms if term.ends_at > at)
    account = replace(account, period_number=number, terms=terms).recounted(at, journal.account.counts_from)
    if not due:
        journal.write(EntryKind.PERIOD, f"period#{stamp}#{account.seq + 1}", at, account)
        return
    expires_at = account.period.end
    allocation = catalog.plans[account.plan].allocation(account.seats)
    account, draws = account.give(GrantKind.ALLOCATION, allocation, expires_at)
    if free:
        stamp = f"{stamp}#{account.seq + 1}" if account.free_returned else stamp
        account = replace(account, free_through=number, free_returned=False)
        if account.subscription_id and account.standing in ON_PLAN:
            account = account.with_term(Term(FREE, expires_at, allocation))
    elif account.subscription_id:
        paid = account.paid_until is not None and account.paid_until >= expires_at
        term = Term(account.subscription_id, expires_at, allocation, 0 if paid else allocation)
        account = replace(account, terms=(*account.terms, term))
        # Free's cycle, or another subscription's, may run from the same instant.
        stamp = f"{stamp}#{account.subscription_id}"
    journal.write(EntryKind.ALLOCATION, f"allocation#{stamp}", at, account, draws)
    settle_debt(journal, draws, at)


def settle_debt(journal: Journal, given: Sequence[Draw], at: datetime, key: str | None = None) -> None:
    """Take what the account owes from what the plan has just given it, under `key` or one of its own. What that does
    not cover stays owed."""
    account = journal.account
    settled = min(account.owed, sum(draw.credits for draw in given))
    if settled:
        grants, draws = without(account.grants, settled, *(draw.grant_id for draw in given))
        after = replace(account, grants=grants, owed=account.owed - settled)
        key = key or f"owed#{account.seq + 1}"
        journal.write(EntryKind.REVOCATION, key, at, after, draws, description="owed from before")


def move_to_plan(account: Account, plan: str, seats: int, anchor: datetime) -> Account:
    """The account on another plan, its cycle running from `anchor`; Free keeps the anchor of the opening.

    What is left of the old cycle's plan grants stays, as carryover, until it expires.
    """
    anchor = account.opened_at if plan == FREE else anchor
    grants = account.grants if anchor == account.anchor else carried_over(account.grants)
    return replace(account, plan=plan, seats=seats, anchor=anchor, pending=None, grants=grants)


def carried_over(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """The grants, those of the plan as what an earlier cycle has left."""
    return tuple(replace(each, kind=GrantKind.CARRYOVER) if each.kind in PLAN_GRANTS else each for each in grants)


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
        if (grant.remaining or grant.frozen) and grant.expires_at and grant.expires_at <= now:
            yield grant.expires_at, 0, partial(_expire, grant=grant, at=grant.expires_at)
    if account.pending and account.pending.at <= now:
        yield account.pending.at, 1, partial(_apply, change=account.pending)
    if account.term and account.grace_ends_at and account.grace_ends_at <= now and account.freezable:
        yield account.grace_ends_at, 1, partial(_freeze, term=account.term, at=account.grace_ends_at)
    if account.period.end <= now:
        current = period_at(account.anchor, now)
        yield current.start, 2, partial(_roll, catalog=catalog, number=current.number, at=current.start)


def _expire(journal: Journal, grant: Grant, at: datetime) -> None:
    account = journal.account
    grants, draws = without(account.grants, grant.remaining + grant.frozen, grant.id)
    journal.write(EntryKind.EXPIRY, f"expire#{grant.id}", at, replace(account, grants=grants), draws)


def _freeze(journal: Journal, term: Term, at: datetime) -> None:
    account = journal.account
    grants, draws = frozen(account.grants, account.freezable, *(grant.id for grant in account.grants_of(term)))
    after = replace(account, grants=grants)
    words = "not paid within the days of grace"
    journal.write(EntryKind.FREEZE, f"freeze#{account.seq + 1}", at, after, draws, description=words)


def _was_paid(account: Account) -> bool:
    """Whether the period that ends was paid, as far as anybody pays for it: nobody does for a trial, nor for a plan
    that was given by hand."""
    if account.subscription_id is None or account.standing is Standing.TRIALING:
        return True
    if account.paid_until and account.paid_until >= account.period.end:
        return True
    return any(
        term.subscription_id == account.subscription_id and term.ends_at <= account.period.end and not term.provisional
        for term in account.terms
    )


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
