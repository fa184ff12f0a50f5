"""Automatic top-ups: the line over HTTP, the crossing in the ledger, and what the function buys for it."""

import json
from datetime import timedelta
from typing import Any

import pytest
import stripe

from credits.domain.notice import NoticeType, notices
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import Span
from local.template import load
from local.zygote import Context
from tests.integration.conftest import Stack

(FUNCTION,) = [function for function in load().functions if function.name == "top_ups"]


def put(stack: Stack, path: str, **changes: Any) -> Any:
    return stack.call("PUT", f"{path}/top-up", {"below": 200, "pack": "small", "at_most": 2} | changes)


def account_of(path: str) -> str:
    return path.rpartition("/")[2]


def spent(stack: Stack, path: str, credits: int, key: str) -> None:
    assert stack.charged(path, key, quantity=credits).status == 201


def crossings(stack: Stack, path: str) -> list[dict[str, Any]]:
    """What the bus was told of crossings, the oldest first."""
    entries = DynamoStore(stack.tables).entries(Span(account_of(path)), limit=100, newest_first=False)
    told = [notice for entry in entries for notice in notices(entry)]
    return [notice.to_record() for notice in told if notice.type is NoticeType.TOP_UP_DUE]


def told(stack: Stack, *found: dict[str, Any]) -> Any:
    """The function's answer to these crossings, as their rule puts them on the queue."""
    records = [
        {"messageId": f"m{number}", "body": json.dumps({"detail": each}), "eventSource": "aws:sqs", "attributes": {}}
        for number, each in enumerate(found)
    ]
    context = Context("top_ups", 1024, "r1", 60.0)
    return stack.functions.module("top_ups").handler({"Records": records}, context)


def bought(stack: Stack, path: str) -> list[tuple[int, str, dict[str, str]]]:
    """The payments of the account's customer, the oldest first."""
    customer = stack.stripe_events.customer_of(account_of(path))
    if customer is None:
        return []
    found = stack.stripe.request("GET", "/v1/payment_intents", {"customer": customer})["data"]
    return [(each["amount"], each["status"], each["metadata"]) for each in found[::-1]]


def shown(stack: Stack, path: str) -> tuple[int, str | None]:
    body = stack.call("GET", f"{path}/top-up").body
    return body["bought_this_month"], body["paused"]


def with_card(stack: Stack, card: str | None = "pm_card_visa") -> str:
    """The path of an account whose customer left this card."""
    path = stack.opened()
    stack.customer(account_of(path), card)
    return path


# The setting


def test_a_top_up_is_set_read_and_taken_away(stack: Stack) -> None:
    path = stack.opened()

    answer = put(stack, path)

    expected = {"below": 200, "pack": "small", "at_most": 2, "bought_this_month": 0, "paused": None}
    assert (answer.status, answer.body) == (200, expected)
    assert stack.call("GET", f"{path}/top-up").body == expected
    assert stack.call("DELETE", f"{path}/top-up").body == expected
    assert stack.call("GET", f"{path}/top-up").body["code"] == "not_found"
    assert stack.call("DELETE", f"{path}/top-up").status == 404


def test_setting_what_is_set_already_draws_no_second_line(stack: Stack) -> None:
    path = stack.opened()
    put(stack, path)
    put(stack, path)

    put(stack, path, at_most=3)

    entries = stack.call("GET", f"{path}/entries", query={"kind": "top_up"}).body["entries"]
    assert [(each["key"], each["description"]) for each in entries] == [
        ("top_up#2", "below 200: small, at most 3 a month"),
        ("top_up#1", "below 200: small, at most 2 a month"),
    ]
    assert stack.call("GET", f"{path}/audit").body["ok"] is True


@pytest.mark.parametrize(
    ("changes", "field"), [({"below": 0}, "below"), ({"pack": "gold"}, "pack"), ({"at_most": 0}, "at_most")]
)
def test_a_top_up_that_makes_no_sense_is_400(stack: Stack, changes: dict[str, Any], field: str) -> None:
    answer = put(stack, stack.opened(), **changes)

    assert (answer.status, answer.body["field"]) == (400, field)


# The purchase


def test_a_crossing_buys_the_pack_once_however_often_it_is_told(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 99, "k1")
    assert crossings(stack, path) == []

    spent(stack, path, 2, "k2")
    spent(stack, path, 50, "k3")

    (crossing,) = crossings(stack, path)
    assert (crossing["data"]["remaining"], crossing["data"]["below"]) == (199, 200)
    assert told(stack, crossing) == {"batchItemFailures": []}
    assert told(stack, crossing, crossing) == {"batchItemFailures": []}
    assert bought(stack, path) == [(999, "succeeded", {"account_id": account_of(path), "pack": "small"})]
    assert shown(stack, path) == (1, None)


