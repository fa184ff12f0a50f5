"""What is for sale, and what it is spent on, as people read it."""

from dataclasses import replace

import pytest

from credits.domain.account import Account
from credits.domain.grant import Grant, GrantKind
from credits.page.plans import PackOffer, Plans, plans_of
from credits.page.reader import reader_of
from credits.page.selection import Address
from tests.unit.books import CATALOG, allocation, free_account, utc


def plans(account: Account | None = None, language: str = "en-US") -> Plans:
    reader = reader_of(language=language, accepted=None, zone="UTC")
    address = Address("/usage", {"session": "s"})
    account = account or free_account(allocation(300))
    return plans_of(account, address, CATALOG, reader, now=utc("2026-01-20 09:00"))


def test_every_action_says_what_it_costs() -> None:
    assert [(price.name, price.credits) for price in plans().prices] == [
        ("Message", "1 credit"),
        ("Agent Step", "2 credits"),
        ("Web Fetch", "1 credit"),
        ("Image Generation", "5 credits"),
        ("Image Edit", "5 credits"),
        ("Deep Research", "20 credits"),
        ("AI Response", "Free"),
    ]


def test_the_two_worked_examples_come_out_at_three_and_seven() -> None:
    told = [(example.credits, [(step.name, step.credits) for step in example.steps]) for example in plans().examples]
    assert told == [
        ("3 credits", [("Message", "1"), ("Gmail search", "2"), ("AI response", "0")]),
        ("7 credits", [("Message", "1"), ("Find free time", "2"), ("Create event", "2"), ("Send email", "2")]),
    ]


def test_an_upgrade_says_what_it_brings_and_what_happens_to_credits_and_money() -> None:
    account = free_account(allocation(120), Grant("g2", GrantKind.PACK, 400, 100))
    offer = plans(account).offer
    assert offer
    assert offer.url == "/usage/order?session=s&plan=pro"
    assert (offer.plan, offer.name, offer.price) == ("pro", "Pro", "$29 a month")
    assert offer.brings == ("+700 a month", "all models", "1M knowledge words", "10 workflows")
    assert offer.happens == (
        "1,000 credits are added at once, and the new limits apply.",
        "The 120 credits left of this period stay yours until February 10, 2026.",
        "Your 100 purchased credits stay as they are.",
        "You pay $29 on the day you upgrade. If that is today, the next payment is on February 20, 2026.",
    )


@pytest.mark.parametrize(("plan", "offered"), [("free", "pro"), ("pro", "max"), ("max", None), ("team", None)])
def test_the_next_plan_up_is_offered_where_there_is_one(plan: str, offered: str | None) -> None:
    offer = plans(replace(free_account(allocation(300)), plan=plan)).offer
    assert (offer and offer.plan) == offered


def test_all_plans_are_compared_and_one_s_own_is_marked() -> None:
    told = plans()
    assert told.features == ("Credits a month", "AI models", "Knowledge words", "Workflows", "Support")
    assert [(column.name, column.price, column.current, column.cells) for column in told.columns] == [
        ("Free", "$0", True, ("300", "GPT 5.1 only", "50,000", "2", "Basic")),
        ("Pro", "$29 a month", False, ("1,000", "All models", "1,000,000", "10", "Priority")),
        ("Max", "$49 a month", False, ("3,000", "All models", "5,000,000", "50", "24/7")),
        (
            "Team",
            "$49 a seat a month",
            False,
            ("4,000 a seat", "All models", "5,000,000 a seat", "25 a seat", "24/7"),
        ),
    ]


def test_packs_are_priced_in_the_reader_s_own_way() -> None:
    assert plans(language="de").packs == (
        PackOffer("small", "Small", "400 credits", "9,99\xa0$"),
        PackOffer("medium", "Medium", "1.200 credits", "29,99\xa0$"),
        PackOffer("large", "Large", "2.500 credits", "59,99\xa0$"),
    )


def test_every_plan_can_be_chosen_but_one_s_own_and_free_by_whoever_has_a_subscription() -> None:
    assert [column.choose for column in plans().columns] == ["", "Choose Pro", "Choose Max", "Choose Team"]
    team = replace(free_account(allocation(300)), plan="team", seats=3, subscription_id="sub_1")
    assert [(column.choose, column.url.partition("&")[2]) for column in plans(team).columns] == [
        ("Choose Free", "plan=free"),
        ("Choose Pro", "plan=pro"),
        ("Choose Max", "plan=max"),
        ("Change seats", "plan=team&seats=3"),
    ]
