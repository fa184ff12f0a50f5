"""Every object of the stand-in, the events they made, and what is due when.

Objects are mappings in the shape that the API shows, and live here by their ids. What Stripe keeps to itself about one
(the lines of an invoice, how often its payment was tried) is in its `notes`.
"""

import heapq
import random
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from local.stripe.fault import invalid, missing

API_VERSION = "2026-10-28.endive"

Thing = dict[str, Any]
Now = Callable[[], datetime]

ALPHABET = string.ascii_letters + string.digits

# How an id of each kind begins, and how many characters follow.
PREFIXES = {
    "billing_portal.configuration": ("bpc_1", 23),
    "billing_portal.session": ("bps_1", 23),
    "charge": ("ch_3", 23),
    "checkout.session": ("cs_test_a1", 56),
    "customer": ("cus_", 14),
    "dispute": ("du_1", 23),
    "event": ("evt_1", 23),
    "invoice": ("in_1", 23),
    "invoice_payment": ("inpay_1", 23),
    "invoiceitem": ("ii_1", 23),
    "item": ("li_1", 23),
    "line_item": ("il_1", 23),
    "payment_intent": ("pi_3", 23),
    "payment_method": ("pm_1", 23),
    "price": ("price_1", 23),
    "product": ("prod_", 14),
    "refund": ("re_3", 23),
    "request": ("req_", 14),
    "setup_intent": ("seti_1", 23),
    "subscription": ("sub_1", 23),
    "subscription_item": ("si_", 14),
    "subscription_schedule": ("sub_sched_1", 23),
    "webhook_endpoint": ("we_1", 23),
    "webhook_secret": ("whsec_", 32),
}

