"""Two years of daily schedules over the billing dates that not every month has; the dates are the calendar's."""

from datetime import UTC, datetime, timedelta

import pytest

from credits.domain.entry import EntryKind
from credits.ledger.audit import audit
from credits.ledger.due import renew_due
from credits.ledger.memory import MemoryStore
from credits.ledger.store import AccountKey, Span
from tests.moves import CATALOG, charged, messages, opened

# Where an account opened on this day of December 2026 is reset, in 2027 and in 2028, a leap year.
RESETS = {
    28: {
        2027: "01-28 02-28 03-28 04-28 05-28 06-28 07-28 08-28 09-28 10-28 11-28 12-28",
        2028: "01-28 02-28 03-28 04-28 05-28 06-28 07-28 08-28 09-28 10-28 11-28 12-28",
    },
    29: {
        2027: "01-29 02-28 03-29 04-29 05-29 06-29 07-29 08-29 09-29 10-29 11-29 12-29",
        2028: "01-29 02-29 03-29 04-29 05-29 06-29 07-29 08-29 09-29 10-29 11-29 12-29",
    },
    30: {
        2027: "01-30 02-28 03-30 04-30 05-30 06-30 07-30 08-30 09-30 10-30 11-30 12-30",
        2028: "01-30 02-29 03-30 04-30 05-30 06-30 07-30 08-30 09-30 10-30 11-30 12-30",
    },
    31: {
        2027: "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31",
        2028: "01-31 02-29 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31",
    },
}


def opening(day: int) -> datetime:
    return datetime(2026, 12, day, 9, 30, tzinfo=UTC)


def schedule(store: MemoryStore, at: datetime) -> int:
    """One schedule over every shard; how many accounts it renewed."""
    runs = [renew_due(store, CATALOG, "account", f"{shard:02d}", now=at, time_left=lambda: 1.0) for shard in range(16)]
    assert not any(run.failed for run in runs)
    return sum(run.renewed for run in runs)


def resets(store: MemoryStore, account_id: str) -> dict[int, str]:
    """When the account was given an allocation after its first, by year; each at the time of day it was opened."""
    found: dict[int, list[str]] = {}
    for entry in store.entries(Span(account_id), limit=1_000, newest_first=False):
        if entry.kind is EntryKind.ALLOCATION and entry.at.year > 2026:
            assert (entry.at.hour, entry.at.minute, entry.at.second) == (9, 30, 0)
            found.setdefault(entry.at.year, []).append(entry.at.strftime("%m-%d"))
    return {year: " ".join(dates) for year, dates in found.items()}


@pytest.mark.parametrize(
    "every", [timedelta(days=1), timedelta(hours=5), timedelta(days=11)], ids=["daily", "five hours", "late"]
)
def test_accounts_opened_on_the_28th_to_31st_are_reset_on_their_day_or_the_month_s_last(every: timedelta) -> None:
    store = MemoryStore()
    for day in RESETS:
        opened(store, f"opened-{day}", at=opening(day))

    at = datetime(2027, 1, 1, tzinfo=UTC)
    renewed = 0
    while at < datetime(2029, 1, 12, tzinfo=UTC):
        renewed += schedule(store, at)
        at += every

    assert {day: resets(store, f"opened-{day}") for day in RESETS} == RESETS
    assert renewed == 4 * 24
    for day in RESETS:
        assert audit(store, f"opened-{day}").problems == ()
        (account,) = store.read(AccountKey(f"opened-{day}"))
        assert account
        assert account.remaining == 300


def test_who_comes_first_each_month_makes_no_difference_to_the_books() -> None:
    """One account meets the schedule first, its twin a charge of its own, for two years of resets."""
    schedule_first, charge_first = MemoryStore(), MemoryStore()
    for store in (schedule_first, charge_first):
        opened(store, "acme", at=opening(31))

    for year, dates in RESETS[31].items():
        for date in dates.split():
            boundary = datetime.fromisoformat(f"{year}-{date}T09:30:00.000+00:00")
            schedule(schedule_first, boundary)
            for store in (schedule_first, charge_first):
                charged(store, f"{year}-{date}", messages(290), at=boundary)
            schedule(charge_first, boundary)

    books = [store.entries(Span("acme"), limit=1_000) for store in (schedule_first, charge_first)]
    assert len(books[0]) == 2 + 24 * 3
    assert [entry.hash for entry in books[0]] == [entry.hash for entry in books[1]]
    assert audit(charge_first, "acme").problems == ()
