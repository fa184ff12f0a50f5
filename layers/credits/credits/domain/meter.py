"""Meters: what a plan limits besides credits. Knowledge words are a gauge that the product sets; workflows are counted.

More is refused above the plan's limit. Less is always let through, also from above the limit to above it: a downgrade
deletes nothing.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from credits.catalog import MOST_SEATS, Catalog, Plan
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.journal import Posting
from credits.domain.renew import renew
from credits.errors import InvalidRequest, LimitReached


class Meter(StrEnum):
    """What is metered; the account has a field of the same name."""

    KNOWLEDGE_WORDS = "knowledge_words"
    WORKFLOWS = "workflows"


def limit_of(meter: Meter, plan: Plan, seats: int) -> int:
    """How much the plan allows."""
    return plan.knowledge_words_limit(seats) if meter is Meter.KNOWLEDGE_WORDS else plan.workflows_limit(seats)


def seats_allowing(meter: Meter, plan: Plan, wanted: int) -> int | None:
    """The fewest seats with which the plan allows so much: 1 of a plan that is not sold by the seat, None where no
    number of them does."""
    each = limit_of(meter, plan, 1)
    seats = -(-wanted // each) if plan.per_seat and each else 1
    return seats if seats <= MOST_SEATS and limit_of(meter, plan, seats) >= wanted else None


def set_meter(account: Account, catalog: Catalog, *, now: datetime, key: str, meter: Meter, value: int) -> Posting:
    """Bring the meter to `value` (0 or more). Where it stands there, nothing is written. Raises LimitReached."""
    return _moved(account, catalog, now, key, meter, value=value)


def change_meter(account: Account, catalog: Catalog, *, now: datetime, key: str, meter: Meter, change: int) -> Posting:
    """Move the meter by `change`, up or down. Raises LimitReached, and InvalidRequest below 0."""
    return _moved(account, catalog, now, key, meter, change=change)


def _moved(
    account: Account,
    catalog: Catalog,
    now: datetime,
    key: str,
    meter: Meter,
    *,
    value: int | None = None,
    change: int = 0,
) -> Posting:
    journal = renew(account, catalog, now)
    account = journal.account
    used: int = getattr(account, meter)
    wanted = used + change if value is None else value
    if wanted < 0:
        raise InvalidRequest([("change", f"would leave {wanted}: there are {used}")])
    plan = catalog.plans[account.plan]
    limit = limit_of(meter, plan, account.seats)
    if wanted > max(used, limit):
        raise LimitReached(
            meter, used=used, limit=limit, wanted=wanted, plan=plan.id, lifted_by=_lifting(catalog, meter, wanted)
        )
    if wanted != used:
        words = f"{meter.replace('_', ' ')}: {used} to {wanted}"
        knowledge_words = meter is Meter.KNOWLEDGE_WORDS
        after = replace(account, knowledge_words=wanted) if knowledge_words else replace(account, workflows=wanted)
        journal.write(EntryKind.METER, key, now, after, description=words)
    return journal.posting()


def _lifting(catalog: Catalog, meter: Meter, wanted: int) -> dict[str, int | None]:
    """The plans that allow so much, each with the seats it needs; None of a plan that is not sold by the seat."""
    found = ((plan, seats_allowing(meter, plan, wanted)) for plan in catalog.plans.values())
    return {plan.id: seats if plan.per_seat else None for plan, seats in found if seats is not None}
