"""Insights: the burn rate, when credits run out at it, and what the tips would have saved."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from credits.domain.account import Account
from credits.domain.grant import Grant, GrantKind
from credits.usage.fold import Day, Tally
from credits.usage.insights import COUNTED, Forecast, Outlook, forecast, insights_of
from tests.unit.books import CATALOG, allocation, free_account, minute, utc

NOW = utc("2026-01-25 09:00")
"""Half of the period, which ends on 10 February at 09:00, is over."""


def day(date: str, quarter: str = "12:00", runs: int = 0, **tallies: Tally) -> Day:
    return Day(f"day#{date}", {quarter: tallies}, {quarter: runs} if runs else {})


def account(*grants: Grant, opened: str = "2025-06-10 09:00") -> Account:
    return free_account(*grants, opened=opened, at="2026-01-24")


def pack(remaining: int) -> Grant:
    return Grant("p1", GrantKind.PACK, 400, remaining)


def promotion(remaining: int, expires: str) -> Grant:
    return Grant("b1", GrantKind.PROMOTION, 100, remaining, expires_at=utc(expires))


def spent(credits: int) -> list[Day]:
    """Credits that were spent two days ago."""
    return [day("2026-01-23", message=Tally(credits, credits))]


def test_the_rate_is_that_of_the_last_seven_days() -> None:
    days = [
        day("2026-01-18", "08:45", message=Tally(1_000, 1_000)),  # the quarter hour before them
        day("2026-01-18", "09:00", message=Tally(10, 10)),
        day("2026-01-21", deep_research=Tally(1, 20), ai_response=Tally(5, 0)),
        day("2026-01-25", "08:45", image_edit=Tally(1, 5)),
    ]

    drawn = forecast(days, account(allocation(160)), now=NOW)

    assert (drawn.used, drawn.since, drawn.until) == (35, utc("2026-01-18 09:00"), NOW)
    assert drawn.credits_per_day == 5
    assert (drawn.outlook, drawn.remaining, drawn.resets_at) == (Outlook.LASTS, 160, utc("2026-02-10 09:00"))


@pytest.mark.parametrize(
    ("remaining", "outlook", "runs_out_at"),
    [
        (5, Outlook.RUNS_OUT, "2026-01-26 09:00"),
        (75, Outlook.RUNS_OUT, "2026-02-09 09:00"),
        (79, Outlook.RUNS_OUT, "2026-02-10 04:12"),
        (80, Outlook.LASTS, None),  # the last credit goes at the very reset
        (300, Outlook.LASTS, None),
        (0, Outlook.EXHAUSTED, None),
    ],
)
def test_at_five_credits_a_day_credits_last_a_day_for_each_five(
    remaining: int, outlook: Outlook, runs_out_at: str | None
) -> None:
    holds = account(allocation(remaining)) if remaining else account()
    drawn = forecast(spent(35), holds, now=NOW)

    assert (drawn.outlook, drawn.runs_out_at and minute(drawn.runs_out_at)) == (outlook, runs_out_at)


def test_without_usage_there_is_no_rate() -> None:
    drawn = forecast([], account(allocation(300)), now=NOW)

    assert drawn.credits_per_day == 0
    assert (drawn.outlook, drawn.runs_out_at) == (Outlook.UNUSED, None)


def test_what_expires_before_its_turn_does_not_carry_the_forecast() -> None:
    # 50 of the promotion's 60 expire unspent two days on; the allocation goes on from there.
    holds = account(allocation(25), promotion(60, "2026-01-27 09:00"))

    drawn = forecast(spent(35), holds, now=NOW)

    assert drawn.runs_out_at == utc("2026-02-01 09:00")


def test_packs_are_spent_after_what_expires() -> None:
    assert forecast(spent(35), account(allocation(25), pack(25)), now=NOW).runs_out_at == utc("2026-02-04 09:00")
    assert forecast(spent(35), account(pack(1_000_000_000)), now=NOW).runs_out_at is None


def test_held_and_frozen_credits_are_not_there_to_be_spent() -> None:
    holds = account(replace(allocation(25), held=100, frozen=100))

    assert forecast(spent(35), holds, now=NOW).runs_out_at == utc("2026-01-30 09:00")


@pytest.mark.parametrize(
    ("opened", "since", "per_day"),
    [
        ("2026-01-25 08:50", "2026-01-25 08:45", 30),  # its first ten minutes count as a day
        ("2026-01-24 09:00", "2026-01-24 09:00", 30),
        ("2026-01-22 09:00", "2026-01-22 09:00", 10),
        ("2026-01-18 09:00", "2026-01-18 09:00", 30 / 7),
        ("2026-01-25 10:00", "2026-01-25 09:00", 0),  # by a clock that stepped back since
    ],
)
def test_the_rate_of_a_young_account_is_that_of_its_life(opened: str, since: str, per_day: float) -> None:
    holds = replace(account(allocation(160)), opened_at=utc(opened))

    drawn = forecast([day("2026-01-25", "08:45", message=Tally(30, 30))], holds, now=NOW)

    assert drawn.since <= drawn.until
    assert minute(drawn.since) == since
    assert float(drawn.credits_per_day) == pytest.approx(per_day)


def tips(*days: Day) -> Mapping[str, tuple[int | None, int | None]]:
    advice = insights_of(days, CATALOG, account(allocation(160)), now=NOW).tips
    return {each.tip.id: (each.count, each.credits_saved) for each in advice}


def test_the_tips_are_told_in_the_catalogs_order_and_two_of_them_are_counted() -> None:
    assert tips(day("2026-01-23", runs=7, message=Tally(12, 12), web_fetch=Tally(9, 9))) == {
        "combine_requests": (5, 5),
        "simple_model": (None, None),
        "web_search": (9, 9),
        "weekly_look": (None, None),
    }
    assert list(tips()) == ["combine_requests", "simple_model", "web_search", "weekly_look"]
    assert tips()["combine_requests"] == (0, 0)


def test_tips_are_counted_over_thirty_days() -> None:
    assert tips(
        day("2025-12-26", "08:45", runs=1, message=Tally(50, 50), web_fetch=Tally(50, 50)),
        day("2025-12-26", "09:00", runs=1, message=Tally(3, 3), web_fetch=Tally(1, 1)),
        day("2026-01-25", "08:45", runs=2, message=Tally(4, 4), web_fetch=Tally(1, 1)),
    ) == {"combine_requests": (4, 4), "simple_model": (None, None), "web_search": (2, 2), "weekly_look": (None, None)}


def test_every_tip_that_the_catalog_calls_counted_is_counted() -> None:
    assert {tip.id for tip in CATALOG.tips.values() if tip.counted} == set(COUNTED)
    assert {"message", "web_fetch"} <= set(CATALOG.actions)


def test_a_forecast_is_of_the_account_as_it_is_now() -> None:
    assert forecast(spent(35), account(allocation(75)), now=NOW) == Forecast(
        outlook=Outlook.RUNS_OUT,
        used=35,
        since=utc("2026-01-18 09:00"),
        until=utc("2026-01-25 09:00"),
        remaining=75,
        runs_out_at=utc("2026-02-09 09:00"),
        resets_at=utc("2026-02-10 09:00"),
    )
