"""The buttons of the Usage page as API Gateway gets them: an order told beforehand, Stripe, and the way back."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.functions import Answer
from tests.integration.conftest import Stack
from tests.integration.test_usage_page import linked
from tests.moves import NOON

BACK = "https://app.example/settings/usage"


def account_of(path: str) -> str:
    return path.rpartition("/")[2]


def on_pro(stack: Stack) -> str:
    """An account that is subscribed to Pro and on it."""
    path = stack.opened()
    stack.subscribed(account_of(path), "pro")
    assert stack.call("PUT", f"{path}/plan", {"plan": "pro"}, key="pro").status == 200
    return path


def pressed(stack: Stack, button: str, token: str, **fields: str) -> Answer:
    """What a browser gets that sends the form of a button."""
    form = urlencode({"session": token} | fields).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return stack.functions.call("POST", f"/usage/{button}", form, headers=headers)


def told(stack: Stack, token: str, **order: str) -> Answer:
    return stack.functions.call("GET", "/usage/order", query={"session": token} | order)


def facts(answer: Answer) -> dict[str, str]:
    """The facts on the page of an order."""
    assert answer.status == 200, answer.text
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", answer.text))


def sessions(stack: Stack, path: str) -> list[dict[str, Any]]:
    wanted = {"customer": stack.stripe_events.customer_of(account_of(path))}
    found: list[dict[str, Any]] = stack.stripe.request("GET", "/v1/checkout/sessions", wanted)["data"]
    return found


# Checkout


def test_the_upgrade_button_leads_to_checkout_and_people_come_back_to_the_product(stack: Stack) -> None:
    path = stack.opened()

    answer = pressed(stack, "checkout", linked(stack, path, return_url=BACK), key="page-1", plan="pro")

    (session,) = sessions(stack, path)
    assert answer.status == 303
    assert answer.headers["location"] == f"https://stripe.invalid/pages/checkout/{session['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (session["amount_total"], session["success_url"], session["cancel_url"]) == (2_900, BACK, BACK)


def test_a_pack_is_bought_in_checkout(stack: Stack) -> None:
    path = stack.opened()

    answer = pressed(stack, "checkout", linked(stack, path), key="page-1", pack="small")

    (session,) = sessions(stack, path)
    assert (answer.status, session["mode"], session["amount_total"]) == (303, "payment", 999)
    assert session["success_url"] == "https://infuseos.example/upgrade"


def test_a_button_that_is_pressed_twice_makes_one_order(stack: Stack) -> None:
    path = stack.opened()
    token = linked(stack, path)

    answers = [pressed(stack, "checkout", token, key="page-1", pack="small") for _ in range(2)]

    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert len(sessions(stack, path)) == 1


def test_two_views_of_the_page_make_two_orders(stack: Stack) -> None:
    path = stack.opened()
    token = linked(stack, path)
    keys = [
        re.findall(r'name="key" value="(page-[0-9a-f]{32})"', stack.functions.call("GET", "/usage", query=q).text)[0]
        for q in ({"session": token}, {"session": token})
    ]
    assert keys[0] != keys[1]


def test_a_subscription_that_is_there_is_changed_at_once_when_it_was_confirmed(stack: Stack) -> None:
    path = on_pro(stack)
    token = linked(stack, path)

    answer = pressed(stack, "checkout", token, key="page-1", plan="max", seats="1", confirmed="yes")

    assert answer.status == 303
    assert answer.headers["location"] == f"/usage?session={token}"
    wanted = {"customer": stack.stripe_events.customer_of(account_of(path))}
    (subscription,) = stack.stripe.request("GET", "/v1/subscriptions", wanted)["data"]
    assert subscription["items"]["data"][0]["price"]["lookup_key"] == "plan.max.month"


def test_the_portal_opens_for_whoever_pays(stack: Stack) -> None:
    answer = pressed(stack, "portal", linked(stack, on_pro(stack), return_url=BACK))

    assert answer.status == 303
    assert answer.headers["location"].startswith("https://stripe.invalid/pages/")


# An order, before it is made


def test_a_first_order_tells_credits_and_money_by_stripe_s_own_preview(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=20)

    answer = told(stack, linked(stack, path), plan="pro")

    assert "<h1>Upgrade to Pro</h1>" in answer.text
    assert facts(answer) == {
        "Now": "280 credits",
        "Right after": "1,280 credits",
        "Each month from then on": "1,000 credits",
        "Left of this period": "280 credits, kept until December 23, 2026",
        "To pay now": "$29",
        "The next payment": "$29 on December 23, 2026",
    }
    assert "Continue to payment" in answer.text
    assert sessions(stack, path) == []


def test_an_upgrade_of_a_subscription_says_what_the_card_pays(stack: Stack) -> None:
    answer = told(stack, linked(stack, on_pro(stack)), plan="max")

    assert facts(answer)["To pay now"] == "$49"
    assert facts(answer)["Right after"] == "4,300 credits"
    assert "Pay $49 and change" in answer.text


def test_a_smaller_plan_waits_and_costs_nothing_now(stack: Stack) -> None:
    answer = told(stack, linked(stack, on_pro(stack)), plan="free")

    assert "<h1>Change to Free</h1>" in answer.text
    assert facts(answer)["To pay now"] == "$0"
    assert "Right after" not in facts(answer)
    assert "Change on December 23, 2026" in answer.text


def test_the_plan_that_one_has_needs_no_order(stack: Stack) -> None:
    answer = told(stack, linked(stack, on_pro(stack)), plan="pro")

    assert "This is your plan already." in answer.text
    assert facts(answer) == {}
    assert "<form" not in answer.text


def test_seats_can_be_chosen_before_a_team_is_ordered(stack: Stack) -> None:
    answer = told(stack, linked(stack, stack.opened()), plan="team", seats="3")

    assert "<h1>Upgrade to Team, 3 seats</h1>" in answer.text
    assert facts(answer)["Each month from then on"] == "12,000 credits"
    assert facts(answer)["To pay now"] == "$147"
    assert '<input type="number" name="seats" min="1"' in answer.text


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"plan": "platinum"}, "there is no plan"),
        ({"plan": "pro", "seats": "2"}, "has one seat"),
        ({"plan": "team", "seats": "0"}, "seats: is a number from 1 to"),
        ({"plan": "team", "seats": "²"}, "seats: is a number from 1 to"),
        ({}, "there is no plan"),
    ],
)
def test_an_order_that_cannot_be_is_told_kindly_with_the_way_back(
    stack: Stack, order: dict[str, str], words: str
) -> None:
    token = linked(stack, stack.opened())
    answer = told(stack, token, **order)

    assert (answer.status, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert words in answer.text
    assert f'href="/usage?session={token}"' in answer.text


def test_a_form_without_its_key_orders_nothing(stack: Stack) -> None:
    path = stack.opened()
    answer = pressed(stack, "checkout", linked(stack, path), plan="pro")
    assert answer.status == 400
    assert "press the button there" in answer.text


# Who may


@pytest.mark.parametrize("button", ["checkout", "portal"])
def test_a_reader_who_may_not_pay_has_no_buttons_and_cannot_press_them(stack: Stack, button: str) -> None:
    token = linked(stack, stack.opened(), may=[])

    text = stack.functions.call("GET", "/usage", query={"session": token}).text
    assert "<button" in text
    assert "Upgrade to Pro</button>" not in text
    assert 'method="post"' not in text
    assert pressed(stack, button, token, key="page-1", plan="pro").status == 403
    assert told(stack, token, plan="pro").status == 403


@pytest.mark.parametrize("button", ["checkout", "portal"])
def test_a_link_whose_time_is_over_buys_nothing(stack: Stack, button: str) -> None:
    path = stack.opened()
    token = linked(stack, path)
    stack.now = NOON + timedelta(minutes=15)

    answer = pressed(stack, button, token, key="page-1", plan="pro")

    assert answer.status == 401
    assert "This link has expired" in answer.text


def test_a_session_in_the_address_of_a_form_is_none(stack: Stack) -> None:
    token = linked(stack, stack.opened())
    form = urlencode({"key": "page-1", "plan": "pro"}).encode()
    answer = stack.functions.call("POST", "/usage/checkout", form, query={"session": token})
    assert answer.status == 401
