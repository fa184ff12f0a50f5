"""The account's own line for an automatic top-up: it is crossed once, however often the balance moves below it."""

from collections.abc import Callable, Sequence
from functools import partial

from credits.domain.account import Account
from credits.domain.entry import Entry
from credits.domain.grant import Grant, GrantKind
from credits.domain.journal import Posting
from credits.domain.pack import give_pack
from credits.domain.record import entry_from_record, entry_to_record
from tests.unit.books import CATALOG, Book, allocation, free_account, utc


def calls(entries: Sequence[Entry]) -> list[str | None]:
    return [entry.calls_for for entry in entries]


def lined(below: int, credits: int = 120) -> Book:
    book = Book(free_account(allocation(credits)))
    book.draw_line(below, at="2026-01-15 09:00")
    return book


def keyed(rule: Callable[..., Posting], account: Account, key: str) -> Posting:
    return rule(account, key=key)


def test_the_charge_that_comes_below_the_line_calls_for_a_top_up_and_the_next_ones_do_not() -> None:
    book = lined(100)
    for hour in (10, 11, 12):
        book.charge("deep_research", at=f"2026-01-15 {hour}:00")

    assert [entry.remaining for entry in book.entries] == [120, 100, 80, 60]
    assert calls(book.entries) == [None, None, "top_up", None]


def test_once_the_balance_was_at_the_line_again_the_next_crossing_calls_again() -> None:
    book = lined(100)
    book.charge("deep_research", 2, at="2026-01-15 10:00")
    book.give(20, at="2026-01-15 11:00")
    book.charge(at="2026-01-15 12:00")

    assert [entry.remaining for entry in book.entries] == [120, 80, 100, 99]
    assert calls(book.entries) == [None, "top_up", None, "top_up"]


def test_what_comes_and_leaves_less_than_the_line_calls_for_nothing_more() -> None:
    book = lined(100)
    book.charge("deep_research", 5, at="2026-01-15 10:00")
    book.give(30, at="2026-01-15 11:00")
    book.charge(at="2026-01-15 12:00")

    assert calls(book.entries) == [None, "top_up", None, None]


def test_the_pack_that_was_bought_for_the_line_ends_its_crossing_and_crosses_it_again_where_it_does_not_reach() -> None:
    book = lined(1000)
    for hour, for_line in ((10, False), (11, True), (12, True), (13, True)):
        now = utc(f"2026-01-15 {hour}:00")
        small = partial(give_pack, catalog=CATALOG, pack=CATALOG.packs["small"], now=now, for_line=for_line)
        book.post(partial(keyed, small))

    assert [entry.remaining for entry in book.entries] == [120, 520, 920, 1320, 1720]
    assert calls(book.entries) == ["top_up", None, "top_up", None, None]
    book.charge("message", 800, at="2026-01-15 14:00")
    assert calls(book.entries[-1:]) == ["top_up"]


def test_a_line_that_is_drawn_above_the_balance_is_crossed_at_once() -> None:
    book = lined(500)

    assert calls(book.entries) == ["top_up"]
    assert (book.entries[0].kind.value, book.entries[0].credits, book.entries[0].remaining) == ("top_up", 0, 120)


def test_a_line_that_is_drawn_anew_can_be_crossed_anew() -> None:
    book = lined(500)
    book.draw_line(500, at="2026-01-15 10:00")

    assert calls(book.entries) == ["top_up", "top_up"]


def test_a_line_that_was_taken_away_is_never_crossed() -> None:
    book = lined(100)
    book.draw_line(None, at="2026-01-15 10:00")
    book.charge("deep_research", 5, at="2026-01-15 11:00")

    assert calls(book.entries) == [None, None, None]
    assert (book.account.top_up_below, book.account.top_up_due) == (None, False)


def test_a_renewal_that_brings_more_than_the_line_crosses_nothing() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.draw_line(100, at="2026-01-10 10:00")
    book.renew("2026-02-10 09:00")

    assert [entry.kind.value for entry in book.entries[3:]] == ["expiry", "allocation"]
    assert calls(book.entries[3:]) == [None, None]


def test_credits_in_a_hold_count_as_there() -> None:
    book = Book(free_account(Grant("g1", GrantKind.PACK, 200, 40, held=80)))
    book.draw_line(100, at="2026-01-15 09:00")
    book.charge("deep_research", at="2026-01-15 10:00")
    book.charge(at="2026-01-15 11:00")

    assert calls(book.entries) == [None, None, "top_up"]


def test_the_line_and_its_crossing_are_in_the_record() -> None:
    book = lined(500)

    record = entry_to_record(book.entries[0])

    assert (record["calls_for"], record["after"]["top_up_below"], record["after"]["top_up_due"]) == (
        "top_up",
        500,
        True,
    )
    assert entry_from_record(record) == book.entries[0]


def test_an_account_without_a_line_has_none_in_its_record() -> None:
    book = Book(free_account(allocation(120)))
    (entry,) = book.charge(at="2026-01-15 10:00")

    assert not {"top_up_below", "top_up_due"} & entry_to_record(entry)["after"].keys()
