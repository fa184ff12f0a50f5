"""The overview: figures, meters, the forecast, and every notice there can be."""

from dataclasses import replace
from datetime import datetime

import pytest

from credits.domain.account import Account, PendingChange, Standing
from credits.domain.grant import Grant, GrantKind
from credits.page.overview import Figure, Meter, Notice, Overview, Part, Remedy, Tone, overview_of
from credits.page.reader import reader_of
from credits.usage.fold import Day, Tally
from credits.usage.insights import forecast
from tests.unit.books import CATALOG, allocation, free_account, utc

READER = reader_of(language="en-US", accepted=None, zone="UTC")
NOW = "2026-01-20 09:00"


def told(account: Account, now: str = NOW, *days: Day) -> Overview:
    at = utc(now)
    return overview_of(account, forecast(days, account, now=at), CATALOG, READER, now=at)


def on_pro(*grants: Grant, **changes: object) -> Account:
    return replace(free_account(*grants), plan="pro", subscription_id="sub_1", **changes)  # type: ignore[arg-type]


def frozen(credits: int, expires: datetime) -> Grant:
    return Grant("a1", GrantKind.ALLOCATION, 1_000, 0, frozen=credits, expires_at=expires)


def notices(account: Account) -> tuple[Notice, ...]:
    return told(account).notices


def test_plan_and_purchased_credits_are_shown_apart_and_what_is_held_by_its_name() -> None:
    grants = (replace(allocation(200), held=30), Grant("g2", GrantKind.PACK, 400, 100))
    overview = told(replace(free_account(*grants), used=70))

    assert (overview.plan, overview.renewal) == ("Free", "Credits refresh on February 10, 2026")
    assert (overview.remaining, overview.total, overview.low) == ("300", "400", False)
    assert overview.credits == Meter(
        300,
        400,
        "300 of 400 credits left",
        (Part("plan", "0%", "50%"), Part("purchased", "50%", "25%"), Part("held", "75%", "7.5%")),
    )
    assert overview.figures == (
        Figure("plan", "Plan credits", "200"),
        Figure("purchased", "Purchased credits", "100"),
        Figure("held", "Held by running tasks", "30"),
        Figure("used", "Used this period", "70"),
    )
    assert overview.resets == "Resets on February 10, 2026, in 21 days."
    assert overview.notices == ()


def test_meters_of_knowledge_and_workflows_count_every_seat() -> None:
    account = replace(free_account(allocation(9_000)), plan="team", seats=3, knowledge_words=3_750_000, workflows=30)
    overview = told(account)

    assert overview.plan == "Team, 3 seats"
    assert overview.knowledge_words == Meter(
        3_750_000, 15_000_000, "3,750,000 of 15,000,000 words", (Part("used", "0%", "25%"),)
    )
    assert overview.knowledge_percent == "25%"
    assert overview.workflows == Meter(30, 75, "30 of 75 active", (Part("used", "0%", "40%"),))


@pytest.mark.parametrize(
    ("now", "when"),
    [("2026-02-10 08:00", "today"), ("2026-02-09 23:00", "tomorrow"), ("2026-02-08 09:00", "in 2 days")],
)
def test_a_reset_says_how_far_it_is(now: str, when: str) -> None:
    assert told(free_account(allocation(300)), now).resets == f"Resets on February 10, 2026, {when}."


def test_the_forecast_tells_the_pace_and_where_it_leads() -> None:
    week = Day("day#2026-01-18", {"08:00": {"message": Tally(70, 70)}})
    fast = told(free_account(allocation(100)), NOW, week)
    assert fast.forecast == (
        "At your pace of 10 credits a day, your credits run out around January 30, 2026, 11 days before they reset."
    )
    slow = told(free_account(allocation(300)), NOW, week)
    assert slow.forecast == "At your pace of 10 credits a day, your credits last until they reset."
    idle = told(free_account(allocation(300)), NOW)
    assert idle.forecast == "Nothing was used in the last seven days, so there is no pace to tell yet."
    assert told(free_account(), NOW, week).forecast == ""


@pytest.mark.parametrize(("left", "title"), [(10, "10 credits are left"), (1, "1 credit is left")])
def test_at_ten_credits_and_below_people_are_warned(left: int, title: str) -> None:
    assert notices(free_account(allocation(left))) == (
        Notice(
            "low",
            Tone.WARNING,
            f"{title}",
            "Your credits reset on February 10, 2026. Upgrade or buy a pack if you need more before then.",
            Remedy.UPGRADE,
        ),
    )
    assert told(free_account(allocation(left))).low


