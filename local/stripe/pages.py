"""The hosted pages: Checkout, the customer portal, an invoice, and a dashboard for whoever develops.

Plain HTML, escaped, without scripts and without anything from elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader

from local.stripe import checkout, methods, portal
from local.stripe.delivery import Delivery
from local.stripe.engine import Engine
from local.stripe.fault import StripeFault, invalid, unknown_route
from local.stripe.state import State, Thing

# What is offered to whoever pays, the one that works first.
CHOICES: Mapping[str, str] = {
    "pm_card_visa": "Card 4242: is charged",
    "pm_card_visa_chargeDeclined": "Card 0002: is declined",
    "pm_card_chargeCustomerFail": "Card 0341: is saved, and declined when it is charged",
    "pm_usBankAccount_success": "Bank account 6789: the money comes in four days",
    "pm_usBankAccount_insufficientFunds": "Bank account 2227: is returned in four days",
}

# Rows of a list on a page.
MOST_ROWS = 30

# Nothing but the page's own style sheet. Where forms may lead is left open: they end at the shop's own URL.
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser is answered: a body of this type, or the way to another page."""

    status: HTTPStatus
    body: str = ""
    content_type: str = "text/html; charset=utf-8"
    location: str | None = None


class Pages:
    """The pages of one engine. Nobody signs in: whoever knows the id of a session may use it, as with Stripe."""

    def __init__(self, engine: Engine, delivery: Delivery) -> None:
        self._engine = engine
        self._delivery = delivery
        self._templates = Environment(
            loader=PackageLoader("local.stripe"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {"money": money, "day": day, "each": interval, "product": self._product}

    def answer(self, method: str, path: str, query: str, body: bytes) -> Page:
        """The page at this path, or what came of its form."""
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        parts = path.strip("/").split("/")
        try:
            with self._engine.lock:
                self._engine.advance()
                match parts:
                    case ["pages", "style.css"]:
                        source = self._templates.get_template("style.css").render()
                        return Page(HTTPStatus.OK, source, "text/css; charset=utf-8")
                    case ["pages", "checkout", name]:
                        return self._checkout(name, form if method == "POST" else None)
                    case ["pages", "portal", name]:
                        notice = dict(parse_qsl(query)).get("done")
                        return self._portal(name, form if method == "POST" else None, notice)
                    case ["pages", "invoices", name]:
                        return self._invoice(name, pays=method == "POST")
                    case [""]:
                        return self._dashboard(form if method == "POST" else None)
            raise unknown_route(method, path)
        except StripeFault as fault:
            return self._shown("page.html", HTTPStatus(fault.status), problem=str(fault))

    def _checkout(self, name: str, form: Mapping[str, str] | None) -> Page:
        state = self._engine.state
        session = state.get("checkout.session", name)
        problem = None
        if form is not None:
            try:
                self._engine.complete_checkout(name, _chosen(form))
            except StripeFault as fault:
                problem = str(fault)
            else:
                return _to(str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", name))
        status = HTTPStatus.PAYMENT_REQUIRED if problem else HTTPStatus.OK
        items = state.notes[name]["line_items"]
        return self._shown(
            "checkout.html", status, session=session, items=items, choices=CHOICES.items(), problem=problem
        )

    def _portal(self, name: str, form: Mapping[str, str] | None, notice: str | None) -> Page:
        state = self._engine.state
        session = state.get("billing_portal.session", name)
        problem = None
        if form is not None:
            try:
                done = self._act(name, form)
            except StripeFault as fault:
                problem = str(fault)
            else:
                return _to(_after(session) or f"/pages/portal/{name}?{urlencode({'done': done})}")
        if session["flow"] is not None and notice is None:
            return self._flow(session, problem)
        customer = state.get("customer", session["customer"])
        features = state.objects[session["configuration"]]["features"]
        open_ones = checkout.open_subscriptions(state, session["customer"])
        method = methods.of_customer(state, session["customer"], open_ones[0] if open_ones else None)
        invoices = [each for each in state.all("invoice") if each["customer"] == session["customer"]]
        return self._shown(
            "portal.html",
            HTTPStatus.PAYMENT_REQUIRED if problem else HTTPStatus.OK,
            session=session,
            customer=customer,
            subscriptions=open_ones,
            later={each["id"]: self._later(each) for each in open_ones},
            prices=[state.objects[price] for price in _offered(features)],
            allows={feature: each["enabled"] for feature, each in features.items()},
            updates=features["subscription_update"]["default_allowed_updates"],
            method=method and f"{method['type'].replace('_', ' ')} {method[method['type']]['last4']}",
            invoices=invoices[: -MOST_ROWS - 1 : -1],
            choices=CHOICES.items(),
            problem=problem,
            notice=notice if notice in DONE.values() else None,
        )

    def _flow(self, session: Thing, problem: str | None) -> Page:
        """The one thing that a session was made for. Once it is done, the portal's home is shown."""
        state, kind = self._engine.state, session["flow"]["type"]
        facts: dict[str, Any] = {}
        if kind != "payment_method_update":
            subscription = state.objects[session["flow"][kind]["subscription"]]
            item = subscription["items"]["data"][0]
            features = state.objects[session["configuration"]]["features"]
            facts |= {
                "subscription": subscription,
                "item": item,
                "prices": [state.objects[price] for price in _offered(features)],
                "updates": features["subscription_update"]["default_allowed_updates"],
            }
            if kind == "subscription_update_confirm":
                price, quantity = portal.confirmed(state, session, subscription)
                facts |= {"price": price, "quantity": quantity}
                try:
                    facts["due"] = portal.foreseen(state, session, subscription, price=price, quantity=quantity)
                except StripeFault as fault:
                    problem = str(fault)
        status = HTTPStatus.PAYMENT_REQUIRED if problem else HTTPStatus.OK
        return self._shown(
            "flow.html", status, session=session, kind=kind, choices=CHOICES.items(), problem=problem, **facts
        )

    def _act(self, name: str, form: Mapping[str, str]) -> str:
        """Does what a form of the portal asks for. Returns what is then said."""
        action = form.get("action", "")
        match action:
            case "change":
                self._engine.change_plan(name, price=form.get("price"), quantity=_seats(form))
            case "confirm":
                self._engine.confirm_in_portal(name)
            case "cancel":
                self._engine.cancel_in_portal(name)
            case "keep":
                self._engine.keep_in_portal(name)
            case "method":
                self._engine.use_method_in_portal(name, _chosen(form))
            case "pay":
                self._engine.pay_in_portal(name, form.get("invoice", ""))
            case _:
                raise invalid(f"There is no action {action!r}.")
        return DONE[action]

    def _invoice(self, name: str, *, pays: bool) -> Page:
        invoice = self._engine.state.get("invoice", name)
        problem = None
        if pays:
            try:
                self._engine.request("POST", f"/v1/invoices/{name}/pay")
            except StripeFault as fault:
                problem = str(fault)
            else:
                return _to(f"/pages/invoices/{name}")
        status = HTTPStatus.PAYMENT_REQUIRED if problem else HTTPStatus.OK
        lines = self._engine.state.notes[name]["lines"]
        return self._shown("invoice.html", status, invoice=invoice, lines=lines, problem=problem)

    def _dashboard(self, form: Mapping[str, str] | None) -> Page:
        if form is not None:
            self._do(form)
            return _to("/")
        state = self._engine.state
        customers = _last(state, "customer")
        return self._shown(
            "dashboard.html",
            HTTPStatus.OK,
            customers=customers,
            subscriptions={each["id"]: checkout.open_subscriptions(state, each["id"]) for each in customers},
            failing=state.failing,
            charges=_last(state, "charge"),
            disputes={each["charge"]: each for each in state.all("dispute")},
            events=self._engine.events[: -MOST_ROWS - 1 : -1],
        )

    def _do(self, form: Mapping[str, str]) -> None:
        """Does what a form of the dashboard asks for."""
        state, charge = self._engine.state, form.get("charge", "")
        match form.get("action"):
            case "fail" | "succeed" as action:
                decline = "generic_decline" if action == "fail" else None
                self._engine.fail_payments(form.get("customer", ""), decline)
            case "refund":
                self._engine.request("POST", "/v1/refunds", {"charge": charge})
            case "dispute":
                self._engine.open_dispute(charge)
            case "win" | "lose" as action:
                dispute = next(each for each in state.all("dispute") if each["charge"] == charge)
                self._engine.decide_dispute(dispute["id"], won=action == "win")
            case "come" | "return" as action:
                intent = state.get("charge", charge)["payment_intent"]
                self._engine.settle(intent, comes=action == "come")
            case "resend":
                self._delivery.again(form.get("event", ""))
            case action:
                raise invalid(f"There is no action {action!r}.")

    def _later(self, subscription: Thing) -> str | None:
        """What the subscription is in the phase after the present one."""
        schedule = self._engine.state.objects.get(subscription["schedule"] or "")
        if schedule is None:
            return None
        now = schedule["current_phase"]["end_date"]
        phase = next((each for each in schedule["phases"] if each["start_date"] >= now), None)
        if phase is None:
            return None
        (first, *_) = phase["items"]
        return f"{first['quantity']} × {self._product(self._engine.state.objects[first['price']]['product'])}"

    def _product(self, name: str) -> str:
        return str(self._engine.state.objects[name].get("name", name))

    def _shown(self, template: str, status: HTTPStatus, **facts: Any) -> Page:
        return Page(status, self._templates.get_template(template).render(**facts))


# What the portal says after each action.
DONE = {
    "change": "Your plan was changed, or will be at the end of its period.",
    "confirm": "Your plan was changed, or will be at the end of its period.",
    "cancel": "Your subscription is canceled.",
    "keep": "Your subscription goes on as it is.",
    "method": "Your payment method is saved.",
    "pay": "Your invoice is paid.",
}


def money(cents: int) -> str:
    return f"{'−' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02}"


def day(timestamp: int) -> str:
    at = datetime.fromtimestamp(timestamp, UTC)
    return f"{at.day} {at:%B %Y}"


def interval(price: Thing) -> str:
    """How often a price is charged, as it follows an amount."""
    recurring = price["recurring"]
    return "" if recurring is None else f" a {recurring['interval']}"


def _last(state: State, kind: str) -> Sequence[Thing]:
    return list(state.all(kind))[: -MOST_ROWS - 1 : -1]


def _offered(features: Thing) -> Sequence[str]:
    return [price for product in features["subscription_update"]["products"] for price in product["prices"]]


def _after(session: Thing) -> str | None:
    """Where a flow leads once it is done; None where that is the portal's own page."""
    redirect = ((session["flow"] or {}).get("after_completion") or {}).get("redirect")
    return str(redirect["return_url"]) if redirect else None


def _chosen(form: Mapping[str, str]) -> str:
    name = form.get("payment_method", "")
    if name not in CHOICES:
        raise invalid("Choose a payment method.")
    return name


def _seats(form: Mapping[str, str]) -> int | None:
    """How many are asked for; None where the form does not ask."""
    seats = form.get("quantity")
    if seats is None:
        return None
    if not (seats.isascii() and seats.isdecimal() and 0 < int(seats) < 1000):
        raise invalid("Seats are a number from 1 to 999.")
    return int(seats)


def _to(location: str) -> Page:
    return Page(HTTPStatus.SEE_OTHER, location=location)
