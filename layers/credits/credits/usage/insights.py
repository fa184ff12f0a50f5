"""Insights: how fast an account spends, when its credits run out at this rate, and what the product's tips would have
saved it. Counted from the days of the read models, so they cost the same however many entries an account has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from credits.catalog import Catalog, Tip
from credits.domain.account import Account
from credits.domain.grant import burn_order
from credits.domain.instant import from_text, to_text
from credits.ledger.read import MILLISECOND, answering
from credits.usage.fold import FIRST_INSTANT, MESSAGE, QUARTER, Day, Tally
from credits.usage.tables import Rollups

RATE_DAYS = 7
"""A whole week, so that the rate of a Monday is not that of the weekend before it."""

ADVICE_DAYS = 30
"""About a period; counted back from now, so that a reset does not make people's habits disappear."""

DAY = timedelta(days=1)
LEAST_TIME = DAY
"""What a new account used in its first hour counts as the use of a day, not of an hour."""

WEB_FETCH = "web_fetch"
"""The action that web search costs, for each URL."""


class Outlook(StrEnum):
    """What comes first at the present rate: the end of the credits, or the reset."""

    EXHAUSTED = "exhausted"
    RUNS_OUT = "runs_out"
    LASTS = "lasts"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Forecast:
    """How fast credits go, and how long they last at this rate.

    - `used` credits went from `since` on and before `until`, which is now: `credits_per_day` is drawn from these.
    - `runs_out_at` is there where the `outlook` is `runs_out`, and is before `resets_at`. `exhausted`: nothing is left
      now. `lasts`: the reset comes first. `unused`: nothing was used, so there is no rate.
    """

    outlook: Outlook
    used: int
    since: datetime
    until: datetime
    remaining: int
    runs_out_at: datetime | None
    resets_at: datetime

    @property
    def credits_per_day(self) -> Fraction:
        """The burn rate, exactly."""
        return Fraction(self.used * (DAY // MILLISECOND), max(self.until - self.since, LEAST_TIME) // MILLISECOND)


@dataclass(frozen=True, slots=True)
class Advice:
    """A tip, and what following it would have saved the account.

    `count` is how often there was occasion for it, `credits_saved` what those cost; both None for a tip that no history
    can measure.
    """

    tip: Tip
    count: int | None = None
    credits_saved: int | None = None


@dataclass(frozen=True, slots=True)
class Insights:
    """The forecast of an account, and the product's tips in the catalog's order, counted since `advised_since`."""

    forecast: Forecast
    advised_since: datetime
    tips: tuple[Advice, ...]


@answering
def insights(rollups: Rollups, catalog: Catalog, account: Account, *, now: datetime) -> Insights:
    """The account's insights; `account` is as of `now`. It reads the days of a month, and nothing else."""
    since = _began(account, now, ADVICE_DAYS)
    days = rollups.days(account.account_id, to_text(since)[:10], to_text(now)[:10])
    return insights_of(days, catalog, account, now=now)


def insights_of(days: Sequence[Day], catalog: Catalog, account: Account, *, now: datetime) -> Insights:
    """The insights that these days give."""
    since = _began(account, now, ADVICE_DAYS)
    habits = _habits(days, since)
    tips = tuple(_advice(tip, habits) for tip in catalog.tips.values())
    return Insights(forecast(days, account, now=now), since, tips)


def forecast(days: Iterable[Day], account: Account, *, now: datetime) -> Forecast:
    """The burn rate of the last week, and where it leads."""
    since = _began(account, now, RATE_DAYS)
    used = sum(tally.credits for tally in _habits(days, since).actions.values())
    resets_at = account.period.end
    runs_out_at = None
    if not account.remaining:
        outlook = Outlook.EXHAUSTED
    elif used <= 0:
        outlook = Outlook.UNUSED
    else:
        runs_out_at = _empty_at(account, used, max(now - since, LEAST_TIME), now)
        outlook = Outlook.RUNS_OUT if runs_out_at else Outlook.LASTS
    return Forecast(outlook, used, since, now, account.remaining, runs_out_at, resets_at)


@dataclass(frozen=True, slots=True)
class _Habits:
    """What an account did in a span of time, and in how many runs its messages came."""

    actions: Mapping[str, Tally]
    runs: int


def _habits(days: Iterable[Day], since: datetime) -> _Habits:
    actions: dict[str, Tally] = {}
    runs = 0
    for day in days:
        for quarter, tallies in day.quarters.items():
            if from_text(f"{day.date}T{quarter}:00.000Z") < since:
                continue
            runs += day.runs.get(quarter, 0)
            for action, tally in tallies.items():
                actions[action] = actions.get(action, Tally()) + tally
    return _Habits(actions, runs)


def _advice(tip: Tip, habits: _Habits) -> Advice:
    counted = COUNTED.get(tip.id)
    return Advice(tip, *counted(habits)) if counted else Advice(tip)


def _combined(habits: _Habits) -> tuple[int, int]:
    """The messages that came within a minute of the one before, and their share of what all messages cost."""
    messages = habits.actions.get(MESSAGE, Tally())
    followed = max(messages.count - habits.runs, 0)
    return followed, messages.credits * followed // messages.count if messages.count else 0


def _not_searched(habits: _Habits) -> tuple[int, int]:
    """The URLs that web search fetched, and what they cost."""
    fetched = habits.actions.get(WEB_FETCH, Tally())
    return fetched.count, fetched.credits


COUNTED: Final[Mapping[str, Callable[[_Habits], tuple[int, int]]]] = {
    "combine_requests": _combined,
    "web_search": _not_searched,
}
"""How the tips are counted that a history can measure, by their id in the catalog."""


def _began(account: Account, now: datetime, days: int) -> datetime:
    """When the last `days` began, or the account if it is younger; at a quarter hour, so that none is cut.

    Never after `now`, also where the clock has stepped back behind the account's opening.
    """
    began = max(now - days * DAY, min(account.opened_at, now))
    return began - (began - FIRST_INSTANT) % QUARTER


def _empty_at(account: Account, used: int, time: timedelta, now: datetime) -> datetime | None:
    """When the last credit is spent if `used` credits go in this time, in burn order, and what expires before its turn
    unspent. None where the reset comes first."""
    at, left = now, (account.period.end - now) // MILLISECOND
    milliseconds = time // MILLISECOND
    for grant in burn_order(account.grants):
        spent = at + min(grant.remaining * milliseconds // used, left) * MILLISECOND
        at = min(spent, grant.expires_at or spent)
        if at >= account.period.end:
            return None
    return at
