"""Charges: all of it or nothing."""

from dataclasses import replace

import pytest

from credits.domain.account import Standing
from credits.domain.charge import Usage, charge
from credits.domain.grant import Grant, GrantKind
from credits.errors import (
    CreditsExhausted,
    InsufficientCredits,
    InvalidRequest,
    NotInPlan,
    PaymentRequired,
)
from tests.unit.books import CATALOG, Book, allocation, drawn, excluding, free_account, grants, told, utc

NOW = utc("2026-01-15")
PAST_DUE = replace(free_account(), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-12"))


def test_searching_gmail_and_summarizing_comes_to_3_credits() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.batch(("message", 1), ("agent_step", 1), ("ai_response", 1), at="2026-01-10 10:00")

    assert [entry.credits for entry in entries] == [-1, -2, 0]
    assert book.account.remaining == 297


def test_finding_a_slot_creating_a_meeting_and_sending_an_email_comes_to_7_credits() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.batch(("message", 1), ("agent_step", 1), ("agent_step", 1), ("agent_step", 1), at="2026-01-10 10:00")

    assert [entry.credits for entry in entries] == [-1, -2, -2, -2]
    assert book.account.remaining == 293


@pytest.mark.parametrize(
    ("action", "quantity", "credits"),
    [
        ("message", 1, 1),
        ("agent_step", 1, 2),
        ("web_fetch", 10, 10),
        ("image_generation", 1, 5),
        ("image_edit", 2, 10),
        ("deep_research", 3, 60),
        ("ai_response", 10_000, 0),
    ],
)
def test_a_charge_costs_the_actions_price_times_its_quantity(action: str, quantity: int, credits: int) -> None:
    book = Book.opened("2026-01-10 09:00")

    (entry,) = book.charge(action, quantity, at="2026-01-10 10:00")

    assert (entry.action, entry.quantity, entry.credits) == (action, quantity, -credits)
    assert (entry.remaining, entry.total, book.account.used) == (300 - credits, 300, credits)


def test_the_entry_of_a_charge_tells_all_that_the_caller_told() -> None:
    usage = Usage(
        action="agent_step",
        quantity=2,
        conversation_id="conv-1",
        conversation_title="Mail from John",
        member_id="ann",
        model="gpt-5.1",
        tool="gmail_search",
        description="search and read",
    )

    (entry,) = charge(free_account(allocation(300)), CATALOG, now=NOW, key="c#k1", lines=[usage]).entries

    assert (entry.book_id, entry.account_id, entry.key, entry.kind.value) == ("acme", "acme", "c#k1", "charge")
    assert (entry.at, entry.seq, entry.credits, entry.remaining, entry.total) == (NOW, 1, -4, 296, 300)
    assert (entry.action, entry.quantity, entry.lines) == ("agent_step", 2, 1)
    assert (entry.conversation_id, entry.conversation_title) == ("conv-1", "Mail from John")
    assert (entry.member_id, entry.model, entry.tool) == ("ann", "gpt-5.1", "gmail_search")
    assert entry.description == "search and read"
    assert entry.catalog_version == "2026-11-23"


def test_the_lines_of_a_batch_carry_the_key_and_a_number_and_the_first_says_how_many() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.batch(("message", 1), ("web_fetch", 5), ("ai_response", 1), at="2026-01-10 10:00")

    assert told(entries) == [
        ("c#k1", "2026-01-10 10:00", -1, 299),
        ("c#k1#01", "2026-01-10 10:00", -5, 294),
        ("c#k1#02", "2026-01-10 10:00", 0, 294),
    ]
    assert [(entry.seq, entry.lines) for entry in entries] == [(3, 3), (4, 1), (5, 1)]


def test_a_batch_that_is_one_credit_short_charges_no_line() -> None:
    book = Book(free_account(allocation(24)))

    with pytest.raises(InsufficientCredits) as refusal:
        book.batch(("message", 5), ("deep_research", 1), ("ai_response", 1), at="2026-01-15")

    assert refusal.value.fields == {"required": 25, "remaining": 24, "resets_at": utc("2026-02-10 09:00")}
    assert (book.account.remaining, book.entries) == (24, [])


def test_a_batch_may_spend_the_last_credit_across_its_grants() -> None:
    book = Book(free_account(allocation(4), Grant("g1", GrantKind.PACK, 400, 21)))

    first, second = book.batch(("message", 5), ("deep_research", 1), at="2026-01-15")

    assert drawn(first) == [("a1", "allocation", -4), ("g1", "pack", -1)]
    assert drawn(second) == [("g1", "pack", -20)]
    assert (book.account.remaining, book.account.grants) == (0, ())


def test_what_was_carried_over_burns_before_the_new_allocation() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 40, at="2026-01-11")
    book.change_plan("pro", at="2026-01-20 12:00")

    (entry,) = book.charge("message", 261, at="2026-01-21")

    assert drawn(entry) == [("g2", "carryover", -260), ("g4", "allocation", -1)]
    assert grants(book.account) == [("allocation", 999, "2026-02-20 12:00")]


