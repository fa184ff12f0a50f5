"""Credits given by hand."""

import pytest

from credits.domain.grant import Grant, GrantKind
from credits.errors import InvalidRequest, TooManyGrants
from tests.unit.books import Book, allocation, drawn, free_account, grants, told, utc


@pytest.mark.parametrize("kind", ["promotion", "adjustment"])
def test_a_grant_adds_its_credits_and_its_entry_says_why(kind: str) -> None:
    book = Book.opened("2026-01-10 09:00")

    (entry,) = book.give(50, at="2026-01-12", kind=GrantKind(kind))

    assert told([entry]) == [("c#k1", "2026-01-12 00:00", 50, 350)]
    assert (entry.kind.value, entry.description, entry.total) == (kind, "welcome", 350)
    assert drawn(entry) == [("g3", kind, 50)]
    assert grants(book.account) == [("allocation", 300, "2026-02-10 09:00"), (kind, 50, None)]


def test_a_grant_without_an_expiry_outlives_every_reset() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12")
    book.renew("2027-06-01")

    assert grants(book.account) == [("promotion", 50, None), ("allocation", 300, "2027-06-10 09:00")]


def test_a_grant_that_expires_a_millisecond_later_is_given_and_one_that_expires_now_is_not() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.give(50, at="2026-01-12", expires="2026-01-12 00:00:00.001")

    assert book.account.remaining == 350
    with pytest.raises(InvalidRequest) as refusal:
        book.give(50, at="2026-01-12 10:00", expires="2026-01-12 10:00")
    assert refusal.value.fields["field"] == "expires_at"
    assert len(book.entries) == 3


def test_an_expiry_that_the_book_has_seen_pass_is_in_the_past_however_the_clock_stands() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge(at="2026-01-20")

    with pytest.raises(InvalidRequest):
        book.give(50, at="2026-01-15", expires="2026-01-18")


def test_a_book_has_room_for_15_gifts() -> None:
    book = Book.opened("2026-01-10 09:00")
    for _ in range(15):
        book.give(1, at="2026-01-12")

    with pytest.raises(TooManyGrants) as refusal:
        book.give(1, at="2026-01-12")

    assert refusal.value.fields == {"account_id": "acme", "limit": 15}
    assert (book.account.remaining, len(book.account.grants)) == (315, 16)


def test_what_the_plan_gives_finds_room_in_a_book_full_of_gifts_up_to_20_grants() -> None:
    book = Book.opened("2026-01-10 09:00")
    for _ in range(15):
        book.give(1, at="2026-01-12")
    book.change_plan("pro", at="2026-01-13")
    book.change_plan("max", at="2026-01-14")
    book.change_plan("team", 1, at="2026-01-15")
    book.change_plan("team", 2, at="2026-01-16")

    assert [grant.kind.value for grant in book.account.grants if grant.kind is not GrantKind.PROMOTION] == [
        "carryover",
        "carryover",
        "carryover",
        "allocation",
        "proration",
    ]
    assert len(book.account.grants) == 20


def test_grants_that_have_expired_make_room_in_the_same_commit() -> None:
    soon = [Grant(f"p{n}", GrantKind.PROMOTION, 5, 5, expires_at=utc("2026-01-15")) for n in range(19)]
    book = Book(free_account(allocation(300), *soon))

    entries = book.give(50, at="2026-01-15")

    assert [entry.kind.value for entry in entries] == ["expiry"] * 19 + ["promotion"]
    assert grants(book.account) == [("allocation", 300, "2026-02-10 09:00"), ("promotion", 50, None)]
