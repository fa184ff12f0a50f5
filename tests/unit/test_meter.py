"""Meters: what a plan limits besides credits, and what would lift the limit."""

from dataclasses import replace
from typing import Any

import pytest

from credits.domain.account import Account
from credits.domain.meter import Meter, change_meter, set_meter
from credits.errors import LimitReached
from tests.unit.books import CATALOG, allocation, free_account, utc

NOW = utc("2026-01-10 09:00")


def account_on(plan: str, seats: int = 1) -> Account:
    return replace(free_account(allocation(300)), plan=plan, seats=seats)


def refusal_of_words(account: Account, value: int) -> LimitReached:
    with pytest.raises(LimitReached) as refused:
        set_meter(account, CATALOG, now=NOW, key="c#k1", meter=Meter.KNOWLEDGE_WORDS, value=value)
    return refused.value


def refusal_of_workflows(account: Account, change: int) -> LimitReached:
    with pytest.raises(LimitReached) as refused:
        change_meter(account, CATALOG, now=NOW, key="c#k1", meter=Meter.WORKFLOWS, change=change)
    return refused.value


@pytest.mark.parametrize(
    ("plan", "seats", "words", "plans", "needed"),
    [
        ("free", 1, 50_001, ["pro", "max", "team"], {"team": 1}),
        ("free", 1, 1_000_001, ["max", "team"], {"team": 1}),
        ("free", 1, 6_000_000, ["team"], {"team": 2}),
        ("max", 1, 10_000_000, ["team"], {"team": 2}),
        ("max", 1, 10_000_001, ["team"], {"team": 3}),
        ("team", 3, 16_000_000, ["team"], {"team": 4}),
        ("team", 3, 50_000_000_000, ["team"], {"team": 10_000}),
        ("team", 3, 50_000_000_001, [], {}),
    ],
)
def test_too_many_words_name_the_plans_that_allow_them_and_the_fewest_seats(
    plan: str, seats: int, words: int, plans: list[str], needed: dict[str, int]
) -> None:
    fields = refusal_of_words(account_on(plan, seats), words).fields

    assert (fields["plans"], fields["seats"]) == (plans, needed)


@pytest.mark.parametrize(
    ("plan", "seats", "change", "limit", "plans", "needed"),
    [
        ("free", 1, 3, 2, ["pro", "max", "team"], {"team": 1}),
        ("pro", 1, 26, 10, ["max", "team"], {"team": 2}),
        ("max", 1, 51, 50, ["team"], {"team": 3}),
        ("team", 3, 76, 75, ["team"], {"team": 4}),
    ],
)
def test_too_many_workflows_name_the_plans_that_allow_them_and_the_fewest_seats(
    plan: str, seats: int, change: int, limit: int, plans: list[str], needed: dict[str, int]
) -> None:
    fields = refusal_of_workflows(account_on(plan, seats), change).fields

    assert (fields["limit"], fields["plans"], fields["seats"]) == (limit, plans, needed)


def test_the_refusal_says_what_would_lift_it() -> None:
    def said(account: Account, words: int) -> Any:
        return refusal_of_words(account, words).detail.rpartition("asked for. ")[2]

    assert said(account_on("free"), 60_000) == "Plans that allow it: pro, max, team with 1 seat."
    assert said(account_on("team", 3), 16_000_000) == "Plans that allow it: team with 4 seats."
    assert said(account_on("team"), 50_000_000_000) == "Plans that allow it: team with 10,000 seats."
    assert said(account_on("team"), 50_000_000_001) == "No plan allows it."
