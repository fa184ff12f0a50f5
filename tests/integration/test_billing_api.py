"""Ordering plans, packs and seats over HTTP, with the stand-in's engine as Stripe and the real SDK between them."""

from datetime import datetime, timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest
import stripe

from credits.domain.pack import give_pack
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey
from credits.payments import client
from credits.payments.fetch import Fetch
from credits.payments.sync import Sync
from tests.functions import Answer
from tests.integration.conftest import Stack
from tests.moves import CATALOG
from tests.stripe_sdk import sdk

RESET = "2026-12-23T12:00:00.000Z"


def ordered(stack: Stack, path: str, key: str, **body: Any) -> Answer:
    return stack.call("POST", f"{path}/checkout-sessions", body, key=key)


def account_of(path: str) -> str:
    return path.rpartition("/")[2]


def subscriptions(stack: Stack, account_id: str) -> list[dict[str, Any]]:
    """Every subscription of the account's customer, the newest first."""
    wanted = {"customer": stack.stripe_events.customer_of(account_id), "status": "all"}
    found: list[dict[str, Any]] = stack.stripe.request("GET", "/v1/subscriptions", wanted)["data"]
    return found


def sessions(stack: Stack, account_id: str, **wanted: str) -> list[dict[str, Any]]:
    wanted["customer"] = stack.stripe_events.customer_of(account_id) or ""
    found: list[dict[str, Any]] = stack.stripe.request("GET", "/v1/checkout/sessions", wanted)["data"]
    return found


def session_of(answer: Answer) -> str:
    """The id of the session behind a link."""
    return str(answer.body["url"]).rpartition("/")[2]


def plan_of(subscription: dict[str, Any]) -> tuple[str, int]:
    (item,) = subscription["items"]["data"]
    return item["price"]["lookup_key"], item["quantity"]


def invoices(stack: Stack, account_id: str) -> list[int]:
    """What was paid so far, the oldest invoice first."""
    wanted = {"customer": stack.stripe_events.customer_of(account_id)}
    found = stack.stripe.request("GET", "/v1/invoices", wanted)["data"]
    return [each["amount_paid"] for each in found[::-1]]


# A first subscription


def test_a_plan_is_ordered_in_checkout_by_a_customer_that_is_linked_to_the_account(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)

    answer = ordered(stack, path, "k1", plan="team", seats=3, return_url="https://app.example/back")

    assert answer.status == 201
    assert answer.body == {
        "outcome": "checkout",
        "url": f"https://stripe.invalid/pages/checkout/{session_of(answer)}",
        "expires_at": "2026-11-24T12:00:00.000Z",
        "plan": "team",
        "seats": 3,
        "pack": None,
        "effective_at": None,
    }
    (session,) = sessions(stack, account_id)
    assert (session["mode"], session["client_reference_id"], session["amount_total"]) == (
        "subscription",
        account_id,
        14_700,
    )
    assert session["metadata"] == {"account_id": account_id, "plan": "team", "seats": "3"}
    assert (session["success_url"], session["cancel_url"]) == ("https://app.example/back", "https://app.example/back")
    customer = stack.stripe.request("GET", f"/v1/customers/{session['customer']}")
    assert customer["metadata"] == {"account_id": account_id}
    assert stack.stripe_events.account_of(customer["id"]) == account_id

    stack.stripe.complete_checkout(session["id"])

    (subscription,) = subscriptions(stack, account_id)
    assert plan_of(subscription) == ("plan.team.month", 3)
    assert subscription["metadata"] == {"account_id": account_id}


def test_without_a_return_url_people_come_back_to_where_they_upgrade(stack: Stack) -> None:
    path = stack.opened()

    ordered(stack, path, "k1", plan="pro")

    (session,) = sessions(stack, account_of(path))
    assert session["success_url"] == "https://infuseos.example/upgrade"


def test_the_same_key_is_answered_the_same_and_makes_nothing_more(stack: Stack) -> None:
    path = stack.opened()
    first = ordered(stack, path, "k1", plan="pro")

    again = ordered(stack, path, "k1", plan="pro")

    assert (again.status, again.headers["idempotency-replayed"], again.text) == (200, "true", first.text)
    assert len(sessions(stack, account_of(path))) == 1


def test_the_same_key_for_another_order_is_refused(stack: Stack) -> None:
    path = stack.opened()
    ordered(stack, path, "k1", plan="pro")

    answer = ordered(stack, path, "k1", plan="max")

    assert (answer.status, answer.body["code"]) == (409, "idempotency_key_reused")


def test_the_same_order_again_leads_to_the_session_that_is_open(stack: Stack) -> None:
    path = stack.opened()

    first, second = ordered(stack, path, "k1", plan="pro"), ordered(stack, path, "k2", plan="pro")

    assert first.body["url"] == second.body["url"]


