"""The sync, from Stripe's signals to the ledger: the real SDK on a stand-in, the ledger in memory."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from credits.domain.top_up import draw_line
from credits.errors import AccountNotFound
from credits.ledger.post import post
from credits.ledger.store import AccountKey
from credits.payments.drift import ACCOUNTS, EVENTS, Drift
from credits.payments.fetch import Fetch
from credits.payments.signal import Signal
from credits.payments.snapshot import UnknownPrice, Unreadable
from local.stripe.state import Policy
from tests.moves import captured, granted, held, messages, released
from tests.stripe_ledger import CATALOG, EngineAccount, StripeBooks, left
from tests.stripe_sdk import items_of


def kinds(books: StripeBooks) -> list[tuple[str, int]]:
    """What Stripe wrote into the ledger, but for plan changes."""
    return [
        (entry.kind.value, entry.credits)
        for entry in books.entries
        if entry.kind.value not in {"opened", "plan_change", "charge"}
    ][1:]


def bought(books: StripeBooks, pack: str = "small", card: str = "pm_card_visa") -> Any:
    """A pack, paid for on the Checkout page."""
    metadata = {"account_id": "ada", "pack": pack}
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
    books.shop.engine.complete_checkout(session.id, card)
    return books.shop.sdk.v1.checkout.sessions.retrieve(session.id)


def test_a_pack_that_an_account_bought_by_itself_crosses_its_line_again_where_it_does_not_reach() -> None:
    books = StripeBooks()
    rule = partial(draw_line, catalog=CATALOG, key="line", below=1000, description="below 1000: small")
    post(books.store, "line", [AccountKey("ada")], rule, now=books.now)
    metadata = {"account_id": "ada", "pack": "small", "top_up": "1#3"}
    paying: Any = {"amount": 999, "currency": "usd", "customer": books.customer.id, "metadata": metadata}
    (card,) = books.shop.sdk.v1.payment_methods.list({"customer": books.customer.id}).data

    for _ in range(2):
        at_once = {"confirm": True, "off_session": True, "payment_method": card.id}
        books.shop.sdk.v1.payment_intents.create(paying | at_once)
        books.deliver()

    called = [(entry.kind, entry.remaining, entry.calls_for) for entry in books.entries[2:]]
    assert called == [("top_up", 300, "top_up"), ("pack", 700, "top_up"), ("pack", 1100, None)]


def charge_of(books: StripeBooks, session: Any) -> str:
    intent = books.shop.sdk.v1.payment_intents.retrieve(session.payment_intent)
    return str(intent.latest_charge)


def paid_back(books: StripeBooks, session: Any, amount: int = 999) -> str:
    """The money of a pack paid back, all of it or this much, and heard of."""
    refund = books.shop.sdk.v1.refunds.create({"payment_intent": session.payment_intent, "amount": amount})
    books.deliver()
    return str(refund.id)


def not_paid_back(books: StripeBooks, session: Any, refund_id: str) -> None:
    """The refund fails after all, and that is heard of."""
    objects = books.shop.engine.state.objects
    charge = objects[charge_of(books, session)]
    charge["amount_refunded"] -= objects[refund_id]["amount"]
    charge["refunded"] = False
    objects[refund_id]["status"] = "failed"
    books.act_on(
        [
            Signal(
                event_id=f"{refund_id}_failed",
                type="refund.failed",
                created=0,
                object_id=refund_id,
                object_type="refund",
                customer_id=books.customer.id,
                payload=None,
            )
        ]
    )


def disputed(books: StripeBooks, session: Any) -> str:
    """The payment fought over."""
    dispute = books.shop.engine.open_dispute(charge_of(books, session))
    books.deliver()
    return str(dispute["id"])


def decided(books: StripeBooks, dispute_id: str, *, won: bool) -> None:
    books.shop.engine.decide_dispute(dispute_id, won=won)
    books.deliver()


def test_a_subscription_that_is_paid_brings_its_plan() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.team, 3)

    books.deliver()

    assert (books.account.plan, books.account.seats) == ("team", 3)
    assert left(books.account) == [
        ("allocation", 12000, "2027-02-16 12:00"),
        ("carryover", 300, "2027-02-15 12:00"),
    ]
    assert books.balanced()


def test_an_upgrade_of_ours_a_month_and_added_seats_end_as_they_were_paid() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.spend(400)
    books.shop.move(days=10)
    books.shop.change(subscription, price=books.shop.team.id, billing_cycle_anchor="now", proration_behavior="none")
    books.deliver()
    assert left(books.account) == [
        ("allocation", 4000, "2027-02-26 12:00"),
        ("carryover", 900, "2027-02-16 12:00"),
    ]

    # 26 January to 26 February has 31 days; 15.5 are left.
    books.shop.move(days=15, hours=12)
    books.shop.change(subscription, quantity=3, proration_behavior="always_invoice")
    books.deliver()

    assert left(books.account) == [
        ("allocation", 4000, "2027-02-26 12:00"),
        ("carryover", 900, "2027-02-16 12:00"),
        ("proration", 4000, "2027-02-26 12:00"),
    ]
    books.shop.move(days=20)
    books.deliver()
    assert left(books.account) == [("allocation", 12000, "2027-03-26 12:00")]
    assert books.balanced()


def test_a_cancellation_in_the_portal_waits_for_the_period_s_end_and_can_be_taken_back() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.pro)
    portal = books.shop.sdk.v1.billing_portal.sessions.create({"customer": books.customer.id})
    books.shop.engine.cancel_in_portal(portal.id)
    books.deliver()
    assert books.shop.read(subscription).cancel_at_period_end is False
    assert books.account.pending
    assert (books.account.pending.plan, f"{books.account.pending.at:%m-%d %H:%M}") == ("free", "02-16 12:00")

    books.shop.engine.keep_in_portal(portal.id)
    books.deliver()
    assert books.account.pending is None

    books.shop.engine.cancel_in_portal(portal.id)
    books.shop.move(days=32)
    books.deliver()
    assert (books.account.plan, books.account.standing, books.account.subscription_id) == ("free", "canceled", None)
    assert left(books.account) == [("allocation", 300, "2027-03-15 12:00")]


def test_a_schedule_announces_fewer_seats_for_the_period_s_end() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.team, 3)
    item = items_of(subscription)[0]
    schedules = books.shop.sdk.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": subscription.id})
    team: Any = {"price": books.shop.team.id, "quantity": 3}
    first: Any = {"items": [team], "start_date": item.current_period_start, "end_date": item.current_period_end}
    second: Any = {"items": [team | {"quantity": 1}], "proration_behavior": "none"}
    schedules.update(schedule.id, {"phases": [first, second], "end_behavior": "release"})

    books.deliver()
    assert books.account.pending
    assert (books.account.pending.plan, books.account.pending.seats, books.account.seats) == ("team", 1, 3)

    books.shop.move(days=32)
    books.deliver()
    assert (books.account.seats, left(books.account)) == (1, [("allocation", 4000, "2027-03-16 12:00")])


def test_a_payment_that_fails_is_blocked_after_grace_and_restored_when_it_comes() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.shop.engine.fail_payments(books.customer.id)
    books.shop.move(days=31, hours=2)
    books.deliver()
    assert books.account.standing == "past_due"
    assert books.account.remaining == 1000

    books.shop.move(days=7)
    books.deliver()
    assert (books.account.remaining, books.account.frozen) == (0, 1000)

    books.shop.engine.fail_payments(books.customer.id, None)
    books.shop.sdk.v1.invoices.pay(str(books.shop.read(subscription).latest_invoice))
    books.deliver()
    assert (books.account.remaining, books.account.frozen, books.account.standing) == (1000, 0, "active")
    assert books.balanced()


def test_a_payment_that_never_comes_ends_on_free() -> None:
    books = StripeBooks(policy=Policy(after_last_retry="unpaid"))
    books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.shop.engine.fail_payments(books.customer.id)
    for _ in range(30):
        books.shop.move(days=2)
        books.deliver()

    assert (books.account.plan, books.account.standing) == ("free", "unpaid")
    assert [grant.credits for grant in books.account.grants] == [300]
    assert books.balanced()


def test_a_trial_brings_one_allocation_and_its_end_the_next() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro, trial_period_days=14)
    books.deliver()
    assert books.account.standing == "trialing"
    assert ("allocation", 1000, "2027-01-30 12:00") in left(books.account)

    books.shop.move(days=14, hours=2)
    books.deliver()

    assert books.account.standing == "active"
    assert ("allocation", 1000, "2027-02-28 12:00") in left(books.account)
    assert books.balanced()


def test_a_customer_that_is_deleted_lets_the_account_have_another() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.shop.sdk.v1.customers.delete(books.customer.id)
    books.deliver()
    assert (books.account.plan, books.account.remaining) == ("free", 1300)

    again = books.shop.customer(account_id="ada")
    books.shop.subscribe(again, books.shop.max)
    books.deliver()

    assert books.account.plan == "max"
    assert books.events.customer_of("ada") == again.id
    assert books.balanced()


def test_a_subscription_that_stripe_no_longer_lists_is_taken_from_its_event() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.pro)
    *_, updated = [each for each in books.undelivered if each.type == "customer.subscription.updated"]
    books.shop.engine.state.kinds["subscription"].remove(subscription.id)

    books.act_on([updated])

    assert books.account.plan == "pro"


def test_an_event_that_comes_again_asks_nothing() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    signals = books.undelivered
    books.deliver()
    before = len(books.entries)

    assert {synced.seen for synced in books.act_on(signals)} == {True}
    assert len(books.entries) == before


def test_an_older_answer_is_never_applied_over_a_newer() -> None:
    books = StripeBooks()
    subscription = books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    # An answer is fetched and then delayed; meanwhile the plan changes and changes back.
    slow = books.events.draw_ticket("ada", books.now)
    books.shop.move(hours=1)
    books.sync.bring_up("ada", books.now)

    ticket = books.account.ticket

    assert ticket > slow.number
    assert books.entries[-1].description == "as Stripe has it"
    assert books.shop.read(subscription).status == "active"


def test_a_price_that_the_catalog_does_not_have_is_refused_and_not_remembered() -> None:
    books = StripeBooks()
    gold = books.shop.price("Gold", 9_900, "plan.gold.month", plan="gold")
    books.shop.subscribe(books.customer, gold)
    signal = books.undelivered[0]

    for _ in range(2):
        with pytest.raises(UnknownPrice, match=gold.id):
            books.act_on([signal])

    assert books.account.plan == "free"


def test_a_price_is_known_by_its_product_when_another_took_its_lookup_key() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    params: Any = {"lookup_key": "plan.pro.month", "transfer_lookup_key": True, "currency": "usd", "unit_amount": 3_500}
    new: Any = {**params, "product": str(books.shop.pro.product), "recurring": {"interval": "month"}}
    books.shop.sdk.v1.prices.create(new)

    books.deliver()

    assert books.account.plan == "pro"


def test_a_subscription_to_two_plans_at_once_is_refused() -> None:
    books = StripeBooks()
    items: Any = [{"price": books.shop.pro.id}, {"price": books.shop.max.id}]
    books.shop.sdk.v1.subscriptions.create({"customer": books.customer.id, "items": items})

    with pytest.raises(Unreadable):
        books.deliver()


def test_a_customer_that_names_no_account_is_none_of_ours() -> None:
    books = StripeBooks()
    stranger = books.shop.sdk.v1.customers.create(
        {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    )
    books.shop.subscribe(stranger, books.shop.pro)

    assert {synced.account_id for synced in books.deliver()} == {None}


def test_a_customer_of_an_account_that_was_never_opened_is_a_fault() -> None:
    books = StripeBooks()
    nobody = books.shop.customer(account_id="nobody")
    books.shop.subscribe(nobody, books.shop.pro)

    with pytest.raises(AccountNotFound):
        books.deliver()


def test_a_pack_is_given_once_when_it_is_paid() -> None:
    books = StripeBooks()
    bought(books)
    signals = books.undelivered
    books.deliver()
    books.act_on([replace(signal, event_id=f"{signal.event_id}x") for signal in reversed(signals)])

    assert left(books.account) == [("allocation", 300, "2027-02-15 12:00"), ("pack", 400, None)]
    assert kinds(books) == [("pack", 400)]


def test_two_packs_are_two() -> None:
    books = StripeBooks()
    bought(books)
    bought(books)
    books.deliver()

    assert books.account.purchased_remaining == 800


def test_a_pack_by_bank_debit_is_given_when_the_money_comes() -> None:
    books = StripeBooks()
    session = bought(books, card="pm_usBankAccount_success")
    books.deliver()
    assert books.account.purchased_remaining == 0

    books.shop.engine.settle(session.payment_intent)
    books.deliver()

    assert books.account.purchased_remaining == 400


def test_a_pack_by_bank_debit_that_is_returned_gives_nothing() -> None:
    books = StripeBooks()
    session = bought(books, card="pm_usBankAccount_success")
    books.shop.engine.settle(session.payment_intent, comes=False)

    books.deliver()

    assert books.account.purchased_remaining == 0


def test_a_refund_in_parts_takes_each_share_and_all_of_it_the_whole_pack() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    refunds = books.shop.sdk.v1.refunds

    refunds.create({"payment_intent": session.payment_intent, "amount": 333})
    books.deliver()
    # 400 × 333/999
    assert books.account.purchased_remaining == 267
    refunds.create({"payment_intent": session.payment_intent, "amount": 333})
    refunds.create({"payment_intent": session.payment_intent})
    books.deliver()

    assert books.account.purchased_remaining == 0
    assert kinds(books) == [("pack", 400), ("revocation", -133), ("revocation", -133), ("revocation", -134)]
    assert books.balanced()


def test_what_was_spent_of_a_refunded_pack_is_a_shortfall() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    books.spend(450)
    books.shop.sdk.v1.refunds.create({"payment_intent": session.payment_intent})

    books.deliver()

    revocation = books.entries[-1]
    assert (revocation.credits, revocation.shortfall, books.account.remaining) == (-250, 150, 0)


def test_what_a_hold_has_of_a_refunded_pack_cannot_be_spent_when_it_is_closed() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    held(books.store, "run-1", 420, account_id="ada", at=books.now)
    captured(books.store, "run-1", "step-1", messages(330), account_id="ada", at=books.now)
    books.shop.sdk.v1.refunds.create({"payment_intent": session.payment_intent})

    books.deliver()
    released(books.store, "run-1", account_id="ada", at=books.now)

    told = [(entry.kind.value, entry.credits, entry.shortfall) for entry in books.entries if entry.book_id == "ada"]
    assert told[-3:] == [("revocation", -280, 120), ("release", 90, 0), ("revocation", -90, 0)]
    assert books.account.remaining == 0
    assert books.balanced()


def test_a_refund_that_did_not_go_through_brings_the_credits_back_once() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    refund = paid_back(books, session, 500)
    assert books.account.purchased_remaining == 200

    not_paid_back(books, session, refund)
    not_paid_back(books, session, refund)

    assert books.account.purchased_remaining == 400
    assert books.balanced()


def test_a_refund_that_failed_and_is_made_again_takes_the_pack_again() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    not_paid_back(books, session, paid_back(books, session))
    assert books.account.purchased_remaining == 400

    paid_back(books, session)

    assert books.account.purchased_remaining == 0
    assert kinds(books) == [("pack", 400), ("revocation", -400), ("pack", 400), ("revocation", -400)]
    assert books.balanced()


@pytest.mark.parametrize(("won", "after"), [(True, 400), (False, 0)])
def test_a_dispute_after_a_refund_that_failed_finds_the_pack(won: bool, after: int) -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    not_paid_back(books, session, paid_back(books, session))

    dispute = disputed(books, session)
    assert (books.account.purchased_remaining, books.account.frozen) == (0, 400)
    decided(books, dispute, won=won)

    assert (books.account.purchased_remaining, books.account.frozen) == (after, 0)
    assert books.balanced()


def test_a_refund_that_failed_and_the_one_in_its_place_end_alike_in_whichever_order_they_are_heard_of() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    books.spend(350)
    first = paid_back(books, session, 600)
    books.shop.engine.state.objects[first]["created"] += 60
    books.shop.engine.state.objects[charge_of(books, session)]["amount_refunded"] = 0
    books.shop.sdk.v1.refunds.create({"payment_intent": session.payment_intent, "amount": 600})

    not_paid_back(books, session, first)
    books.deliver()

    # 50 of 400 were spent, and 240 went back.
    assert books.account.purchased_remaining == 110
    assert books.balanced()


@pytest.mark.parametrize(("captured_of_it", "comes_back"), [(0, 400), (450, 250), (700, 0)])
def test_a_refund_that_fails_after_a_hold_was_closed_brings_back_all_that_was_not_spent(
    captured_of_it: int, comes_back: int
) -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    held(books.store, "run-1", 700, account_id="ada", at=books.now)
    if captured_of_it:
        captured(books.store, "run-1", "step-1", messages(captured_of_it), account_id="ada", at=books.now)
    refund = paid_back(books, session)
    released(books.store, "run-1", account_id="ada", at=books.now)
    assert books.account.purchased_remaining == 0

    not_paid_back(books, session, refund)

    assert books.account.purchased_remaining == comes_back
    assert books.balanced()


def test_a_refund_that_fails_while_a_hold_is_open_takes_nothing_at_its_close() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    held(books.store, "run-1", 600, account_id="ada", at=books.now)
    refund = paid_back(books, session)
    assert books.account.purchased_remaining == 0

    not_paid_back(books, session, refund)
    assert books.account.purchased_remaining == 100
    released(books.store, "run-1", account_id="ada", at=books.now)

    assert books.account.purchased_remaining == 400
    assert books.balanced()


def test_of_two_refunds_of_a_spent_pack_the_one_that_fails_leaves_the_other_what_it_lacked() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    books.spend(600)
    first = paid_back(books, session, 500)
    paid_back(books, session, 499)

    not_paid_back(books, session, first)

    # 300 were spent, and 200 went back: that is more than there were.
    assert books.account.remaining == 0
    assert books.balanced()


@pytest.mark.parametrize(("won", "after"), [(True, 400), (False, 0)])
@pytest.mark.parametrize("closed_first", [True, False])
def test_a_dispute_over_what_a_hold_has_ends_as_without_the_hold(won: bool, after: int, closed_first: bool) -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    held(books.store, "run-1", 700, account_id="ada", at=books.now)
    dispute = disputed(books, session)
    if closed_first:
        released(books.store, "run-1", account_id="ada", at=books.now)

    decided(books, dispute, won=won)
    if not closed_first:
        released(books.store, "run-1", account_id="ada", at=books.now)

    assert (books.account.purchased_remaining, books.account.frozen) == (after, 0)
    assert books.balanced()


@pytest.mark.parametrize("how", ["refund", "dispute"])
def test_a_pack_that_is_bought_into_a_full_book_is_not_the_one_before_it(how: str) -> None:
    books = StripeBooks()
    first = bought(books)
    books.deliver()
    books.spend(600)
    for number in range(14):
        granted(books.store, f"gift-{number}", 1, account_id="ada", at=books.now)
    bought(books)
    books.deliver()

    if how == "refund":
        paid_back(books, first)
    else:
        decided(books, disputed(books, first), won=False)

    assert books.account.purchased_remaining == 400
    assert books.entries[-1].shortfall == 300
    assert books.balanced()


def test_a_refund_that_is_heard_of_first_finds_its_pack() -> None:
    books = StripeBooks()
    session = bought(books)
    books.shop.sdk.v1.refunds.create({"payment_intent": session.payment_intent, "amount": 500})
    signals = books.undelivered

    books.act_on(reversed(signals))

    assert kinds(books) == [("pack", 400), ("revocation", -200)]


@pytest.mark.parametrize(("won", "after", "last"), [(True, 400, ("thaw", 400)), (False, 0, ("revocation", 0))])
def test_a_dispute_freezes_its_credits_until_it_is_decided(won: bool, after: int, last: tuple[str, int]) -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    dispute = books.shop.engine.open_dispute(charge_of(books, session))
    books.deliver()
    assert (books.account.purchased_remaining, books.account.frozen) == (0, 400)

    books.shop.engine.decide_dispute(dispute["id"], won=won)
    books.deliver()

    assert (books.account.purchased_remaining, books.account.frozen) == (after, 0)
    assert kinds(books)[-1] == last
    assert books.balanced()


def test_a_dispute_that_is_only_heard_of_when_it_is_lost_takes_what_is_left() -> None:
    books = StripeBooks()
    session = bought(books)
    books.deliver()
    books.spend(400)
    dispute = books.shop.engine.open_dispute(charge_of(books, session))
    books.shop.engine.decide_dispute(dispute["id"], won=False)

    books.deliver()

    assert (books.account.remaining, books.account.frozen) == (0, 0)
    assert [(entry.kind.value, entry.shortfall) for entry in books.entries[-2:]] == [
        ("freeze", 100),
        ("revocation", 100),
    ]


def test_a_pack_that_the_catalog_does_not_have_is_refused() -> None:
    books = StripeBooks()
    bought(books, "giant")

    with pytest.raises(UnknownPrice, match="giant"):
        books.deliver()


def drift(books: StripeBooks) -> Drift:
    return Drift(books.sync, Fetch(EngineAccount(books.shop), CATALOG), books.events)  # type: ignore[arg-type]


def test_what_was_never_heard_of_is_found_and_healed() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    books.deliver()
    books.shop.change(books.shop.subscribe(books.shop.customer(account_id="bob"), books.shop.pro), quantity=1)
    subscription = books.shop.sdk.v1.subscriptions.list({"customer": books.customer.id}).data[0]
    books.shop.change(subscription, price=books.shop.max.id, billing_cycle_anchor="now", proration_behavior="none")

    found = drift(books).compare(ACCOUNTS, now=books.now, time_left=lambda: 1)

    assert [(each.account_id, each.entries[0].kind.value) for each in found.differences] == [("ada", "plan_change")]
    assert (found.compared, found.finished, found.failures) == (1, True, ())
    assert books.account.plan == "max"
    assert drift(books).compare(ACCOUNTS, now=books.now, time_left=lambda: 1).differences == ()


def test_events_that_were_not_delivered_are_acted_on_and_one_that_fails_stops_no_other() -> None:
    books = StripeBooks()
    bought(books)
    nobody = books.shop.customer(account_id="nobody")
    books.shop.subscribe(nobody, books.shop.pro)
    for event in books.shop.engine.events:
        event["pending_webhooks"] = 1

    found = drift(books).compare(EVENTS, now=books.now, time_left=lambda: 1)

    assert books.account.purchased_remaining == 400
    assert {type(failure.error) for failure in found.failures} == {AccountNotFound}
    assert found.finished


def test_a_comparison_that_runs_out_of_time_goes_on_where_it_stopped() -> None:
    books = StripeBooks()
    for name in ("ann", "bea", "cid"):
        books.events.link(name, f"cus_{name}")
    budget = iter([1, 0])
    first = drift(books).compare(ACCOUNTS, now=books.now, time_left=lambda: next(budget))
    assert (first.compared, first.finished, first.beyond) == (1, False, "ann")

    second = drift(books).compare(ACCOUNTS, now=books.now, time_left=lambda: 1, beyond=first.beyond)

    assert (second.compared, second.finished) == (2, True)


def test_what_is_older_than_stripe_s_memory_is_not_waited_for() -> None:
    books = StripeBooks()
    books.shop.subscribe(books.customer, books.shop.pro)
    signal: Signal = books.undelivered[0]
    books.deliver()
    books.shop.clock.at += timedelta(days=60)

    assert books.act_on([replace(signal, event_id="evt_late")])[0].account_id == "ada"
    assert books.balanced()
