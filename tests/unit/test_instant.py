"""Instants and their one text form."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from credits.domain.instant import floor, from_text, to_text


def test_an_instant_is_written_in_utc_with_milliseconds_and_a_z() -> None:
    assert to_text(datetime(2026, 11, 23, 6, 1, 2, 123_000, UTC)) == "2026-11-23T06:01:02.123Z"
    assert to_text(datetime(2026, 11, 23, tzinfo=UTC)) == "2026-11-23T00:00:00.000Z"
    assert to_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"


def test_the_text_is_read_back_as_the_same_instant() -> None:
    assert from_text("2026-11-23T06:01:02.123Z") == datetime(2026, 11, 23, 6, 1, 2, 123_000, UTC)


def test_an_instant_is_cut_to_the_millisecond_and_never_rounded_up() -> None:
    assert floor(datetime(2026, 11, 23, 6, 1, 2, 999_999, UTC)) == datetime(2026, 11, 23, 6, 1, 2, 999_000, UTC)


def test_an_instant_of_another_zone_is_brought_to_utc() -> None:
    berlin = timezone(timedelta(hours=1))

    assert to_text(floor(datetime(2026, 11, 23, 0, 30, tzinfo=berlin))) == "2026-11-22T23:30:00.000Z"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        floor(datetime(2026, 11, 23))  # noqa: DTZ001


def test_an_instant_that_utc_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        floor(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