def test_another_order_closes_the_session_that_is_open_so_that_nobody_pays_twice(stack: Stack) -> None:
    path = stack.opened()
    first = ordered(stack, path, "k1", plan="pro")

    second = ordered(stack, path, "k2", plan="max")

    open_ones = sessions(stack, account_of(path), status="open")
    assert [each["id"] for each in open_ones] == [session_of(second)]
    closed = stack.stripe.request("GET", f"/v1/checkout/sessions/{session_of(first)}")
    assert closed["status"] == "expired"


def test_a_pack_s_session_stays_open_beside_a_plan_s(stack: Stack) -> None:
    path = stack.opened()
    pack = ordered(stack, path, "k1", pack="small")

    ordered(stack, path, "k2", plan="pro")
    ordered(stack, path, "k3", plan="max")

    assert session_of(pack) in {each["id"] for each in sessions(stack, account_of(path), status="open")}


def test_what_was_begun_and_never_paid_is_canceled_first(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "pro", card="pm_card_chargeCustomerFail")
    (never_paid,) = subscriptions(stack, account_of(path))
    assert never_paid["status"] == "incomplete"

    answer = ordered(stack, path, "k1", plan="pro")

    assert answer.body["outcome"] == "checkout"
    (left,) = subscriptions(stack, account_of(path))
    assert left["status"] in {"canceled", "incomplete_expired"}


