"""As of now: what time does to a book, however late it is written."""

from dataclasses import replace

import pytest

from credits.domain.account import PendingChange, Standing
from credits.domain.grant import Grant, GrantKind
from credits.domain.renew import as_of
from tests.unit.books import CATALOG, Book, allocation, free_account, grants, minute, told, utc


def test_before_the_boundary_nothing_happens() -> None:
    book = Book.opened("2026-01-31 09:00")

    assert book.renew("2026-02-28 08:59:59.999") == ()
    assert book.account.period.number == 0


def test_at_the_boundary_the_old_allocation_expires_and_the_new_one_comes() -> None:
    book = Book.opened("2026-01-31 09:00")
    book.charge("message", 40, at="2026-02-01")

    assert told(book.renew("2026-02-28 09:00")) == [
        ("expire#g2", "2026-02-28 09:00", -260, 0),
        ("allocation#2026-01-31T09:00:00.000Z#1", "2026-02-28 09:00", 300, 300),
    ]
    assert (book.account.remaining, book.account.total, book.account.used) == (300, 300, 0)
    assert minute(book.account.period.end) == "2026-03-31 09:00"


def test_a_renewal_that_comes_days_late_is_written_at_the_boundary() -> None:
    book = Book.opened("2026-01-31 09:00")

    assert told(book.renew("2026-03-19 17:45")) == [
        ("expire#g2", "2026-02-28 09:00", -300, 0),
        ("allocation#2026-01-31T09:00:00.000Z#1", "2026-02-28 09:00", 300, 300),
    ]


def test_renewing_again_writes_nothing() -> None:
    book = Book.opened("2026-01-31 09:00")
    book.renew("2026-02-28 09:00")

    assert book.renew("2026-02-28 09:00") == ()
    assert book.renew("2026-03-31 08:59") == ()


def test_a_spent_allocation_leaves_nothing_to_expire() -> None:
    book = Book.opened("2026-01-31 09:00")
    book.charge("message", 300, at="2026-02-01")

    assert told(book.renew("2026-02-28 09:00")) == [
        ("allocation#2026-01-31T09:00:00.000Z#1", "2026-02-28 09:00", 300, 300),
    ]


def test_an_account_that_was_idle_for_a_year_jumps_to_its_current_period() -> None:
    book = Book.opened("2026-01-31 09:00")

    assert told(book.renew("2027-02-14")) == [
        ("expire#g2", "2026-02-28 09:00", -300, 0),
        ("allocation#2026-01-31T09:00:00.000Z#12", "2027-01-31 09:00", 300, 300),
    ]
    assert minute(book.account.period.end) == "2027-02-28 09:00"
    assert book.account.seq == 4


def test_the_months_of_a_leap_year_come_each_with_its_allocation() -> None:
    book = Book.opened("2027-12-31")

    for at in ("2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"):
        book.renew(at)

    assert told([entry for entry in book.entries if entry.kind == "allocation"]) == [
        ("allocation#2027-12-31T00:00:00.000Z#0", "2027-12-31 00:00", 300, 300),
        ("allocation#2027-12-31T00:00:00.000Z#1", "2028-01-31 00:00", 300, 300),
        ("allocation#2027-12-31T00:00:00.000Z#2", "2028-02-29 00:00", 300, 300),
        ("allocation#2027-12-31T00:00:00.000Z#3", "2028-03-31 00:00", 300, 300),
        ("allocation#2027-12-31T00:00:00.000Z#4", "2028-04-30 00:00", 300, 300),
    ]


def test_a_promotion_expires_in_the_middle_of_a_period() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12", expires="2026-01-20")
    book.charge("message", 20, at="2026-01-13")

    assert told(book.renew("2026-01-25")) == [("expire#g3", "2026-01-20 00:00", -30, 300)]
    assert book.account.period.number == 0


def test_what_expired_before_the_boundary_is_written_before_it_and_the_rest_at_it() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12", expires="2026-01-20")
    book.give(60, at="2026-01-12", expires="2026-02-10 09:00")
    book.give(70, at="2026-01-12", expires="2026-02-11")
    book.give(80, at="2026-01-12")

    assert told(book.renew("2026-02-12")) == [
        ("expire#g3", "2026-01-20 00:00", -50, 510),
        ("expire#g2", "2026-02-10 09:00", -300, 210),
        ("expire#g4", "2026-02-10 09:00", -60, 150),
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-10 09:00", 300, 450),
        ("expire#g5", "2026-02-11 00:00", -70, 380),
    ]
    assert grants(book.account) == [("promotion", 80, None), ("allocation", 300, "2026-03-10 09:00")]


