"""Holds: credits set aside, captured piece by piece, and given back to where they came from."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from credits.domain.account import Standing
from credits.domain.capture import capture
from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry
from credits.domain.grant import Grant, GrantKind
from credits.domain.hold import HoldStatus
from credits.errors import (
    CreditsExhausted,
    HoldClosed,
    HoldExhausted,
    InsufficientCredits,
    InvalidRequest,
    NotInPlan,
    PaymentRequired,
)
from tests.unit.books import CATALOG, Book, allocation, drawn, free_account, grants, utc

NOON = "2026-01-20 12:00"


def book_with(*grants: Grant) -> Book:
    return Book(free_account(*grants, at=NOON))


def moved(entry: AnyEntry) -> list[tuple[str, int, int]]:
    """Each draw as its grant's id, what left the spendable credits, and what came to the held ones."""
    return [(draw.grant_id, draw.credits, draw.held) for draw in entry.draws]


# Opening


def test_a_hold_moves_credits_from_what_can_be_spent_to_what_is_held() -> None:
    book = Book.opened("2026-01-10 09:00")

    hold = book.hold(20, at="2026-01-10 10:00")

    account = book.account
    assert (account.remaining, account.held, account.used, account.total) == (280, 20, 0, 300)
    assert (hold.status, hold.credits, hold.captured, hold.remaining) == (HoldStatus.OPEN, 20, 0, 20)
    entry, of_hold = book.entries[-1], book.of_hold["run-1"][0]
    assert (entry.kind, entry.key, entry.credits, moved(entry)) == ("hold", "c#run-1", -20, [("g2", -20, 20)])
    assert (of_hold.kind, of_hold.key, of_hold.credits, of_hold.remaining, drawn(of_hold)) == (
        "hold",
        "c#run-1",
        20,
        20,
        [("g2", "allocation", 20)],
    )


def test_a_holds_chain_starts_from_the_accounts_entry_that_opened_it() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    assert book.of_hold["run-1"][0].prev_hash == book.entries[-1].hash
    assert book.problems() == []


def test_a_hold_lives_an_hour_or_as_long_as_it_was_asked_for() -> None:
    book = Book.opened("2026-01-10 09:00")

    assert book.hold(1, at="2026-01-10 10:00").expires_at == utc("2026-01-10 11:00")
    assert book.hold(1, at="2026-01-10 10:00", hold_id="b", expires_in_seconds=60).expires_at == utc("2026-01-10 10:01")


def test_a_hold_lives_a_day_at_most() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(1, at="2026-01-10 10:00", expires_in_seconds=86_400)

    with pytest.raises(InvalidRequest):
        book.hold(1, at="2026-01-10 10:00", hold_id="b", expires_in_seconds=86_401)
    with pytest.raises(InvalidRequest):
        book.extend(at="2026-01-10 10:01", expires_in_seconds=86_400)


def test_a_hold_draws_in_burn_order() -> None:
    book = book_with(Grant("g5", GrantKind.PACK, 400, 400), allocation(30))

    hold = book.hold(50, at=NOON)

    assert [(part.id, part.credits, part.remaining) for part in hold.grants] == [("a1", 30, 30), ("g5", 20, 20)]


def test_a_hold_that_the_balance_does_not_cover_is_refused() -> None:
    book = book_with(allocation(19))

    with pytest.raises(InsufficientCredits) as refused:
        book.hold(20, at=NOON)
    assert refused.value.fields == {"required": 20, "remaining": 19, "resets_at": utc("2026-02-10 09:00")}

    book.hold(19, at=NOON)
    with pytest.raises(CreditsExhausted) as exhausted:
        book.hold(1, at=NOON, hold_id="b")
    assert exhausted.value.fields["held"] == 19


