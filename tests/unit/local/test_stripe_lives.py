"""Random lives of a customer in the Stripe stand-in: whatever people do, its own books stay right."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from local.stripe.engine import Engine
from local.stripe.fault import StripeFault
from local.stripe.state import Policy
from tests.stripe_sdk import Clock

STEPS = 60

RUNNING = {"active", "past_due", "unpaid"}


class Life:
    """One customer, what they and their bank do, and what must hold after each step."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.clock = Clock()
        after: Any = self.dice.choice(["cancel", "unpaid", "past_due"])
        self.engine = Engine(self.clock, seed=seed, policy=Policy(after_last_retry=after))
        self.prices = [self._price(name, cents) for name, cents in (("Pro", 2_900), ("Max", 4_900), ("Team", 4_900))]
        card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
        self.customer = self._ask("/v1/customers", card)["id"]
        self.portal = self._ask("/v1/billing_portal/sessions", self._portal())["id"]

    def step(self) -> None:
        """Something happens, and time passes. What Stripe refuses is refused, and leaves all as it was."""
        act: Callable[[], object] = self.dice.choice(
            [
                self._subscribe,
                self._change,
                self._change,
                self._change_in_portal,
                self._schedule,
                self._cancel,
                self._pause,
                self._resume,
                self._fail_or_not,
                self._pay,
                self._refund,
                self._method,
                lambda: None,
                lambda: None,
            ]
        )
        try:
            act()
        except StripeFault as fault:
            if fault.status not in {400, 402, 404}:
                raise
        self.clock.move(seconds=self.dice.choice([0, 3_600, 86_400, 9 * 86_400, 31 * 86_400]))
        self.engine.advance()
        self.check()

    def check(self) -> None:
        state = self.engine.state
        for invoice in state.all("invoice"):
            lines = state.notes[invoice["id"]]["lines"]
            assert invoice["total"] == sum(line["amount"] for line in lines)
            if invoice["status"] == "paid":
                assert invoice["amount_remaining"] == 0
        open_ones = [each for each in state.all("subscription") if each["status"] in RUNNING | {"trialing"}]
        for subscription in open_ones:
            for item in subscription["items"]["data"]:
                # The present period is the one that contains the present.
                assert item["current_period_start"] <= state.instant < item["current_period_end"]
            assert ("renew", subscription["id"]) in state.agenda.due or subscription["status"] == "trialing"
        self._check_credits()
        self._check_balance()

    def _check_credits(self) -> None:
        """No line that charged is credited beyond what it charged."""
        state = self.engine.state
        final = [each for each in state.all("invoice") if each["status"] != "void"]
        lines = [line for invoice in state.all("invoice") for line in state.notes[invoice["id"]]["lines"]]
        counted = {invoice["id"] for invoice in final}
        charged = {line["id"]: line["amount"] for line in lines}
        credited: dict[str, int] = {}
        for line in (each for each in lines if each["invoice"] in counted):
            details = (line["parent"]["subscription_item_details"] or {}).get("proration_details") or {}
            for name in (details.get("credited_items") or {}).get("invoice_line_items", []):
                credited[name] = credited.get(name, 0) - line["amount"]
        assert all(0 <= amount <= charged[name] for name, amount in credited.items())

    def _check_balance(self) -> None:
        """What the customer paid, was given back, and has left is what the final invoices say."""
        state = self.engine.state
        final = [each for each in state.all("invoice") if each["status"] not in {"draft", "void"}]
        moved = sum(each["ending_balance"] - each["starting_balance"] for each in final)
        voided = [each for each in state.all("invoice") if each["status"] == "void" and each["number"]]
        moved += sum(each["ending_balance"] - each["starting_balance"] for each in voided)
        assert state.objects[self.customer]["balance"] == moved
        for invoice in final:
            off_balance = invoice["starting_balance"] - invoice["ending_balance"]
            assert invoice["total"] + off_balance == invoice["amount_due"]

    def _subscribe(self) -> None:
        if self._open():
            return
        wanted: dict[str, Any] = {"customer": self.customer, "items": [self._item()]}
        if self.dice.random() < 0.3:
            wanted["trial_period_days"] = 7
        self._ask("/v1/subscriptions", wanted)

    def _change(self) -> None:
        subscription = self._one()
        item = {"id": subscription["items"]["data"][0]["id"], **self._item()}
        wanted: dict[str, Any] = {
            "items": [item],
            "proration_behavior": self.dice.choice(["none", "create_prorations", "always_invoice"]),
            "payment_behavior": self.dice.choice(
                ["allow_incomplete", "error_if_incomplete", "default_incomplete", "pending_if_incomplete"]
            ),
        }
        if self.dice.random() < 0.3:
            wanted["billing_cycle_anchor"] = {"type": "now"}
        before = self._books()
        try:
            self._ask(f"/v1/subscriptions/{subscription['id']}", wanted)
        except StripeFault:
            assert self._books() == before
            raise

    def _change_in_portal(self) -> None:
        price = self.dice.choice(self.prices)
        before = self._books()
        try:
            self.engine.change_plan(self.portal, price=price, quantity=self.dice.randint(1, 5))
        except StripeFault as fault:
            # A change that was agreed to takes the place of the one that waited, also if it is then declined.
            if fault.status == 400:
                assert self._books() == before
            raise

    def _schedule(self) -> None:
        schedule = self._ask("/v1/subscription_schedules", {"from_subscription": self._one()["id"]})
        (phase,) = schedule["phases"]
        now = {
            "items": [{"price": each["price"], "quantity": each["quantity"]} for each in phase["items"]],
            "start_date": phase["start_date"],
            "end_date": phase["end_date"],
        }
        phases = [now, {"items": [self._item()], "proration_behavior": "none"}]
        self._ask(f"/v1/subscription_schedules/{schedule['id']}", {"phases": phases, "end_behavior": "release"})

    def _cancel(self) -> None:
        how = self.dice.choice(["now", "period end", "portal", "keep", "prorated"])
        name = self._one()["id"]
        if how in {"now", "prorated"}:
            wanted = {"prorate": how == "prorated", "invoice_now": how == "prorated"}
            self.engine.request("DELETE", f"/v1/subscriptions/{name}", wanted)
        elif how == "period end":
            self._ask(f"/v1/subscriptions/{name}", {"cancel_at_period_end": True})
        elif how == "portal":
            self.engine.cancel_in_portal(self.portal)
        else:
            self.engine.keep_in_portal(self.portal)

    def _pause(self) -> None:
        name = self._one()["id"]
        if self.dice.random() < 0.5:
            self._ask(f"/v1/subscriptions/{name}/pause", {})
        else:
            behavior = self.dice.choice(["void", "keep_as_draft", "mark_uncollectible"])
            self._ask(f"/v1/subscriptions/{name}", {"pause_collection": {"behavior": behavior}})

    def _resume(self) -> None:
        subscription = self._one()
        if subscription["status"] == "paused":
            anchor = {"billing_cycle_anchor": {"type": self.dice.choice(["now", "unchanged"])}}
            self._ask(f"/v1/subscriptions/{subscription['id']}/resume", anchor)
        else:
            self._ask(f"/v1/subscriptions/{subscription['id']}", {"pause_collection": ""})

    def _fail_or_not(self) -> None:
        self.engine.fail_payments(self.customer, self.dice.choice([None, "insufficient_funds"]))

    def _pay(self) -> None:
        invoices = self.engine.request("GET", "/v1/invoices", {"customer": self.customer, "status": "open"})["data"]
        if invoices:
            self._ask(f"/v1/invoices/{self.dice.choice(invoices)['id']}/pay", {})

    def _refund(self) -> None:
        charges = self.engine.request("GET", "/v1/charges", {"customer": self.customer})["data"]
        if charges:
            self._ask("/v1/refunds", {"charge": self.dice.choice(charges)["id"], "amount": 100})

    def _method(self) -> None:
        name = self.dice.choice(["pm_card_visa", "pm_card_chargeCustomerFail", "pm_usBankAccount_success"])
        self.engine.use_method_in_portal(self.portal, name)

    def _item(self) -> dict[str, Any]:
        return {"price": self.dice.choice(self.prices), "quantity": self.dice.randint(1, 5)}

    def _open(self) -> list[Any]:
        found: list[Any] = self.engine.request("GET", "/v1/subscriptions", {"customer": self.customer})["data"]
        return found

    def _one(self) -> Any:
        """The subscription that is there; where there is none, Stripe is asked for one that is not."""
        found = self._open()
        return found[0] if found else self.engine.request("GET", "/v1/subscriptions/sub_none")

    def _books(self) -> Any:
        """All that a refused request must leave as it was."""
        state = self.engine.state
        kinds = ("customer", "invoice", "invoiceitem", "subscription", "subscription_item", "subscription_schedule")
        return {kind: [repr(thing) for thing in state.all(kind)] for kind in kinds}, len(state.events)

    def _ask(self, path: str, params: Any) -> Any:
        return self.engine.request("POST", path, params)

    def _price(self, name: str, cents: int) -> str:
        product = self._ask("/v1/products", {"name": name})["id"]
        wanted = {"product": product, "currency": "usd", "unit_amount": cents, "recurring": {"interval": "month"}}
        return str(self._ask("/v1/prices", wanted)["id"])

    def _portal(self) -> Any:
        state = self.engine.state
        features = {
            "subscription_cancel": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price", "quantity"],
                "products": [{"product": state.objects[each]["product"], "prices": [each]} for each in self.prices],
                "proration_behavior": "always_invoice",
                "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
            },
        }
        configuration = self._ask("/v1/billing_portal/configurations", {"features": features})
        return {"customer": self.customer, "configuration": configuration["id"]}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_people_do_the_books_of_the_stand_in_stay_right(seed: int) -> None:
    life = Life(seed)
    for _ in range(STEPS):
        life.step()

    assert life.clock() > Clock()() + timedelta(days=30)
