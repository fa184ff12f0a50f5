"""Automatic top-ups: the line over HTTP, the crossing in the ledger, and what the function buys for it."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import stripe

from credits.domain.notice import NoticeType, notices
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import Span
from credits.payments import fetch
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
    metadata = {"account_id": account_of(path), "pack": "small", "top_up": f"1#{crossing['seq']}"}
    assert bought(stack, path) == [(999, "succeeded", metadata)]
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


def losing_one(stack: Stack, monkeypatch: pytest.MonkeyPatch, *, before_it_arrived: bool = False) -> list[str]:
    """From now on one payment is lost: its reply, or the request itself. Returns what was lost, as it is."""
    payments = stack.functions.module("top_ups").desk.stripe.client.v1.payment_intents
    really = payments.create
    lost: list[str] = []

    def create(wanted: Any, options: Any) -> Any:
        if lost:
            return really(wanted, options)
        lost.append(options["idempotency_key"])
        if not before_it_arrived:
            with suppress(stripe.CardError):
                really(wanted, options)
        raise stripe.APIConnectionError("lost on the way")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(payments, "create", create)
    return lost


def later(stack: Stack, **duration: float) -> None:
    stack.now += timedelta(**duration)
    stack.stripe.advance()


def given(stack: Stack, path: str, credits: int, key: str = "given") -> None:
    body = {"kind": "promotion", "credits": credits, "reason": "x"}
    assert stack.call("POST", f"{path}/grants", body, key=key).status == 201


FAILED = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
WORKED_OFF: dict[str, list[Any]] = {"batchItemFailures": []}


@pytest.mark.parametrize("hours", [0, 1, 25, 13 * 24])
def test_a_crossing_whose_reply_was_lost_is_paid_once_however_late_it_is_told_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    lost = losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)

    assert told(stack, crossing) == FAILED
    later(stack, hours=hours)
    assert told(stack, crossing) == WORKED_OFF
    assert told(stack, crossing) == WORKED_OFF

    assert lost
    assert len(bought(stack, path)) == 1
    # Paid in November, and so counted there: thirteen days later it is December.
    assert shown(stack, path) == ((1, None) if hours < 48 else (0, None))


def test_a_payment_that_was_made_stays_the_only_one_when_its_pack_has_come_and_gone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    given(stack, path, 400)
    later(stack, hours=25)

    assert told(stack, crossing) == WORKED_OFF
    assert (len(bought(stack, path)), shown(stack, path)) == (1, (1, None))

    spent(stack, path, 400, "k2")
    assert told(stack, crossings(stack, path)[-1]) == WORKED_OFF
    assert (len(bought(stack, path)), shown(stack, path)) == (2, (2, None))


@pytest.mark.parametrize("hours", [1, 25])
def test_a_payment_that_never_reached_stripe_is_made_by_the_next_try(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    path = with_card(stack)
    put(stack, path, at_most=1)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch, before_it_arrived=True)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    assert bought(stack, path) == []

    later(stack, hours=hours)
    assert told(stack, crossing) == WORKED_OFF

    assert (len(bought(stack, path)), shown(stack, path)) == (1, (1, None))


@pytest.mark.parametrize("hours", [1, 25])
def test_a_balance_that_came_back_to_its_line_before_anything_was_paid_buys_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    path = with_card(stack)
    put(stack, path, at_most=1)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch, before_it_arrived=True)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    given(stack, path, 400)
    later(stack, hours=hours)

    assert told(stack, crossing) == WORKED_OFF
    assert (bought(stack, path), shown(stack, path)) == ([], (0, None))

    # What was not bought does not count: the next crossing may buy the month's one pack.
    spent(stack, path, 400, "k2")
    assert told(stack, crossings(stack, path)[-1]) == WORKED_OFF
    assert (len(bought(stack, path)), shown(stack, path)) == (1, (1, None))


@pytest.mark.parametrize("hours", [1, 25])
def test_a_decline_whose_reply_was_lost_pauses_the_top_up_and_asks_the_bank_no_more(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    path = with_card(stack, "pm_card_chargeCustomerFail")
    put(stack, path)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED

    later(stack, hours=hours)
    assert told(stack, crossing) == WORKED_OFF

    assert [status for _, status, _ in bought(stack, path)] == ["requires_payment_method"]
    assert shown(stack, path) == (0, "generic_decline")


def test_another_card_between_two_tries_does_not_stop_the_second(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    customer = str(stack.stripe_events.customer_of(account_of(path)))
    card = stack.stripe.request("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    stack.stripe.request("POST", f"/v1/customers/{customer}", {"invoice_settings": {"default_payment_method": card}})

    assert told(stack, crossing) == WORKED_OFF

    assert (len(bought(stack, path)), shown(stack, path)) == (1, (1, None))


def test_a_payment_is_found_behind_a_hundred_others(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    other = {"amount": 100, "currency": "usd", "customer": stack.stripe_events.customer_of(account_of(path))}
    for _ in range(101):
        stack.stripe.request("POST", "/v1/payment_intents", other)

    later(stack, hours=25)
    assert told(stack, crossing) == WORKED_OFF

    found = stack.stripe.request("GET", "/v1/payment_intents", {"customer": other["customer"], "limit": 100})["data"]
    assert [each["amount"] for each in found if each["status"] == "succeeded"] == []
    assert shown(stack, path) == (1, None)


def test_where_the_payments_are_more_than_can_be_looked_through_nothing_is_paid(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_card(stack)
    put(stack, path)
    spent(stack, path, 150, "k1")
    losing_one(stack, monkeypatch)
    (crossing,) = crossings(stack, path)
    assert told(stack, crossing) == FAILED
    other = {"amount": 100, "currency": "usd", "customer": stack.stripe_events.customer_of(account_of(path))}
    for _ in range(4):
        stack.stripe.request("POST", "/v1/payment_intents", other)
    monkeypatch.setattr(fetch, "AT_ONCE", 2)
    monkeypatch.setattr(fetch, "MOST_PAGES", 2)

    assert told(stack, crossing) == FAILED

    assert [amount for amount, _, _ in bought(stack, path)] == [999, 100, 100, 100, 100]


def test_a_message_that_cannot_be_read_is_the_only_one_that_fails(stack: Stack) -> None:
    path = with_card(stack)
    put(stack, path, below=1_000)
    (crossing,) = crossings(stack, path)

    assert told(stack, {"account_id": "nobody", "seq": 1}, crossing) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}]
    }
    assert len(bought(stack, path)) == 1
