"""Orders at once, on DynamoDB Local: however many callers, there is one customer, one open session and one payment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from credits.catalog import load
from credits.domain.instant import floor
from credits.errors import Contended
from credits.ledger.tables import connect, create_missing
from credits.payments.calls import Calls, Waiting
from credits.payments.checkout import Answer, Desk, Outcome, open_desk, order_plan
from credits.payments.order import Order
from credits.payments.push import push
from local.stripe.engine import Engine
from tests.stripe_sdk import sdk

CALLERS = 8
NOW = floor(datetime.now(UTC))
"""DynamoDB Local deletes what has expired by the machine's own clock."""


@pytest.fixture
def engine() -> Engine:
    return Engine(now=lambda: NOW)


@pytest.fixture
def desk(dynamodb_local: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    connection = connect(region="us-east-1", endpoint_url=dynamodb_local, connections=CALLERS)
    name = f"stripe-events-{uuid4().hex}"
    desk = open_desk(load(), connection, events_table=name, secret_id="none", region="us-east-1", api_base=None)
    client = sdk(engine)
    push(client, load(), webhook_url=None)
    monkeypatch.setattr(type(desk.stripe), "client", client)
    create_missing([desk.events.items])
    yield desk
    desk.events.items.delete_table()


def at_once(act: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(act, range(CALLERS)))


def ordered(desk: Desk, plan: str, key: str, *, confirmed: bool = False) -> Answer:
    return order_plan(
        desk, "acme", Order(plan), key=key, return_url="https://app.example/", now=NOW, confirmed=confirmed
    )


def all_of(engine: Engine, kind: str, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.request("GET", f"/v1/{kind}", wanted)["data"]
    return found


def test_callers_at_once_are_led_to_one_session_of_one_customer(desk: Desk, engine: Engine) -> None:
    answers = at_once(lambda number: ordered(desk, "pro", f"k{number}"))

    assert len({answer.url for answer in answers}) == 1
    assert len(all_of(engine, "customers")) == 1
    assert len(all_of(engine, "checkout/sessions")) == 1


def test_callers_at_once_who_want_different_plans_leave_one_session_open(desk: Desk, engine: Engine) -> None:
    at_once(lambda number: ordered(desk, ("pro", "max", "team")[number % 3], f"k{number}"))

    assert len(all_of(engine, "checkout/sessions", status="open")) == 1


@pytest.mark.parametrize("keys", [["k"] * CALLERS, [f"k{number}" for number in range(CALLERS)]], ids=["one", "many"])
def test_callers_at_once_who_upgrade_pay_once(desk: Desk, engine: Engine, keys: list[str]) -> None:
    (price,) = all_of(engine, "prices", lookup_keys=["plan.pro.month"])
    card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    customer = engine.request("POST", "/v1/customers", card)["id"]
    engine.request("POST", "/v1/subscriptions", {"customer": customer, "items": [{"price": price["id"]}]})
    desk.events.link("acme", customer)

    answers = at_once(lambda number: ordered(desk, "max", keys[number], confirmed=True))

    assert sorted(each["amount_paid"] for each in all_of(engine, "invoices")) == [2_900, 4_900]
    changed = [answer for answer in answers if answer.outcome is Outcome.CHANGED and not answer.replayed]
    assert len(changed) == 1


def test_a_turn_that_was_never_given_back_ends_by_itself(desk: Desk) -> None:
    turn = desk.calls.turn("acme", NOW)
    turn.__enter__()
    moments = iter([0.0, 0.0, 4.0, 8.0, 8.1, 9.0])
    impatient = Calls(desk.events, Waiting(lambda: next(moments), lambda _: None, lambda _, bound: bound))

    with pytest.raises(Contended), impatient.turn("acme", NOW):
        pass

    with desk.calls.turn("acme", NOW + timedelta(seconds=61)):
        pass
    turn.__exit__(None, None, None)
