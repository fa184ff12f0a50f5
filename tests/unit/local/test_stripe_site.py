"""The stand-in as it is served: the SDK over a socket, the pages in a browser's words, and the control endpoint."""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe

from local.payload import Request
from local.stripe.site import Site
from tests.stripe_sdk import Clock


class Shop:
    """A stand-in that is served, with a plan and a pack, and what its webhook endpoint was sent."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.site = Site(self.clock)
        self.site.start()
        self.sdk = stripe.StripeClient("sk_test_x", base_addresses={"api": self.site.url}, max_network_retries=0)
        product = self.sdk.v1.products.create({"name": "Pro <b>"})
        self.pro = self.sdk.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 2900, "recurring": {"interval": "month"}}
        )
        self.pack = self.sdk.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 999})
        portal: Any = {
            "features": {
                "subscription_update": {
                    "enabled": True,
                    "default_allowed_updates": ["price", "quantity"],
                    "products": [{"product": product.id, "prices": [self.pro.id]}],
                },
                "subscription_cancel": {"enabled": True},
                "payment_method_update": {"enabled": True},
                "invoice_history": {"enabled": True},
            }
        }
        self.portal = self.sdk.v1.billing_portal.configurations.create(portal)

    def checkout(self, price: stripe.Price, mode: str, **params: Any) -> stripe.checkout.Session:
        wanted: Any = {
            "mode": mode,
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1:1/back",
            **params,
        }
        return self.sdk.v1.checkout.sessions.create(wanted)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.site.stop()


class Unfollowed(urllib.request.HTTPRedirectHandler):
    """Shows where a form leads instead of going there."""

    def redirect_request(self, *_: object) -> None:
        return None


def visit(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """The status, the body, and where it leads."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unfollowed)
    try:
        with opener.open(url, None if form is None else urlencode(form).encode(), timeout=10) as page:
            return page.status, page.read().decode(), ""
    except urllib.error.HTTPError as other:
        with other:
            return other.code, other.read().decode(), other.headers.get("location", "")


def control(shop: Shop, path: str, body: Any = None) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    data = b"" if body is None else json.dumps(body).encode()
    response = shop.site.control(Request(method, f"/__local__/stripe{path}", (), data, "127.0.0.1"))
    return response.status, json.loads(response.body)


def awaited[T](what: Callable[[], T]) -> T:
    give_up_at = time.monotonic() + 10
    while not (answer := what()):
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.02)
    return answer


# The API


def test_a_request_without_a_key_of_test_mode_is_401(shop: Shop) -> None:
    for key in ("sk_live_x", "nonsense"):
        with pytest.raises(stripe.AuthenticationError):
            stripe.StripeClient(key, base_addresses={"api": shop.site.url}).v1.customers.list()


def test_another_version_of_the_api_is_refused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"2026-10-28\.endive"):
        shop.sdk.v1.customers.list({}, {"stripe_version": "2020-08-27"})


def test_an_idempotency_key_acts_once_and_says_so(shop: Shop) -> None:
    first = shop.sdk.v1.customers.create({"email": "ada@example.com"}, {"idempotency_key": "k1"})
    again = shop.sdk.v1.customers.create({"email": "ada@example.com"}, {"idempotency_key": "k1"})

    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        shop.sdk.v1.customers.create({"email": "eve@example.com"}, {"idempotency_key": "k1"})
    shop.clock.move(hours=25)
    later = shop.sdk.v1.customers.create({"email": "eve@example.com"}, {"idempotency_key": "k1"})
    assert later.id != first.id


