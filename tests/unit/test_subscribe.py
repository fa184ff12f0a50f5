"""Changes of plan and seats, as an operator asks for them."""

from dataclasses import replace

import pytest

from credits.domain.account import Account, PendingChange, Standing
from credits.domain.grant import Grant, GrantKind
from credits.errors import InvalidRequest, ManagedByStripe
from tests.unit.books import CATALOG, Book, drawn, free_account, grants, minute, told, utc


def team(seats: int) -> Book:
    """On Team from 1 April, a month of 30 days; 300 Free credits were carried over until 10 April 09:00."""
    book = Book.opened("2026-03-10 09:00")
    book.change_plan("team", seats, at="2026-04-01")
    return book


def figures(account: Account) -> tuple[int, int, int]:
    return account.remaining, account.total, account.used


def test_an_upgrade_adds_the_new_allocation_at_once_and_restarts_the_cycle() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 40, at="2026-01-11")

    entries = book.change_plan("pro", at="2026-01-20 12:00")

    assert told(entries) == [
        ("allocation#2026-01-20T12:00:00.000Z#0", "2026-01-20 12:00", 1000, 1260),
        ("c#k2", "2026-01-20 12:00", 0, 1260),
    ]
    assert (entries[-1].kind.value, entries[-1].description) == ("plan_change", "free to pro")
    assert book.account.plan == "pro"
    assert (minute(book.account.anchor), minute(book.account.period.end)) == ("2026-01-20 12:00", "2026-02-20 12:00")


def test_an_upgrade_keeps_what_was_left_until_the_old_period_would_have_ended() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 40, at="2026-01-11")
    book.change_plan("pro", at="2026-01-20 12:00")

    assert grants(book.account) == [("carryover", 260, "2026-02-10 09:00"), ("allocation", 1000, "2026-02-20 12:00")]
    assert figures(book.account) == (1260, 1260, 0)
    assert told(book.renew("2026-02-10 09:00")) == [("expire#g2", "2026-02-10 09:00", -260, 1000)]
    assert figures(book.account) == (1000, 1000, 0)


def test_an_upgrade_leaves_packs_and_promotions_what_they_are() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-11", expires="2026-03-01")
    book.change_plan("max", at="2026-01-20")

    assert grants(book.account) == [
        ("carryover", 300, "2026-02-10 09:00"),
        ("promotion", 50, "2026-03-01 00:00"),
        ("allocation", 3000, "2026-02-20 00:00"),
    ]


def test_an_upgrade_with_nothing_left_carries_nothing_over() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 300, at="2026-01-11")
    book.change_plan("pro", at="2026-01-20")

    assert grants(book.account) == [("allocation", 1000, "2026-02-20 00:00")]


def test_upgrade_upon_upgrade_each_restarts_the_cycle_and_each_keeps_what_was_left() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-20")
    book.change_plan("max", at="2026-01-25")

    assert grants(book.account) == [
        ("carryover", 300, "2026-02-10 09:00"),
        ("carryover", 1000, "2026-02-20 00:00"),
        ("allocation", 3000, "2026-02-25 00:00"),
    ]
    assert figures(book.account) == (4300, 4300, 0)


def test_an_upgrade_in_the_millisecond_of_the_opening_has_a_cycle_of_its_own() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.change_plan("pro", at="2026-01-10 09:00")

    assert entries[0].key == "allocation#2026-01-10T09:00:00.001Z#0"
    assert figures(book.account) == (1300, 1300, 0)


def test_an_upgrade_at_the_instant_of_the_reset_finds_the_new_periods_allocation() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 299, at="2026-01-11")

    assert told(book.change_plan("pro", at="2026-02-10 09:00")) == [
        ("expire#g2", "2026-02-10 09:00", -1, 0),
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-10 09:00", 300, 300),
        ("allocation#2026-02-10T09:00:00.000Z#0", "2026-02-10 09:00", 1000, 1300),
        ("c#k2", "2026-02-10 09:00", 0, 1300),
    ]


def test_an_upgrade_when_the_clock_stepped_back_starts_its_cycle_at_the_last_entry() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge(at="2026-01-20")
    book.change_plan("pro", at="2026-01-15")

    assert minute(book.account.anchor) == "2026-01-20 00:00"
    assert told(book.entries[-2:]) == [
        ("allocation#2026-01-20T00:00:00.000Z#0", "2026-01-20 00:00", 1000, 1299),
        ("c#k2", "2026-01-20 00:00", 0, 1299),
    ]


