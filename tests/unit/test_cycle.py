"""The billing cycle, by the calendar: every date here was counted by hand."""

import pytest

from credits.domain.cycle import Period, period, period_at
from tests.unit.books import utc


@pytest.mark.parametrize(
    ("anchor", "starts"),
    [
        (
            "2026-01-28",
            ["2026-01-28", "2026-02-28", "2026-03-28", "2026-04-28", "2026-05-28", "2026-06-28", "2026-07-28"],
        ),
        (
            "2026-01-29",
            ["2026-01-29", "2026-02-28", "2026-03-29", "2026-04-29", "2026-05-29", "2026-06-29", "2026-07-29"],
        ),
        (
            "2026-01-30",
            ["2026-01-30", "2026-02-28", "2026-03-30", "2026-04-30", "2026-05-30", "2026-06-30", "2026-07-30"],
        ),
        (
            "2026-01-31",
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30", "2026-07-31"],
        ),
        (
            "2026-08-31",
            ["2026-08-31", "2026-09-30", "2026-10-31", "2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"],
        ),
        (
            "2027-12-31",
            ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30"],
        ),
        (
            "2028-01-30",
            ["2028-01-30", "2028-02-29", "2028-03-30", "2028-04-30", "2028-05-30", "2028-06-30", "2028-07-30"],
        ),
        (
            "2028-02-29",
            ["2028-02-29", "2028-03-29", "2028-04-29", "2028-05-29", "2028-06-29", "2028-07-29", "2028-08-29"],
        ),
    ],
)
def test_a_short_month_ends_a_period_early_and_the_next_one_finds_the_billing_date_again(
    anchor: str, starts: list[str]
) -> None:
    periods = [period(utc(anchor), number) for number in range(7)]

    assert [each.start for each in periods] == [utc(start) for start in starts]
    assert [each.end for each in periods[:-1]] == [utc(start) for start in starts[1:]]


def test_an_anchor_on_29_february_keeps_the_29th_but_in_a_february_that_has_none() -> None:
    anchor = utc("2028-02-29 12:00")

    assert period(anchor, 11) == Period(11, utc("2029-01-29 12:00"), utc("2029-02-28 12:00"))
    assert period(anchor, 12) == Period(12, utc("2029-02-28 12:00"), utc("2029-03-29 12:00"))
    assert period(anchor, 48) == Period(48, utc("2032-02-29 12:00"), utc("2032-03-29 12:00"))


@pytest.mark.parametrize(
    ("instant", "number", "start", "end"),
    [
        ("2026-01-31 09:30:00.000", 0, "2026-01-31 09:30", "2026-02-28 09:30"),
        ("2026-02-28 09:29:59.999", 0, "2026-01-31 09:30", "2026-02-28 09:30"),
        ("2026-02-28 09:30:00.000", 1, "2026-02-28 09:30", "2026-03-31 09:30"),
        ("2026-03-01 00:00:00.000", 1, "2026-02-28 09:30", "2026-03-31 09:30"),
        ("2026-03-31 09:29:59.999", 1, "2026-02-28 09:30", "2026-03-31 09:30"),
        ("2026-03-31 09:30:00.000", 2, "2026-03-31 09:30", "2026-04-30 09:30"),
        ("2026-04-30 09:29:59.999", 2, "2026-03-31 09:30", "2026-04-30 09:30"),
        ("2026-04-30 09:30:00.000", 3, "2026-04-30 09:30", "2026-05-31 09:30"),
    ],
)
def test_the_instant_a_period_ends_belongs_to_the_next_one_to_the_millisecond(
    instant: str, number: int, start: str, end: str
) -> None:
    assert period_at(utc("2026-01-31 09:30"), utc(instant)) == Period(number, utc(start), utc(end))


@pytest.mark.parametrize(
    ("anchor", "instant", "number", "start", "end"),
    [
        ("2026-01-31", "2027-02-14", 12, "2027-01-31", "2027-02-28"),
        ("2026-01-31", "2027-02-28", 13, "2027-02-28", "2027-03-31"),
        ("2027-01-29", "2028-02-28 23:59", 12, "2028-01-29", "2028-02-29"),
        ("2027-01-29", "2028-02-29", 13, "2028-02-29", "2028-03-29"),
        ("2028-02-29", "2029-02-27", 11, "2029-01-29", "2029-02-28"),
        ("2028-02-29", "2029-02-28", 12, "2029-02-28", "2029-03-29"),
        ("2026-11-23", "2026-12-31 23:59", 1, "2026-12-23", "2027-01-23"),
    ],
)
def test_an_account_that_was_idle_for_a_year_finds_the_period_it_is_in(
    anchor: str, instant: str, number: int, start: str, end: str
) -> None:
    assert period_at(utc(anchor), utc(instant)) == Period(number, utc(start), utc(end))


@pytest.mark.parametrize("instant", ["2026-03-15 11:59", "2026-03-01", "2026-02-28", "2025-12-31", "2020-07-04"])
def test_a_clock_that_stepped_back_before_the_anchor_is_in_the_first_period(instant: str) -> None:
    assert period_at(utc("2026-03-15 12:00"), utc(instant)) == Period(
        0, utc("2026-03-15 12:00"), utc("2026-04-15 12:00")
    )


def test_the_time_of_day_is_kept_to_the_millisecond_through_a_year() -> None:
    anchor = utc("2026-01-31 23:59:59.999")

    assert period(anchor, 1).start == utc("2026-02-28 23:59:59.999")
    assert period(anchor, 12).start == utc("2027-01-31 23:59:59.999")
