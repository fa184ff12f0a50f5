"""Opening an account."""

from credits.domain.open import open_account
from tests.unit.books import CATALOG, Book, grants, told, utc


def test_an_account_opens_on_free_with_300_credits_and_its_billing_date_is_that_day() -> None:
    account = Book.opened("2026-01-31 09:00").account

    assert (account.plan, account.seats, account.standing.value) == ("free", 1, "active")
    assert (account.remaining, account.total, account.used) == (300, 300, 0)
    assert account.opened_at == account.anchor == account.period.start == utc("2026-01-31 09:00")
    assert account.period.end == utc("2026-02-28 09:00")
    assert grants(account) == [("allocation", 300, "2026-02-28 09:00")]


def test_the_first_entry_opens_the_book_and_the_second_allocates() -> None:
    entries = Book.opened("2026-01-31 09:00").entries

    assert told(entries) == [
        ("opened", "2026-01-31 09:00", 0, 0),
        ("allocation#2026-01-31T09:00:00.000Z#0", "2026-01-31 09:00", 300, 300),
    ]
    assert [(entry.kind.value, entry.seq) for entry in entries] == [("opened", 1), ("allocation", 2)]


def test_opening_warns_of_nothing() -> None:
    book = Book.opened("2026-01-31 09:00")

    assert [entry.alert for entry in book.entries] == [None, None]
    assert book.account.warned is None


def test_an_account_that_is_there_stays_as_it_is() -> None:
    account = Book.opened("2026-01-31 09:00").account

    again = open_account(account, CATALOG, now=utc("2026-06-01"), account_id="acme")

    assert again.books == (account,)
    assert again.entries == ()