def test_a_customer_that_was_deleted_is_replaced(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    ordered(stack, path, "k1", plan="pro")
    gone = str(stack.stripe_events.customer_of(account_id))
    stack.stripe.request("DELETE", f"/v1/customers/{gone}")
    stack.stripe_events.unlink(account_id, gone)

    answer = ordered(stack, path, "k2", plan="pro")

    assert answer.status == 201
    assert stack.stripe_events.customer_of(account_id) not in {None, gone}


def test_free_is_nothing_to_order_for_whoever_is_on_it(stack: Stack) -> None:
    path = stack.opened()

    answer = ordered(stack, path, "k1", plan="free")

    assert (answer.body["outcome"], answer.body["url"]) == ("unchanged", None)


# Packs


def test_a_pack_is_ordered_in_checkout_and_its_payment_says_whose_it_is(stack: Stack) -> None:
    path = stack.opened()

    answer = ordered(stack, path, "k1", pack="medium")

    assert (answer.status, answer.body["outcome"], answer.body["pack"], answer.body["plan"]) == (
        201,
        "checkout",
        "medium",
        None,
    )
    paid = stack.stripe.complete_checkout(session_of(answer))
    metadata = {"account_id": account_of(path), "pack": "medium"}
    assert (paid["mode"], paid["amount_total"], paid["metadata"]) == ("payment", 2_999, metadata)
    intent = stack.stripe.request("GET", f"/v1/payment_intents/{paid['payment_intent']}")
    assert (intent["metadata"], intent["status"]) == (metadata, "succeeded")
    # Coming back from Checkout grants nothing: that is for Stripe's event to say.
    assert stack.call("GET", path).body["credits"]["remaining"] == 300


def test_from_100_packs_that_are_not_used_up_no_more_are_sold_and_one_that_is_paid_is_given(stack: Stack) -> None:
    path = stack.opened()
    sold = ordered(stack, path, "k1", pack="small")
    store, account_id = DynamoStore(stack.tables), account_of(path)

    def paid(number: int) -> None:
        key = f"pack#{number}"
        rule = partial(give_pack, catalog=CATALOG, key=key, pack=CATALOG.packs["small"])
        post(store, key, [AccountKey(account_id)], rule, now=stack.now)

    for number in range(100):
        paid(number)

    refused = ordered(stack, path, "k2", pack="small")
    paid(100)

    assert (refused.status, refused.body["code"], refused.body["limit"]) == (409, "too_many_packs", 100)
    assert len(sessions(stack, account_id)) == 1
    assert ordered(stack, path, "k1", pack="small").body["url"] == sold.body["url"]
    assert stack.call("GET", path).body["credits"]["purchased_remaining"] == 101 * 400


# Changing a subscription


def test_an_upgrade_is_agreed_to_in_the_portal_and_begins_a_new_cycle_without_proration(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    stack.now += timedelta(days=10)

    answer = ordered(stack, path, "k1", plan="max")

    assert (answer.status, answer.body["outcome"]) == (201, "portal")
    portal = stack.stripe.state.objects[session_of(answer)]
    (subscription,) = subscriptions(stack, account_id)
    assert portal["flow"]["subscription_update_confirm"]["subscription"] == subscription["id"]
    (item,) = portal["flow"]["subscription_update_confirm"]["items"]
    stack.stripe.change_plan(session_of(answer), price=item["price"], quantity=item["quantity"])

    (changed,) = subscriptions(stack, account_id)
    assert plan_of(changed) == ("plan.max.month", 1)
    assert changed["billing_cycle_anchor"] == int(stack.now.timestamp())
    assert invoices(stack, account_id) == [2_900, 4_900]


def test_a_confirmed_upgrade_is_made_and_paid_at_once(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    stack.now += timedelta(days=10)

    answer = ordered(stack, path, "k1", plan="max", confirmed=True)

    assert answer.body == {
        "outcome": "changed",
        "url": None,
        "expires_at": None,
        "plan": "max",
        "seats": 1,
        "pack": None,
        "effective_at": "2026-12-03T12:00:00.000Z",
    }
    (changed,) = subscriptions(stack, account_id)
    assert plan_of(changed) == ("plan.max.month", 1)
    assert changed["billing_cycle_anchor"] == int(stack.now.timestamp())
    assert invoices(stack, account_id) == [2_900, 4_900]
    again = ordered(stack, path, "k1", plan="max", confirmed=True)
    assert (again.status, again.text) == (200, answer.text)
    assert ordered(stack, path, "k2", plan="max", confirmed=True).body["outcome"] == "unchanged"
    assert invoices(stack, account_id) == [2_900, 4_900]


PAID_PLANS = [("pro", 1), ("max", 1), ("team", 1), ("team", 2), ("team", 5)]


@pytest.mark.parametrize(("has", "wants"), [*permutations(PAID_PLANS, 2)], ids=lambda each: f"{each[0]}-{each[1]}")
def test_what_is_agreed_to_in_the_portal_comes_and_costs_what_was_previewed(
    stack: Stack, has: tuple[str, int], wants: tuple[str, int]
) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, *has)
    stack.now += timedelta(days=3)
    seen = previewed(stack, path, *wants)

    answer = ordered(stack, path, "k1", plan=wants[0], seats=wants[1])

    if answer.status == 409:
        # Fewer credits for the same money: the portal would not wait with it.
        assert (has, wants, answer.body["code"]) == (("team", 1), ("max", 1), "not_in_portal")
        assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 1)
        answer = ordered(stack, path, "k1", plan=wants[0], seats=wants[1], confirmed=True)
        assert answer.body["outcome"] == seen["outcome"] == "scheduled"
    else:
        assert answer.body["outcome"] == "portal"
        stack.stripe.confirm_in_portal(session_of(answer))
    as_previewed(stack, path, seen, has=has, wants=wants)


def as_previewed(stack: Stack, path: str, seen: Any, *, has: tuple[str, int], wants: tuple[str, int]) -> None:
    """The change was made as this preview has it: now, and paid; or when the period ends, and nothing before."""
    account_id = account_of(path)
    prices = {"pro": 2_900, "max": 4_900, "team": 4_900}
    first, then = (prices[plan] * seats for plan, seats in (has, wants))
    if seen["outcome"] == "scheduled":
        assert (seen["due_now"], seen["effective_at"]) == (None, RESET)
        assert plan_of(subscriptions(stack, account_id)[0]) == (f"plan.{has[0]}.month", has[1])
        assert invoices(stack, account_id) == [first]
        stack.now += timedelta(days=28, hours=2)
        stack.stripe.advance()
        assert invoices(stack, account_id) == [first, then]
    else:
        assert seen["outcome"] == "changed"
        assert invoices(stack, account_id) == [first, seen["due_now"]["amount_cents"]]
    assert plan_of(subscriptions(stack, account_id)[0]) == (f"plan.{wants[0]}.month", wants[1])


def test_a_plan_of_the_same_price_with_fewer_credits_waits_and_is_agreed_to_before_it_is_ordered(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team")
    stack.now += timedelta(days=3)
    seen = previewed(stack, path, "max")
    assert (seen["outcome"], seen["effective_at"], seen["due_now"]) == ("scheduled", RESET, None)

    refused = ordered(stack, path, "k1", plan="max")

    assert (refused.status, refused.body["code"], refused.body["account_id"]) == (409, "not_in_portal", account_id)
    assert subscriptions(stack, account_id)[0]["schedule"] is None
    agreed = ordered(stack, path, "k1", plan="max", confirmed=True)
    assert (agreed.body["outcome"], agreed.body["effective_at"]) == ("scheduled", RESET)
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 1)
    assert invoices(stack, account_id) == [4_900]
    stack.now += timedelta(days=28, hours=2)
    stack.stripe.advance()
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.max.month", 1)
    assert invoices(stack, account_id) == [4_900, 4_900]


@pytest.mark.parametrize("confirmed", [False, True], ids=["in the portal", "confirmed"])
def test_a_plan_of_the_same_price_with_more_credits_comes_at_once_as_it_was_previewed(
    stack: Stack, confirmed: bool
) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.now += timedelta(seconds=1)
    stack.subscribed(account_id, "max")
    followed(stack, account_id)
    stack.charged(path, "spent", quantity=1_300)
    stack.now += timedelta(days=3)
    seen = previewed(stack, path, "team")
    assert (seen["outcome"], seen["due_now"]["amount_cents"], seen["due_next"]["amount_cents"]) == (
        "changed",
        4_900,
        4_900,
    )

    answer = ordered(stack, path, "k1", plan="team", confirmed=confirmed)
    if not confirmed:
        stack.stripe.confirm_in_portal(session_of(answer))
    followed(stack, account_id)

    assert invoices(stack, account_id) == [4_900, 4_900]
    account = stack.call("GET", path).body
    # 4,000 of Team, and the 2,000 that were left of Max and Free.
    assert (account["plan"]["id"], account["credits"]["remaining"], seen["credits"]["remaining_after"]) == (
        "team",
        6_000,
        6_000,
    )
    assert account["resets_at"] == seen["credits"]["resets_at"] == "2026-12-26T12:00:01.000Z"


def test_who_agreed_to_a_plan_in_the_portal_is_led_back(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "pro")

    answer = ordered(stack, path, "k1", plan="max", return_url="https://app.example/back")

    flow = stack.stripe.state.objects[session_of(answer)]["flow"]
    assert (flow["after_completion"]["type"], flow["after_completion"]["redirect"]) == (
        "redirect",
        {"return_url": "https://app.example/back"},
    )


def test_an_upgrade_whose_card_is_declined_is_402_and_changes_nothing(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    stack.call("POST", f"{path}/checkout-sessions", {"plan": "free", "confirmed": True}, key="k0")
    stack.stripe.fail_payments(str(stack.stripe_events.customer_of(account_id)), "insufficient_funds")

    answer = ordered(stack, path, "k1", plan="max", confirmed=True)

    assert (answer.status, answer.body["code"], answer.body["decline_code"]) == (
        402,
        "payment_failed",
        "insufficient_funds",
    )
    (same,) = subscriptions(stack, account_id)
    assert (plan_of(same), same["cancel_at_period_end"]) == (("plan.pro.month", 1), True)
    stack.stripe.fail_payments(str(same["customer"]), None)
    assert ordered(stack, path, "k2", plan="max", confirmed=True).body["outcome"] == "changed"
    (upgraded,) = subscriptions(stack, account_id)
    assert (plan_of(upgraded), upgraded["cancel_at"]) == (("plan.max.month", 1), None)


def test_a_confirmed_downgrade_waits_for_the_period_s_end_and_credits_nothing(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "max")
    stack.now += timedelta(days=10)

    answer = ordered(stack, path, "k1", plan="pro", confirmed=True)

    assert (answer.body["outcome"], answer.body["effective_at"]) == ("scheduled", RESET)
    (same,) = subscriptions(stack, account_id)
    assert plan_of(same) == ("plan.max.month", 1)
    stack.now += timedelta(days=21)
    stack.stripe.advance()
    (changed,) = subscriptions(stack, account_id)
    assert plan_of(changed) == ("plan.pro.month", 1)
    assert changed["metadata"] == {}
    stack.now += timedelta(hours=2)
    stack.stripe.advance()
    assert invoices(stack, account_id) == [4_900, 2_900]


def test_another_downgrade_replaces_the_one_that_waits(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=5)
    ordered(stack, path, "k1", plan="max", confirmed=True)

    ordered(stack, path, "k2", plan="pro", confirmed=True)

    stack.now += timedelta(days=31)
    stack.stripe.advance()
    (changed,) = subscriptions(stack, account_id)
    assert plan_of(changed) == ("plan.pro.month", 1)


def test_ordering_what_one_has_calls_off_what_waits(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "max")
    ordered(stack, path, "k1", plan="pro", confirmed=True)

    answer = ordered(stack, path, "k2", plan="max", confirmed=True)

    assert answer.body["outcome"] == "changed"
    stack.now += timedelta(days=31)
    stack.stripe.advance()
    (same,) = subscriptions(stack, account_id)
    assert plan_of(same) == ("plan.max.month", 1)


def test_free_cancels_at_the_period_s_end_and_can_be_taken_back(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")

    answer = ordered(stack, path, "k1", plan="free", confirmed=True)

    assert (answer.body["outcome"], answer.body["effective_at"]) == ("scheduled", RESET)
    (canceling,) = subscriptions(stack, account_id)
    assert (canceling["status"], canceling["cancel_at"]) == ("active", 1_798_027_200)
    assert ordered(stack, path, "k2", plan="pro", confirmed=True).body["outcome"] == "changed"
    (kept,) = subscriptions(stack, account_id)
    assert kept["cancel_at"] is None


def test_what_is_past_due_is_paid_first(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    stack.stripe.fail_payments(str(stack.stripe_events.customer_of(account_id)))
    stack.now += timedelta(days=31, hours=2)
    stack.stripe.advance()
    (past_due,) = subscriptions(stack, account_id)
    assert past_due["status"] == "past_due"

    answer = ordered(stack, path, "k1", plan="max", confirmed=True)

    assert answer.body["outcome"] == "portal"
    assert stack.stripe.state.objects[session_of(answer)]["flow"] is None
    assert len(subscriptions(stack, account_id)) == 1


# Seats


def test_more_seats_come_at_once_prorated_and_paid(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=2)
    stack.now += timedelta(days=15)

    answer = stack.call("POST", f"{path}/seats", {"seats": 4}, key="k1")

    assert (answer.status, answer.body["outcome"], answer.body["seats"]) == (200, "changed", 4)
    (changed,) = subscriptions(stack, account_id)
    assert plan_of(changed) == ("plan.team.month", 4)
    assert changed["billing_cycle_anchor"] == 1_795_435_200
    # Half of the month for two seats more.
    assert invoices(stack, account_id) == [9_800, 4_900]
    again = stack.call("POST", f"{path}/seats", {"seats": 4}, key="k1")
    assert (again.text, again.headers["idempotency-replayed"]) == (answer.text, "true")
    assert invoices(stack, account_id) == [9_800, 4_900]


def test_fewer_seats_wait_for_the_period_s_end(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=5)

    answer = stack.call("POST", f"{path}/seats", {"seats": 2}, key="k1")

    assert (answer.body["outcome"], answer.body["effective_at"]) == ("scheduled", RESET)
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 5)
    stack.now += timedelta(days=31)
    stack.stripe.advance()
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 2)
    assert invoices(stack, account_id)[0] == 24_500


def test_more_seats_call_off_the_fewer_that_wait(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=5)
    stack.call("POST", f"{path}/seats", {"seats": 2}, key="k1")

    stack.call("POST", f"{path}/seats", {"seats": 6}, key="k2")

    stack.now += timedelta(days=31)
    stack.stripe.advance()
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 6)


def test_seats_that_are_declined_are_402_and_change_nothing(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=2)
    stack.stripe.fail_payments(str(stack.stripe_events.customer_of(account_id)))

    answer = stack.call("POST", f"{path}/seats", {"seats": 3}, key="k1")

    assert (answer.status, answer.body["code"]) == (402, "payment_failed")
    assert plan_of(subscriptions(stack, account_id)[0]) == ("plan.team.month", 2)


@pytest.mark.parametrize("plan", [None, "pro"])
def test_seats_of_a_plan_that_has_none_are_refused(stack: Stack, plan: str | None) -> None:
    path = stack.opened()
    if plan:
        stack.subscribed(account_of(path), plan)

    answer = stack.call("POST", f"{path}/seats", {"seats": 3}, key="k1")

    assert (answer.status, answer.body["code"]) == (409, "not_subscribed")


# The portal


@pytest.mark.parametrize(
    ("plan", "flow", "kind", "updates"),
    [
        ("pro", None, None, ["price"]),
        ("pro", "card", "payment_method_update", ["price"]),
        ("pro", "plan", "subscription_update", ["price"]),
        ("pro", "cancel", "subscription_cancel", ["price"]),
        ("team", None, None, ["quantity"]),
        ("team", "card", "payment_method_update", ["quantity"]),
        ("team", "seats", "subscription_update", ["quantity"]),
        ("team", "cancel", "subscription_cancel", ["quantity"]),
    ],
)
def test_the_portal_opens_where_it_is_asked_to(
    stack: Stack, plan: str, flow: str | None, kind: str | None, updates: list[str]
) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), plan)

    answer = stack.call("POST", f"{path}/portal-sessions", {"flow": flow, "return_url": "https://app.example/back"})

    assert answer.status == 201
    portal = stack.stripe.state.objects[session_of(answer)]
    assert (portal["flow"] and portal["flow"]["type"], portal["return_url"]) == (kind, "https://app.example/back")
    assert features_of(stack, answer)["subscription_update"]["default_allowed_updates"] == updates