def test_an_upgrade_calls_off_a_pending_decrease() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-20")
    book.change_plan("free", at="2026-01-21")
    book.change_plan("max", at="2026-01-22")

    assert (book.account.plan, book.account.pending) == ("max", None)
    book.renew("2026-03-01")
    assert (book.account.plan, book.account.remaining) == ("max", 3000)


def test_a_decrease_waits_for_the_periods_end_and_takes_nothing_back() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("max", at="2026-01-20")

    (entry,) = book.change_plan("pro", at="2026-02-01")

    assert told([entry]) == [("c#k2", "2026-02-01 00:00", 0, 3300)]
    assert (entry.kind.value, entry.description) == ("plan_change", "max to pro at the period's end")
    assert (book.account.plan, book.account.remaining) == ("max", 3300)
    assert book.account.pending == PendingChange("pro", 1, utc("2026-02-20"))


def test_team_with_one_seat_to_max_is_a_decrease() -> None:
    book = team(1)
    book.change_plan("max", at="2026-04-02")

    assert book.account.pending == PendingChange("max", 1, utc("2026-05-01"))


def test_a_plan_with_as_many_credits_waits_for_the_periods_end_too() -> None:
    bigger_max = replace(CATALOG, plans={**CATALOG.plans, "max": replace(CATALOG.plans["max"], credits=4_000)})
    book = Book(team(1).account, bigger_max)
    book.change_plan("max", at="2026-04-02")

    assert (book.account.plan, book.account.pending) == ("team", PendingChange("max", 1, utc("2026-05-01")))


def test_asking_for_the_same_decrease_again_writes_nothing() -> None:
    book = team(3)
    book.change_plan("team", 2, at="2026-04-02")

    assert book.change_plan("team", 2, at="2026-04-03") == ()


def test_another_decrease_takes_the_place_of_the_first() -> None:
    book = team(3)
    book.change_plan("team", 2, at="2026-04-02")

    (entry,) = book.change_plan("pro", at="2026-04-03")

    assert entry.description == "team with 3 seats to pro at the period's end"
    assert book.account.pending == PendingChange("pro", 1, utc("2026-05-01"))


def test_asking_for_what_the_account_has_calls_a_pending_change_off() -> None:
    book = team(3)
    book.change_plan("team", 2, at="2026-04-02")

    (entry,) = book.change_plan("team", 3, at="2026-04-03")

    assert (entry.kind.value, entry.description) == ("plan_change", "change called off")
    assert book.account.pending is None
    book.renew("2026-05-01")
    assert (book.account.seats, book.account.remaining) == (3, 12_000)


def test_asking_for_what_the_account_has_changes_nothing() -> None:
    book = Book.opened("2026-01-10 09:00")
    before = book.account

    assert book.change_plan("free", at="2026-01-11") == ()
    assert book.account == before


def test_asking_for_what_the_account_has_still_writes_what_time_did() -> None:
    book = Book.opened("2026-01-10 09:00")

    assert [entry.kind.value for entry in book.change_plan("free", at="2026-02-11")] == ["expiry", "allocation"]


def test_a_pending_change_that_has_come_is_what_the_account_has() -> None:
    book = team(3)
    book.change_plan("team", 2, at="2026-04-02")

    entries = book.change_plan("team", 2, at="2026-05-01")

    assert [entry.kind.value for entry in entries] == ["expiry", "expiry", "plan_change", "allocation"]
    assert (book.account.seats, book.account.remaining) == (2, 8_000)


def test_seats_added_half_way_through_the_month_bring_half_their_credits_at_once() -> None:
    book = team(1)

    entries = book.change_plan("team", 3, at="2026-04-16")

    assert told(entries) == [
        ("expire#g2", "2026-04-10 09:00", -300, 4000),
        ("c#k2", "2026-04-16 00:00", 4000, 8000),
    ]
    assert (entries[-1].kind.value, entries[-1].description) == ("proration", "team to team with 3 seats")
    assert grants(book.account) == [("allocation", 4000, "2026-05-01 00:00"), ("proration", 4000, "2026-05-01 00:00")]
    assert minute(book.account.anchor) == "2026-04-01 00:00"
    assert figures(book.account) == (8000, 8000, 0)


def test_seats_added_pay_what_the_account_owes_first() -> None:
    book = team(1)
    book.account = replace(book.account, owed=1500)

    *_, added, settled = book.change_plan("team", 2, at="2026-04-16")

    assert [(each.kind.value, each.key, each.credits) for each in (added, settled)] == [
        ("proration", "c#k2", 2000),
        ("revocation", "c#k2#01", -1500),
    ]
    assert (added.lines, book.account.owed, book.account.remaining) == (2, 0, 4500)