def test_a_hold_needs_a_paid_invoice_and_its_captures_and_its_close_do_not() -> None:
    book = book_with(allocation(100))
    book.hold(20, at=NOON)
    book.account = replace(book.account, standing=Standing.PAST_DUE, grace_ends_at=utc(NOON))

    with pytest.raises(PaymentRequired):
        book.hold(1, at=NOON, hold_id="b")
    with pytest.raises(PaymentRequired):
        book.extend(1, at=NOON)
    book.capture("message", at=NOON)
    book.release(at=NOON)

    assert book.account.remaining == 99


def test_opening_and_closing_holds_sets_no_alert_off() -> None:
    book = book_with(allocation(100))

    for number in range(3):
        book.hold(95, at=NOON, hold_id=f"run-{number}")
        book.release(at=NOON, hold_id=f"run-{number}")

    assert [entry.alert for entry in book.entries] == [None] * 6
    assert [entry.warning for entry in book.entries] == ["low", None] * 3


def test_what_a_hold_spent_sets_the_alert_off_once_when_it_is_closed() -> None:
    book = book_with(allocation(100))
    book.hold(95, at=NOON)
    book.capture("message", 92, at=NOON)

    book.release(at=NOON)

    assert [entry.alert for entry in book.entries] == [None, "low"]
    assert book.account.remaining == 8


# Capturing


def test_a_capture_is_priced_from_the_catalog_and_draws_on_the_hold_alone() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")
    account = book.account

    entry = book.capture("deep_research", at="2026-01-10 10:30")

    hold = book.holds["run-1"]
    assert (hold.credits, hold.captured, hold.remaining) == (20, 20, 0)
    assert (entry.kind, entry.credits, entry.action, entry.quantity) == ("capture", -20, "deep_research", 1)
    assert book.account is account


def test_a_capture_over_the_hold_says_what_is_left() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")
    book.capture("message", 15, at="2026-01-10 10:30")

    with pytest.raises(HoldExhausted) as refused:
        book.capture("message", 6, at="2026-01-10 10:31")

    assert refused.value.fields == {"hold_id": "run-1", "required": 6, "remaining": 5}
    assert book.capture("message", 5, at="2026-01-10 10:31").remaining == 0
    assert book.capture("ai_response", at="2026-01-10 10:31").credits == 0


@pytest.mark.parametrize("at", ["2026-01-10 11:00", "2026-01-11"])
def test_a_hold_that_expired_cannot_be_captured_whether_that_is_written_down_or_not(at: str) -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    with pytest.raises(HoldClosed) as refused:
        book.capture("message", at=at)
    assert refused.value.fields == {"hold_id": "run-1", "hold_status": "expired"}

    book.release(at=at)
    with pytest.raises(HoldClosed):
        book.capture("message", at="2026-01-10 10:30")


def test_the_plan_of_a_hold_is_that_of_its_opening() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.change_plan("pro", at="2026-01-10 10:00")
    book.hold(20, at="2026-01-10 10:00")
    book.account = replace(book.account, plan="free")
    opus = Usage(action="message", model="claude-opus")
    on = partial(capture, catalog=CATALOG, now=utc("2026-01-10 10:30"), account_id="acme", hold_id="run-1", usage=opus)

    assert on(book.holds["run-1"], key="c#m").entries[0].model == "claude-opus"
    with pytest.raises(NotInPlan):
        on(replace(book.holds["run-1"], plan="free"), key="c#m")


# Closing


def test_closing_gives_back_what_was_not_captured_and_counts_the_rest_as_used() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")
    book.capture("agent_step", 3, at="2026-01-10 10:10")

    (entry,) = book.release(at="2026-01-10 10:20")

    account, hold = book.account, book.holds["run-1"]
    assert (account.remaining, account.held, account.used, account.total) == (294, 0, 6, 300)
    assert (entry.kind, entry.key, entry.credits, moved(entry)) == ("release", "close#run-1", 14, [("g2", 14, -20)])
    assert (hold.status, hold.credits, hold.captured, hold.remaining) == (HoldStatus.CLOSED, 20, 6, 0)
    assert book.problems() == []