def features_of(stack: Stack, answer: Answer) -> dict[str, Any]:
    """What people may do in the portal behind this link."""
    portal = stack.stripe.state.objects[session_of(answer)]
    features: dict[str, Any] = stack.stripe.state.objects[portal["configuration"]]["features"]
    return features


def test_the_portal_offers_a_team_no_other_plan_to_choose(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "team", seats=3)

    answer = stack.call("POST", f"{path}/portal-sessions", {"flow": "plan"})

    # Max costs as much and gives less, and three seats of Team would become three times Pro.
    assert (answer.status, answer.body["code"]) == (409, "not_in_portal")
    home = stack.call("POST", f"{path}/portal-sessions", {})
    assert [each["product"] for each in features_of(stack, home)["subscription_update"]["products"]] == ["plan_team"]


@pytest.mark.parametrize("has", ["pro", "max", "team"])
def test_whatever_is_switched_at_the_portal_s_home_comes_when_it_was_previewed(stack: Stack, has: str) -> None:
    offered = {"pro": {"max"}, "max": {"pro"}, "team": set[str]()}
    path = stack.opened()
    stack.subscribed(account_of(path), has)
    stack.now += timedelta(days=3)
    home = stack.call("POST", f"{path}/portal-sessions", {})
    products = features_of(stack, home)["subscription_update"]["products"]
    assert {each["product"].removeprefix("plan_") for each in products} - {has} == offered[has]

    for plan in offered[has]:
        seen = previewed(stack, path, plan)
        (price,) = stack.stripe.request("GET", "/v1/prices", {"lookup_keys": [f"plan.{plan}.month"]})["data"]
        stack.stripe.change_plan(session_of(home), price=price["id"])
        as_previewed(stack, path, seen, has=(has, 1), wants=(plan, 1))


