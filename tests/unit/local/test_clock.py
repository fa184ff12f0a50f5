"""The stack's clock."""

from datetime import timedelta

import pytest

from local.clock import Clock, NotADuration


@pytest.mark.parametrize(
    ("duration", "offset"),
    [
        ("P31D", timedelta(days=31)),
        ("P2W", timedelta(days=14)),
        ("PT90M", timedelta(minutes=90)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT0S", timedelta(0)),
    ],
)
def test_it_moves_forward_by_an_iso_8601_duration(duration: str, offset: timedelta) -> None:
    clock = Clock()

    clock.advance(duration)

    assert clock.offset == offset


def test_moves_add_up() -> None:
    clock = Clock()

    clock.advance("P1D")
    clock.advance("PT1H")

    assert clock.offset == timedelta(days=1, hours=1)


@pytest.mark.parametrize(
    "duration", ["", "P", "PT", "P1", "P1M", "P1Y", "-P1D", "P-1D", "1D", "P1D ", "p1d", "P123456789D", "P١D", 31, None]
)
def test_what_is_no_duration_is_refused(duration: object) -> None:
    with pytest.raises(NotADuration, match="for example P31D"):
        Clock().advance(duration)


@pytest.mark.parametrize("duration", ["P36501D", "PT99999999H", "P5215W"])
def test_it_moves_a_hundred_years_and_no_further(duration: str) -> None:
    clock = Clock()

    with pytest.raises(NotADuration, match="at most 36500 days"):
        clock.advance(duration)
    assert clock.offset == timedelta(0)