def test_closing_a_hold_that_captured_all_empties_the_grants_it_came_from() -> None:
    book = book_with(allocation(20))
    book.hold(20, at=NOON)
    assert grants(book.account) == [("allocation", 0, "2026-02-10 09:00")]
    book.capture("deep_research", at=NOON)

    book.release(at=NOON)

    assert grants(book.account) == []
    assert (book.account.remaining, book.account.used) == (0, 20)


def test_a_hold_that_is_closed_after_its_time_is_expired() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    book.release(at="2026-01-10 11:00")

    assert book.holds["run-1"].status is HoldStatus.EXPIRED
    assert book.account.remaining == 300
    with pytest.raises(HoldClosed):
        book.release(at="2026-01-10 11:00")


def test_the_sweep_leaves_a_hold_that_is_still_alive() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    assert book.release(at="2026-01-10 10:59", expired_only=True) == ()
    assert book.holds["run-1"].open


def test_a_hold_pins_its_grants_across_a_reset_and_what_comes_back_late_expires_at_once() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-02-10 08:30")

    book.renew("2026-02-10 09:00")
    assert [(entry.key, entry.credits) for entry in book.entries[-2:]] == [
        ("expire#g2", -280),
        ("allocation#2026-01-10T09:00:00.000Z#1", 300),
    ]
    assert (book.account.remaining, book.account.held, book.account.total) == (300, 20, 320)
    book.capture("agent_step", 3, at="2026-02-10 09:10")
    back, expired = book.release(at="2026-02-10 09:20")

    assert (back.key, back.credits, moved(back)) == ("close#run-1", 14, [("g2", 14, -20)])
    assert (expired.kind, expired.key, expired.credits) == ("expiry", "close#run-1#01", -14)
    assert (book.account.remaining, book.account.held, book.account.used, book.account.total) == (300, 0, 6, 306)
    assert [grant.id for grant in book.account.grants] == ["g5"]
    assert book.problems() == []


def test_a_hold_survives_an_upgrade_and_gives_back_to_the_carryover() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")
    book.change_plan("pro", at="2026-01-10 10:10")

    book.release(at="2026-01-10 10:20")

    assert grants(book.account) == [("carryover", 300, "2026-02-10 09:00"), ("allocation", 1000, "2026-02-10 10:10")]
    assert book.problems() == []


# Extending


def test_a_hold_gets_more_credits_and_a_later_expiry_in_one_commit() -> None:
    book = book_with(allocation(30), Grant("g5", GrantKind.PACK, 400, 400))
    book.hold(20, at=NOON)
    book.capture("message", 15, at=NOON)

    hold = book.extend(25, at="2026-01-20 12:30", expires_in_seconds=3_600)

    assert (hold.credits, hold.captured, hold.remaining) == (45, 15, 30)
    assert hold.expires_at == utc("2026-01-20 13:30")
    assert [(part.id, part.credits, part.remaining) for part in hold.grants] == [("a1", 30, 15), ("g5", 15, 15)]
    assert (book.account.remaining, book.account.held) == (385, 45)
    assert (book.entries[-1].kind, moved(book.entries[-1])) == ("extension", [("a1", -10, 10), ("g5", -15, 15)])
    book.release(at="2026-01-20 12:40")
    assert grants(book.account) == [("allocation", 15, "2026-02-10 09:00"), ("pack", 400, None)]


def test_an_extension_never_makes_a_hold_expire_sooner() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    assert book.extend(5, at="2026-01-10 10:01", expires_in_seconds=1).expires_at == utc("2026-01-10 11:00")


def test_a_hold_that_is_over_cannot_be_extended() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00")

    with pytest.raises(HoldClosed):
        book.extend(5, at="2026-01-10 11:00")


def test_a_clock_that_steps_back_neither_revives_a_hold_nor_turns_its_book_back() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.hold(20, at="2026-01-10 10:00", expires_in_seconds=600)
    late = book.capture("message", at="2026-01-10 10:09")
    early = book.capture("message", at="2026-01-10 10:00")

    assert early.at == late.at == utc("2026-01-10 10:09")
    assert book.holds["run-1"].expires_at - book.holds["run-1"].at == timedelta(minutes=1)