def previous_price(stack: Stack, plan: str, cents: int, interval: str = "month") -> str:
    """An account's path that pays the plan at a price of its own, as whoever subscribed before the price changed."""
    path = stack.opened()
    subscription = stack.subscribed(account_of(path), plan)
    wanted: Any = {"product": f"plan_{plan}", "currency": "usd", "unit_amount": cents, "metadata": {"plan": plan}}
    price = stack.stripe.request("POST", "/v1/prices", wanted | {"recurring": {"interval": interval}})["id"]
    (item,) = stack.stripe.request("GET", f"/v1/subscriptions/{subscription}")["items"]["data"]
    change = {"items": [{"id": item["id"], "price": price}], "proration_behavior": "none"}
    stack.stripe.request("POST", f"/v1/subscriptions/{subscription}", change)
    return path


@pytest.mark.parametrize(
    ("has", "cents", "interval", "wants"),
    [
        # Max was cheaper than Pro is now: the portal would charge Pro at once.
        ("max", 1_900, "month", "pro"),
        # Pro was dearer than Max is now: the portal would let Max wait.
        ("pro", 5_900, "month", "max"),
        ("pro", 29_000, "year", "max"),
    ],
)
def test_from_an_older_price_the_portal_offers_nothing_that_it_would_do_at_another_time(
    stack: Stack, has: str, cents: int, interval: str, wants: str
) -> None:
    path = previous_price(stack, has, cents, interval)

    home = stack.call("POST", f"{path}/portal-sessions", {})

    assert features_of(stack, home)["subscription_update"]["default_allowed_updates"] == ["quantity"]
    assert ordered(stack, path, "k1", plan=wants).body["code"] == "not_in_portal"
    expected = previewed(stack, path, wants)["outcome"]
    assert ordered(stack, path, "k1", plan=wants, confirmed=True).body["outcome"] == expected