def test_above_zero_a_charge_that_is_not_covered_is_insufficient() -> None:
    book = Book(free_account(allocation(19)))

    with pytest.raises(InsufficientCredits) as refusal:
        book.charge("deep_research", at="2026-01-15")

    assert refusal.type is InsufficientCredits
    assert refusal.value.fields == {"required": 20, "remaining": 19, "resets_at": utc("2026-02-10 09:00")}
    assert str(refusal.value) == (
        "Credits needed: 20, left: 19. Wait for the reset on 10 February 2026, upgrade the plan or buy a pack."
    )


def test_at_zero_a_charge_is_refused_as_exhausted() -> None:
    book = Book(free_account())

    with pytest.raises(CreditsExhausted) as refusal:
        book.charge("message", at="2026-01-15")

    assert refusal.value.fields == {"required": 1, "remaining": 0, "resets_at": utc("2026-02-10 09:00")}


def test_held_and_frozen_credits_cannot_be_charged() -> None:
    book = Book(free_account(Grant("g1", GrantKind.PACK, 400, 0, held=100, frozen=100)))

    with pytest.raises(CreditsExhausted):
        book.charge("message", at="2026-01-15")


def test_a_free_action_passes_at_zero_and_draws_nothing() -> None:
    book = Book(free_account())

    (entry,) = book.charge("ai_response", at="2026-01-15")

    assert (entry.credits, entry.draws, entry.remaining) == (0, (), 0)


def test_a_free_action_passes_when_payment_is_past_due() -> None:
    (entry,) = Book(PAST_DUE).charge("ai_response", at="2026-01-15")

    assert entry.credits == 0


def test_a_free_action_beside_one_that_costs_is_refused_with_it() -> None:
    book = Book(free_account())

    with pytest.raises(CreditsExhausted):
        book.batch(("ai_response", 1), ("message", 1), at="2026-01-15")

    assert book.entries == []


def test_an_unknown_action_is_the_first_thing_told() -> None:
    catalog = excluding("deep_research", "free")
    lines = [Usage(action="deep_research", model="claude-opus"), Usage(action="teleport")]

    with pytest.raises(InvalidRequest) as refusal:
        charge(PAST_DUE, catalog, now=NOW, key="c#k1", lines=lines)

    assert refusal.value.fields["field"] == "charges.1.action"


def test_the_field_of_an_unknown_action_in_a_single_charge_is_action() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Book(free_account()).charge("teleport", at="2026-01-15")

    assert refusal.value.fields["field"] == "action"
    assert str(refusal.value) == (
        "action: there is no action 'teleport'; the catalog has message, agent_step, web_fetch, image_generation, "
        "image_edit, deep_research, ai_response"
    )


def test_the_plan_is_told_before_the_payment() -> None:
    with pytest.raises(NotInPlan):
        charge(PAST_DUE, CATALOG, now=NOW, key="c#k1", lines=[Usage(action="message", model="claude-opus")])


def test_the_payment_is_told_before_the_balance() -> None:
    with pytest.raises(PaymentRequired):
        charge(PAST_DUE, CATALOG, now=NOW, key="c#k1", lines=[Usage(action="message")])


def test_a_charge_at_the_instant_of_the_reset_spends_the_new_allocation() -> None:
    book = Book(free_account(allocation(2)))

    entries = book.charge("deep_research", at="2026-02-10 09:00")

    assert told(entries) == [
        ("expire#a1", "2026-02-10 09:00", -2, 0),
        ("allocation#2026-01-10T09:00:00.000Z#1", "2026-02-10 09:00", 300, 300),
        ("c#k1", "2026-02-10 09:00", -20, 280),
    ]


def test_a_charge_a_millisecond_before_the_reset_has_only_what_is_left() -> None:
    with pytest.raises(InsufficientCredits):
        Book(free_account(allocation(2))).charge("deep_research", at="2026-02-10 08:59:59.999")


def test_the_reset_that_a_refusal_names_is_that_of_the_period_now_is_in() -> None:
    book = Book(free_account())

    with pytest.raises(InsufficientCredits) as refusal:
        book.charge("deep_research", 16, at="2026-05-20")

    assert refusal.value.fields == {"required": 320, "remaining": 300, "resets_at": utc("2026-06-10 09:00")}


def test_a_charge_when_the_clock_stepped_back_is_written_at_the_last_entrys_instant() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge(at="2026-02-10 09:00")

    entries = book.charge(at="2026-02-10 08:59")

    assert told(entries) == [("c#k2", "2026-02-10 09:00", -1, 298)]
