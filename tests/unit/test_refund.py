"""Refunds: to the grants that a charge drew on, as if it had cost so much less."""

from dataclasses import replace
from functools import partial

import pytest

from credits.domain.entry import AnyEntry
from credits.domain.grant import Grant, GrantKind
from credits.domain.journal import Posting, seal
from credits.domain.refund import refund, refund_key, refund_to_hold, refundable
from credits.errors import HoldClosed, InvalidRequest, NotRefundable
from tests.unit.books import CATALOG, Book, allocation, drawn, free_account, grants, minute, utc

NOON = "2026-01-20 12:00"


def refunded(book: Book, charge: AnyEntry, credits: int | None = None, *, at: str = NOON) -> AnyEntry:
    """The sealed entry of the refund, in the account's book."""
    posting = refund(
        book.account,
        catalog=CATALOG,
        now=utc(at),
        charge=charge,
        settled=charge,
        counted_by=charge,
        credits=refundable(charge, "k1", credits),
        reason="sorry",
    )
    return book.keep(seal(posting, refund_key(charge), None))[-1]


def test_a_refund_goes_back_to_each_grant_it_came_from() -> None:
    book = Book(free_account(allocation(3), Grant("g5", GrantKind.PACK, 400, 400), at=NOON))
    (charge,) = book.charge("image_edit", at=NOON)

    entry = refunded(book, charge)

    assert (entry.kind, entry.key, entry.credits) == ("refund", "refund#c#k1", 5)
    assert drawn(entry) == [("g5", "pack", 2), ("a1", "allocation", 3)]
    assert grants(book.account) == [("allocation", 3, "2026-02-10 09:00"), ("pack", 400, None)]
    assert book.account.used == 0


def test_a_part_comes_back_to_what_was_drawn_last() -> None:
    book = Book(free_account(allocation(3), Grant("g5", GrantKind.PACK, 400, 400), at=NOON))
    (charge,) = book.charge("image_edit", at=NOON)

    assert drawn(refunded(book, charge, 1)) == [("g5", "pack", 1)]
    assert book.account.used == 4


def test_what_an_expired_grant_gave_comes_back_as_a_promotion_until_the_period_ends() -> None:
    book = Book.opened("2026-01-10 09:00")
    (charge,) = book.charge("image_edit", at=NOON)

    entry = refunded(book, charge, at="2026-02-10 09:00")

    assert drawn(entry) == [("g6", "promotion", 5)]
    assert grants(book.account) == [("allocation", 300, "2026-03-10 09:00"), ("promotion", 5, "2026-03-10 09:00")]
    assert (book.account.used, book.account.total) == (0, 305)
    assert book.problems() == []


def test_what_was_charged_in_the_very_instant_of_an_upgrade_is_not_taken_off_the_new_count() -> None:
    book = Book.opened("2026-01-10 09:00")
    (charge,) = book.charge("message", 100, at=NOON)
    book.change_plan("pro", at=NOON)
    book.charge("message", 70, at=NOON)

    refunded(book, charge, at="2026-01-21")

    assert (book.account.used, book.account.remaining) == (70, 1230)
    assert book.problems() == []


def test_a_count_that_began_in_the_instant_of_an_upgrade_goes_on() -> None:
    book = Book.opened("2026-01-10 09:00")
    *_, charge = book.charge("message", 100, at="2026-02-10 09:00")
    book.change_plan("pro", at="2026-02-10 09:00")
    book.charge("message", 70, at="2026-02-11")
    assert book.account.used == 170

    refunded(book, charge, at="2026-02-12")

    assert (book.account.used, book.account.remaining) == (70, 1230)
    assert book.problems() == []


def test_what_another_plan_used_is_not_taken_off_the_count_of_a_period_that_began_before_it() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-20 09:00")
    *_, charge = book.charge("message", 50, at="2026-02-15")
    book.change_plan("free", at="2026-02-16")
    book.charge("message", 30, at="2026-02-21")
    assert (book.account.plan, minute(book.account.period.start)) == ("free", "2026-02-10 09:00")

    refunded(book, charge, at="2026-02-22")

    assert (book.account.used, book.account.total) == (30, 350)
    assert minute(book.account.counts_from) == "2026-02-20 09:00"
    assert book.problems() == []


