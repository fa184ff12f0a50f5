"""The reader's own way of writing numbers, money and dates, and how it is known."""

from datetime import date

import pytest

from credits.page.reader import Reader, reader_of
from tests.unit.books import utc

EVENING = utc("2026-11-25 23:30")


def reader(language: str | None = "en-US", accepted: str | None = None, zone: str | None = "UTC") -> Reader:
    return reader_of(language=language, accepted=accepted, zone=zone)


@pytest.mark.parametrize(
    ("language", "number", "whole", "broken", "day", "time"),
    [
        ("en-US", "12,500", "$29", "$9.99", "November 25, 2026", "11:30\u202fPM"),
        ("en-GB", "12,500", "US$29", "US$9.99", "25 November 2026", "23:30"),
        ("de", "12.500", "29\xa0$", "9,99\xa0$", "25. November 2026", "23:30"),
        ("fr-FR", "12\u202f500", "29\xa0$US", "9,99\xa0$US", "25 novembre 2026", "23:30"),
        ("ja", "12,500", "$29", "$9.99", "2026年11月25日", "23:30"),
    ],
)
def test_figures_are_written_as_the_reader_writes_them(
    language: str, number: str, whole: str, broken: str, day: str, time: str
) -> None:
    told = reader(language)
    assert told.number(12_500) == number
    assert (told.money(2_900, "usd"), told.money(999, "usd")) == (whole, broken)
    assert (told.long_date(EVENING), told.time(EVENING)) == (day, time)


def test_dates_come_in_the_lengths_that_there_is_room_for() -> None:
    told = reader()
    assert told.day(EVENING) == "Nov 25"
    assert told.day_and_year(EVENING) == "Nov 25, 2026"
    assert told.month(EVENING) == "Nov 2026"
    assert told.day(date(2026, 2, 28)) == "Feb 28"


def test_an_instant_is_told_on_the_day_that_it_has_where_the_reader_is() -> None:
    told = reader(zone="Europe/Berlin")
    assert told.day_of(EVENING) == date(2026, 11, 26)
    assert told.long_date(EVENING) == "November 26, 2026"
    assert told.time(EVENING) == "12:30\u202fAM"


def test_signs_are_as_wide_as_each_other() -> None:
    told = reader()
    assert [told.signed(value) for value in (1_000, 0, -7)] == ["+1,000", "0", "−7"]


@pytest.mark.parametrize(
    ("value", "told"), [(0.26, "0.3"), (3.0, "3"), (9.64, "9.6"), (12.5, "12"), (1_234.5, "1,234")]
)
def test_a_rate_has_a_tenth_only_where_that_says_something(value: float, told: str) -> None:
    assert reader().rate(value) == told


@pytest.mark.parametrize(
    ("part", "whole", "told"), [(0, 50_000, "0%"), (49_999, 50_000, "99%"), (5, 4, "125%"), (0, 0, "0%")]
)
def test_a_percentage_is_all_of_it_only_where_all_is_used(part: int, whole: int, told: str) -> None:
    assert reader().percent(part, whole) == told


def test_what_the_product_says_goes_before_what_the_browser_says() -> None:
    assert reader("de-AT", accepted="fr-FR,fr;q=0.9").language == "de-AT"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr-CH"),
        ("en;q=0.1, de;q=0.9", "de"),
        ("xx-YY, pt-BR;q=0.5", "pt-BR"),
        ("de;q=0, *", "en-US"),
        ("de;q=much", "en-US"),
        ("../../etc/passwd", "en-US"),
        ("", "en-US"),
        (None, "en-US"),
        (",".join(["x1"] * 50) + ",de", "en-US"),
    ],
)
def test_the_browser_s_languages_are_tried_in_its_order(accepted: str | None, language: str) -> None:
    assert reader(None, accepted=accepted).language == language


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../UTC", "Europe"])
def test_a_time_zone_that_is_none_is_utc(zone: str | None) -> None:
    assert reader(zone=zone).zone_name == "UTC"