def test_a_path_that_is_not_there_is_404_in_stripes_words(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        shop.sdk.v1.coupons.list()

    assert missing.value.http_status == 404
    assert missing.value.user_message is not None
    assert "Unrecognized request URL" in missing.value.user_message


# The pages


def test_somebody_subscribes_on_the_checkout_page(shop: Shop) -> None:
    session = shop.checkout(shop.pro, "subscription", client_reference_id="ada")
    status, page, _ = visit(str(session.url))
    assert status == 200
    assert "Pro &lt;b&gt;" in page
    assert "$29.00 a month" in page
    assert "<script" not in page

    status, page, _ = visit(str(session.url), {"payment_method": "pm_card_visa_chargeDeclined"})
    assert (status, "Your card was declined." in page) == (402, True)
    status, _, location = visit(str(session.url), {"payment_method": "pm_card_visa"})

    assert (status, location) == (303, f"http://127.0.0.1:1/done?session={session.id}")
    done = shop.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert isinstance(done.subscription, stripe.Subscription)
    assert done.subscription.status == "active"
    assert "This checkout is complete." in visit(f"{shop.site.url}/pages/checkout/{session.id}")[1]


def test_somebody_manages_a_subscription_on_the_portal_page(shop: Shop) -> None:
    session = shop.checkout(shop.pro, "subscription")
    visit(str(session.url), {"payment_method": "pm_card_visa"})
    customer = str(shop.sdk.v1.checkout.sessions.retrieve(session.id).customer)
    portal = shop.sdk.v1.billing_portal.sessions.create(
        {"customer": customer, "configuration": shop.portal.id, "return_url": "http://127.0.0.1:1/usage"}
    )
    assert "It renews on 15 February 2027." in visit(portal.url)[1]

    status, _, location = visit(portal.url, {"action": "change", "price": shop.pro.id, "quantity": "3"})
    assert status == 303
    assert "Your plan was changed" in visit(shop.site.url + location)[1]
    visit(portal.url, {"action": "cancel"})
    assert "It ends on 15 February 2027." in visit(portal.url)[1]
    visit(portal.url, {"action": "keep"})
    visit(portal.url, {"action": "method", "payment_method": "pm_card_chargeCustomerFail"})
    page = visit(portal.url)[1]
    assert "card 0341" in page
    assert 'href="http://127.0.0.1:1/usage"' in page
    shop.clock.move(days=31, hours=2)
    assert "past due" in visit(portal.url)[1]
    invoice = shop.sdk.v1.invoices.list({"customer": customer, "status": "open"}).data[0].id
    assert visit(portal.url, {"action": "pay", "invoice": str(invoice)})[0] == 402
    visit(portal.url, {"action": "method", "payment_method": "pm_card_visa"})
    assert visit(portal.url, {"action": "pay", "invoice": str(invoice)})[0] == 303

    assert "active" in visit(portal.url)[1]
    assert shop.sdk.v1.subscriptions.list({"customer": customer}).data[0].status == "active"


def test_a_flow_shows_one_thing_and_then_leads_back(shop: Shop) -> None:
    session = shop.checkout(shop.pro, "subscription")
    visit(str(session.url), {"payment_method": "pm_card_visa"})
    customer = str(shop.sdk.v1.checkout.sessions.retrieve(session.id).customer)
    (subscription,) = shop.sdk.v1.subscriptions.list({"customer": customer}).data
    item = subscription["items"].data[0].id

    def opened(kind: str, **part: Any) -> str:
        flow: Any = {
            "type": kind,
            **({kind: {"subscription": subscription.id, **part}} if kind.startswith("subscription") else {}),
            "after_completion": {"type": "redirect", "redirect": {"return_url": "http://127.0.0.1:1/done"}},
        }
        wanted: Any = {"customer": customer, "configuration": shop.portal.id, "flow_data": flow}
        return shop.sdk.v1.billing_portal.sessions.create(wanted).url

    confirm = opened("subscription_update_confirm", items=[{"id": item, "price": shop.pro.id, "quantity": 4}])
    page = visit(confirm)[1]
    assert "$116.00 a month" in page
    assert "Cancel the subscription" not in page
    assert visit(confirm, {"action": "confirm"})[::2] == (303, "http://127.0.0.1:1/done")
    assert "Use this one" in visit(opened("payment_method_update"))[1]
    assert 'value="4"' in visit(opened("subscription_update"))[1]
    cancel = opened("subscription_cancel")
    assert "It stays until 15 February 2027" in visit(cancel)[1]
    visit(cancel, {"action": "cancel"})

    after = shop.sdk.v1.subscriptions.retrieve(subscription.id)
    assert (after["items"].data[0].quantity, after.cancel_at is not None) == (4, True)


@pytest.mark.parametrize(
    "form",
    [{}, {"action": "fly"}, {"action": "change", "quantity": "0"}, {"action": "change", "price": "x", "quantity": "1"}],
)
def test_a_form_that_makes_no_sense_is_said_to(shop: Shop, form: dict[str, str]) -> None:
    customer = shop.sdk.v1.customers.create({"email": "<i>@example.com"})
    portal = shop.sdk.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": shop.portal.id})

    status, page, _ = visit(portal.url, {"action": "", **form})

    assert status == 402
    assert 'role="alert"' in page
    assert "&lt;i&gt;@example.com" in page


def test_a_page_that_is_not_there_is_404(shop: Shop) -> None:
    assert visit(f"{shop.site.url}/pages/checkout/cs_nope")[0] == 404
    assert visit(f"{shop.site.url}/elsewhere")[0] == 404
    assert visit(f"{shop.site.url}/pages/style.css")[0] == 200


def test_the_dashboard_refunds_disputes_and_decides(shop: Shop) -> None:
    for _ in range(2):
        visit(
            str(shop.checkout(shop.pack, "payment", customer_creation="always").url), {"payment_method": "pm_card_visa"}
        )
    one, other = (charge.id for charge in shop.sdk.v1.charges.list().data)
    home = f"{shop.site.url}/"

    visit(home, {"action": "refund", "charge": one})
    visit(home, {"action": "dispute", "charge": other})
    assert "dispute needs response" in visit(home)[1]
    visit(home, {"action": "win", "charge": other})

    assert shop.sdk.v1.charges.retrieve(one).refunded is True
    assert shop.sdk.v1.disputes.list().data[0].status == "won"
    assert "$9.99 refunded" in visit(home)[1]


def test_an_invoice_has_a_page(shop: Shop) -> None:
    customer = shop.sdk.v1.customers.create({"email": "ada@example.com"})
    subscription = shop.sdk.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": shop.pro.id}], "payment_behavior": "default_incomplete"}
    )
    invoice = shop.sdk.v1.invoices.retrieve(str(subscription.latest_invoice))

    page = visit(str(invoice.hosted_invoice_url))[1]

    assert re.search(r"1 × Pro &lt;b&gt; \(at \$29.00 / month\)", page)
    assert "Pay $29.00" in page


