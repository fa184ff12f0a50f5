"""Snapshots from Stripe's objects, in the shape of today and in those of before."""

from typing import Any

import pytest

from credits.domain.account import PendingChange
from credits.domain.entitle import Snapshot, Subscription
from credits.payments.snapshot import UnknownPrice, Unreadable, customer_snapshot, plan_of, the_one_that_counts
from tests.unit.books import CATALOG, utc

JANUARY, FEBRUARY, MARCH = 1_768_867_200, 1_771_545_600, 1_773_964_800
"""20 January, 20 February and 20 March 2026, 00:00 UTC."""

PRO: dict[str, Any] = {"id": "price_pro", "lookup_key": "plan.pro.month", "product": "prod_1"}
TEAM: dict[str, Any] = {"id": "price_team", "lookup_key": "plan.team.month", "product": "prod_2"}
PRICES = {"price_pro": PRO, "price_team": TEAM}


def subscription(**changes: Any) -> dict[str, Any]:
    item = {"price": PRO, "quantity": 1, "current_period_start": JANUARY, "current_period_end": FEBRUARY}
    return {
        "id": "sub_1",
        "status": "active",
        "created": JANUARY,
        "start_date": JANUARY,
        "billing_cycle_anchor": JANUARY,
        "items": {"data": [item]},
        "cancel_at": None,
        "cancel_at_period_end": False,
        "schedule": None,
        **changes,
    }


def invoice_line(name: str = "il_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "amount": 2_900,
        "quantity": 1,
        "period": {"start": JANUARY, "end": FEBRUARY},
        "pricing": {"type": "price_details", "price_details": {"price": "price_pro", "product": "prod_1"}},
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription": "sub_1", "proration": False, "proration_details": None},
            "invoice_item_details": None,
        },
        **changes,
    }


def invoice(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "status": "paid",
        "billing_reason": "subscription_create",
        "created": JANUARY,
        "status_transitions": {"finalized_at": JANUARY},
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        "lines": {"data": list(lines), "has_more": False},
        **changes,
    }


def read(*subscriptions: dict[str, Any], invoices: Any = (), schedules: Any = None, at: str = "2026-01-25") -> Snapshot:
    return customer_snapshot(subscriptions, invoices, PRICES, schedules or {}, CATALOG, now=utc(at))


def only(snapshot: Snapshot) -> Subscription:
    assert snapshot.subscription
    return snapshot.subscription


def test_the_period_is_the_item_s_or_in_an_old_shape_the_subscription_s() -> None:
    assert only(read(subscription())).period_ends_at == utc("2026-02-20")

    old = subscription(current_period_end=FEBRUARY, items={"data": [{"price": PRO, "quantity": 1}]})
    assert only(read(old)).period_ends_at == utc("2026-02-20")


@pytest.mark.parametrize("how", [{"cancel_at": FEBRUARY}, {"cancel_at_period_end": True}])
def test_a_cancellation_waits_however_the_billing_mode_writes_it(how: dict[str, Any]) -> None:
    assert only(read(subscription(**how))).pending == PendingChange("free", 1, utc("2026-02-20"))


def test_a_schedule_s_next_phase_is_what_waits() -> None:
    phases = [
        {"start_date": JANUARY, "end_date": FEBRUARY, "items": [{"price": "price_team", "quantity": 3}]},
        {"start_date": FEBRUARY, "end_date": MARCH, "items": [{"price": {"id": "price_team"}, "quantity": 2}]},
    ]
    schedule = {"id": "sub_sched_1", "status": "active", "current_phase": {"start_date": JANUARY}, "phases": phases}
    schedules = {"sub_sched_1": schedule}

    waiting = only(read(subscription(schedule="sub_sched_1"), schedules=schedules)).pending
    assert waiting == PendingChange("team", 2, utc("2026-02-20"))

    schedule |= {"phases": phases[:1], "end_behavior": "cancel"}
    waiting = only(read(subscription(schedule="sub_sched_1"), schedules=schedules)).pending
    assert waiting == PendingChange("free", 1, utc("2026-02-20"))

    schedule |= {"status": "released"}
    assert only(read(subscription(schedule="sub_sched_1"), schedules=schedules)).pending is None


def test_lines_are_told_apart_by_what_they_pay_for() -> None:
    details = {"subscription": "sub_1", "proration": True, "proration_details": {"credited_items": {"invoice": "in_0"}}}
    credit = invoice_line(
        "il_2", amount=-1_000, parent={"type": "subscription_item_details", "subscription_item_details": details}
    )
    item = {"subscription": "sub_1", "proration": True, "proration_details": None}
    charge = invoice_line("il_3", parent={"type": "invoice_item_details", "invoice_item_details": item})

    lines = read(subscription(), invoices=[invoice(invoice_line(), credit, charge)]).lines

    assert lines
    assert [(line.id, line.credit, line.proration, line.paid) for line in lines] == [
        ("il_1", False, False, True),
        ("il_2", True, True, True),
        ("il_3", False, True, True),
    ]


