"""Eleven lives of a customer at Stripe, and how the ledger hears of them: in order, in any other, and more than once.

heard_in_order(LIVES["upgraded"])            # the books at the end of it
heard_in_any_order(LIVES["upgraded"], seed)  # the same end
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from credits.domain.entitle import Snapshot
from credits.payments.fetch import Fetch
from credits.payments.signal import Signal
from credits.payments.snapshot import Thing
from local.stripe.state import Policy
from tests.stripe_ledger import ACCOUNT, CATALOG, EngineAccount, StripeBooks
from tests.stripe_sdk import items_of

Act = Callable[[StripeBooks], object]
Step = tuple[timedelta, Act]
"""How long after the step before, and what happens then."""

AGAIN = 0.3
"""How likely a signal comes a second time; half of those under another id, so that it is not known by it."""

HEARD_EARLY = 0.4
"""How likely a signal is heard of before the next thing happens. All others wait for the end, as after an outage."""


class RememberingFetch(Fetch):
    """Asks Stripe once for as long as nothing happens there: it would answer the same."""

    def __init__(self, books: StripeBooks) -> None:
        super().__init__(EngineAccount(books.shop), CATALOG)  # type: ignore[arg-type]  # the same, on an engine
        self._engine = books.shop.engine
        self._answers: dict[tuple[str, int, datetime], Snapshot] = {}

    def snapshot(self, customer_id: str, *, now: datetime, payload: Thing | None = None) -> Snapshot:
        name = customer_id, len(self._engine.events), now
        if name not in self._answers:
            self._answers[name] = super().snapshot(customer_id, now=now, payload=payload)
        return self._answers[name]


def subscribe(plan: str, quantity: int = 1, **params: Any) -> Act:
    return lambda books: books.shop.subscribe(books.customer, getattr(books.shop, plan), quantity, **params)


def change(**params: Any) -> Act:
    """A change of the customer's newest subscription: `plan` or `quantity`, and how it is billed."""

    def act(books: StripeBooks) -> None:
        wanted = dict(params)
        if plan := wanted.pop("plan", None):
            wanted["price"] = getattr(books.shop, plan).id
        books.shop.change(newest(books), **wanted)

    return act


def upgrade(plan: str, **params: Any) -> Act:
    """As our API upgrades: the cycle restarts, nothing is prorated."""
    return change(plan=plan, billing_cycle_anchor="now", proration_behavior="none", **params)


def later(plan: str, quantity: int) -> Act:
    """As our API decreases: a schedule changes the subscription at its period's end."""

    def act(books: StripeBooks) -> None:
        subscription = newest(books)
        item = items_of(subscription)[0]
        schedules = books.shop.sdk.v1.subscription_schedules
        schedule = schedules.create({"from_subscription": subscription.id})
        now: Any = {
            "items": [{"price": item.price.id, "quantity": item.quantity}],
            "start_date": item.current_period_start,
            "end_date": item.current_period_end,
        }
        then: Any = {
            "items": [{"price": getattr(books.shop, plan).id, "quantity": quantity}],
            "proration_behavior": "none",
        }
        schedules.update(schedule.id, {"phases": [now, then], "end_behavior": "release"})

    return act


def in_portal(what: str) -> Act:
    def act(books: StripeBooks) -> None:
        portal = books.shop.sdk.v1.billing_portal.sessions.create({"customer": books.customer.id})
        getattr(books.shop.engine, what)(portal.id)

    return act


def cancel(books: StripeBooks) -> None:
    books.shop.sdk.v1.subscriptions.cancel(newest(books).id)


def fail(books: StripeBooks) -> None:
    books.shop.engine.fail_payments(books.customer.id)


def pay(books: StripeBooks) -> None:
    books.shop.engine.fail_payments(books.customer.id, None)
    books.shop.sdk.v1.invoices.pay(str(newest(books).latest_invoice))


def buy_pack(books: StripeBooks) -> None:
    metadata = {"account_id": "ada", "pack": "small"}
    session = books.shop.sdk.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": books.customer.id,
            "client_reference_id": "ada",
            "line_items": [{"price": books.shop.pack.id, "quantity": 1}],
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
            "success_url": "https://infuseos.example/done",
        }
    )
    books.shop.engine.complete_checkout(session.id)


def refund(amount: int) -> Act:
    """Pays back so many cents of the newest pack."""
    return lambda books: books.shop.sdk.v1.refunds.create({"payment_intent": _newest_pack(books).id, "amount": amount})


def dispute(*, won: bool) -> Act:
    """400 cents of the newest pack are disputed, and it is decided."""

    def act(books: StripeBooks) -> None:
        opened = books.shop.engine.open_dispute(str(_newest_pack(books).latest_charge), amount=400)
        books.shop.engine.decide_dispute(opened["id"], won=won)

    return act


def _newest_pack(books: StripeBooks) -> Any:
    return next(each for each in books.shop.sdk.v1.payment_intents.list().data if "pack" in each.to_dict()["metadata"])


def compared(books: StripeBooks) -> None:
    """The daily comparison comes by: what comes after it does not wait for signals."""
    books.events.link(ACCOUNT, books.customer.id)
    books.sync.bring_up(ACCOUNT, books.now)