def test_a_team_that_is_canceled_is_kept_at_the_portal_s_home(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=2)
    ordered(stack, path, "k1", plan="free", confirmed=True)

    answer = ordered(stack, path, "k2", plan="team", seats=2)

    assert answer.body["outcome"] == "portal"
    stack.stripe.keep_in_portal(session_of(answer))
    (kept,) = subscriptions(stack, account_id)
    assert kept["cancel_at"] is None


def test_somebody_who_never_paid_can_open_the_portal_and_leave_a_card(stack: Stack) -> None:
    path = stack.opened()

    answer = stack.call("POST", f"{path}/portal-sessions", {"flow": "card"})

    assert answer.status == 201
    stack.stripe.use_method_in_portal(session_of(answer), "pm_card_visa")


@pytest.mark.parametrize("flow", ["plan", "seats", "cancel"])
def test_the_portal_has_no_flow_for_a_subscription_that_is_not_there(stack: Stack, flow: str) -> None:
    answer = stack.call("POST", f"{stack.opened()}/portal-sessions", {"flow": flow})

    assert (answer.status, answer.body["code"]) == (409, "not_subscribed")


# Previews


def previewed(stack: Stack, path: str, plan: str, seats: int = 1) -> Any:
    answer = stack.call("GET", f"{path}/plan-changes/preview", query={"plan": plan, "seats": str(seats)})
    assert answer.status == 200
    return answer.body


