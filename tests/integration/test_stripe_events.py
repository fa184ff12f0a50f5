"""The table of Stripe's events: what was seen, who pays for whom, and tickets that only rise."""

from datetime import timedelta
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from credits.ledger.tables import create_missing
from credits.payments.tables import StripeEvents, open_events
from tests.moves import NOON


@pytest.fixture
def events(moto_connection: Connection) -> StripeEvents:
    events = open_events(moto_connection, f"stripe-{uuid4().hex}")
    create_missing([events.items])
    return events


def test_an_event_is_remembered_for_longer_than_stripe_lists_it(events: StripeEvents) -> None:
    assert not events.seen("evt_1")

    events.mark_seen("evt_1", NOON)

    assert events.seen("evt_1")
    assert not events.seen("evt_2")
    assert events.items.get("event#evt_1").expires_at == NOON + timedelta(days=35)


def test_an_account_and_its_customer_lead_to_each_other(events: StripeEvents) -> None:
    assert events.link("acme", "cus_1") == "cus_1"

    assert events.account_of("cus_1") == "acme"
    assert events.customer_of("acme") == "cus_1"
    assert events.account_of("cus_2") is None
    assert events.customer_of("globex") is None


def test_the_first_customer_of_an_account_stays_its_customer(events: StripeEvents) -> None:
    events.link("acme", "cus_1")

    assert events.link("acme", "cus_2") == "cus_1"

    assert events.customer_of("acme") == "cus_1"
    assert events.account_of("cus_2") == "acme"


def test_a_customer_never_changes_hands(events: StripeEvents) -> None:
    events.link("acme", "cus_1")

    events.link("globex", "cus_1")

    assert events.account_of("cus_1") == "acme"


def test_after_a_customer_was_deleted_the_account_takes_another(events: StripeEvents) -> None:
    events.link("acme", "cus_1")

    events.unlink("acme", "cus_2")
    assert events.customer_of("acme") == "cus_1"

    events.unlink("acme", "cus_1")
    assert events.link("acme", "cus_3") == "cus_3"
    assert events.account_of("cus_1") == "acme"


def test_tickets_rise_whatever_the_clocks_of_those_who_draw_them_say(events: StripeEvents) -> None:
    drawn = [
        ticket.number
        for ticket in (
            events.draw_ticket("acme", NOON),
            events.draw_ticket("acme", NOON),
            events.draw_ticket("acme", NOON - timedelta(minutes=5)),
            events.draw_ticket("acme", NOON + timedelta(seconds=1)),
        )
    ]

    assert drawn == [1795435200000, 1795435200001, 1795435200002, 1795435201000]
    assert events.draw_ticket("globex", NOON).number == 1795435200000


def test_a_ticket_is_alone_where_every_one_before_it_was_finished(events: StripeEvents) -> None:
    first = events.draw_ticket("acme", NOON)
    second = events.draw_ticket("acme", NOON)
    assert (first.alone, second.alone) == (True, False)

    events.finish_ticket("acme", second)
    events.finish_ticket("acme", first)

    assert events.draw_ticket("acme", NOON).alone
    assert not events.draw_ticket("acme", NOON).alone


def test_accounts_that_have_a_customer_are_listed_page_by_page(events: StripeEvents) -> None:
    for name in ("acme", "globex", "initech"):
        events.link(name, f"cus_{name}")
        events.mark_seen(f"evt_{name}", NOON)
    events.unlink("globex", "cus_globex")
    events.link("hooli", "cus_hooli")

    assert events.accounts(limit=2) == ["acme", "hooli"]
    assert events.accounts(limit=2, beyond="hooli") == ["initech"]


def test_a_table_that_was_lost_draws_no_ticket_that_an_account_has_passed(events: StripeEvents) -> None:
    before = events.draw_ticket("acme", NOON).number

    events.items("ticket#acme").delete()

    assert events.draw_ticket("acme", NOON + timedelta(seconds=1)).number > before
