"""The whole of the stand-in without a socket: requests, what people and banks do, and the passing of time.

engine = Engine(now=lambda: clock)
customer = engine.request("POST", "/v1/customers", {"email": "ada@example.com"})
engine.events[-1]["type"]  # customer.created
"""

import json
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from local.stripe import (
    catalog,
    checkout,
    customers,
    ending,
    endpoints,
    invoices,
    methods,
    payments,
    portal,
    preview,
    renewal,
    schedules,
    subscriptions,
)
from local.stripe.expand import expanded
from local.stripe.fault import StripeFault, missing, reused_key, unknown_route
from local.stripe.params import Params, as_form
from local.stripe.state import Now, Policy, State, Thing, require

# "Keys can be removed from the system automatically after they're at least 24 hours old."
KEYS_KEPT_SECONDS = 24 * 3600

# What the API answers to a key that has acted before.
type Handler = Callable[..., Thing]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered under an idempotency key: an object, or a fault."""

    asked: str
    at: int
    body: Thing
    fault: tuple[int, Thing] | None = None


class Engine:
    """One Stripe account in test mode. Safe to share between threads: one request at a time.

    `now` is the clock that everything is counted by; the same `seed` gives the same ids. `origin` is where the hosted
    pages are said to be.
    """

    def __init__(
        self,
        now: Now,
        *,
        seed: int | str = 0,
        origin: str = "https://stripe.invalid",
        policy: Policy | None = None,
    ) -> None:
        self.state = State(now=now, seed=seed, origin=origin, policy=policy or Policy())
        self.lock = threading.RLock()
        self._answers: dict[str, Answer] = {}
        portal.create_default(self.state)

    @property
    def events(self) -> list[Thing]:
        """Every event so far, the oldest first."""
        return self.state.events

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, idempotency_key: str | None = None
    ) -> Thing:
        """What Stripe answers. Raises StripeFault where that is an error.

        What is due by now happens first. An answer is a copy: nobody changes an object but by a request.
        """
        with self.lock:
            self.advance()
            form = as_form(params or {})
            asked = json.dumps([method, path, form], sort_keys=True)
            kept = self._kept(idempotency_key, asked) if method == "POST" else None
            if kept is not None and kept.fault is not None:
                raise StripeFault(kept.fault[0], deepcopy(kept.fault[1]))
            if kept is not None:
                return deepcopy(kept.body)
            self.state.request = {"id": self.state.new_id("request"), "idempotency_key": idempotency_key}
            try:
                body = self._answered(method, path, Params(form))
            except StripeFault as fault:
                # A request that was refused before it did anything may be put right under the same key.
                if idempotency_key is not None and fault.status == 402:
                    told = (fault.status, deepcopy(fault.body))
                    self._answers[idempotency_key] = Answer(asked, self.state.instant, {}, told)
                raise
            finally:
                self.state.request = {"id": None, "idempotency_key": None}
            if idempotency_key is not None and method == "POST":
                self._answers[idempotency_key] = Answer(asked, self.state.instant, deepcopy(body))
            return body

    def was_answered(self, idempotency_key: str | None) -> bool:
        """Whether a request under this key would be answered as the first one was."""
        kept = self._answers.get(idempotency_key or "")
        return kept is not None and self.state.instant - kept.at < KEYS_KEPT_SECONDS

    def advance(self) -> None:
        """Does all that has become due by now: renewals, retries, the ends of trials, cancellations …"""
        with self.lock:
            renewal.pass_time(self.state, int(self.state.now().timestamp()))

    def saved(self) -> bytes:
        """All there is, to be restored by another engine. Where its webhooks went is not: that is another's now."""
        with self.lock:
            kept = {name: value for name, value in vars(self.state).items() if name not in {"now", "origin", "policy"}}
            return pickle.dumps((kept, self._answers))

    def restore(self, saved: bytes) -> None:
        """Goes on where the engine was that saved this."""
        with self.lock:
            kept, self._answers = pickle.loads(saved)  # noqa: S301 - our own file, in a folder of the user's
            vars(self.state).update(kept)
            for endpoint in list(self.state.all("webhook_endpoint")):
                self.state.remove(endpoint)

    # What people and banks do. Each raises StripeFault where it cannot be done.

    def complete_checkout(self, session: str, payment_method: str = "pm_card_visa") -> Thing:
        """Somebody pays on the Checkout page. A 402 leaves the session open."""
        return self._act(lambda state: checkout.complete(state, state.get("checkout.session", session), payment_method))

    def change_plan(self, session: str, *, price: str | None = None, quantity: int | None = None) -> Thing:
        """Somebody chooses another plan or number of seats in the customer portal."""

        def act(state: State) -> Thing:
            portal_session, subscription = self._in_portal(session)
            item = subscription["items"]["data"][0]
            wanted = item["price"] if price is None else state.referred("price", price, "price")
            seats = item["quantity"] if quantity is None else quantity
            portal.change(state, portal_session, subscription, price=wanted, quantity=seats)
            return subscription

        return self._act(act)

    def confirm_in_portal(self, session: str) -> Thing:
        """Somebody agrees to the change that the session's flow shows."""

        def act(state: State) -> Thing:
            portal_session, subscription = self._in_portal(session)
            price, quantity = portal.confirmed(state, portal_session, subscription)
            portal.change(state, portal_session, subscription, price=price, quantity=quantity)
            return subscription

        return self._act(act)

    def cancel_in_portal(self, session: str, feedback: str | None = None) -> Thing:
        """Somebody cancels in the customer portal."""

        def act(state: State) -> Thing:
            portal_session, subscription = self._in_portal(session)
            portal.cancel(state, portal_session, subscription, feedback=feedback)
            return subscription

        return self._act(act)

    def keep_in_portal(self, session: str) -> Thing:
        """Somebody takes back a cancellation, or a change that waits, in the customer portal."""

        def act(state: State) -> Thing:
            portal_session, subscription = self._in_portal(session)
            portal.keep(state, portal_session, subscription)
            return subscription

        return self._act(act)

    def use_method_in_portal(self, session: str, payment_method: str) -> Thing:
        """Somebody gives another payment method in the customer portal."""

        def act(state: State) -> Thing:
            portal_session = state.get("billing_portal.session", session)
            portal.use_method(state, portal_session, payment_method)
            return state.objects[portal_session["customer"]]

        return self._act(act)

    def pay_in_portal(self, session: str, invoice: str) -> Thing:
        """Somebody pays an open invoice in the customer portal."""

        def act(state: State) -> Thing:
            thing = state.get("invoice", invoice)
            portal.pay(state, state.get("billing_portal.session", session), thing)
            return thing

        return self._act(act)

    def settle(self, payment_intent: str, *, comes: bool = True) -> Thing:
        """A bank debit that is processing comes in now, or is returned."""

        def act(state: State) -> Thing:
            intent = state.get("payment_intent", payment_intent)
            renewal.settle(state, intent, comes=comes)
            return intent

        return self._act(act)

    def fail_payments(self, customer: str, decline_code: str | None = "generic_decline") -> None:
        """From now on every charge of the customer's is declined with this code; with None, no longer."""
        with self.lock:
            self.advance()  # what is due by now goes as it would have gone
            self.state.referred("customer", customer, "customer")
            if decline_code is None:
                self.state.failing.pop(customer, None)
            else:
                self.state.failing[customer] = decline_code

    def open_dispute(self, charge: str, *, reason: str = "fraudulent", amount: int | None = None) -> Thing:
        """The payer disputes a charge with their bank."""
        return self._act(
            lambda state: payments.open_dispute(state, state.get("charge", charge), reason=reason, amount=amount)
        )

    def decide_dispute(self, dispute: str, *, won: bool) -> Thing:
        """The bank decides: `won`, for us."""
        return self._act(lambda state: payments.decide_dispute(state, state.get("dispute", dispute), won=won))

    def _act(self, act: Callable[[State], Thing]) -> Thing:
        with self.lock:
            self.advance()
            return deepcopy(act(self.state))

    def _in_portal(self, name: str) -> tuple[Thing, Thing]:
        """A portal session and the subscription that it is about: the customer's newest."""
        session = self.state.get("billing_portal.session", name)
        open_ones = checkout.open_subscriptions(self.state, session["customer"])
        require(bool(open_ones), "This customer has no subscription.")
        return session, open_ones[0]

    def _answered(self, method: str, path: str, params: Params) -> Thing:
        handler, names = _route(method, path)
        thing = handler(self.state, params, *names)
        if method == "GET" and thing.get("deleted") and thing["object"] not in SHOWN_WHEN_DELETED:
            raise missing(thing["object"], thing["id"])
        return expanded(self.state, thing, params.texts("expand"))

    def _kept(self, key: str | None, asked: str) -> Answer | None:
        kept = self._answers.get(key or "")
        if kept is None or not self.was_answered(key):
            return None
        if kept.asked != asked:
            raise reused_key(str(key))
        return kept


