"""Loops: whatever a customer does at Stripe for a month, the ledger never gives more than the invoices were paid for.

The judge is Stripe's money alone: what the lines of paid invoices cost, in cents, times what a cent of that plan buys.
It knows no periods, no prorations and no terms.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import pytest
import stripe
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from credits.domain.entry import EntryKind
from credits.errors import CreditsError
from tests.simulation import stripe_lives as life
from tests.stripe_ledger import CATALOG, StripeBooks
from tests.stripe_sdk import Shop, items_of

DAYS: Final = 40
"""A month, and the renewal after it."""

FROM_THE_PLAN: Final = {EntryKind.ALLOCATION, EntryKind.PRORATION, EntryKind.CARRYOVER}
PLANS: Final = ("pro", "max", "team")

plans = st.sampled_from(PLANS)
seats = st.integers(1, 5)

sold = st.tuples(plans, seats).map(lambda what: what if CATALOG.plans[what[0]].per_seat else (what[0], 1))

moves = st.one_of(
    st.tuples(st.just("subscribe"), sold).map(lambda move: (move[0], *move[1])),
    st.tuples(st.just("upgrade"), sold).map(lambda move: (move[0], *move[1])),
    st.tuples(st.just("switch"), sold).map(lambda move: (move[0], *move[1])),
    st.tuples(st.just("seats"), seats),
    st.tuples(st.just("later"), sold).map(lambda move: (move[0], *move[1])),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("hold"), st.integers(1, 9_000)),
    st.tuples(st.just("capture"), st.integers(1, 9_000)),
    st.tuples(st.just("close")),
    st.tuples(st.just("fail")),
    st.tuples(st.just("pay")),
    st.tuples(st.just("spend"), st.integers(1, 9_000)),
    st.tuples(st.just("hear")),
)
hours = st.one_of(st.just(0), st.integers(1, 48), st.integers(49, 400))
months = st.lists(st.tuples(hours, moves), min_size=4, max_size=18)

Move = tuple[Any, ...]


@dataclass
class Month:
    """A customer's month at Stripe, move by move; what is refused there just did not happen."""

    books: StripeBooks = field(default_factory=StripeBooks)
    hours: int = 0

    def __post_init__(self) -> None:
        self.books.hear_through(life.RememberingFetch(self.books))

    def wait(self, hours: int) -> None:
        hours = min(hours, DAYS * 24 - self.hours)
        self.hours += hours
        self.books.shop.move(hours=hours)

    def make(self, move: Move) -> None:
        try:
            self._make(*move)
        except (stripe.StripeError, CreditsError, IndexError):
            event(f"refused: {move[0]}")

    def _make(self, name: str, *how: Any) -> None:
        match name:
            case "subscribe":
                life.subscribe(*how)(self.books)
            case "upgrade":
                life.upgrade(how[0], quantity=how[1])(self.books)
            case "switch":
                life.change(plan=how[0], quantity=how[1], proration_behavior="always_invoice")(self.books)
            case "seats" if items_of(life.newest(self.books))[0].price.id == self.books.shop.team.id:
                life.change(quantity=how[0], proration_behavior="always_invoice")(self.books)
            case "later":
                life.later(*how)(self.books)
            case "seats":
                event("refused: seats of a plan that has one")
            case "spend" | "hold" | "capture" | "close":
                getattr(self.books, name)(*how)
            case "hear":
                self.books.deliver()
            case _:
                getattr(life, name)(self.books)


def given_by_the_plan(books: StripeBooks) -> int:
    """What the ledger gave for subscriptions, less what it took back and what it is owed."""
    taken = sum(
        draw.credits + draw.frozen
        for entry in books.entries
        if entry.kind is EntryKind.REVOCATION
        for draw in entry.draws
    )
    free = len([entry for entry in books.entries if entry.after.plan == "free" and entry.kind is EntryKind.ALLOCATION])
    gifts = sum(entry.credits for entry in books.entries if entry.kind in FROM_THE_PLAN)
    return gifts - free * 300 + taken - books.account.owed