def test_seats_added_on_the_21st_bring_a_third_of_their_credits_rounded_up() -> None:
    book = team(1)

    assert book.change_plan("team", 2, at="2026-04-21")[-1].credits == 1334


def test_seats_added_in_the_last_millisecond_bring_one_credit() -> None:
    book = team(1)

    assert book.change_plan("team", 2, at="2026-04-30 23:59:59.999")[-1].credits == 1


def test_seats_added_twice_in_a_period_share_one_grant() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")

    (entry,) = book.change_plan("team", 4, at="2026-04-21")

    assert told([entry]) == [("c#k3", "2026-04-21 00:00", 1334, 9334)]
    assert drawn(entry) == [("g6", "proration", 1334)]
    assert grants(book.account) == [("allocation", 4000, "2026-05-01 00:00"), ("proration", 5334, "2026-05-01 00:00")]
    assert book.account.grants[1].credits == 5334


def test_seats_added_after_the_first_proration_was_spent_bring_a_grant_of_their_own() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")
    book.charge("message", 8000, at="2026-04-17")

    (entry,) = book.change_plan("team", 4, at="2026-04-21")

    assert grants(book.account) == [("proration", 1334, "2026-05-01 00:00")]
    assert drawn(entry) == [("g8", "proration", 1334)]


def test_seats_added_never_grow_a_proration_of_a_period_that_is_over() -> None:
    over = Grant("p1", GrantKind.PRORATION, 500, 0, held=20, expires_at=utc("2026-01-10 09:00"))
    book = Book(replace(free_account(over), plan="team"))

    (entry,) = book.change_plan("team", 2, at="2026-01-10 09:00")

    assert drawn(entry) == [("g1", "proration", 4000)]
    assert grants(book.account) == [("proration", 0, "2026-01-10 09:00"), ("proration", 4000, "2026-02-10 09:00")]


def test_seats_added_are_in_full_from_the_next_period() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")
    book.renew("2026-05-01")

    assert grants(book.account) == [("allocation", 12_000, "2026-06-01 00:00")]


def test_seats_added_call_off_a_pending_decrease() -> None:
    book = team(2)
    book.change_plan("pro", at="2026-04-02")
    book.change_plan("team", 3, at="2026-04-16")

    assert (book.account.plan, book.account.seats, book.account.pending) == ("team", 3, None)


def test_seats_up_and_down_in_a_loop_bring_their_credits_once() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")
    for _ in range(10):
        book.change_plan("team", 1, at="2026-04-16")
        book.change_plan("team", 3, at="2026-04-16")

    assert book.account.remaining == 8000


def test_a_proration_becomes_carryover_on_an_upgrade_as_an_allocation_does() -> None:
    proration = Grant("g1", GrantKind.PRORATION, 500, 120, expires_at=utc("2026-02-10 09:00"))
    book = Book(replace(free_account(proration), plan="pro"))
    book.change_plan("max", at="2026-01-20")

    assert grants(book.account) == [("carryover", 120, "2026-02-10 09:00"), ("allocation", 3000, "2026-02-20 00:00")]


def test_an_upgrade_while_payment_is_due_brings_no_allocation() -> None:
    book = Book(replace(free_account(), plan="pro", standing=Standing.PAST_DUE, grace_ends_at=utc("2026-02-01")))

    assert [entry.kind.value for entry in book.change_plan("max", at="2026-01-20")] == ["period", "plan_change"]
    assert book.account.remaining == 0


def test_a_plan_that_is_not_in_the_catalog_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Book(free_account()).change_plan("platinum", at="2026-01-20")

    assert str(refusal.value) == "plan: there is no plan 'platinum'; the catalog has free, pro, max, team"


@pytest.mark.parametrize("plan", ["free", "pro", "max"])
def test_a_plan_of_one_seat_does_not_sell_two(plan: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Book(free_account()).change_plan(plan, 2, at="2026-01-20")

    assert refusal.value.fields["field"] == "seats"


def test_an_account_that_stripe_manages_is_not_changed_here() -> None:
    book = Book(replace(free_account(), subscription_id="sub_1"))

    with pytest.raises(ManagedByStripe):
        book.change_plan("pro", at="2026-01-20")
    with pytest.raises(ManagedByStripe):
        book.change_plan("free", at="2026-01-20")
    with pytest.raises(InvalidRequest):
        book.change_plan("platinum", at="2026-01-20")
    assert book.entries == []
