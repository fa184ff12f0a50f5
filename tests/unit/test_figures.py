"""The figures people see: remaining, total, used, and plan and purchased credits apart."""

from dataclasses import replace

import pytest

from credits.domain.account import Account, Standing, Term, warning_at
from credits.domain.grant import Grant, GrantKind
from credits.domain.renew import renewal
from tests.unit.books import CATALOG, Book, allocation, free_account, utc


def figures(account: Account) -> tuple[int, int, int]:
    return account.remaining, account.total, account.used


def test_used_is_what_was_spent_and_total_what_could_be() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("deep_research", 2, at="2026-01-11")

    assert figures(book.account) == (260, 300, 40)


def test_a_grant_in_the_middle_of_a_period_raises_the_total_when_it_comes() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("deep_research", 2, at="2026-01-11")
    book.give(50, at="2026-01-12")

    assert figures(book.account) == (310, 350, 40)


def test_a_new_period_counts_the_allocation_and_what_other_grants_had_left() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12")
    book.charge("message", 320, at="2026-01-13")
    book.renew("2026-02-10 09:00")

    assert figures(book.account) == (330, 330, 0)


def test_credits_that_expire_unspent_are_not_used_ones() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12", expires="2026-01-20")
    book.charge("message", 20, at="2026-01-13")
    book.renew("2026-01-20")

    assert figures(book.account) == (300, 320, 20)


def test_purchased_credits_are_the_packs_and_plan_credits_the_rest() -> None:
    account = free_account(
        allocation(120),
        Grant("g1", GrantKind.PACK, 400, 400),
        Grant("g2", GrantKind.PACK, 1_200, 30),
        Grant("g3", GrantKind.PROMOTION, 50, 50),
    )

    assert (account.remaining, account.purchased_remaining, account.plan_remaining) == (600, 430, 170)


def test_held_and_frozen_credits_are_neither_remaining_nor_used() -> None:
    pack = Grant("g1", GrantKind.PACK, 400, 100, held=60, frozen=40)
    account = replace(free_account(allocation(120), pack), used=380)

    assert (account.remaining, account.held, account.frozen, account.used, account.total) == (220, 60, 40, 380, 700)
    assert account.purchased_remaining == 100


@pytest.mark.parametrize(("remaining", "warning"), [(300, None), (11, None), (10, "low"), (1, "low"), (0, "exhausted")])
def test_a_balance_is_low_at_10_and_exhausted_at_0(remaining: int, warning: str | None) -> None:
    assert warning_at(remaining, low_threshold=10) == warning


def test_the_book_is_next_due_at_its_periods_end() -> None:
    assert free_account(allocation(300)).due_at() == utc("2026-02-10 09:00")


def test_the_book_is_next_due_at_the_first_expiry_before_its_periods_end() -> None:
    soon = Grant("g1", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-20"))
    sooner = Grant("g2", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-15"))

    assert free_account(soon, sooner, allocation(300)).due_at() == utc("2026-01-15")


def test_a_grant_that_a_hold_keeps_open_after_its_expiry_is_not_due_again() -> None:
    held = Grant("g1", GrantKind.PROMOTION, 50, 0, held=50, expires_at=utc("2026-01-15"))

    assert free_account(held, allocation(300), at="2026-01-15").due_at() == utc("2026-02-10 09:00")


def test_the_book_is_next_due_when_its_days_of_grace_end() -> None:
    account = replace(
        free_account(allocation(300)),
        standing=Standing.PAST_DUE,
        subscription_id="sub_1",
        terms=(Term("sub_1", utc("2026-02-10 09:00"), 300, 300),),
        grace_ends_at=utc("2026-01-17"),
    )
    assert account.due_at() == utc("2026-01-17")

    after = renewal(account, CATALOG, now=utc("2026-01-17")).account

    assert (after.remaining, after.frozen) == (0, 300)
    assert after.due_at() == utc("2026-02-10 09:00")


def test_grace_that_has_nothing_to_freeze_makes_nothing_due() -> None:
    account = replace(
        free_account(allocation(300)), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-17"), at=utc("2026-01-18")
    )

    assert account.due_at() == utc("2026-02-10 09:00")