def bought(shop: Shop, invoices: list[Any]) -> tuple[Fraction, int]:
    """What the cents of these invoices' lines buy, and how many lines there are: each may round by half a cent.

    Where a first payment failed, Stripe may pay back more of a span of time than was paid for it. That is money on the
    customer's balance, and no debt in credits.
    """
    names = {getattr(shop, plan).id: plan for plan in PLANS}
    spans: defaultdict[tuple[str, int], Fraction] = defaultdict(Fraction)
    lines = [line for invoice in invoices for line in invoice["lines"]["data"]]
    for line in lines:
        plan = CATALOG.plans[names[line["pricing"]["price_details"]["price"]]]
        spans[line["subscription"], line["period"]["end"]] += Fraction(line["amount"] * plan.credits, plan.price_cents)
    return sum((max(Fraction(0), each) for each in spans.values()), Fraction(0)), len(lines)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(months)
@example([(0, ("subscribe", "team", 1)), *[(1, ("seats", 1 + turn % 5)) for turn in range(12)], (0, ("hear",))])
@example([(0, ("subscribe", "team", 5)), (1, ("hear",)), (1, ("spend", 9_000)), (9, ("seats", 1)), (1, ("seats", 5))])
@example([(0, (name, *how)) for name, *how in [("subscribe", "pro", 1), ("cancel",)] * 6])
@example([(0, ("subscribe", "pro", 1)), *[(5, ("upgrade", plan, 1)) for plan in ("max", "team", "pro") * 4]])
@example([(273, ("subscribe", "pro", 1)), (0, ("upgrade", "team", 1)), (27, ("seats", 2)), (0, ("upgrade", "pro", 1))])
@example(
    [(0, ("subscribe", "pro", 1)), (1, ("hear",)), (1, ("hold", 1_300)), (9, ("switch", "max", 1)), (9, ("hear",))]
)
@example(
    [(0, ("subscribe", "team", 5)), (1, ("hear",)), (1, ("hold", 9_000)), (1, ("seats", 1)), (1, ("capture", 8_000))]
)
@example([(0, ("subscribe", "max", 1)), (9, ("hear",)), (1, ("fail",)), (400, ("hear",)), (400, ("spend", 2_000))])
def test_no_loop_of_changes_gives_more_than_was_paid_for(month: list[tuple[int, Move]]) -> None:
    lived = Month()
    for wait, move in month:
        lived.wait(wait)
        lived.make(move)
    lived.make(("hear",))
    books = lived.books
    while books.holds:
        books.close()
    lived.make(("hear",))

    invoices: list[Any] = []
    found = books.shop.sdk.v1.invoices.list({"customer": books.customer.id, "limit": 100})
    invoices = [each.to_dict() for each in found.data]
    paid, lines = bought(books.shop, [each for each in invoices if each["status"] == "paid"])
    renewals = [
        each for each in invoices if each["status"] != "paid" and each["billing_reason"] == "subscription_cycle"
    ]
    ahead = max((bought(books.shop, [each])[0] for each in renewals), default=Fraction(0))

    assert given_by_the_plan(books) <= paid + lines + ahead
    assert books.balanced()
    books.sync.bring_up("ada", books.now)
    assert books.sync.bring_up("ada", books.now).entries == ()


def test_cancelling_and_subscribing_again_gives_no_second_month_of_free() -> None:
    books = StripeBooks()
    for _ in range(10):
        books.shop.subscribe(books.customer, books.shop.pro)
        books.deliver()
        books.shop.move(hours=5)
        life.cancel(books)
        books.deliver()
        books.shop.move(hours=5)

    free = [entry for entry in books.entries if entry.kind is EntryKind.ALLOCATION and entry.credits == 300]
    assert len(free) == 1
    assert books.account.remaining == 300 + 10 * 1000


@pytest.mark.parametrize("in_time", [True, False], ids=["heard of in time", "heard of too late"])
def test_a_cancellation_that_is_taken_back_at_the_last_moment_gives_no_month_of_free(in_time: bool) -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.spend(1300)
    for _ in range(3):
        portal = books.shop.sdk.v1.billing_portal.sessions.create({"customer": books.customer.id})
        books.shop.engine.cancel_in_portal(portal.id)
        books.deliver()
        assert books.account.pending
        books.shop.move(seconds=(books.account.pending.at - books.now).total_seconds() - 5)
        books.shop.engine.keep_in_portal(portal.id)
        if in_time:
            books.deliver()
        books.shop.move(seconds=6)
        # Too late, this is spent of a month of Free that never was.
        books.spend(1)
        books.deliver()
        books.shop.move(hours=2)
        books.deliver()
        assert books.account.plan == "pro"
        books.spend(books.account.remaining)

    assert -sum(entry.credits for entry in books.entries if entry.kind is EntryKind.CHARGE) == 1300 + 3 * 1000
    assert books.account.owed == 0
    assert books.balanced()
