"""Gates: what the plan and the standing let an account do, before its balance is looked at."""

from datetime import datetime

from credits.catalog import Action, Catalog
from credits.domain.account import Account, Standing
from credits.errors import InvalidRequest, NotInPlan, PaymentRequired

SPENDING = frozenset(Standing) - {Standing.PAST_DUE}
"""The standings in which credits can be spent without a further question.

Incomplete changes nothing until it is paid; unpaid, canceled and paused accounts are on Free, and keep what they paid
for.
"""


def priced(catalog: Catalog, action_id: str, field: str) -> Action:
    """The action of this id; InvalidRequest names `field` where the catalog has none."""
    try:
        return catalog.actions[action_id]
    except KeyError:
        known = ", ".join(catalog.actions)
        raise InvalidRequest([(field, f"there is no action {action_id!r}; the catalog has {known}")]) from None


def require_in_plan(plan_id: str, catalog: Catalog, action: Action, model: str | None) -> None:
    """NotInPlan where the plan has not this action or not this model."""
    plan = catalog.plans[plan_id]
    if not plan.allows_action(action.id):
        raise NotInPlan("action", action.id, plan.id, catalog.plans_with_action(action.id))
    if model is not None and not plan.allows_model(model):
        raise NotInPlan("model", model, plan.id, catalog.plans_with_model(model))


def may_spend(account: Account, now: datetime) -> bool:
    """Whether payment allows spending: past due, it does until the days of grace are over, as far as the book knows."""
    if account.standing is Standing.PAST_DUE:
        return account.grace_ends_at is not None and max(now, account.at) < account.grace_ends_at
    return account.standing in SPENDING


def require_standing(account: Account, now: datetime) -> None:
    """PaymentRequired where the standing forbids spending."""
    if not may_spend(account, now):
        raise PaymentRequired(account.standing.value)