# Of two things that are due at once, the one that decides about the other comes first.
ORDER = ("cancel", "phase", "resume", "trial_will_end", "trial_end", "renew", "finalize", "retry", "settle", "expire")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a Stripe account can choose in its Dashboard, with Stripe's usual choices.

    A failed payment of a renewal is tried again `retry_after_days` after the try before it (Stripe's schedule before
    Smart Retries: 3, 5 and 7 days, so on days 3, 8 and 15). After the last, the subscription is canceled, marked
    `unpaid`, or left `past_due`. A renewal's invoice is a draft for an hour.
    """

    retry_after_days: tuple[int, ...] = (3, 5, 7)
    after_last_retry: Literal["cancel", "unpaid", "past_due"] = "cancel"
    draft_seconds: int = 3600


@dataclass(slots=True)
class Agenda:
    """What is due when: at most one instant for each (what, id)."""

    due: dict[tuple[str, str], int] = field(default_factory=dict)
    _heap: list[tuple[int, int, str, str]] = field(default_factory=list)

    def put(self, what: str, name: str, at: int | None) -> None:
        """Sets or, with None, takes away when `what` happens to the object called `name`."""
        self.due.pop((what, name), None)
        if at is not None:
            self.due[what, name] = at
            heapq.heappush(self._heap, (at, ORDER.index(what), name, what))

    def drop(self, name: str) -> None:
        for what in ORDER:
            self.due.pop((what, name), None)

    def take(self, until: int) -> tuple[int, str, str] | None:
        """Removes and returns the earliest (instant, what, id) that is due by `until`."""
        while self._heap and self._heap[0][0] <= until:
            at, _, name, what = heapq.heappop(self._heap)
            if self.due.get((what, name)) == at:
                del self.due[what, name]
                return at, what, name
        return None


class State:
    """All of one Stripe account in test mode.

    `instant` is the second at which what is under way happens: now, or the time it was due, if the clock went past it.
    """

    def __init__(self, *, now: Now, seed: int | str, origin: str, policy: Policy) -> None:
        self.now = now
        self.origin = origin
        self.policy = policy
        self.random = random.Random(f"stripe {seed}")  # noqa: S311 - ids that repeat are the point
        self.objects: dict[str, Thing] = {}
        self.notes: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, list[str]] = {}
        self.events: list[Thing] = []
        self.agenda = Agenda()
        self.instant = int(now().timestamp())
        self.request: Thing = {"id": None, "idempotency_key": None}
        self.failing: dict[str, str] = {}  # customer → the decline code that every charge of theirs meets
        self.invoices_numbered = 0

    def new_id(self, kind: str) -> str:
        prefix, length = PREFIXES[kind]
        return prefix + "".join(self.random.choices(ALPHABET, k=length))

    def add(self, thing: Thing, **notes: Any) -> Thing:
        """Keeps a new object, which has its id."""
        self.objects[thing["id"]] = thing
        self.notes[thing["id"]] = notes
        self.kinds.setdefault(thing["object"], []).append(thing["id"])
        return thing

    def remove(self, thing: Thing) -> Thing:
        """Deletes an object; what is left says so."""
        left = {"id": thing["id"], "object": thing["object"], "deleted": True}
        self.objects[thing["id"]] = left
        self.kinds[thing["object"]].remove(thing["id"])
        return left

    def all(self, kind: str) -> Iterator[Thing]:
        """Every object of a kind that was not deleted, the oldest first."""
        return (self.objects[name] for name in self.kinds.get(kind, ()))

    def get(self, kind: str, name: str) -> Thing:
        """The object that a path names, deleted or not. Raises a 404."""
        thing = self.objects.get(name)
        if thing is None or thing["object"] != kind:
            raise missing(kind, name)
        return thing

    def referred(self, kind: str, name: str, param: str) -> Thing:
        """The object that a parameter names. Raises a 400 where there is none, or no more."""
        thing = self.objects.get(name)
        if thing is None or thing["object"] != kind or thing.get("deleted"):
            raise missing(kind, name, param=param, status=400)
        return thing

    def require_alive(self, thing: Thing) -> Thing:
        if thing.get("deleted"):
            raise missing(thing["object"], thing["id"])
        return thing

    def emit(self, kind: str, thing: Thing, *, previous: Thing | None = None) -> None:
        """Adds an event with the object as it is now."""
        data: Thing = {"object": deepcopy(thing)}
        if previous is not None:
            data["previous_attributes"] = deepcopy(previous)
        endpoints = [endpoint["id"] for endpoint in self.subscribers(kind)]
        event = self.add(
            {
                "id": self.new_id("event"),
                "object": "event",
                "account": None,
                "api_version": API_VERSION,
                "context": None,
                "created": self.instant,
                "data": data,
                "livemode": False,
                "pending_webhooks": len(endpoints),
                "request": dict(self.request),
                "type": kind,
            },
            endpoints=endpoints,
        )
        self.events.append(event)

    def subscribers(self, kind: str) -> Iterator[Thing]:
        """The webhook endpoints that want events of this type."""
        for endpoint in self.all("webhook_endpoint"):
            if endpoint["status"] == "enabled" and {kind, "*"} & set(endpoint["enabled_events"]):
                yield endpoint

    @contextmanager
    def changing(self, thing: Thing, kind: str) -> Iterator[None]:
        """Emits an event of this type if the block changes the object, with what it was before."""
        before = deepcopy(thing)
        yield
        previous = {name: before.get(name) for name in thing if thing[name] != before.get(name)}
        if previous:
            self.emit(kind, thing, previous=previous)

    def fork(self, customer: str) -> "State":
        """A copy to try things on: everything of one customer, and what all share. It numbers and emits for itself."""
        fork = State(now=self.now, seed=0, origin=self.origin, policy=self.policy)
        fork.random.setstate(self.random.getstate())
        fork.instant = self.instant
        fork.failing = dict(self.failing)
        for kind, names in self.kinds.items():
            if kind in SHARED:
                fork.objects |= {name: self.objects[name] for name in names}
                fork.kinds[kind] = list(names)
                continue
            for name in names:
                thing = self.objects[name]
                if customer in {name, thing.get("customer"), self.notes[name].get("customer")}:
                    fork.objects[name] = deepcopy(thing)
                    fork.notes[name] = deepcopy(self.notes[name])
                    fork.kinds.setdefault(kind, []).append(name)
        for subscription in list(fork.all("subscription")):
            for item in subscription["items"]["data"]:
                fork.add(item, **deepcopy(self.notes[item["id"]]))
        for (what, name), at in self.agenda.due.items():
            if name in fork.notes:
                fork.agenda.put(what, name, at)
        return fork


# What belongs to no customer, and is not changed by what customers do.
SHARED = {"product", "price", "billing_portal.configuration"}


def require(true: bool, message: str, *, param: str | None = None, code: str | None = None) -> None:
    """Raises a 400 with this message unless it is true."""
    if not true:
        raise invalid(message, param=param, code=code)
