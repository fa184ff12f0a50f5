"""Gates: what plan and standing allow, before any balance is looked at."""

from dataclasses import replace
from datetime import datetime

import pytest

from credits.domain.account import Account, Standing
from credits.domain.charge import Usage, charge
from credits.domain.gate import may_spend
from credits.domain.journal import Posting
from credits.errors import NotInPlan, PaymentRequired
from tests.unit.books import CATALOG, allocation, excluding, free_account, utc

NOW = utc("2026-01-15")


def message(account: Account, *, model: str | None = None, now: datetime = NOW) -> Posting:
    return charge(account, CATALOG, now=now, key="c#k1", lines=[Usage(action="message", model=model)])


def test_free_may_use_gpt_5_1_and_no_model_at_all() -> None:
    account = free_account(allocation(300))

    assert message(account, model="gpt-5.1").entries[-1].remaining == 299
    assert message(account).entries[-1].remaining == 299


def test_any_other_model_is_outside_free_and_the_refusal_names_the_plans_that_have_it() -> None:
    with pytest.raises(NotInPlan) as refusal:
        message(free_account(allocation(300)), model="a-model-of-tomorrow")

    assert refusal.value.fields == {"model": "a-model-of-tomorrow", "plan": "free", "plans": ["pro", "max", "team"]}
    assert str(refusal.value) == (
        "The model a-model-of-tomorrow is not part of the plan free. Plans that have it: pro, max, team."
    )


@pytest.mark.parametrize("plan", ["pro", "max", "team"])
def test_the_other_plans_may_use_every_model_those_of_tomorrow_included(plan: str) -> None:
    account = replace(free_account(allocation(300)), plan=plan)

    assert message(account, model="a-model-of-tomorrow").entries[-1].remaining == 299


def test_an_action_that_a_plan_excludes_is_refused_with_the_plans_that_have_it() -> None:
    catalog = excluding("deep_research", "free", "pro")

    with pytest.raises(NotInPlan) as refusal:
        charge(free_account(allocation(300)), catalog, now=NOW, key="c#k1", lines=[Usage(action="deep_research")])

    assert refusal.value.fields == {"action": "deep_research", "plan": "free", "plans": ["max", "team"]}


def test_an_excluded_action_is_refused_even_if_it_costs_nothing() -> None:
    catalog = excluding("ai_response", "free")

    with pytest.raises(NotInPlan):
        charge(free_account(), catalog, now=NOW, key="c#k1", lines=[Usage(action="ai_response")])


def test_an_action_that_every_plan_excludes_says_that_no_plan_has_it() -> None:
    catalog = excluding("image_edit", "free", "pro", "max", "team")

    with pytest.raises(NotInPlan) as refusal:
        charge(free_account(allocation(300)), catalog, now=NOW, key="c#k1", lines=[Usage(action="image_edit")])

    assert refusal.value.fields["plans"] == []
    assert str(refusal.value) == "The action image_edit is not part of the plan free. No plan has it."


@pytest.mark.parametrize(
    ("standing", "spends"),
    [
        ("active", True),
        ("trialing", True),
        ("incomplete", True),
        ("paused", True),
        ("canceled", True),
        ("unpaid", True),
        ("past_due", False),
    ],
)
def test_standing_alone_decides_who_may_spend_where_there_is_no_grace(standing: str, spends: bool) -> None:
    account = replace(free_account(allocation(300)), standing=Standing(standing))

    assert may_spend(account, NOW) is spends


def test_every_standing_has_its_line_in_the_table_above() -> None:
    assert {standing.value for standing in Standing} == {
        "active",
        "trialing",
        "past_due",
        "unpaid",
        "incomplete",
        "paused",
        "canceled",
    }


def test_past_due_spends_until_the_instant_grace_ends() -> None:
    account = replace(free_account(allocation(300)), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-17"))

    assert message(account, now=utc("2026-01-16 23:59:59.999")).entries[-1].remaining == 299
    with pytest.raises(PaymentRequired) as refusal:
        message(account, now=utc("2026-01-17"))
    assert refusal.value.fields == {"standing": "past_due"}


def test_grace_that_is_over_does_not_come_back_when_the_clock_steps_back() -> None:
    account = replace(
        free_account(allocation(300), at="2026-01-18"), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-17")
    )

    with pytest.raises(PaymentRequired):
        message(account, now=utc("2026-01-16"))