def test_a_refund_says_where_the_charge_happened_and_corrects_it() -> None:
    book = Book.opened("2026-01-10 09:00")
    (charge,) = book.charge("image_edit", at=NOON)

    entry = refunded(book, charge, at="2026-01-21")

    assert entry.corrects is not None
    assert (entry.corrects.book_id, entry.corrects.key, entry.corrects.at) == ("acme", "c#k1", utc(NOON))
    assert (entry.action, entry.description) == ("image_edit", "sorry")


def without_room(until: str | None, *, kind: GrantKind = GrantKind.PROMOTION) -> tuple[Book, AnyEntry]:
    """A charge that spent a grant whole, and the book, which then was given 14 adjustments for ever; and a pack."""
    expires_at = utc(until) if until else None
    book = Book(free_account(allocation(0), Grant("g1", kind, 5, 5, expires_at=expires_at), at=NOON))
    (charge,) = book.charge("image_edit", at=NOON)
    for _ in range(14):
        book.give(1, at=NOON, kind=GrantKind.ADJUSTMENT)
    book.account = replace(book.account, grants=(*book.account.grants, Grant("g99", GrantKind.PACK, 400, 400)))
    return book, charge


def test_a_book_without_room_takes_a_gift_into_another_that_is_no_pack_and_lives_as_long() -> None:
    book, charge = without_room("2026-03-01")
    book.give(1, at=NOON, expires="2026-04-01")

    entry = refunded(book, charge)

    (draw,) = entry.draws
    assert (draw.kind, draw.credits, draw.expires_at) == ("promotion", 5, utc("2026-04-01"))
    assert (book.account.purchased_remaining, book.account.remaining) == (400, 420)


def test_where_no_gift_of_its_kind_lives_as_long_it_goes_into_the_last_of_them() -> None:
    book, charge = without_room(None)
    book.give(1, at=NOON, expires="2026-04-01")

    assert [(draw.kind, draw.expires_at) for draw in refunded(book, charge).draws] == [("promotion", utc("2026-04-01"))]


def test_where_there_is_none_of_its_kind_it_goes_into_an_adjustment_and_never_into_a_pack() -> None:
    book, charge = without_room("2026-03-01")
    book.give(1, at=NOON, kind=GrantKind.ADJUSTMENT)

    assert [draw.kind for draw in refunded(book, charge).draws] == ["adjustment"]
    assert (book.account.purchased_remaining, book.account.remaining) == (400, 420)


def test_a_pack_that_was_spent_comes_back_as_itself_however_full_the_book_is() -> None:
    book, charge = without_room(None, kind=GrantKind.PACK)
    book.give(1, at=NOON)

    assert drawn(refunded(book, charge)) == [("g1", "pack", 5)]
    assert (len(book.account.grants), book.account.purchased_remaining) == (17, 405)


@pytest.mark.parametrize("credits", [6, 600])
def test_more_than_was_charged_is_refused(credits: int) -> None:
    book = Book.opened("2026-01-10 09:00")
    (charge,) = book.charge("image_edit", at=NOON)

    with pytest.raises(InvalidRequest):
        refundable(charge, "k1", credits)


def test_neither_a_refund_nor_what_was_free_is_refundable() -> None:
    book = Book.opened("2026-01-10 09:00")
    (free,) = book.charge("ai_response", at=NOON)
    (charge,) = book.charge("image_edit", at=NOON)

    for entry in (free, refunded(book, charge)):
        with pytest.raises(NotRefundable):
            refundable(entry, "k1", None)


def test_a_capture_goes_back_to_its_hold_until_that_is_over() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at=NOON)
    capture = book.capture("image_edit", at=NOON)
    back = partial(refund_to_hold, catalog=CATALOG, charge=capture, credits=3, reason="sorry")

    posting: Posting = back(book.holds["run-1"], now=utc(NOON))
    book.keep(seal(posting, refund_key(capture), None))

    hold = book.holds["run-1"]
    assert (hold.captured, hold.remaining, book.of_hold["run-1"][-1].key) == (2, 18, "refund#run-1#c#k1")
    with pytest.raises(HoldClosed):
        back(hold, now=utc("2026-01-20 13:00"))
    book.release(at=NOON)
    assert (book.account.remaining, book.account.used) == (298, 2)
    assert book.problems() == []
