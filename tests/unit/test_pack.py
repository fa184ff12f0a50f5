"""Packs: given once, taken back as far as they are there, frozen and let go."""

from functools import partial
from typing import Any

from credits.domain.entry import Entry
from credits.domain.grant import Grant, GrantKind
from credits.domain.pack import bring_back, freeze, give_pack, lose, take_back, thaw
from tests.unit.books import CATALOG, Book, allocation, drawn, free_account, grants, utc

NOON = "2026-01-15 12:00"


def step(book: Book, rule: Any, **facts: Any) -> Entry:
    """The entry that one step of a pack writes."""
    decide = partial(rule, catalog=book.catalog, now=utc(NOON), **facts)
    return book.post(lambda account, key: decide(account, key=key))[-1]


def holding(pack: Grant) -> Book:
    return Book(free_account(allocation(300), pack))


def pack_of(remaining: int, *, frozen: int = 0) -> Grant:
    return Grant("p1", GrantKind.PACK, 400, remaining, frozen=frozen)


def test_a_pack_never_expires_and_burns_after_the_plan() -> None:
    book = Book(free_account(allocation(300)))
    entry = step(book, give_pack, pack=CATALOG.packs["small"])

    assert (entry.kind, entry.credits, entry.description) == ("pack", 400, "Small")
    book.charge("message", 320, at="2026-01-16")
    assert grants(book.account) == [("pack", 380, None)]


def test_a_pack_is_never_refused_for_want_of_room() -> None:
    gifts = [Grant(f"p{n}", GrantKind.PROMOTION, 5, 5) for n in range(14)]
    book = Book(free_account(allocation(300), *gifts, pack_of(100)))

    entry = step(book, give_pack, pack=CATALOG.packs["medium"])

    assert drawn(entry) == [("p1", "pack", 1200)]
    assert len(book.account.grants) == 16
    assert book.account.purchased_remaining == 1300


def test_a_pack_that_finds_a_book_full_of_gifts_is_given_all_the_same() -> None:
    gifts = [Grant(f"p{n}", GrantKind.PROMOTION, 5, 5) for n in range(15)]
    book = Book(free_account(allocation(300), *gifts))

    step(book, give_pack, pack=CATALOG.packs["small"])

    assert book.account.purchased_remaining == 400


def test_what_is_unspent_goes_back_first_and_what_is_frozen_after_it() -> None:
    book = holding(pack_of(150, frozen=200))

    entry = step(book, take_back, grant_id="p1", credits=300, reason="refund")

    assert (entry.credits, entry.shortfall, entry.draws[0].frozen) == (-150, 0, -150)
    assert (book.account.purchased_remaining, book.account.frozen) == (0, 50)


def test_a_pack_that_has_left_the_book_is_all_shortfall() -> None:
    book = Book(free_account(allocation(300)))

    assert step(book, take_back, grant_id="p1", credits=400, reason="refund").shortfall == 400
    assert step(book, freeze, grant_id="p1", credits=400, reason="disputed").shortfall == 400
    assert book.account.remaining == 300


def test_a_refund_that_fails_brings_the_credits_back_where_they_were_or_as_a_new_grant() -> None:
    book = holding(pack_of(300))
    step(book, bring_back, grant_id="p1", credits=100, reason="refund failed")
    assert grants(book.account)[1:] == [("pack", 400, None)]

    gone = Book(free_account(allocation(300)))
    step(gone, bring_back, grant_id="p1", credits=100, reason="refund failed")
    assert grants(gone.account)[1:] == [("pack", 100, None)]


def test_a_dispute_freezes_what_is_there_and_thaws_no_more_than_is_frozen() -> None:
    book = holding(pack_of(250))
    frozen = step(book, freeze, grant_id="p1", credits=400, reason="disputed")
    assert (frozen.credits, frozen.shortfall, book.account.frozen) == (-250, 150, 250)

    thawed = step(book, thaw, grant_id="p1", credits=250, reason="dispute won")

    assert (thawed.credits, book.account.purchased_remaining, book.account.frozen) == (250, 250, 0)


def test_a_dispute_that_is_lost_takes_what_it_froze_and_leaves_the_rest() -> None:
    book = holding(pack_of(250, frozen=150))

    entry = step(book, lose, grant_id="p1", credits=200, reason="dispute lost")

    assert (entry.credits, entry.draws[0].frozen, entry.shortfall) == (0, -150, 50)
    assert (book.account.purchased_remaining, book.account.frozen) == (250, 0)


def test_frozen_credits_of_a_pack_outlive_the_reset() -> None:
    book = holding(pack_of(0, frozen=150))
    book.renew("2026-02-10 09:00")

    assert (book.account.frozen, book.account.remaining) == (150, 300)


def with_some_held(pack: Grant) -> Book:
    """30 credits of the pack are in a hold."""
    book = Book(free_account(allocation(0), pack))
    book.hold(30, at=NOON)
    return book


def test_what_a_hold_has_of_a_pack_whose_money_went_back_goes_when_the_hold_gives_it_back() -> None:
    book = with_some_held(pack_of(150))
    taken = step(book, take_back, grant_id="p1", credits=400, reason="refund")
    assert (taken.credits, taken.shortfall, book.account.held) == (-120, 280, 30)
    book.capture(quantity=10, at=NOON)

    book.release(at=NOON)

    assert [(entry.kind, entry.credits) for entry in book.entries[-2:]] == [("release", 20), ("revocation", -20)]
    assert (book.account.remaining, book.account.grants) == (0, ())


def test_of_a_pack_that_was_paid_back_in_part_only_so_much_is_recalled() -> None:
    book = with_some_held(pack_of(40))
    step(book, take_back, grant_id="p1", credits=15, reason="refund")

    book.release(at=NOON)

    assert [(entry.kind, entry.credits) for entry in book.entries[-2:]] == [("release", 30), ("revocation", -5)]
    assert book.account.remaining == 25


def test_what_is_recalled_waits_for_the_hold_that_has_it() -> None:
    book = with_some_held(pack_of(60))
    book.hold(30, at=NOON, hold_id="run-2")
    step(book, take_back, grant_id="p1", credits=50, reason="refund")
    book.capture(quantity=25, at=NOON)

    book.release(at=NOON)
    assert (book.account.remaining, book.account.grants[0].recalled) == (0, 30)
    book.release(at=NOON, hold_id="run-2")

    assert book.account.grants == ()
    assert sum(entry.credits for entry in book.entries if entry.kind == "revocation") == -35


def test_a_refund_that_fails_recalls_no_longer() -> None:
    book = with_some_held(pack_of(30))
    step(book, take_back, grant_id="p1", credits=30, reason="refund")

    entry = step(book, bring_back, grant_id="p1", credits=0, missing=30, reason="refund failed")
    book.release(at=NOON)

    assert (entry.kind, book.account.remaining) == ("confirmation", 30)


def test_a_dispute_that_is_lost_takes_what_came_back_and_recalls_what_is_held_still() -> None:
    book = with_some_held(pack_of(60))
    book.hold(20, at=NOON, hold_id="run-2")
    frozen = step(book, freeze, grant_id="p1", credits=60, reason="disputed")
    assert (frozen.credits, frozen.shortfall) == (-10, 50)
    book.release(at=NOON)

    lost = step(book, lose, grant_id="p1", credits=10, missing=50, reason="dispute lost")
    book.release(at=NOON, hold_id="run-2")

    assert (lost.credits, lost.draws[0].frozen, lost.shortfall) == (-30, -10, 0)
    assert (book.account.remaining, book.account.frozen, book.account.grants) == (0, 0, ())
