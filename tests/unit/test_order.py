"""Orders beside Stripe's portal, which lets wait what costs less and knows nothing of credits."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from credits.catalog import Catalog, load
from credits.payments.order import (
    Order,
    Subscription,
    comes_in_portal_as_ordered,
    plans_at_home,
    switches_at_home,
)

CATALOG = load()


def subscribed(plan: str | None, seats: int = 1, *, cents: int | None) -> Subscription:
    return Subscription(
        id="sub_1",
        status="active",
        item_id="si_1",
        price_id="price_1",
        product_id="prod_1",
        plan=plan,
        seats=seats,
        amount_cents=cents,
        period_end=datetime(2026, 12, 23, 12, tzinfo=UTC),
        cancels=False,
        schedule=None,
    )


def priced(**cents: int) -> Catalog:
    """The catalog with other prices of these plans."""
    changed = {name: replace(CATALOG.plans[name], price_cents=price) for name, price in cents.items()}
    return replace(CATALOG, plans={**CATALOG.plans, **changed})


@pytest.mark.parametrize(
    ("has", "cents", "wants", "same_time"),
    [
        (("pro", 1), 2_900, Order("max"), True),
        (("max", 1), 4_900, Order("pro"), True),
        (("max", 1), 4_900, Order("team"), True),
        (("team", 1), 4_900, Order("max"), False),
        (("team", 2), 9_800, Order("max"), True),
        (("team", 3), 14_700, Order("pro"), True),
        (("team", 3), 14_700, Order("team", 2), True),
        (("team", 3), 14_700, Order("team", 4), True),
        (("team", 3), 14_700, Order("free"), True),
        # What was paid before the prices changed is what the portal compares with.
        (("max", 1), 1_900, Order("pro"), False),
        (("pro", 1), 5_900, Order("max"), False),
        # It is not paid by the month.
        (("pro", 1), None, Order("max"), False),
        (("pro", 1), None, Order("free"), True),
        # It is no plan of the catalog's: it gives nothing.
        ((None, 1), 900, Order("pro"), True),
        ((None, 1), 9_900, Order("pro"), False),
    ],
)
def test_the_portal_is_asked_only_for_what_it_does_when_we_say(
    has: tuple[str | None, int], cents: int | None, wants: Order, same_time: bool
) -> None:
    assert comes_in_portal_as_ordered(wants, subscribed(*has, cents=cents), CATALOG) is same_time


@pytest.mark.parametrize(
    ("cents", "plans"),
    [
        ({}, ("pro", "max")),
        # As dear as the other and gives less; dearer and gives less.
        ({"pro": 4_900}, ("max",)),
        ({"pro": 5_900}, ("max",)),
    ],
)
def test_the_portal_s_home_offers_plans_of_which_the_dearer_gives_more(
    cents: dict[str, int], plans: tuple[str, ...]
) -> None:
    assert plans_at_home(priced(**cents)) == plans


@pytest.mark.parametrize(
    ("has", "cents", "switches"),
    [
        (("pro", 1), 2_900, True),
        (("max", 1), 4_900, True),
        (("pro", 1), 3_500, True),
        (("team", 1), 4_900, False),
        (("team", 3), 14_700, False),
        # Three times Pro, which somebody made by hand: the portal would make it three times Max.
        (("pro", 3), 8_700, False),
        (("max", 1), 1_900, False),
        (("pro", 1), 5_900, False),
        (("pro", 1), None, False),
        ((None, 1), 900, False),
    ],
)
def test_plans_are_switched_at_the_portal_s_home_where_every_switch_comes_when_its_order_would(
    has: tuple[str | None, int], cents: int | None, switches: bool
) -> None:
    assert switches_at_home(subscribed(*has, cents=cents), CATALOG) is switches
    assert switches_at_home(None, CATALOG) is False