def test_above_ten_credits_nobody_is_warned() -> None:
    assert notices(free_account(allocation(11))) == ()


def test_at_none_people_are_told_when_to_wait_for_and_how_to_go_on() -> None:
    assert notices(free_account()) == (
        Notice(
            "exhausted",
            Tone.DANGER,
            "You are out of credits",
            "New messages are refused until your credits reset on February 10, 2026. Upgrade or buy a pack "
            "to go on now. What is free still works.",
            Remedy.UPGRADE,
        ),
    )


def test_a_payment_that_failed_says_until_when_all_goes_on() -> None:
    account = on_pro(allocation(300), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-24 09:00"))
    assert notices(account) == (
        Notice(
            "past_due",
            Tone.WARNING,
            "Your last payment did not go through",
            "You can go on using your credits until January 24, 2026. Update your payment method before "
            "then, and nothing changes.",
            Remedy.PORTAL,
        ),
    )


def test_after_the_grace_credits_are_on_hold_and_that_alone_is_said() -> None:
    account = on_pro(
        frozen(640, utc("2026-02-10 09:00")), standing=Standing.PAST_DUE, grace_ends_at=utc("2026-01-19 09:00")
    )
    assert notices(account) == (
        Notice(
            "blocked",
            Tone.DANGER,
            "Your credits are on hold",
            "The last payment is overdue. Pay the open invoice, and your credits are back at once.",
            Remedy.PORTAL,
        ),
    )
    assert Figure("frozen", "On hold until payment is settled", "640") in told(account).figures


def test_what_a_dispute_keeps_back_of_a_pack_is_shown_apart_and_no_payment_is_asked_for() -> None:
    account = free_account(allocation(260), Grant("g3", GrantKind.PACK, 400, 0, frozen=40))

    overview = told(account)

    assert (overview.remaining, overview.total) == ("260", "300")
    assert overview.credits.parts == (Part("plan", "0%", "86.67%"), Part("frozen", "86.67%", "13.33%"))
    assert overview.figures == (
        Figure("plan", "Plan credits", "260"),
        Figure("purchased", "Purchased credits", "0"),
        Figure("frozen", "On hold until payment is settled", "40"),
        Figure("used", "Used this period", "0"),
    )
    assert overview.notices == ()


@pytest.mark.parametrize(
    ("standing", "told_first"),
    [
        (Standing.UNPAID, ("unpaid", "danger")),
        (Standing.INCOMPLETE, ("incomplete", "warning")),
        (Standing.PAUSED, ("paused", "info")),
    ],
)
def test_every_other_standing_is_said_plainly(standing: Standing, told_first: tuple[str, str]) -> None:
    (notice,) = notices(replace(free_account(allocation(300)), standing=standing))
    assert (notice.id, notice.tone.value) == told_first
    assert notice.remedy is Remedy.PORTAL
    assert "Free" in notice.text


@pytest.mark.parametrize("standing", [Standing.ACTIVE, Standing.TRIALING, Standing.CANCELED])
def test_a_good_standing_needs_no_word(standing: Standing) -> None:
    assert notices(replace(free_account(allocation(300)), standing=standing)) == ()


def test_a_change_that_waits_is_said_with_its_date() -> None:
    account = on_pro(allocation(300), pending=PendingChange("team", 3, utc("2026-02-10 09:00")))
    assert notices(account) == (
        Notice(
            "pending",
            Tone.INFO,
            "Your plan changes to Team, 3 seats on February 10, 2026",
            "Until then nothing changes. From then on you have 12,000 credits a month.",
            Remedy.PORTAL,
        ),
    )
    assert told(account).renewal == "Ends on February 10, 2026"


def test_renewals_are_told_as_what_they_are() -> None:
    assert told(on_pro(allocation(300))).renewal == "Renews on February 10, 2026"
    assert told(on_pro(allocation(300), standing=Standing.TRIALING)).renewal == "Trial until February 10, 2026"


def test_what_is_above_a_limit_is_deleted_by_nobody() -> None:
    account = replace(free_account(allocation(300)), knowledge_words=52_000, workflows=3)
    assert notices(account) == (
        Notice(
            "over_limit",
            Tone.INFO,
            "You have more knowledge words and workflows than your plan includes",
            "Nothing is deleted. You can add more once you are below the limit, or after an upgrade.",
            Remedy.UPGRADE,
        ),
    )
    overview = told(account)
    assert (overview.knowledge_percent, overview.knowledge_words.parts) == ("104%", (Part("over", "0%", "100%"),))