# What is kept


def test_the_next_stand_in_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "stripe.state"
    first = Site(clock, file=file)
    engine = first.engine
    product = engine.request("POST", "/v1/products", {"name": "Pro"})["id"]
    recurring = {"interval": "month"}
    wanted = {"product": product, "currency": "usd", "unit_amount": 2900, "recurring": recurring}
    price = engine.request("POST", "/v1/prices", wanted)["id"]
    card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    customer = engine.request("POST", "/v1/customers", card, "k1")["id"]
    engine.request("POST", "/v1/subscriptions", {"customer": customer, "items": [{"price": price}]})
    engine.request("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:1", "enabled_events": ["*"]})
    first.start()
    first.stop()

    second = Site(clock, file=file)
    second.start()
    second.stop()

    assert second.engine.request("POST", "/v1/customers", card, "k1")["id"] == customer
    assert second.engine.request("GET", "/v1/webhook_endpoints")["data"] == []
    clock.move(days=31, hours=1)
    paid = second.engine.request("GET", "/v1/invoices", {"customer": customer, "status": "paid"})["data"]
    assert [invoice["billing_reason"] for invoice in paid] == ["subscription_cycle", "subscription_create"]


# Webhooks and control


def test_events_reach_an_endpoint_over_http_and_the_sdk_takes_them(shop: Shop) -> None:
    received: list[tuple[str, bytes]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.headers["stripe-signature"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/stripe/webhook"
        secret = shop.sdk.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]}).secret
        shop.site.deliver()
        shop.sdk.v1.customers.create({"email": "ada@example.com"})
        awaited(lambda: received)
    finally:
        server.shutdown()
        server.server_close()

    ((header, body),) = received
    event = stripe.Webhook.construct_event(body, header, secret, tolerance=10**9)
    assert event.type == "customer.created"
    awaited(lambda: control(shop, "")[1]["undelivered"] == 0)


def test_faults_and_failing_payments_are_set_by_the_control_endpoint(shop: Shop) -> None:
    customer = shop.sdk.v1.customers.create({"metadata": {"account_id": "ada"}})

    assert control(shop, "/faults", {"duplicate": 0.5, "drop": 0.1})[1]["faults"] == {
        "duplicate": 0.5,
        "reorder": 0.0,
        "delay": 0.0,
        "drop": 0.1,
        "delay_seconds": 60,
    }
    failing = control(shop, "/payments", {"account_id": "ada", "decline_code": "insufficient_funds"})[1]["failing"]
    assert failing == {customer.id: "insufficient_funds"}
    assert control(shop, "/payments", {"customer": customer.id})[1]["failing"] == {}


def test_disputes_and_bank_debits_are_decided_by_the_control_endpoint(shop: Shop) -> None:
    visit(str(shop.checkout(shop.pack, "payment").url), {"payment_method": "pm_usBankAccount_success"})
    (intent,) = shop.sdk.v1.payment_intents.list().data
    assert intent.status == "processing"

    assert control(shop, "/settle", {"payment_intent": intent.id})[1]["status"] == "succeeded"
    dispute = control(shop, "/disputes", {"charge": shop.sdk.v1.charges.list().data[0].id})[1]
    assert control(shop, "/disputes/decide", {"dispute": dispute["id"], "won": False})[1]["status"] == "lost"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/faults", {"drop": 2}, 400),
        ("/payments", {"account_id": "nobody"}, 400),
        ("/payments", {}, 400),
        ("/disputes", {"charge": "ch_nope"}, 404),
        ("/nothing", {}, 404),
        ("/faults", [], 400),
    ],
)
def test_a_control_request_that_makes_no_sense_is_refused(shop: Shop, path: str, body: Any, status: int) -> None:
    answered, message = control(shop, path, body)

    assert (answered, list(message)) == (status, ["message"])