def test_a_first_plan_is_previewed_with_its_price_and_its_credits(stack: Stack) -> None:
    path = stack.opened()
    stack.now += timedelta(days=1)

    assert previewed(stack, path, "pro") == {
        "outcome": "checkout",
        "plan": "pro",
        "seats": 1,
        "effective_at": "2026-11-24T12:00:00.000Z",
        "currency": "usd",
        "due_now": {
            "amount_cents": 2_900,
            "at": "2026-11-24T12:00:00.000Z",
            "lines": [{"description": "1 × Pro (at $29.00 / month)", "amount_cents": 2_900}],
        },
        "due_next": {
            "amount_cents": 2_900,
            "at": "2026-12-24T12:00:00.000Z",
            "lines": [{"description": "1 × Pro (at $29.00 / month)", "amount_cents": 2_900}],
        },
        "credits": {
            "remaining_before": 300,
            "remaining_after": 1_300,
            "each_period": 1_000,
            "resets_at": "2026-12-24T12:00:00.000Z",
        },
    }
    assert stack.stripe_events.customer_of(account_of(path)) is None


def test_an_upgrade_is_previewed_as_a_whole_new_period(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "pro")
    stack.now += timedelta(days=10)

    seen = previewed(stack, path, "max")

    assert (seen["outcome"], seen["effective_at"]) == ("changed", "2026-12-03T12:00:00.000Z")
    assert seen["due_now"]["amount_cents"] == 4_900
    assert (seen["due_next"]["amount_cents"], seen["due_next"]["at"]) == (4_900, "2027-01-03T12:00:00.000Z")
    assert seen["credits"]["each_period"] == 3_000


def test_more_seats_are_previewed_prorated(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "team", seats=2)
    stack.now += timedelta(days=15)

    seen = previewed(stack, path, "team", 4)

    assert (seen["outcome"], seen["due_now"]["amount_cents"]) == ("changed", 4_900)
    assert (seen["due_next"]["amount_cents"], seen["due_next"]["at"]) == (19_600, RESET)
    assert invoices(stack, account_id) == [9_800]


@pytest.mark.parametrize(
    ("has", "spent", "days", "wants", "remaining"),
    [
        (None, 0, 1, ("pro", 1), 1_300),
        (None, 120, 40, ("team", 3), 12_300),
        (("pro", 1), 400, 10, ("max", 1), 3_900),
        (("pro", 1), 1_300, 10, ("max", 1), 3_000),
        (("pro", 1), 1_300, 40, ("team", 2), 9_000),
        (("team", 2), 0, 15, ("team", 4), 12_300),
        (("team", 2), 100, 29, ("team", 3), 8_334),
        (("team", 3), 500, 15, ("team", 2), 11_800),
        (("max", 1), 0, 15, ("pro", 1), 3_300),
        (("max", 1), 0, 15, ("free", 1), 3_300),
    ],
)
def test_the_credits_that_were_previewed_are_those_that_come(
    stack: Stack, has: tuple[str, int] | None, spent: int, days: int, wants: tuple[str, int], remaining: int
) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.now += timedelta(seconds=1)
    if has:
        stack.subscribed(account_id, *has)
        followed(stack, account_id)
    if spent:
        assert stack.charged(path, "spent", quantity=spent).status == 201
    stack.now += timedelta(days=days)
    stack.stripe.advance()
    followed(stack, account_id)

    before = stack.call("GET", path).body["credits"]["remaining"]
    seen = previewed(stack, path, *wants)["credits"]
    answer = ordered(stack, path, "order", plan=wants[0], seats=wants[1], confirmed=True)
    if answer.body["outcome"] == "checkout":
        stack.stripe.complete_checkout(session_of(answer))
    followed(stack, account_id)

    account = stack.call("GET", path).body
    assert (seen["remaining_before"], seen["remaining_after"]) == (before, remaining)
    assert (account["credits"]["remaining"], account["resets_at"]) == (seen["remaining_after"], seen["resets_at"])

    # And what each period brings is what the next one brought: by then all that was left of earlier ones has expired.
    stack.now = datetime.fromisoformat(seen["resets_at"]) + timedelta(hours=2)
    stack.stripe.advance()
    followed(stack, account_id)
    renewed = stack.call("GET", path).body
    assert (renewed["credits"]["remaining"], renewed["plan"]["id"]) == (seen["each_period"], wants[0])