# Whoever asks for one of these after it was deleted is told that it was; of all else, that there is no such thing.
SHOWN_WHEN_DELETED = {"customer"}


def _cancel_with(state: State, subscription: Thing) -> None:
    ending.finish(state, subscription)


ROUTES: Sequence[tuple[str, str, Handler]] = (
    ("POST", "/v1/customers", customers.create),
    ("GET", "/v1/customers", customers.list_all),
    ("GET", "/v1/customers/*", customers.retrieve),
    ("POST", "/v1/customers/*", customers.update),
    ("DELETE", "/v1/customers/*", partial(customers.delete, end=_cancel_with)),
    ("GET", "/v1/customers/*/payment_methods", methods.list_all),
    ("GET", "/v1/customers/*/subscriptions", subscriptions.list_all),
    ("POST", "/v1/payment_methods", methods.create),
    ("GET", "/v1/payment_methods", methods.list_all),
    ("GET", "/v1/payment_methods/*", methods.retrieve),
    ("POST", "/v1/payment_methods/*/attach", methods.attach),
    ("POST", "/v1/payment_methods/*/detach", methods.detach),
    ("POST", "/v1/products", catalog.create_product),
    ("GET", "/v1/products", catalog.list_products),
    ("GET", "/v1/products/*", catalog.retrieve_product),
    ("POST", "/v1/products/*", catalog.update_product),
    ("DELETE", "/v1/products/*", catalog.delete_product),
    ("POST", "/v1/prices", catalog.create_price),
    ("GET", "/v1/prices", catalog.list_prices),
    ("GET", "/v1/prices/*", catalog.retrieve_price),
    ("POST", "/v1/prices/*", catalog.update_price),
    ("POST", "/v1/subscriptions", subscriptions.create),
    ("GET", "/v1/subscriptions", subscriptions.list_all),
    ("GET", "/v1/subscriptions/*", subscriptions.retrieve),
    ("POST", "/v1/subscriptions/*", subscriptions.update),
    ("DELETE", "/v1/subscriptions/*", ending.cancel),
    ("POST", "/v1/subscriptions/*/pause", ending.pause),
    ("POST", "/v1/subscriptions/*/resume", ending.resume),
    ("POST", "/v1/subscription_items", subscriptions.create_item),
    ("GET", "/v1/subscription_items", subscriptions.list_items),
    ("GET", "/v1/subscription_items/*", subscriptions.retrieve_item),
    ("POST", "/v1/subscription_items/*", subscriptions.update_item),
    ("DELETE", "/v1/subscription_items/*", subscriptions.delete_item),
    ("POST", "/v1/subscription_schedules", schedules.create),
    ("GET", "/v1/subscription_schedules", schedules.list_all),
    ("GET", "/v1/subscription_schedules/*", schedules.retrieve),
    ("POST", "/v1/subscription_schedules/*", schedules.update),
    ("POST", "/v1/subscription_schedules/*/release", schedules.release),
    ("POST", "/v1/subscription_schedules/*/cancel", schedules.cancel),
    ("POST", "/v1/invoices", invoices.create),
    ("GET", "/v1/invoices", invoices.list_all),
    ("POST", "/v1/invoices/create_preview", preview.create),
    ("GET", "/v1/invoices/*", invoices.retrieve),
    ("POST", "/v1/invoices/*", invoices.update),
    ("DELETE", "/v1/invoices/*", invoices.delete),
    ("GET", "/v1/invoices/*/lines", invoices.list_lines),
    ("POST", "/v1/invoices/*/finalize", invoices.finalize_by_request),
    ("POST", "/v1/invoices/*/pay", invoices.pay),
    ("POST", "/v1/invoices/*/void", invoices.void_by_request),
    ("POST", "/v1/invoices/*/mark_uncollectible", invoices.mark_by_request),
    ("GET", "/v1/invoice_payments", invoices.list_payments),
    ("GET", "/v1/invoice_payments/*", invoices.retrieve_payment),
    ("POST", "/v1/invoiceitems", invoices.create_item),
    ("GET", "/v1/invoiceitems", invoices.list_items),
    ("GET", "/v1/invoiceitems/*", invoices.retrieve_item),
    ("DELETE", "/v1/invoiceitems/*", invoices.delete_item),
    ("POST", "/v1/payment_intents", payments.create_intent),
    ("GET", "/v1/payment_intents", payments.list_intents),
    ("GET", "/v1/payment_intents/*", payments.retrieve_intent),
    ("POST", "/v1/payment_intents/*", payments.update_intent),
    ("POST", "/v1/payment_intents/*/confirm", payments.confirm_by_request),
    ("POST", "/v1/payment_intents/*/cancel", payments.cancel_by_request),
    ("GET", "/v1/charges", payments.list_charges),
    ("GET", "/v1/charges/*", payments.retrieve_charge),
    ("POST", "/v1/charges/*", payments.update_charge),
    ("POST", "/v1/refunds", payments.create_refund),
    ("GET", "/v1/refunds", payments.list_refunds),
    ("GET", "/v1/refunds/*", payments.retrieve_refund),
    ("POST", "/v1/refunds/*", payments.update_refund),
    ("GET", "/v1/disputes", payments.list_disputes),
    ("GET", "/v1/disputes/*", payments.retrieve_dispute),
    ("POST", "/v1/disputes/*", payments.update_dispute),
    ("POST", "/v1/disputes/*/close", payments.close_dispute),
    ("POST", "/v1/checkout/sessions", checkout.create),
    ("GET", "/v1/checkout/sessions", checkout.list_all),
    ("GET", "/v1/checkout/sessions/*", checkout.retrieve),
    ("POST", "/v1/checkout/sessions/*", checkout.update),
    ("GET", "/v1/checkout/sessions/*/line_items", checkout.list_line_items),
    ("POST", "/v1/checkout/sessions/*/expire", checkout.expire),
    ("GET", "/v1/setup_intents/*", checkout.retrieve_setup_intent),
    ("POST", "/v1/billing_portal/configurations", portal.create_configuration),
    ("GET", "/v1/billing_portal/configurations", portal.list_configurations),
    ("GET", "/v1/billing_portal/configurations/*", portal.retrieve_configuration),
    ("POST", "/v1/billing_portal/configurations/*", portal.update_configuration),
    ("POST", "/v1/billing_portal/sessions", portal.create_session),
    ("POST", "/v1/webhook_endpoints", endpoints.create),
    ("GET", "/v1/webhook_endpoints", endpoints.list_all),
    ("GET", "/v1/webhook_endpoints/*", endpoints.retrieve),
    ("POST", "/v1/webhook_endpoints/*", endpoints.update),
    ("DELETE", "/v1/webhook_endpoints/*", endpoints.delete),
    ("GET", "/v1/events", endpoints.list_events),
    ("GET", "/v1/events/*", endpoints.retrieve_event),
)


def _route(method: str, path: str) -> tuple[Handler, list[str]]:
    """The handler of a path, literal segments before `*`, and what stands in the place of each `*`."""
    given = path.strip("/").split("/")
    for wanted_method, pattern, handler in ROUTES:
        wanted = pattern.strip("/").split("/")
        if method == wanted_method and len(wanted) == len(given):
            names = [name for name, part in zip(given, wanted, strict=True) if part == "*"]
            if all(part in {"*", name} for name, part in zip(given, wanted, strict=True)) and all(names):
                return handler, names
    raise unknown_route(method, path)