def test_grants_that_expire_together_leave_in_the_order_they_came() -> None:
    grants_of_may = [Grant(f"p{n}", GrantKind.PROMOTION, 5, n, expires_at=utc("2026-01-15")) for n in (1, 2, 3)]
    book = Book(free_account(allocation(300), *grants_of_may))

    assert told(book.renew("2026-01-15")) == [
        ("expire#p1", "2026-01-15 00:00", -1, 305),
        ("expire#p2", "2026-01-15 00:00", -2, 303),
        ("expire#p3", "2026-01-15 00:00", -3, 300),
    ]


def test_held_credits_outlast_the_expiry_of_their_grant_and_frozen_ones_do_not() -> None:
    grant = Grant("p1", GrantKind.PROMOTION, 50, 10, held=30, frozen=5, expires_at=utc("2026-01-15"))
    book = Book(free_account(allocation(300), grant))

    assert told(book.renew("2026-01-15")) == [("expire#p1", "2026-01-15 00:00", -10, 300)]
    assert (book.account.held, book.account.frozen) == (30, 0)
    assert book.renew("2026-01-16") == ()


def test_a_smaller_plan_takes_over_at_the_boundary_before_the_allocation_is_counted() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("max", at="2026-01-20")
    book.change_plan("pro", at="2026-02-01")

    assert told(book.renew("2026-02-20")) == [
        ("expire#g2", "2026-02-10 09:00", -300, 3000),
        ("expire#g3", "2026-02-20 00:00", -3000, 0),
        ("change#2026-02-20T00:00:00.000Z#8", "2026-02-20 00:00", 0, 0),
        ("allocation#2026-01-20T00:00:00.000Z#1", "2026-02-20 00:00", 1000, 1000),
    ]
    assert (book.account.plan, book.account.pending) == ("pro", None)


def test_fewer_seats_count_from_the_boundary() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("team", 5, at="2026-01-20")
    book.change_plan("team", 3, at="2026-02-01")
    book.renew("2026-02-19 23:59")
    assert (book.account.seats, book.account.remaining) == (5, 20_000)

    book.renew("2026-02-20")

    assert (book.account.seats, book.account.remaining) == (3, 12_000)
    assert minute(book.account.period.end) == "2026-03-20 00:00"


def test_back_on_free_the_cycle_is_frees_own_again() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-20")
    book.change_plan("free", at="2026-02-01")

    assert told(book.renew("2026-02-20")) == [
        ("expire#g2", "2026-02-10 09:00", -300, 1000),
        ("expire#g3", "2026-02-20 00:00", -1000, 0),
        ("change#2026-02-20T00:00:00.000Z#8", "2026-02-20 00:00", 0, 0),
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-20 00:00", 300, 300),
    ]
    assert (book.account.plan, minute(book.account.anchor)) == ("free", "2026-01-10 09:00")
    assert (minute(book.account.period.start), minute(book.account.period.end)) == (
        "2026-02-10 09:00",
        "2026-03-10 09:00",
    )


def test_back_on_free_in_a_month_that_had_its_free_allocation_there_is_no_second_one() -> None:
    book = Book.opened("2026-01-31")
    book.charge("message", 100, at="2026-02-28")
    book.change_plan("pro", at="2026-02-28 12:00")
    book.change_plan("free", at="2026-03-01")

    # Free's second period runs to 31 March, Pro's first to 28 March: what was carried over is all there is between.
    assert told(book.renew("2026-03-28 12:00")) == [
        ("expire#g6", "2026-03-28 12:00", -1000, 200),
        ("change#2026-03-28T12:00:00.000Z#10", "2026-03-28 12:00", 0, 200),
        ("period#2026-01-31T00:00:00.000Z#1#11", "2026-03-28 12:00", 0, 200),
    ]
    assert grants(book.account) == [("carryover", 200, "2026-03-31 00:00")]
    assert told(book.renew("2026-03-31")) == [
        ("expire#g4", "2026-03-31 00:00", -200, 0),
        ("allocation#2026-01-31T00:00:00.000Z#2", "2026-03-31 00:00", 300, 300),
    ]