def test_what_must_be_paid_first_is_previewed_to_bring_nothing(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    followed(stack, account_id)
    stack.stripe.fail_payments(str(stack.stripe_events.customer_of(account_id)))
    stack.now += timedelta(days=32)
    stack.stripe.advance()
    followed(stack, account_id)
    assert [each["status"] for each in subscriptions(stack, account_id)] == ["past_due"]

    seen = previewed(stack, path, "max")

    assert (seen["outcome"], seen["due_now"], seen["due_next"]) == ("portal", None, None)
    assert seen["credits"] == {
        "remaining_before": 1_000,
        "remaining_after": 1_000,
        "each_period": 3_000,
        "resets_at": "2027-01-23T12:00:00.000Z",
    }


def followed(stack: Stack, account_id: str) -> None:
    """The account as Stripe has it now."""
    desk = stack.functions.module("billing").desk
    sync = Sync(Fetch(desk.stripe, desk.catalog), desk.events, DynamoStore(stack.tables), desk.catalog)
    sync.bring_up(account_id, stack.now)


def test_a_downgrade_costs_nothing_now_and_less_then(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "max")

    seen = previewed(stack, path, "pro")

    assert (seen["outcome"], seen["effective_at"], seen["due_now"]) == ("scheduled", RESET, None)
    assert (seen["due_next"]["amount_cents"], seen["due_next"]["at"]) == (2_900, RESET)


def test_canceling_costs_nothing_any_more(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "max")

    seen = previewed(stack, path, "free")

    assert (seen["outcome"], seen["due_now"], seen["due_next"]) == ("scheduled", None, None)


def test_what_is_canceled_already_has_no_next_bill(stack: Stack) -> None:
    path = stack.opened()
    stack.subscribed(account_of(path), "pro")
    ordered(stack, path, "k1", plan="free", confirmed=True)

    assert previewed(stack, path, "pro")["due_next"] is None


# What is refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"plan": "pro", "pack": "small"}, "body"),
        ({"pack": "small", "seats": 2}, "body"),
        ({"plan": "gold"}, "plan"),
        ({"pack": "gold"}, "pack"),
        ({"plan": "pro", "seats": 2}, "seats"),
        ({"plan": "team", "seats": 0}, "seats"),
        ({"plan": "pro", "return_url": "javascript:alert(1)"}, "return_url"),
        ({"plan": "pro", "price": "price_1"}, "price"),
    ],
)
def test_an_order_that_makes_no_sense_is_400(stack: Stack, body: dict[str, Any], field: str) -> None:
    answer = ordered(stack, stack.opened(), "k1", **body)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


def test_an_account_that_is_not_there_is_404_and_no_customer_is_made(stack: Stack) -> None:
    answer = ordered(stack, "/v1/accounts/nobody", "k1", plan="pro")

    assert (answer.status, answer.body["code"]) == (404, "account_not_found")
    assert stack.stripe_events.customer_of("nobody") is None


def test_a_stripe_that_does_not_answer_is_503_and_the_same_key_finds_out(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stack.opened()
    broken = sdk(stack.stripe)
    transport = broken._requestor._get_http_client()
    lost: list[str] = []

    def request(method: str, url: str, *args: Any, **options: Any) -> Any:
        answer = type(transport).request(transport, method, url, *args, **options)
        if method == "post" and "checkout" in url and not lost:
            lost.append(url)
            raise stripe.APIConnectionError("the reply was lost")  # type: ignore[no-untyped-call]
        return answer

    monkeypatch.setattr(transport, "request", request)
    desk = stack.functions.module("billing").desk
    monkeypatch.setattr(desk.stripe, "_made", ("sk_test_local", broken))

    answer = ordered(stack, path, "k1", plan="pro")

    assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (503, "stripe_unavailable", "5")
    assert ordered(stack, path, "k1", plan="pro").status == 201
    assert len(sessions(stack, account_of(path))) == 1


def test_a_stripe_that_is_not_set_up_is_503(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stack.opened()
    desk = stack.functions.module("billing").desk

    def refused(*_: Any, **__: Any) -> Any:
        raise stripe.AuthenticationError("Invalid API Key provided")

    monkeypatch.setattr(desk.stripe, "_made", None)
    monkeypatch.setattr(client, "make_client", refused)

    answer = ordered(stack, path, "k1", plan="pro")

    assert (answer.status, answer.body["code"]) == (503, "stripe_unavailable")


def test_the_plan_of_a_subscribed_account_is_stripe_s_to_change(stack: Stack) -> None:
    path = stack.opened()
    account_id = account_of(path)
    stack.subscribed(account_id, "pro")
    followed(stack, account_id)
    assert stack.call("GET", path).body["plan"]["id"] == "pro"

    answer = stack.call("PUT", f"{path}/plan", {"plan": "max"})

    assert (answer.status, answer.body["code"]) == (409, "managed_by_stripe")
    assert stack.call("GET", path).body["plan"]["id"] == "pro"
