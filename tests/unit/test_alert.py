"""Alerts: low at 10, exhausted at 0, each once for each crossing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from credits.domain.account import CreditWarning, Standing
from credits.domain.entry import Entry
from credits.domain.grant import Grant, GrantKind
from credits.errors import CreditsExhausted
from tests.unit.books import Book, allocation, free_account, utc


def alerts(entries: Sequence[Entry]) -> list[str | None]:
    return [entry.alert and entry.alert.value for entry in entries]


def test_low_is_told_once_in_the_commit_that_comes_to_10() -> None:
    book = Book(free_account(allocation(12)))
    for hour in (10, 11, 12, 13):
        book.charge(at=f"2026-01-15 {hour}:00")

    assert [entry.remaining for entry in book.entries] == [11, 10, 9, 8]
    assert alerts(book.entries) == [None, "low", None, None]
    assert [entry.warning and entry.warning.value for entry in book.entries] == [None, "low", "low", "low"]


def test_exhausted_is_told_once_at_0_after_low() -> None:
    book = Book(free_account(allocation(12)))
    book.charge("image_edit", at="2026-01-15")
    book.charge("image_edit", at="2026-01-15")
    book.charge("agent_step", at="2026-01-15")
    book.charge("ai_response", at="2026-01-15")

    assert [entry.remaining for entry in book.entries] == [7, 2, 0, 0]
    assert alerts(book.entries) == ["low", None, "exhausted", None]


def test_a_charge_from_50_to_0_tells_exhausted_and_not_low() -> None:
    book = Book(free_account(allocation(50)))
    book.charge("image_edit", 10, at="2026-01-15")
    book.charge("ai_response", at="2026-01-15")

    assert alerts(book.entries) == ["exhausted", None]
    assert book.account.warned is CreditWarning.EXHAUSTED


def test_a_refused_charge_tells_nothing() -> None:
    book = Book(free_account())

    with pytest.raises(CreditsExhausted):
        book.charge(at="2026-01-15")

    assert (book.entries, book.account.warned) == ([], None)


def test_low_is_told_again_after_the_balance_was_above_10() -> None:
    book = Book(free_account(allocation(12)))
    book.charge("agent_step", at="2026-01-15")  # 10
    book.give(1, at="2026-01-15")  # 11
    assert book.account.warned is None
    book.charge(at="2026-01-15")  # 10

    assert alerts(book.entries) == ["low", None, "low"]


def test_low_is_not_told_again_where_the_balance_rose_but_not_above_10() -> None:
    book = Book(free_account(allocation(12)))
    book.charge("image_edit", at="2026-01-15")  # 7
    book.give(3, at="2026-01-15")  # 10
    book.charge(at="2026-01-15")  # 9

    assert alerts(book.entries) == ["low", None, None]


def test_exhausted_is_told_again_after_the_balance_was_above_0_and_low_is_not() -> None:
    book = Book(free_account(allocation(5)))
    book.charge("image_edit", at="2026-01-15")  # 0
    book.give(2, at="2026-01-15")  # 2
    book.charge("message", at="2026-01-15")  # 1
    book.charge("message", at="2026-01-15")  # 0

    assert alerts(book.entries) == ["exhausted", None, None, "exhausted"]


def test_a_grant_that_leaves_the_balance_low_for_the_first_time_tells_low() -> None:
    book = Book(free_account())
    (entry,) = book.give(5, at="2026-01-15")

    assert (entry.remaining, alerts([entry])) == (5, ["low"])


def test_the_reset_tells_nothing_though_the_balance_is_0_between_expiry_and_allocation() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.renew("2026-02-10 09:00")

    assert [entry.remaining for entry in entries] == [0, 300]
    assert alerts(entries) == [None, None]
    assert book.account.warned is None


def test_the_reset_releases_the_latch() -> None:
    book = Book(free_account(allocation(5)))
    book.charge("image_edit", at="2026-01-15")
    book.renew("2026-02-10 09:00")
    book.charge("message", 300, at="2026-02-11")

    assert alerts(book.entries) == ["exhausted", None, "exhausted"]


def test_a_charge_that_crosses_in_the_commit_of_the_reset_is_told_again() -> None:
    book = Book(free_account(allocation(12)))
    book.charge("image_edit", at="2026-01-15")

    entries = book.charge("message", 295, at="2026-02-10 09:00")

    assert [entry.remaining for entry in entries] == [0, 300, 5]
    assert alerts(entries) == [None, None, "low"]


def test_a_batch_tells_the_worst_on_its_last_line_alone() -> None:
    book = Book(free_account(allocation(12)))

    entries = book.batch(("image_edit", 1), ("image_edit", 1), ("agent_step", 1), ("ai_response", 1), at="2026-01-15")

    assert [entry.remaining for entry in entries] == [7, 2, 0, 0]
    assert alerts(entries) == [None, None, None, "exhausted"]


def test_an_expiry_that_leaves_little_tells_low() -> None:
    promotion = Grant("p1", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-20"))

    entries = Book(free_account(promotion, allocation(8))).renew("2026-01-20")

    assert (entries[0].kind.value, entries[0].remaining, alerts(entries)) == ("expiry", 8, ["low"])


def test_a_promotion_that_expires_with_everything_else_spent_tells_exhausted() -> None:
    book = Book(free_account(Grant("p1", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-20"))))

    entries = book.renew("2026-01-20")

    assert (entries[0].kind.value, entries[0].remaining, alerts(entries)) == ("expiry", 0, ["exhausted"])


def test_a_period_that_begins_without_an_allocation_tells_exhausted_on_its_entry() -> None:
    account = replace(free_account(allocation(120)), plan="pro", standing=Standing.PAST_DUE)

    entries = Book(account).renew("2026-02-10 09:00")

    assert [entry.kind.value for entry in entries] == ["expiry", "period"]
    assert alerts(entries) == [None, "exhausted"]


def test_credits_in_a_hold_count_for_the_alert_and_not_for_the_banner() -> None:
    book = Book(free_account(Grant("a1", GrantKind.ALLOCATION, 300, 5, held=100, expires_at=utc("2026-02-10 09:00"))))

    (entry,) = book.charge("image_edit", at="2026-01-15")

    assert (entry.remaining, entry.warning, entry.alert) == (0, CreditWarning.EXHAUSTED, None)
    assert book.account.warned is None


def test_credits_in_a_hold_release_the_latch() -> None:
    hold = Grant("a1", GrantKind.ALLOCATION, 300, 5, held=100, expires_at=utc("2026-02-10 09:00"))
    book = Book(replace(free_account(hold), warned=CreditWarning.LOW))
    book.charge("message", at="2026-01-15")

    assert book.account.warned is None


def test_the_latch_is_kept_in_the_account_that_the_entry_leaves() -> None:
    book = Book(free_account(allocation(10)))

    (entry,) = book.charge("message", at="2026-01-15")

    assert (entry.alert, entry.after.warned, book.account.warned) == (CreditWarning.LOW,) * 3