def on_credits(what: str, *how: int) -> Act:
    """The account spends, sets aside, captures or closes a hold, which Stripe has no part in."""
    return lambda books: getattr(books, what)(*how)


def nothing(_: StripeBooks) -> None:
    """Time passes."""


def newest(books: StripeBooks) -> Any:
    return books.shop.sdk.v1.subscriptions.list({"customer": books.customer.id, "status": "all"}).data[0]


def after(act: Act, **duration: float) -> Step:
    return timedelta(**duration), act


LIVES: Final[Mapping[str, tuple[Step, ...]]] = {
    "subscribed and renewed": (
        after(subscribe("pro")),
        after(nothing, days=31, hours=2),
        after(nothing, days=28),
        after(nothing, days=3),
    ),
    "upgraded twice": (
        after(subscribe("pro")),
        after(upgrade("max"), days=6),
        after(upgrade("team", quantity=2), days=5),
        after(nothing, days=2),
    ),
    "seats up and down": (
        after(subscribe("team", 2)),
        after(change(quantity=5, proration_behavior="always_invoice"), days=4),
        after(change(quantity=7, proration_behavior="always_invoice"), hours=7),
        after(later("team", 3), days=3),
        after(nothing, days=26),
        after(nothing, days=1),
    ),
    "an operator's prorated decrease": (
        after(subscribe("team", 4)),
        after(change(quantity=1, proration_behavior="always_invoice"), days=10),
        after(change(quantity=2, proration_behavior="always_invoice"), days=5),
        after(nothing, hours=1),
    ),
    "an operator's decrease while a hold is open": (
        after(subscribe("team", 4)),
        after(compared),
        after(on_credits("spend", 300), hours=1),
        after(on_credits("hold", 9_000), days=10),
        after(on_credits("capture", 6_000), hours=1),
        after(change(quantity=1, proration_behavior="always_invoice"), hours=1),
        after(on_credits("capture", 2_500), hours=1),
        after(on_credits("close"), hours=1),
        after(nothing, hours=1),
    ),
    "cancelled, kept, cancelled again": (
        after(subscribe("max")),
        after(in_portal("cancel_in_portal"), days=3),
        after(in_portal("keep_in_portal"), days=1),
        after(in_portal("cancel_in_portal"), days=9),
        after(nothing, days=19),
        after(nothing, days=1),
    ),
    "cancelled at once and subscribed again": (
        after(subscribe("pro")),
        after(cancel, days=4),
        after(subscribe("max"), days=4),
        after(cancel, days=4),
        after(subscribe("pro"), days=4),
        after(nothing, hours=3),
    ),
    "past due and recovered": (
        after(subscribe("pro")),
        after(fail, days=20),
        after(nothing, days=11, hours=2),
        after(nothing, days=8),
        after(pay, days=1),
        after(nothing, hours=1),
    ),
    "past due and lost": (
        after(subscribe("team", 3)),
        after(fail, days=20),
        after(nothing, days=12),
        after(nothing, days=5),
        after(nothing, days=12),
    ),
    "a trial, and a month that is paid": (
        after(subscribe("pro", trial_period_days=10)),
        after(nothing, days=10, hours=2),
        after(upgrade("max"), days=9),
        after(nothing, hours=2),
    ),
    "packs, refunds and disputes": (
        after(buy_pack),
        after(refund(333), days=2),
        after(subscribe("pro"), days=1),
        after(refund(100), hours=1),
        after(buy_pack, days=1),
        after(dispute(won=True), days=1),
        after(buy_pack, days=1),
        after(dispute(won=False), days=1),
        after(nothing, hours=1),
    ),
}
"""Every account opened a day before, with its 300 of Free."""

POLICIES: Final = {"past due and lost": Policy(after_last_retry="unpaid")}


def heard_in_order(name: str) -> StripeBooks:
    """The books after a life of which every signal was heard at once."""
    books = born(name)
    for duration, act in LIVES[name]:
        books.shop.move(seconds=duration.total_seconds())
        act(books)
        books.deliver()
    return books


def heard_in_any_order(name: str, seed: int) -> StripeBooks:
    """The books after the same life, of which each signal was heard at any later moment, in any order, some twice."""
    books, random = born(name), Random(seed)
    waiting: list[Signal] = []
    for duration, act in LIVES[name]:
        books.shop.move(seconds=duration.total_seconds())
        waiting += told_in(books, act, random)
        random.shuffle(waiting)
        early = [signal for signal in waiting if random.random() < HEARD_EARLY]
        books.act_on(early)
        waiting = [signal for signal in waiting if signal not in early]
    books.act_on(waiting)
    return books


def told_in(books: StripeBooks, act: Act, random: Random) -> list[Signal]:
    """What Stripe tells of all that has happened since it was last asked, and of this act; some of it twice."""
    act(books)
    return [told for signal in books.new_signals() for told in (signal, *_again(signal, random))]


def born(name: str) -> StripeBooks:
    """The books at the beginning of this life."""
    books = StripeBooks(policy=POLICIES.get(name))
    books.hear_through(RememberingFetch(books))
    return books


def _again(signal: Signal, random: Random) -> list[Signal]:
    if random.random() >= AGAIN:
        return []
    return [signal if random.random() < 0.5 else replace(signal, event_id=f"{signal.event_id}again")]