def test_free_to_pro_and_back_again_and_again_gives_one_free_allocation_a_free_month() -> None:
    book = Book.opened("2026-01-31")
    for upgrade, downgrade in (
        ("2026-02-10", "2026-02-11"),  # Pro to 10 March
        ("2026-03-10", "2026-03-10 01:00"),  # Pro to 10 April
        ("2026-04-10", "2026-04-10 01:00"),  # Pro to 10 May
    ):
        book.change_plan("pro", at=upgrade)
        book.change_plan("free", at=downgrade)
    # Nobody looks until Free's next period has begun, so that of 30 April to 31 May gives nothing.
    book.renew("2026-05-31")

    assert [(e.key, e.credits) for e in book.entries if e.kind == "allocation"] == [
        ("allocation#2026-01-31T00:00:00.000Z#0", 300),
        ("allocation#2026-02-10T00:00:00.000Z#0", 1000),
        ("allocation#2026-01-31T00:00:00.000Z#1", 300),
        ("allocation#2026-03-10T00:00:00.000Z#0", 1000),
        ("allocation#2026-01-31T00:00:00.000Z#2", 300),
        ("allocation#2026-04-10T00:00:00.000Z#0", 1000),
        ("allocation#2026-01-31T00:00:00.000Z#4", 300),
    ]


def test_a_downgrade_to_free_that_nobody_looked_at_for_a_year_is_written_at_its_boundary() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-20")
    book.change_plan("free", at="2026-02-01")

    entries = book.renew("2027-02-14")

    change = next(entry for entry in entries if entry.kind == "plan_change")
    assert minute(change.at) == "2026-02-20 00:00"
    assert told(entries)[-1] == ("allocation#2026-01-10T09:00:00.000Z#13", "2027-02-10 09:00", 300, 300)
    assert grants(book.account) == [("allocation", 300, "2027-03-10 09:00")]


def test_a_smaller_paid_plan_that_nobody_looked_at_for_a_year_gives_only_the_current_allocation() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("max", at="2026-01-20")
    book.change_plan("pro", at="2026-02-01")

    assert told(book.renew("2027-02-14")) == [
        ("expire#g2", "2026-02-10 09:00", -300, 3000),
        ("expire#g3", "2026-02-20 00:00", -3000, 0),
        ("change#2026-02-20T00:00:00.000Z#8", "2026-02-20 00:00", 0, 0),
        ("allocation#2026-01-20T00:00:00.000Z#12", "2027-01-20 00:00", 1000, 1000),
    ]


@pytest.mark.parametrize("standing", ["past_due", "unpaid", "incomplete", "paused", "canceled"])
def test_a_plan_that_is_not_paid_for_rolls_its_period_without_an_allocation(standing: str) -> None:
    account = replace(
        free_account(allocation(120), Grant("g1", GrantKind.PACK, 400, 400)),
        plan="pro",
        standing=Standing(standing),
        used=180,
    )
    book = Book(account)

    assert told(book.renew("2026-02-11")) == [
        ("expire#a1", "2026-02-10 09:00", -120, 400),
        ("period#2026-01-10T09:00:00.000Z#1#2", "2026-02-10 09:00", 0, 400),
    ]
    assert (book.account.used, book.account.total) == (0, 400)
    assert minute(book.account.period.end) == "2026-03-10 09:00"


def test_a_trial_renews_as_a_paid_plan_does() -> None:
    book = Book(replace(free_account(), plan="pro", standing=Standing.TRIALING))

    assert told(book.renew("2026-02-10 09:00")) == [
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-10 09:00", 1000, 1000),
    ]


def test_free_gives_its_allocation_whatever_the_standing() -> None:
    book = Book(replace(free_account(), standing=Standing.CANCELED))

    assert told(book.renew("2026-02-10 09:00")) == [
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-10 09:00", 300, 300),
    ]


def test_a_clock_that_steps_back_undoes_nothing() -> None:
    book = Book.opened("2026-01-31 09:00")
    book.renew("2026-02-28 09:00")
    before = book.account

    assert book.renew("2026-02-28 08:59") == ()
    assert book.renew("2025-01-01") == ()
    assert book.account == before
    assert as_of(book.account, CATALOG, utc("2026-02-01")) == before


def test_an_expiry_that_the_book_has_passed_is_written_at_its_last_instant_however_the_clock_stands() -> None:
    late = Grant("g1", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-15"))
    book = Book(free_account(late, allocation(300), at="2026-01-20"))

    assert told(book.renew("2026-01-14")) == [("expire#g1", "2026-01-20 00:00", -50, 300)]


def test_reading_as_of_now_gives_what_writing_it_would() -> None:
    account = replace(
        free_account(allocation(300)), plan="pro", pending=PendingChange("free", 1, utc("2026-02-10 09:00"))
    )
    book = Book(account)
    book.renew("2026-06-01")

    assert replace(as_of(account, CATALOG, utc("2026-06-01")), head=book.account.head) == book.account
