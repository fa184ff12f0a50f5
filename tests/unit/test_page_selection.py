"""What the page's address asks for, and what becomes of an address that cannot be."""

from datetime import date

import pytest

from credits.domain.entry import EntryKind
from credits.page.reader import reader_of
from credits.page.selection import Address, Selection, selection_of
from credits.usage.report import Granularity
from tests.unit.books import CATALOG, free_account, utc

NOW = utc("2026-01-20 23:30")


def selected(zone: str = "Europe/Berlin", **query: str) -> Selection:
    """What the query selects of an account whose period is 10 January 9:00 to 10 February 9:00."""
    reader = reader_of(language=None, accepted=None, zone=zone)
    query = {name.rstrip("_"): value for name, value in query.items()}
    return selection_of(query, free_account(), CATALOG, reader, now=NOW)


def test_by_itself_the_page_shows_the_current_period_by_day() -> None:
    selection = selected()
    assert (selection.since, selection.until) == (utc("2026-01-10 09:00"), utc("2026-02-10 09:00"))
    assert (selection.first, selection.last) == (date(2026, 1, 10), date(2026, 2, 10))
    assert (selection.span, selection.by, selection.problem) == ("period", Granularity.DAY, None)
    assert selection.parameters == {}
    assert not selection.narrowed


@pytest.mark.parametrize(
    ("span", "first", "by"),
    [
        ("7d", date(2026, 1, 15), Granularity.DAY),
        ("30d", date(2025, 12, 23), Granularity.DAY),
        ("90d", date(2025, 10, 24), Granularity.WEEK),
        ("12m", date(2025, 1, 22), Granularity.WEEK),
    ],
)
def test_a_span_of_days_ends_with_the_reader_s_today(span: str, first: date, by: Granularity) -> None:
    selection = selected(span=span)
    assert (selection.first, selection.last) == (first, date(2026, 1, 21))
    assert selection.until == utc("2026-01-21 23:00")
    assert selection.by is by
    assert selection.parameters["span"] == span


def test_dates_are_whole_days_where_the_reader_is_and_the_last_is_included() -> None:
    selection = selected(from_="2026-01-01", to="2026-01-03")
    assert (selection.since, selection.until) == (utc("2025-12-31 23:00"), utc("2026-01-03 23:00"))
    assert selection.parameters == {"from": "2026-01-01", "to": "2026-01-03"}


def test_the_dates_of_a_span_that_a_form_sends_along_leave_it_what_it_is() -> None:
    selection = selected(span="7d", from_="2026-01-15", to="2026-01-21", type="message")
    assert selection.parameters == {"span": "7d", "type": "message"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"from_": "2026-01-05", "to": "2026-01-04"}, "The first date is after the last, so neither was used."),
        ({"from_": "yesterday"}, "These dates could not be read."),
        ({"to": "9999-12-31"}, "These dates could not be read."),
        ({"from_": "2024-01-01", "to": "2026-01-04"}, "More than 400 days cannot be shown at once."),
        ({"type": "teleport"}, "There is no such type of activity, so all of them are shown."),
        ({"from_": "2025-10-01", "to": "2026-01-04", "by": "day"}, "So many days are drawn by week."),
    ],
)
def test_what_cannot_be_is_left_out_with_a_word(query: dict[str, str], problem: str) -> None:
    assert selected(**query).problem == problem


def test_what_is_too_long_to_be_ours_is_left_out() -> None:
    assert selected(conversation="x" * 501).conversation_id is None
    assert selected(span="forever", by="hour").parameters == {}


def test_a_type_is_an_action_or_another_movement() -> None:
    assert selected(type="web_fetch").action == "web_fetch"
    assert selected(type="expiry").kind is EntryKind.EXPIRY
    assert selected(type="expiry").parameters == {"type": "expiry"}


def test_a_selection_and_its_address_say_the_same() -> None:
    query = {"span": "30d", "by": "week", "type": "message", "conversation": "chat-1", "member": "alice"}
    assert selected(**query).parameters == query
    assert selected(**query).narrowed


def test_an_address_carries_what_every_link_needs() -> None:
    address = Address("/usage", {"session": "t o", "tz": "Europe/Berlin"})
    assert address.to({"type": "a&b"}, "history") == "/usage?session=t+o&tz=Europe%2FBerlin&type=a%26b#history"
    assert address.to({}, path="/usage/history.csv") == "/usage/history.csv?session=t+o&tz=Europe%2FBerlin"
