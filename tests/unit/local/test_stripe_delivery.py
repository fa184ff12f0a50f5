"""The stand-in's webhooks: signed as Stripe does, sent until they are taken, with the faults that are asked for."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from local.stripe.delivery import Delivery, Faults
from local.stripe.engine import Engine
from tests.stripe_sdk import Clock

URL = "http://127.0.0.1:1/stripe/webhook"


class Endpoint:
    """An endpoint that answers as the script says, then with 200; and the clock of whoever sends to it."""

    def __init__(self, *statuses: int | None) -> None:
        # The SDK checks signatures by the real clock.
        self.clock = Clock(datetime.now(UTC))
        self.engine = Engine(self.clock)
        endpoint = {"url": URL, "enabled_events": ["customer.created", "customer.updated"]}
        self.secret = self.engine.request("POST", "/v1/webhook_endpoints", endpoint)["secret"]
        self.delivery = Delivery(self.engine, post=self.post, now=self.clock)
        self._statuses = iter(statuses)
        self.taken: list[str] = []
        self.requests: list[tuple[Mapping[str, str], bytes]] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int | None:
        assert url == URL
        self.requests.append((headers, body))
        status = next(self._statuses, 200)
        if status == 200:
            self.taken.append(json.loads(body)["data"]["object"]["email"])
        return status

    def customers(self, count: int) -> None:
        for number in range(count):
            self.engine.request("POST", "/v1/customers", {"email": f"{number}@example.com"})

    def undelivered(self) -> list[str]:
        listed = self.engine.request("GET", "/v1/events", {"delivery_success": False})["data"]
        return [event["data"]["object"]["email"] for event in listed]


def test_an_event_is_signed_so_that_the_sdk_takes_it() -> None:
    endpoint = Endpoint()
    endpoint.customers(1)

    assert endpoint.delivery.turn() is True

    ((headers, body),) = endpoint.requests
    event = stripe.Webhook.construct_event(body, headers["stripe-signature"], endpoint.secret)
    assert (event.type, event.api_version, event.livemode) == ("customer.created", "2026-10-28.endive", False)
    assert event.data.object["email"] == "0@example.com"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], endpoint.secret)


def test_only_what_an_endpoint_wants_comes_to_it_and_in_order() -> None:
    endpoint = Endpoint()
    endpoint.engine.request("POST", "/v1/products", {"name": "Pro"})
    endpoint.customers(3)
    endpoint.delivery.turn()

    assert endpoint.taken == ["0@example.com", "1@example.com", "2@example.com"]
    assert endpoint.delivery.turn() is False


def test_what_is_not_taken_comes_again_on_the_stand_ins_clock_and_is_listed_as_undelivered_until_then() -> None:
    endpoint = Endpoint(500, None, 302)
    endpoint.customers(1)
    tried = []
    for seconds in (0, 1, 4, 1, 30):
        endpoint.clock.move(seconds=seconds)
        endpoint.delivery.turn()
        tried.append((len(endpoint.requests), endpoint.undelivered()))

    assert tried == [
        (1, ["0@example.com"]),
        (2, ["0@example.com"]),
        (2, ["0@example.com"]),
        (3, ["0@example.com"]),
        (4, []),
    ]


def test_it_is_given_up_after_three_days() -> None:
    endpoint = Endpoint(*[500] * 20)
    endpoint.customers(1)
    for _ in range(96):
        endpoint.clock.move(hours=1)
        endpoint.delivery.turn()

    assert (len(endpoint.requests), endpoint.delivery.waiting) == (10, 0)
    assert endpoint.undelivered() == ["0@example.com"]


def test_an_event_can_be_sent_again() -> None:
    endpoint = Endpoint()
    endpoint.customers(1)
    endpoint.delivery.turn()

    endpoint.delivery.again(endpoint.engine.events[-1]["id"])
    endpoint.delivery.turn()

    assert endpoint.taken == ["0@example.com", "0@example.com"]
    assert endpoint.undelivered() == []


def test_what_is_dropped_never_comes_and_stays_listed() -> None:
    endpoint = Endpoint()
    endpoint.delivery.faults = Faults(drop=1)
    endpoint.customers(2)
    endpoint.delivery.turn()

    assert (endpoint.taken, endpoint.undelivered()) == ([], ["1@example.com", "0@example.com"])


def test_faults_are_the_same_for_the_same_seed() -> None:
    def run() -> list[str]:
        endpoint = Endpoint()
        endpoint.delivery.faults = Faults(duplicate=0.3, reorder=0.3, delay=0.2, drop=0.2, delay_seconds=30)
        endpoint.customers(20)
        for _ in range(40):
            endpoint.delivery.turn()
            endpoint.clock.move(seconds=1)
        return endpoint.taken

    taken = run()

    assert taken == run()
    assert len(taken) != len(set(taken))  # some came twice
    assert len(set(taken)) < 20  # some did not come
    assert taken != sorted(taken)  # some were overtaken


@pytest.mark.parametrize("values", [{"duplicate": 1.5}, {"drop": "yes"}, {"drop": True}, {"lose": 1}, {"delay": -1}])
def test_a_fault_that_is_none_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1|there is no fault"):
        Faults.of(values)


def test_an_endpoint_that_is_disabled_or_deleted_hears_nothing() -> None:
    endpoint = Endpoint()
    (listed,) = endpoint.engine.request("GET", "/v1/webhook_endpoints")["data"]
    assert "secret" not in listed
    endpoint.customers(1)
    endpoint.engine.request("POST", f"/v1/webhook_endpoints/{listed['id']}", {"disabled": True})

    endpoint.delivery.turn()
    endpoint.customers(1)
    endpoint.delivery.turn()

    assert endpoint.requests == []
