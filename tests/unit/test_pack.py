"""Packs: given once, taken back as far as they are there, frozen and let go."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from credits.domain.entry import Entry
from credits.domain.grant import Grant, GrantKind
from credits.domain.journal import seal
from credits.domain.pack import bring_back, freeze, give_pack, lose, require_place, take_back, thaw, undone_key
from credits.domain.record import state_to_record, to_json
from credits.errors import TooManyPacks
from tests.unit.books import CATALOG, Book, allocation, drawn, free_account, grants, utc

NOON = "2026-01-15 12:00"


def step(book: Book, rule: Any, **facts: Any) -> Entry:
    """The entry that one step of a pack writes."""
    decide = partial(rule, catalog=book.catalog, now=utc(NOON), **facts)
    return book.post(lambda account, key: decide(account, key=key))[-1]


def undone(book: Book, taken: Entry) -> Entry:
    """The entry that gives back what was taken for a refund which did not go through."""
    (draw,) = taken.draws or [None]
    grant_id = draw.grant_id if draw else "p1"
    posting = bring_back(
        book.account, book.catalog, now=utc(NOON), grant_id=grant_id, taken=taken, reason="refund failed"
    )
    return book.keep(seal(posting, undone_key(taken), None))[-1]


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


def test_a_pack_has_a_place_of_its_own_however_full_the_book_is() -> None:
    gifts = [Grant(f"p{n}", GrantKind.PROMOTION, 5, 5) for n in range(2, 17)]
    packs = [Grant(f"p{n}", GrantKind.PACK, 400, 100) for n in range(20, 140)]
    book = Book(free_account(allocation(300), *gifts, *packs))

    entry = step(book, give_pack, pack=CATALOG.packs["medium"])

    assert drawn(entry) == [("g1", "pack", 1200)]
    assert len(book.account.grants) == 137
    assert book.account.purchased_remaining == 13_200


def test_packs_take_no_room_from_gifts() -> None:
    book = Book(free_account(allocation(300), *(Grant(f"p{n}", GrantKind.PACK, 400, 400) for n in range(2, 42))))

    for _ in range(15):
        book.give(5, at=NOON)

    assert book.account.remaining == 300 + 40 * 400 + 15 * 5


def test_from_100_packs_that_are_not_used_up_no_more_are_sold() -> None:
    packs = [Grant(f"p{n}", GrantKind.PACK, 400, 100) for n in range(2, 102)]
    require_place(free_account(allocation(300), *packs[:99]))

    with pytest.raises(TooManyPacks) as refusal:
        require_place(free_account(allocation(300), *packs))

    assert refusal.value.fields == {"account_id": "acme", "limit": 100}


def test_an_account_with_as_many_packs_as_are_sold_to_it_is_of_7_kb() -> None:
    packs = [Grant(f"g{n}", GrantKind.PACK, 2_500, 2_500) for n in range(100_000, 100_100)]
    account = free_account(allocation(300), *packs)

    assert len(to_json(state_to_record(account))) < 7 * 1_024


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


def test_a_refund_that_fails_brings_the_credits_back_where_they_were() -> None:
    book = holding(pack_of(300))

    entry = undone(book, step(book, take_back, grant_id="p1", credits=100, reason="refund"))

    assert (entry.kind, entry.key, entry.shortfall) == ("pack", "c#k1#failed", 0)
    assert entry.corrects
    assert entry.corrects.key == "c#k1"
    assert grants(book.account)[1:] == [("pack", 300, None)]


def test_a_pack_that_had_left_the_book_comes_back_under_its_own_id_and_in_its_place() -> None:
    gift = Grant("g9", GrantKind.PROMOTION, 5, 5)
    book = Book(free_account(replace(allocation(300), id="g2"), Grant("g5", GrantKind.PACK, 400, 400), gift))
    taken = step(book, take_back, grant_id="g5", credits=400, reason="refund")
    assert [grant.id for grant in book.account.grants] == ["g2", "g9"]

    entry = undone(book, taken)

    assert drawn(entry) == [("g5", "pack", 400)]
    assert [grant.id for grant in book.account.grants] == ["g2", "g5", "g9"]


def test_what_was_spent_of_a_pack_before_its_money_went_back_is_missing_of_it() -> None:
    book = holding(pack_of(150))

    taken = step(book, take_back, grant_id="p1", credits=400, reason="refund")

    assert (taken.credits, taken.shortfall) == (-150, 250)
    assert book.account.grants[1:] == (Grant("p1", GrantKind.PACK, 400, 0, missing=250),)
    assert undone(book, taken).credits == 150
    assert book.account.grants[1:] == (Grant("p1", GrantKind.PACK, 550, 150),)


def test_a_refund_that_fails_gives_back_nothing_that_another_one_lacks() -> None:
    book = holding(pack_of(150))
    first = step(book, take_back, grant_id="p1", credits=200, reason="refund")
    step(book, take_back, grant_id="p1", credits=200, reason="refund")

    entry = undone(book, first)

    assert (entry.kind, entry.credits, entry.shortfall) == ("confirmation", 0, 200)
    assert book.account.grants[1:] == (Grant("p1", GrantKind.PACK, 400, 0, missing=50),)


def test_a_dispute_freezes_what_is_there_and_thaws_no_more_than_is_frozen() -> None:
    book = holding(pack_of(250))
    frozen = step(book, freeze, grant_id="p1", credits=400, reason="disputed")
    assert (frozen.credits, frozen.shortfall, book.account.frozen) == (-250, 150, 250)

    thawed = step(book, thaw, grant_id="p1", credits=250, reason="dispute won")

    assert (thawed.credits, book.account.purchased_remaining, book.account.frozen) == (250, 250, 0)


def test_a_dispute_that_is_lost_takes_what_it_froze_and_leaves_the_rest() -> None:
    book = holding(pack_of(250, frozen=150))

    entry = step(book, lose, grant_id="p1", credits=150, reason="dispute lost")

    assert (entry.credits, entry.draws[0].frozen, entry.shortfall) == (0, -150, 0)
    assert (book.account.purchased_remaining, book.account.frozen) == (250, 0)


def test_a_dispute_that_is_lost_takes_free_credits_for_those_of_its_own_that_a_refund_took() -> None:
    book = holding(pack_of(0, frozen=300))
    step(book, take_back, grant_id="p1", credits=100, reason="refund")
    allocated, pack = book.account.grants
    book.account = replace(book.account, grants=(allocated, replace(pack, remaining=150)))

    entry = step(book, lose, grant_id="p1", credits=300, reason="dispute lost")

    assert (entry.credits, entry.draws[0].frozen, entry.shortfall) == (-100, -200, 0)
    assert book.account.purchased_remaining == 50


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
    assert book.account.grants == (Grant("p1", GrantKind.PACK, 400, 0, missing=260),)


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

    assert book.account.grants == (Grant("p1", GrantKind.PACK, 400, 0, missing=15),)
    assert sum(entry.credits for entry in book.entries if entry.kind == "revocation") == -35


def test_a_refund_that_fails_recalls_no_longer() -> None:
    book = with_some_held(pack_of(30))
    taken = step(book, take_back, grant_id="p1", credits=30, reason="refund")

    entry = undone(book, taken)
    book.release(at=NOON)

    assert (entry.kind, book.account.remaining) == ("confirmation", 30)


def test_what_a_close_took_for_a_refund_that_fails_comes_back_but_for_what_was_captured() -> None:
    book = with_some_held(pack_of(30))
    taken = step(book, take_back, grant_id="p1", credits=30, reason="refund")
    book.capture(quantity=10, at=NOON)
    book.release(at=NOON)
    assert book.account.remaining == 0

    entry = undone(book, taken)

    assert (entry.kind, entry.credits, entry.shortfall) == ("pack", 20, 10)
    assert book.account.grants == (Grant("p1", GrantKind.PACK, 420, 20),)


def test_a_dispute_that_is_lost_takes_what_came_back_and_recalls_what_is_held_still() -> None:
    book = with_some_held(pack_of(60))
    book.hold(20, at=NOON, hold_id="run-2")
    frozen = step(book, freeze, grant_id="p1", credits=60, reason="disputed")
    assert (frozen.credits, frozen.shortfall) == (-10, 50)
    book.release(at=NOON)

    lost = step(book, lose, grant_id="p1", credits=10, missing=50, reason="dispute lost")
    book.release(at=NOON, hold_id="run-2")

    assert (lost.credits, lost.draws[0].frozen, lost.shortfall) == (-30, -10, 20)
    assert (book.account.remaining, book.account.frozen, book.account.grants) == (0, 0, ())