def test_the_card_of_the_subscription_serves_where_the_customer_chose_none(stack: Stack) -> None:
    path = with_card(stack, None)
    customer = str(stack.stripe_events.customer_of(account_of(path)))
    (price,) = stack.stripe.request("GET", "/v1/prices", {"lookup_keys": ["plan.pro.month"]})["data"]
    card = stack.stripe.request("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    wanted = {"customer": customer, "items": [{"price": price["id"]}], "default_payment_method": card}
    stack.stripe.request("POST", "/v1/subscriptions", wanted)
    put(stack, path, below=1_000)

    told(stack, *crossings(stack, path))

    assert bought(stack, path)[-1][0] == 999


def test_a_month_buys_so_many_and_the_next_one_again(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path, at_most=1)
    spent(stack, path, 150, "k1")
    told(stack, *crossings(stack, path))
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 200, "reason": "x"}, key="g1")
    spent(stack, path, 200, "k2")
    told(stack, crossings(stack, path)[-1])
    assert (len(bought(stack, path)), shown(stack, path)) == (1, (1, None))

    stack.now += timedelta(days=9)
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 200, "reason": "x"}, key="g2")
    spent(stack, path, 200, "k3")
    told(stack, crossings(stack, path)[-1])

    assert (len(bought(stack, path)), shown(stack, path)) == (2, (1, None))


def test_a_balance_that_is_at_the_line_again_buys_nothing(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 200, "reason": "x"}, key="g1")

    told(stack, *crossings(stack, path))

    assert bought(stack, path) == []


def test_a_crossing_that_comes_after_a_later_one_buys_nothing(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 200, "reason": "x"}, key="g1")
    spent(stack, path, 200, "k2")
    first, second = crossings(stack, path)

    told(stack, second, first)

    assert len(bought(stack, path)) == 1


@pytest.mark.parametrize(
    ("card", "reason"), [("pm_card_chargeCustomerFail", "generic_decline"), (None, "no_card")], ids=["declined", "none"]
)
def test_a_card_that_is_declined_pauses_it_until_it_is_set_again(stack: Stack, card: str | None, reason: str) -> None:
    path = with_card(stack, card)
    put(stack, path)
    spent(stack, path, 150, "k1")

    assert told(stack, *crossings(stack, path)) == {"batchItemFailures": []}

    assert shown(stack, path) == (0, reason)
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 200, "reason": "x"}, key="g1")
    spent(stack, path, 200, "k2")
    tried = len(bought(stack, path))
    told(stack, crossings(stack, path)[-1])
    assert len(bought(stack, path)) == tried

    customer = str(stack.stripe_events.customer_of(account_of(path)))
    card = stack.stripe.request("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    stack.stripe.request("POST", f"/v1/customers/{customer}", {"invoice_settings": {"default_payment_method": card}})
    put(stack, path)
    told(stack, crossings(stack, path)[-1])
    assert shown(stack, path) == (1, None)
    assert bought(stack, path)[-1][1] == "succeeded"


def test_a_top_up_that_was_taken_away_buys_nothing(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    stack.call("DELETE", f"{path}/top-up")

    told(stack, *crossings(stack, path))

    assert bought(stack, path) == []


def test_a_reply_that_was_lost_is_found_by_the_next_try_and_paid_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    desk = stack.functions.module("top_ups").desk
    payments = desk.stripe.client.v1.payment_intents
    really = payments.create
    lost: list[Any] = []

    def create(*args: Any) -> Any:
        made = really(*args)
        if not lost:
            lost.append(made)
            raise stripe.APIConnectionError("the reply was lost")  # type: ignore[no-untyped-call]
        return made

    monkeypatch.setattr(payments, "create", create)

    assert told(stack, *crossings(stack, path)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert told(stack, *crossings(stack, path)) == {"batchItemFailures": []}

    assert lost
    assert len(bought(stack, path)) == 1
    assert shown(stack, path) == (1, None)


def test_a_message_that_cannot_be_read_is_the_only_one_that_fails(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path, below=1_000)
    (crossing,) = crossings(stack, path)

    assert told(stack, {"account_id": "nobody", "seq": 1}, crossing) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}]
    }
    assert len(bought(stack, path)) == 1