def test_a_line_of_an_old_shape_is_read_as_well() -> None:
    old = {"id": "il_1", "amount": -5, "quantity": 1, "proration": True, "subscription": "sub_1", "price": PRO}

    (line,) = (
        read(subscription(), invoices=[invoice({**old, "period": {"start": JANUARY, "end": FEBRUARY}})]).lines or ()
    )

    assert (line.subscription_id, line.plan, line.credit, line.proration) == ("sub_1", "pro", True, True)


@pytest.mark.parametrize(
    ("status", "reason", "lines"),
    [
        ("paid", "subscription_update", 1),
        ("open", "subscription_cycle", 1),
        ("draft", "subscription_cycle", 1),
        ("open", "subscription_create", 0),
        ("open", "subscription_update", 0),
        ("void", "subscription_cycle", 0),
        ("uncollectible", "subscription_cycle", 0),
    ],
)
def test_only_paid_invoices_and_open_renewals_have_lines_that_entitle(status: str, reason: str, lines: int) -> None:
    found = read(subscription(), invoices=[invoice(invoice_line(), status=status, billing_reason=reason)]).lines

    assert found is not None
    assert [line.paid for line in found] == [status == "paid"] * lines


def test_what_no_subscription_was_billed_for_is_no_line_of_ours() -> None:
    parent = {"type": "invoice_item_details", "invoice_item_details": {"subscription": None, "proration": False}}
    set_up = invoice_line(parent=parent, pricing={"price_details": {"price": "price_of_a_setup"}})

    assert read(subscription(), invoices=[invoice(set_up)]).lines == ()


def test_a_line_of_a_trial_is_known_by_its_subscription() -> None:
    found = read(
        subscription(status="trialing", trial_start=JANUARY, trial_end=FEBRUARY, billing_cycle_anchor=FEBRUARY),
        invoices=[invoice(invoice_line(amount=0))],
    )

    assert [line.trial for line in found.lines or ()] == [True]
    assert (only(found).anchor, only(found).started_at) == (utc("2026-02-20"), utc("2026-01-20"))


def test_a_line_is_cut_short_where_its_subscription_ended_or_its_cycle_began_again() -> None:
    later = JANUARY + 10 * 86_400
    again = invoice_line("il_2", period={"start": later, "end": MARCH})

    lines = read(subscription(), invoices=[invoice(invoice_line(), again)]).lines or ()
    assert [line.stopped_at for line in lines] == [utc("2026-01-30"), None]

    ended = subscription(status="canceled", ended_at=later)
    lines = read(ended, invoices=[invoice(invoice_line())]).lines or ()
    assert [line.stopped_at for line in lines] == [utc("2026-01-30")]


def test_the_oldest_open_invoice_says_since_when_payment_is_due() -> None:
    open_ones = [
        invoice(status="open", created=MARCH, status_transitions={"finalized_at": None}),
        invoice(status="open", status_transitions={"finalized_at": FEBRUARY}),
    ]

    assert only(read(subscription(status="past_due"), invoices=open_ones)).unpaid_since == utc("2026-02-20")


@pytest.mark.parametrize(
    ("statuses", "counts"),
    [
        (["canceled", "active"], 1),
        (["past_due", "canceled", "unpaid"], 0),
        (["active", "active"], 1),
        (["incomplete", "canceled"], 1),
        (["incomplete_expired"], None),
        ([], None),
    ],
)
def test_of_several_subscriptions_the_one_that_gives_a_plan_counts(statuses: list[str], counts: int | None) -> None:
    several = [subscription(id=f"sub_{n}", status=status, created=JANUARY + n) for n, status in enumerate(statuses)]

    found = the_one_that_counts(several)

    assert found == (None if counts is None else several[counts])


def test_seats_of_a_plan_that_is_not_sold_by_the_seat_are_one() -> None:
    three = {"data": [{"price": PRO, "quantity": 3, "current_period_end": FEBRUARY}]}

    assert only(read(subscription(items=three))).seats == 1


@pytest.mark.parametrize(
    ("price", "plan"),
    [
        ({"lookup_key": "plan.max.year", "product": "prod_1"}, "max"),
        ({"lookup_key": None, "product": {"id": "prod_1", "metadata": {"plan": "team"}}}, "team"),
        ({"lookup_key": "plan.retired.month", "product": {"id": "prod_1", "metadata": {"plan": "pro"}}}, "pro"),
    ],
)
def test_a_plan_is_named_by_the_lookup_key_or_else_by_the_product(price: dict[str, Any], plan: str) -> None:
    assert plan_of("price_1", {"price_1": price}, CATALOG) == plan


@pytest.mark.parametrize(
    "price",
    [
        {},
        {"lookup_key": "pack.small", "product": "prod_1"},
        {"lookup_key": None, "product": {"id": "prod_1", "metadata": {"pack": "small"}}},
        {"lookup_key": "plan.gold.month", "product": {"id": "prod_1", "metadata": {}}},
    ],
)
def test_a_price_that_sells_no_plan_is_never_taken_for_free(price: dict[str, Any]) -> None:
    with pytest.raises(UnknownPrice, match="price_1"):
        plan_of("price_1", {"price_1": price}, CATALOG)


def test_a_subscription_to_several_things_is_refused() -> None:
    two = {"data": [{"price": PRO, "quantity": 1}, {"price": TEAM, "quantity": 1}]}

    with pytest.raises(Unreadable, match="sub_1 has 2 items"):
        read(subscription(items=two))
