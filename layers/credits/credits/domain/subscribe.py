"""Subscribe: a change of plan or seats.

The rules are the product's. More credits: at once, the cycle starts anew from the change, and what is left of the old
period stays until that period would have ended. More seats of the same plan: at once, for the share of the period that
is left, as money is prorated. Fewer credits: at the period's end, and nothing is taken back.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from credits.catalog import Catalog
from credits.domain.account import Account, PendingChange, Standing
from credits.domain.entry import ChangeStatus, EntryKind, line_key
from credits.domain.grant import GrantKind
from credits.domain.journal import Journal, Posting
from credits.domain.renew import begin_period, move_to_plan, plan_change, plan_words, renew, settle_debt
from credits.errors import InvalidRequest, ManagedByStripe

MILLISECOND = timedelta(milliseconds=1)


def change_plan(account: Account, catalog: Catalog, *, now: datetime, key: str, plan: str, seats: int) -> Posting:
    """Move the account to `plan` with `seats` seats, as an operator asks. What `key` writes comes last: one entry, or
    two where seats are added to an account that owes credits.

    Asking for what the account already has calls off a pending change, or changes nothing. Raises InvalidRequest for a
    plan that is not in the catalog or seats the plan does not sell, ManagedByStripe where a subscription decides.
    """
    if plan not in catalog.plans:
        raise InvalidRequest([("plan", f"there is no plan {plan!r}; the catalog has {', '.join(catalog.plans)}")])
    if seats != 1 and not catalog.plans[plan].per_seat:
        raise InvalidRequest([("seats", f"the plan {plan} has one seat")])
    if account.subscription_id:
        raise ManagedByStripe(account.account_id)
    journal = renew(account, catalog, now)
    account = journal.account
    now = max(now, account.at)
    pending = account.pending
    if (plan, seats) == (account.plan, account.seats):
        if pending:
            journal.write(
                EntryKind.PLAN_CHANGE,
                key,
                now,
                replace(account, pending=None),
                description="change called off",
                change=plan_change(account, pending.plan, pending.seats, pending.at, ChangeStatus.CALLED_OFF),
            )
    elif catalog.plans[plan].allocation(seats) <= catalog.plans[account.plan].allocation(account.seats):
        change = PendingChange(plan, seats, account.period.end)
        if pending != change:
            description = f"{plan_words(account.plan, account.seats)} to {plan_words(plan, seats)} at the period's end"
            journal.write(
                EntryKind.PLAN_CHANGE,
                key,
                now,
                replace(account, pending=change),
                description=description,
                change=plan_change(account, plan, seats, change.at, ChangeStatus.PENDING),
            )
    elif plan == account.plan:
        _add_seats(journal, catalog, now, key, seats)
    else:
        _upgrade(journal, catalog, now, key, plan, seats)
    return journal.posting()


def _upgrade(journal: Journal, catalog: Catalog, now: datetime, key: str, plan: str, seats: int) -> None:
    account = journal.account
    # A cycle is known by its anchor, so two of them never share one.
    anchor = max(now, account.anchor + MILLISECOND)
    # That an earlier subscription was cancelled says nothing of a plan that is given by hand.
    standing = Standing.ACTIVE if account.standing is Standing.CANCELED else account.standing
    moved = replace(move_to_plan(account, plan, seats, anchor), standing=standing)
    begin_period(journal, catalog, moved, 0, now)
    description = f"{plan_words(account.plan, account.seats)} to {plan_words(plan, seats)}"
    change = plan_change(account, plan, seats, now)
    journal.write(EntryKind.PLAN_CHANGE, key, now, journal.account, description=description, change=change)


def _add_seats(journal: Journal, catalog: Catalog, now: datetime, key: str, seats: int) -> None:
    account = journal.account
    plan, period = catalog.plans[account.plan], account.period
    added = plan.allocation(seats) - plan.allocation(account.seats)
    left = min(period.end - now, period.end - period.start)
    credits = -(-added * (left // MILLISECOND) // ((period.end - period.start) // MILLISECOND))
    description = f"{plan_words(account.plan, account.seats)} to {plan_words(plan.id, seats)}"
    change = plan_change(account, plan.id, seats, now)
    account = replace(account, seats=seats, pending=None)
    earlier = next((g for g in account.grants if g.kind is GrantKind.PRORATION and g.expires_at == period.end), None)
    if earlier:
        # One proration a period, however often seats are added: a book has room for a bounded number of grants.
        account, draws = account.grow(earlier, credits)
    else:
        account, draws = account.give(GrantKind.PRORATION, credits, period.end)
    lines = 2 if account.owed else 1
    journal.write(EntryKind.PRORATION, key, now, account, draws, description=description, change=change, lines=lines)
    settle_debt(journal, draws, now, line_key(key, 1))
