"""Notices: what the product hears of each kind of entry, literally."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from credits.domain.account import Standing
from credits.domain.entry import Entry, EntryKind
from credits.domain.grant import Grant, GrantKind
from credits.domain.notice import notices
from credits.domain.record import entry_from_record, entry_to_record
from tests.unit.books import Book, allocation, free_account, utc


def heard(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """The type of each notice, and the credits that remained."""
    return [(notice.type.value, notice.data["remaining"]) for entry in entries for notice in notices(entry)]


def own(entry: Entry) -> dict[str, Any]:
    """What the one notice of an entry says beside how the account stands."""
    (notice,) = notices(entry)
    return {
        name: value
        for name, value in notice.data.items()
        if name not in ("remaining", "total", "plan", "seats", "resets_at")
    }


def team(seats: int) -> Book:
    """On Team from 1 April; 300 Free credits were carried over."""
    book = Book.opened("2026-03-10 09:00")
    book.change_plan("team", seats, at="2026-04-01")
    return book


def test_a_crossing_is_told_with_how_the_account_stands() -> None:
    book = Book(free_account(allocation(12)))

    (entry,) = book.charge("agent_step", at="2026-01-15 08:30")

    (notice,) = notices(entry)
    assert notice.to_record() == {
        "version": "1",
        # printf '%s' 'acme#1#credits.low' | sha256sum
        "id": "evt_8033efb2e00e52a49ceb0c0e4aa0e163",
        "type": "credits.low",
        "account_id": "acme",
        "seq": 1,
        "at": "2026-01-15T08:30:00.000Z",
        "data": {
            "remaining": 10,
            "total": 12,
            "plan": "free",
            "seats": 1,
            "resets_at": "2026-02-10T09:00:00.000Z",
        },
    }


def test_the_opening_says_nothing_and_its_allocation_renews() -> None:
    opened, first = Book.opened("2026-01-10 09:00").entries

    assert notices(opened) == ()
    assert heard([first]) == [("credits.renewed", 300)]
    assert own(first) == {
        "period": 0,
        "grant_id": "g2",
        "kind": "allocation",
        "credits": 300,
        "expires_at": "2026-02-10T09:00:00.000Z",
    }


def test_an_ordinary_charge_says_nothing() -> None:
    book = Book.opened("2026-01-10 09:00")

    assert [notices(entry) for entry in book.batch(("message", 1), ("ai_response", 1), at="2026-01-11")] == [(), ()]


def test_the_billing_date_renews_and_says_nothing_of_the_expiry() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.renew("2026-02-10 09:05")

    assert [entry.kind.value for entry in entries] == ["expiry", "allocation"]
    assert heard(entries) == [("credits.renewed", 300)]
    assert own(entries[1])["period"] == 1
    assert notices(entries[1])[0].at == utc("2026-02-10 09:00")


def test_a_promotion_is_granted_with_its_reason_and_its_end() -> None:
    book = Book.opened("2026-01-10 09:00")

    (entry,) = book.give(50, at="2026-01-11", expires="2026-01-20")

    assert heard([entry]) == [("credits.granted", 350)]
    assert own(entry) == {
        "reason": "welcome",
        "grant_id": "g3",
        "kind": "promotion",
        "credits": 50,
        "expires_at": "2026-01-20T00:00:00.000Z",
    }


def test_an_adjustment_without_an_end_is_granted_for_ever() -> None:
    book = Book.opened("2026-01-10 09:00")

    (entry,) = book.give(7, at="2026-01-11", kind=GrantKind.ADJUSTMENT)

    assert own(entry) == {
        "reason": "welcome",
        "grant_id": "g3",
        "kind": "adjustment",
        "credits": 7,
        "expires_at": None,
    }


def test_a_grant_that_leaves_little_is_granted_and_low() -> None:
    book = Book(free_account())

    assert heard(book.give(5, at="2026-01-15")) == [("credits.granted", 5), ("credits.low", 5)]


def test_an_upgrade_renews_and_changes_the_plan_at_once() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.change_plan("pro", at="2026-01-20 12:00")

    assert heard(entries) == [("credits.renewed", 1300), ("plan.changed", 1300)]
    assert own(entries[1]) == {
        "status": "applied",
        "from_plan": "free",
        "from_seats": 1,
        "to_plan": "pro",
        "to_seats": 1,
        "effective_at": "2026-01-20T12:00:00.000Z",
    }


def test_a_decrease_is_announced_with_its_date_and_told_again_when_it_applies() -> None:
    book = team(3)
    book.renew("2026-04-10 09:00")

    (announced,) = book.change_plan("pro", at="2026-04-12")
    applied = book.renew("2026-05-01")

    assert heard([announced]) == [("plan.changed", 12_000)]
    assert own(announced) == {
        "status": "pending",
        "from_plan": "team",
        "from_seats": 3,
        "to_plan": "pro",
        "to_seats": 1,
        "effective_at": "2026-05-01T00:00:00.000Z",
    }
    assert notices(announced)[0].data["plan"] == "team"
    assert [entry.kind.value for entry in applied] == ["expiry", "plan_change", "allocation"]
    assert heard(applied) == [("plan.changed", 0), ("credits.renewed", 1000)]
    assert own(applied[1]) == own(announced) | {"status": "applied"}
    assert notices(applied[1])[0].data["plan"] == "pro"


def test_a_decrease_that_is_called_off_is_told_as_it_was_announced() -> None:
    book = team(3)
    (announced,) = book.change_plan("team", 2, at="2026-04-02")

    (called_off,) = book.change_plan("team", 3, at="2026-04-03")

    assert heard([announced, called_off]) == [("seats.changed", 12_300), ("seats.changed", 12_300)]
    assert own(called_off) == {
        "status": "called_off",
        "from_plan": "team",
        "from_seats": 3,
        "to_plan": "team",
        "to_seats": 2,
        "effective_at": "2026-05-01T00:00:00.000Z",
    }
    assert own(announced) == own(called_off) | {"status": "pending"}


def test_seats_added_change_the_seats_and_grant_their_share() -> None:
    book = team(1)

    entry = book.change_plan("team", 3, at="2026-04-16")[-1]

    assert heard([entry]) == [("seats.changed", 8000), ("credits.granted", 8000)]
    seats, granted = notices(entry)
    assert seats.data == {
        "remaining": 8000,
        "total": 8000,
        "plan": "team",
        "seats": 3,
        "resets_at": "2026-05-01T00:00:00.000Z",
        "status": "applied",
        "from_plan": "team",
        "from_seats": 1,
        "to_plan": "team",
        "to_seats": 3,
        "effective_at": "2026-04-16T00:00:00.000Z",
    }
    assert granted.data == {
        "remaining": 8000,
        "total": 8000,
        "plan": "team",
        "seats": 3,
        "resets_at": "2026-05-01T00:00:00.000Z",
        "reason": "team to team with 3 seats",
        "grant_id": "g6",
        "kind": "proration",
        "credits": 4000,
        "expires_at": "2026-05-01T00:00:00.000Z",
    }


def test_seats_taken_away_change_at_the_billing_date() -> None:
    book = team(3)
    book.change_plan("team", 2, at="2026-04-02")

    entries = book.renew("2026-05-01")

    assert heard(entries) == [("seats.changed", 0), ("credits.renewed", 8000)]
    assert own(next(entry for entry in entries if entry.kind is EntryKind.PLAN_CHANGE))["to_seats"] == 2


def test_an_expiry_that_leaves_nothing_is_exhausted() -> None:
    book = Book(free_account(Grant("p1", GrantKind.PROMOTION, 50, 50, expires_at=utc("2026-01-20"))))

    entries = book.renew("2026-01-20")

    assert heard(entries) == [("credits.exhausted", 0)]
    assert own(entries[0]) == {}


def test_a_period_without_an_allocation_is_exhausted_and_not_renewed() -> None:
    account = replace(free_account(allocation(120)), plan="pro", standing=Standing.PAST_DUE)

    assert heard(Book(account).renew("2026-02-10 09:00")) == [("credits.exhausted", 0)]


def test_a_life_tells_each_crossing_exactly_once() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 289, at="2026-01-11")
    book.charge("message", 1, at="2026-01-12")
    book.charge("message", 1, at="2026-01-13")
    book.charge("message", 9, at="2026-01-14")
    book.charge("ai_response", at="2026-01-15")
    book.charge("message", 295, at="2026-02-11")
    book.charge("message", 5, at="2026-02-12")
    book.renew("2026-03-10 09:00")

    assert heard(book.entries) == [
        ("credits.renewed", 300),
        ("credits.low", 10),
        ("credits.exhausted", 0),
        ("credits.renewed", 300),
        ("credits.low", 5),
        ("credits.exhausted", 0),
        ("credits.renewed", 300),
    ]


def test_the_same_entry_has_the_same_notices_however_it_was_stored() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")
    book.change_plan("pro", at="2026-04-17")
    book.charge("deep_research", 400, at="2026-04-18")

    for entry in book.entries:
        assert notices(entry_from_record(entry_to_record(entry))) == notices(entry)


def test_no_two_notices_have_the_same_id() -> None:
    book = team(1)
    book.change_plan("team", 3, at="2026-04-16")
    other = [replace(entry, book_id="globex", account_id="globex") for entry in book.entries]

    ids = [notice.id for entry in [*book.entries, *other] for notice in notices(entry)]

    assert len(ids) == len(set(ids)) == 10


@pytest.mark.parametrize("book_id", ["acme", "a.b.c", "x" * 64])
def test_an_id_is_36_letters_digits_and_a_line_below_and_has_no_dot(book_id: str) -> None:
    (entry,) = Book(free_account()).give(50, at="2026-01-15")

    (notice,) = notices(replace(entry, book_id=book_id))

    assert len(notice.id) == 36
    assert notice.id.removeprefix("evt_").isalnum()
