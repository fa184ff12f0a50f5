"""Meters: what a plan limits besides credits. Knowledge words are a gauge that the product sets; workflows are counted.

More is refused above the plan's limit. Less is always let through, also from above the limit to above it: a downgrade
deletes nothing.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from credits.catalog import Catalog, Plan
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
        lifting = [each.id for each in catalog.plans.values() if limit_of(meter, each, account.seats) >= wanted]
        raise LimitReached(meter, used=used, limit=limit, wanted=wanted, plan=plan.id, plans=lifting)
    if wanted != used:
        words = f"{meter.replace('_', ' ')}: {used} to {wanted}"
        knowledge_words = meter is Meter.KNOWLEDGE_WORDS
        after = replace(account, knowledge_words=wanted) if knowledge_words else replace(account, workflows=wanted)
        journal.write(EntryKind.METER, key, now, after, description=words)
    return journal.posting()
