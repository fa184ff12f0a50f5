"""Quotes: the price beforehand."""

from dataclasses import replace

import pytest

from credits.domain.account import Standing
from credits.domain.charge import Usage, charge
from credits.domain.quote import Quote, QuoteLine, quote
from credits.errors import InvalidRequest, NotInPlan
from tests.unit.books import CATALOG, allocation, excluding, free_account, utc

NOW = utc("2026-01-15")


def test_a_quote_prices_each_line_and_says_what_would_be_left() -> None:
    account = free_account(allocation(300))

    assert quote(account, CATALOG, now=NOW, actions=[("message", 1), ("agent_step", 3), ("ai_response", 1)]) == Quote(
        lines=(QuoteLine("message", 1, 1), QuoteLine("agent_step", 3, 6), QuoteLine("ai_response", 1, 0)),
        total=7,
        affordable=True,
        remaining_after=293,
    )


def test_a_quote_of_all_that_is_left_is_affordable() -> None:
    answer = quote(free_account(allocation(20)), CATALOG, now=NOW, actions=[("deep_research", 1)])

    assert (answer.total, answer.affordable, answer.remaining_after) == (20, True, 0)


def test_a_quote_over_the_balance_is_answered_and_not_refused() -> None:
    answer = quote(free_account(allocation(19)), CATALOG, now=NOW, actions=[("deep_research", 1)])

    assert (answer.total, answer.affordable, answer.remaining_after) == (20, False, None)


def test_free_actions_are_affordable_at_0_and_past_due() -> None:
    account = replace(free_account(), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-12"))

    answer = quote(account, CATALOG, now=NOW, actions=[("ai_response", 9)])

    assert (answer.total, answer.affordable, answer.remaining_after) == (0, True, 0)


def test_nothing_that_costs_is_affordable_once_grace_is_over() -> None:
    account = replace(free_account(allocation(300)), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-15"))

    assert quote(account, CATALOG, now=utc("2026-01-14"), actions=[("message", 1)]).affordable
    assert not quote(account, CATALOG, now=utc("2026-01-15"), actions=[("message", 1)]).affordable


def test_grace_that_is_over_is_over_for_a_quote_too_when_the_clock_steps_back() -> None:
    account = replace(
        free_account(allocation(300), at="2026-01-18"), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-17")
    )

    assert not quote(account, CATALOG, now=utc("2026-01-16"), actions=[("message", 1)]).affordable


def test_a_quote_finds_the_allocation_of_a_period_that_nobody_has_written_yet() -> None:
    answer = quote(free_account(allocation(5)), CATALOG, now=utc("2026-02-10 09:00"), actions=[("deep_research", 1)])

    assert (answer.affordable, answer.remaining_after) == (True, 280)


def test_an_unknown_action_is_named_by_its_place() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        quote(free_account(), CATALOG, now=NOW, actions=[("message", 1), ("teleport", 1)])

    assert refusal.value.fields["field"] == "actions.1.action"


def test_a_model_outside_the_plan_is_refused_as_a_charge_would_be() -> None:
    with pytest.raises(NotInPlan) as refusal:
        quote(free_account(allocation(300)), CATALOG, now=NOW, actions=[("message", 1)], model="claude-opus")

    assert refusal.value.fields == {"model": "claude-opus", "plan": "free", "plans": ["pro", "max", "team"]}


def test_an_unknown_action_is_told_before_one_outside_the_plan_in_a_quote_as_in_a_charge() -> None:
    account, catalog = free_account(allocation(300)), excluding("deep_research", "free")

    with pytest.raises(InvalidRequest):
        charge(account, catalog, now=NOW, key="c#k1", lines=[Usage(action="deep_research"), Usage(action="teleport")])
    with pytest.raises(InvalidRequest):
        quote(account, catalog, now=NOW, actions=[("deep_research", 1), ("teleport", 1)])
