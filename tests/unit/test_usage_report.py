"""Reports: quarter hours drawn as days, weeks and months where the reader lives."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from credits.domain.cycle import Period
from credits.errors import InvalidRequest
from credits.usage.fold import Day, Tally
from credits.usage.report import Granularity, Wanted, drawn, instant_of, wanted_time, zone_named

DAY, WEEK, MONTH = Granularity.DAY, Granularity.WEEK, Granularity.MONTH


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def every_quarter_hour(first: str, last: str) -> list[Day]:
    """UTC days on which each quarter hour used one credit."""
    day, days = utc(first), []
    while day <= utc(last):
        quarters = {
            f"{hour:02d}:{minute:02d}": {"message": Tally(1, 1)} for hour in range(24) for minute in (0, 15, 30, 45)
        }
        days.append(Day(f"day#{day:%Y-%m-%d}", quarters))
        day += timedelta(days=1)
    return days


def told(granularity: Granularity, since: str, until: str, zone: tzinfo, days: list[Day]) -> list[tuple[str, int]]:
    since_at, until_at = instant_of(since, "from", zone), instant_of(until, "to", zone)
    report = drawn(days, Wanted(granularity, since_at, until_at, zone))
    return [(bucket.start.isoformat(timespec="minutes"), bucket.credits) for bucket in report.buckets]


@pytest.mark.parametrize(
    ("zone", "since", "until", "expected"),
    [
        (
            "UTC",
            "2026-10-24",
            "2026-10-26",
            [("2026-10-24T00:00+00:00", 96), ("2026-10-25T00:00+00:00", 96)],
        ),
        (  # clocks go forward an hour on 29 March: the day has 23 hours
            "Europe/Berlin",
            "2026-03-28",
            "2026-03-31",
            [("2026-03-28T00:00+01:00", 96), ("2026-03-29T00:00+01:00", 92), ("2026-03-30T00:00+02:00", 96)],
        ),
        (  # and back on 25 October: 25 hours
            "Europe/Berlin",
            "2026-10-24",
            "2026-10-27",
            [("2026-10-24T00:00+02:00", 96), ("2026-10-25T00:00+02:00", 100), ("2026-10-26T00:00+01:00", 96)],
        ),
        (
            "America/Los_Angeles",
            "2026-03-07",
            "2026-03-10",
            [("2026-03-07T00:00-08:00", 96), ("2026-03-08T00:00-08:00", 92), ("2026-03-09T00:00-07:00", 96)],
        ),
        (
            "America/Los_Angeles",
            "2026-10-31",
            "2026-11-03",
            [("2026-10-31T00:00-07:00", 96), ("2026-11-01T00:00-07:00", 100), ("2026-11-02T00:00-08:00", 96)],
        ),
        (
            "Asia/Kathmandu",
            "2026-10-24",
            "2026-10-26",
            [("2026-10-24T00:00+05:45", 96), ("2026-10-25T00:00+05:45", 96)],
        ),
    ],
)
def test_a_day_is_as_long_as_it_is_where_the_reader_lives(
    zone: str, since: str, until: str, expected: list[tuple[str, int]]
) -> None:
    around = every_quarter_hour(f"{since[:8]}01", "2026-11-04" if since > "2026-10" else "2026-04-01")

    assert told(DAY, since, until, zone_named(zone), around) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", [("2026-11-22T00:00+00:00", 5), ("2026-11-23T00:00+00:00", 2)]),
        ("Europe/Berlin", [("2026-11-22T00:00+01:00", 0), ("2026-11-23T00:00+01:00", 7)]),
        ("America/Los_Angeles", [("2026-11-22T00:00-08:00", 7), ("2026-11-23T00:00-08:00", 0)]),
        ("Asia/Kathmandu", [("2026-11-22T00:00+05:45", 0), ("2026-11-23T00:00+05:45", 7)]),
    ],
)
def test_the_same_usage_falls_on_the_day_of_the_reader(zone: str, expected: list[tuple[str, int]]) -> None:
    days = [
        Day("day#2026-11-22", {"23:00": {"image_edit": Tally(1, 5)}}),
        Day("day#2026-11-23", {"01:15": {"agent_step": Tally(1, 2)}}),
    ]

    assert told(DAY, "2026-11-22", "2026-11-24", zone_named(zone), days) == expected


def test_the_last_week_of_2026_is_its_53rd_and_reaches_into_2027() -> None:
    days = [
        Day("day#2026-12-27", {"12:00": {"message": Tally(1, 1)}}),  # Sunday of week 52
        Day("day#2026-12-28", {"12:00": {"message": Tally(2, 2)}}),  # Monday of week 53
        Day("day#2027-01-03", {"23:45": {"message": Tally(4, 4)}}),  # Sunday of week 53
        Day("day#2027-01-04", {"00:00": {"message": Tally(8, 8)}}),  # Monday of week 1
    ]

    assert told(WEEK, "2026-12-27", "2027-01-05", UTC, days) == [
        ("2026-12-21T00:00+00:00", 1),
        ("2026-12-28T00:00+00:00", 6),
        ("2027-01-04T00:00+00:00", 8),
    ]
    assert datetime(2026, 12, 28, tzinfo=UTC).isocalendar()[:2] == (2026, 53)
    assert datetime(2027, 1, 4, tzinfo=UTC).isocalendar()[:2] == (2027, 1)


def test_months_begin_on_their_first_day_and_the_empty_ones_are_there() -> None:
    days = [
        Day("day#2026-01-31", {"23:00": {"message": Tally(1, 1)}}),
        Day("day#2026-03-01", {"00:00": {"message": Tally(2, 2)}}),
    ]

    assert told(MONTH, "2026-01-31", "2026-04-01", UTC, days) == [
        ("2026-01-01T00:00+00:00", 1),
        ("2026-02-01T00:00+00:00", 0),
        ("2026-03-01T00:00+00:00", 2),
    ]
    assert told(MONTH, "2026-02-01", "2026-03-01", zone_named("Europe/Berlin"), days) == [("2026-02-01T00:00+01:00", 1)]


def test_where_midnight_does_not_exist_the_day_begins_at_one() -> None:
    cairo = zone_named("Africa/Cairo")
    days = every_quarter_hour("2026-04-22", "2026-04-25")

    assert told(DAY, "2026-04-23", "2026-04-25", cairo, days) == [
        ("2026-04-23T00:00+02:00", 96),
        ("2026-04-24T01:00+03:00", 92),
    ]


def test_a_report_of_one_action_counts_that_alone() -> None:
    days = [Day("day#2026-11-23", {"12:00": {"message": Tally(3, 3), "web_fetch": Tally(2, 2)}})]

    report = drawn(days, Wanted(DAY, utc("2026-11-23"), utc("2026-11-24"), action="web_fetch"))

    assert report.total == 2
    assert report.buckets[0].actions == {"web_fetch": Tally(2, 2)}


def test_a_quarter_hour_that_the_range_cuts_counts_whole() -> None:
    days = every_quarter_hour("2026-11-23", "2026-11-23")

    report = drawn(days, Wanted(DAY, utc("2026-11-23T12:07"), utc("2026-11-23T12:31")))

    assert report.total == 3


@pytest.mark.parametrize(
    "name", ["Berlin", "", "Europe", "Europe/", "/etc/localtime", "../etc/passwd", "Europe/Berlin\0", "+01:00", "ü"]
)
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        zone_named(name)
    assert refused.value.fields["field"] == "tz"


def test_what_is_not_given_is_the_current_periods() -> None:
    period = Period(0, utc("2026-11-23"), utc("2026-12-23"))

    assert wanted_time(None, None, period) == (utc("2026-11-23"), utc("2026-12-23"))
    assert wanted_time(utc("2026-12-01"), None, period) == (utc("2026-12-01"), utc("2026-12-23"))
    assert wanted_time(None, utc("2026-12-01"), period) == (utc("2026-11-23"), utc("2026-12-01"))


@pytest.mark.parametrize(("since", "until", "field"), [("1969-12-31", None, "from"), (None, "9000-01-01", "to")])
def test_a_time_at_the_calendars_ends_is_refused(since: str | None, until: str | None, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wanted_time(
            utc(since) if since else None,
            utc(until) if until else None,
            Period(0, utc("2026-11-23"), utc("2026-12-23")),
        )
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize(
    ("since", "until"), [("2026-11-23", "2026-11-23"), ("2026-11-23", "2026-11-22"), ("2025-01-01", "2026-02-06")]
)
def test_a_time_that_is_none_or_too_long_is_refused(since: str, until: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wanted_time(utc(since), utc(until), Period(0, utc("2026-11-23"), utc("2026-12-23")))
    assert refused.value.fields["field"] == "to"


def test_four_hundred_days_can_be_asked_for() -> None:
    since, until = utc("2025-01-01"), utc("2026-02-05")

    assert wanted_time(since, until, Period(0, since, until)) == (since, until)
    assert len(drawn([], Wanted(DAY, since, until)).buckets) == 400
