"""Quote: what actions would cost, and whether the balance covers them. It changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.gate import may_spend, priced, require_in_plan
from credits.domain.renew import as_of


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One action and its price for all of its `quantity`."""

    action: str
    quantity: int
    credits: int


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of several actions. `remaining_after` is None where a charge would be refused."""

    lines: tuple[QuoteLine, ...]
    total: int
    affordable: bool
    remaining_after: int | None


def quote(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    actions: Sequence[tuple[str, int]],
    model: str | None = None,
) -> Quote:
    """The price of `actions`, (id, quantity) each, as a charge at `now` would find it.

    Raises what a charge would of the catalog and the plan: InvalidRequest, NotInPlan.
    """
    account = as_of(account, catalog, now)
    known = [priced(catalog, action_id, f"actions.{index}.action") for index, (action_id, _) in enumerate(actions)]
    for action in known:
        require_in_plan(account.plan, catalog, action, model)
    lines = [
        QuoteLine(action.id, quantity, action.credits * quantity)
        for action, (_, quantity) in zip(known, actions, strict=True)
    ]
    total = sum(line.credits for line in lines)
    affordable = total == 0 or (total <= account.remaining and may_spend(account, now))
    return Quote(tuple(lines), total, affordable, account.remaining - total if affordable else None)
