"""Stream filters: what Lambda is told to leave out is what the functions have nothing to do with, for every kind of
entry there is."""

import json
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from credits.domain.account import CreditWarning, Standing
from credits.domain.entry import Entry, EntryKind
from credits.domain.notice import notices
from credits.ledger.dynamo import _entry_item
from local.streams import matches
from tests.template.document import functions
from tests.unit.books import Book
from tests.unit.test_properties import EXAMPLES, Step, lived, lives, openings

STREAMS = {
    name: event["Properties"]
    for name, function in functions().items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "DynamoDB"
}

(GIFT,) = Book.opened("2026-01-10").give(50, at="2026-01-10")
(PLAN_CHANGE,) = Book.opened("2026-01-10").change_plan("max", at="2026-01-10")[:1]

every_entry = pytest.mark.parametrize(
    ("kind", "alert", "change"),
    [*product(EntryKind, [None, *CreditWarning], [None, PLAN_CHANGE.change])],
    ids=lambda each: getattr(each, "value", "change" if each else "-"),
)


def is_let_through(function: str, entry: Entry, name: str = "INSERT") -> bool:
    record = {"eventName": name, "dynamodb": {"NewImage": _entry_item(entry)}}
    return any(matches(json.loads(each["Pattern"]), record) for each in STREAMS[function]["FilterCriteria"]["Filters"])


@every_entry
def test_alerts_hear_of_an_entry_where_it_has_something_to_tell(kind: EntryKind, alert: Any, change: Any) -> None:
    entry = replace(GIFT, kind=kind, alert=alert, change=change)

    assert is_let_through("alerts", entry) == bool(notices(entry))


@pytest.mark.parametrize(("before", "after"), [("active", "past_due"), ("past_due", "active"), ("unpaid", "active")])
def test_alerts_hear_of_a_payment_that_failed_or_came(before: str, after: str) -> None:
    standing = replace(GIFT.after, standing=Standing(after))
    entry = replace(GIFT, kind=EntryKind.STANDING, standing_before=Standing(before), after=standing)

    assert notices(entry)
    assert is_let_through("alerts", entry)


def test_alerts_hear_of_what_calls_for_a_top_up() -> None:
    entry = replace(GIFT, kind=EntryKind.CHARGE, calls_for="top_up")

    assert notices(entry)
    assert is_let_through("alerts", entry)


@EXAMPLES
@given(openings, lives)
def test_whatever_an_account_lives_through_alerts_hear_of_just_the_entries_that_tell_something(
    opened_at: datetime, life: list[Step]
) -> None:
    book, _ = lived(opened_at, life)

    for entry in book.entries:
        assert is_let_through("alerts", entry) == bool(notices(entry))


@every_entry
def test_usage_hears_of_every_entry_since_each_moves_its_watermark(kind: EntryKind, alert: Any, change: Any) -> None:
    assert is_let_through("usage_projection", replace(GIFT, kind=kind, alert=alert, change=change))


@pytest.mark.parametrize("function", STREAMS)
def test_only_new_items_are_entries(function: str) -> None:
    for name in ("MODIFY", "REMOVE"):
        assert not is_let_through(function, replace(PLAN_CHANGE, alert=CreditWarning.LOW), name)


@pytest.mark.parametrize("function", STREAMS)
def test_there_are_no_more_filters_than_lambda_takes(function: str) -> None:
    assert len(STREAMS[function]["FilterCriteria"]["Filters"]) <= 5
