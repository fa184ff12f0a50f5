"""The overview: plan, credits, meters, and what people must be told of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil

from credits.catalog import Catalog, Plan
from credits.domain.account import Account, CreditWarning, Standing, warning_at
from credits.domain.gate import may_spend
from credits.page.chart import counted
from credits.page.history import plan_name
from credits.page.reader import Reader
from credits.usage.insights import DAY, Forecast, Outlook


class Tone(StrEnum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class Remedy(StrEnum):
    """What a notice offers to do about it."""

    UPGRADE = "upgrade"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something people must be told. `id` names it for tests and for whoever dismisses it; a danger stays."""

    id: str
    tone: Tone
    title: str
    text: str
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a meter, in percent of its width."""

    name: str
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside the meter."""

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Meter:
    """`now` of `most`, as numbers for a screen reader and as parts of a bar."""

    now: int
    most: int
    text: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first screen says."""

    plan: str
    renewal: str
    remaining: str
    total: str
    low: bool
    credits: Meter
    figures: tuple[Figure, ...]
    resets: str
    forecast: str
    knowledge_words: Meter
    knowledge_percent: str
    workflows: Meter
    notices: tuple[Notice, ...]


def overview_of(account: Account, forecast: Forecast, catalog: Catalog, reader: Reader, *, now: datetime) -> Overview:
    """The overview of an account, which is as of `now`."""
    plan = catalog.plans[account.plan]
    words, flows = plan.knowledge_words_limit(account.seats), plan.workflows_limit(account.seats)
    return Overview(
        plan=plan_name(account.plan, account.seats, catalog, reader),
        renewal=_renewal(account, plan, reader),
        remaining=reader.number(account.remaining),
        total=reader.number(account.total),
        low=warning_at(account.remaining, catalog.policies.low_threshold) is not None,
        credits=_credits(account, reader),
        figures=_figures(account, reader),
        resets=f"Resets on {reader.long_date(account.period.end)}, {_in(account.period.end, now, reader)}.",
        forecast=_told(forecast, reader),
        knowledge_words=_meter(
            account.knowledge_words,
            words,
            f"{reader.number(account.knowledge_words)} of {reader.number(words)} words",
        ),
        knowledge_percent=reader.percent(account.knowledge_words, words),
        workflows=_meter(
            account.workflows, flows, f"{reader.number(account.workflows)} of {reader.number(flows)} active"
        ),
        notices=tuple(
            notice
            for notice in (
                _of_payment(account, catalog, reader, now),
                _of_balance(account, catalog, reader) if may_spend(account, now) else None,
                _of_change(account, catalog, reader),
                _of_limits(account, words, flows),
            )
            if notice
        ),
    )


def _renewal(account: Account, plan: Plan, reader: Reader) -> str:
    date = reader.long_date(account.period.end)
    if account.pending and account.pending.at <= account.period.end:
        return f"Ends on {date}" if account.pending.plan != account.plan else f"Changes on {date}"
    if account.standing is Standing.TRIALING:
        return f"Trial until {date}"
    return f"Renews on {date}" if plan.price_cents else f"Credits refresh on {date}"


def _in(instant: datetime, now: datetime, reader: Reader) -> str:
    days = (reader.day_of(instant) - reader.day_of(now)).days
    return "today" if days <= 0 else "tomorrow" if days == 1 else f"in {reader.number(days)} days"


def _credits(account: Account, reader: Reader) -> Meter:
    stretches = (
        ("plan", account.plan_remaining),
        ("purchased", account.purchased_remaining),
        ("held", account.held),
        ("frozen", account.frozen),
    )
    text = f"{reader.number(account.remaining)} of {counted(account.total, 'credit', reader)} left"
    return Meter(account.remaining, account.total, text, _parts(stretches, account.total))


def _parts(stretches: tuple[tuple[str, int], ...], whole: int) -> tuple[Part, ...]:
    parts, start = [], 0
    for name, value in stretches:
        if value > 0 and whole > 0:
            parts.append(Part(name, _percent(start, whole), _percent(min(value, whole - start), whole)))
            start += value
    return tuple(parts)


def _percent(value: int, whole: int) -> str:
    return f"{value * 100 / whole:.2f}".rstrip("0").rstrip(".") + "%"


def _figures(account: Account, reader: Reader) -> tuple[Figure, ...]:
    """Plan and purchased apart; used always; what is set aside only where there is any."""
    figures = [
        ("plan", "Plan credits", account.plan_remaining),
        ("purchased", "Purchased credits", account.purchased_remaining),
    ]
    if account.held:
        figures.append(("held", "Held by running tasks", account.held))
    if account.frozen:
        figures.append(("frozen", "On hold until payment is settled", account.frozen))
    figures.append(("used", "Used this period", account.used))
    return tuple(Figure(name, label, reader.number(value)) for name, label, value in figures)


def _meter(now: int, most: int, text: str) -> Meter:
    return Meter(min(now, most), most, text, _parts((("over" if now > most else "used", min(now, most)),), most))


def _told(forecast: Forecast, reader: Reader) -> str:
    rate = float(forecast.credits_per_day)
    pace = f"At your pace of {reader.rate(rate)} {'credit' if rate == 1 else 'credits'} a day"
    match forecast.outlook:
        case Outlook.RUNS_OUT if forecast.runs_out_at:
            early = ceil((forecast.resets_at - forecast.runs_out_at) / DAY)
            return (
                f"{pace}, your credits run out around {reader.long_date(forecast.runs_out_at)}, "
                f"{counted(early, 'day', reader)} before they reset."
            )
        case Outlook.LASTS:
            return f"{pace}, your credits last until they reset."
        case Outlook.UNUSED:
            return "Nothing was used in the last seven days, so there is no pace to tell yet."
        case _:
            return ""


def _of_payment(account: Account, catalog: Catalog, reader: Reader, now: datetime) -> Notice | None:
    if account.standing is Standing.PAST_DUE:
        if may_spend(account, now) and account.grace_ends_at:
            return Notice(
                "past_due",
                Tone.WARNING,
                "Your last payment did not go through",
                f"You can go on using your credits until {reader.long_date(account.grace_ends_at)}. "
                "Update your payment method before then, and nothing changes.",
                Remedy.PORTAL,
            )
        return Notice(
            "blocked",
            Tone.DANGER,
            "Your credits are on hold",
            "The last payment is overdue. Pay the open invoice, and your credits are back at once.",
            Remedy.PORTAL,
        )
    plan = catalog.plans[account.plan].name
    match account.standing:
        case Standing.UNPAID:
            text = f"An invoice stayed unpaid, so your subscription ended and you are on {plan}."
            return Notice("unpaid", Tone.DANGER, "Your subscription ended", text, Remedy.PORTAL)
        case Standing.INCOMPLETE:
            text = f"Your first payment is not complete. You stay on {plan} until it is."
            return Notice("incomplete", Tone.WARNING, "One step is left", text, Remedy.PORTAL)
        case Standing.PAUSED:
            text = f"Your subscription is paused. You are on {plan} until you resume it."
            return Notice("paused", Tone.INFO, "Paused", text, Remedy.PORTAL)
        case _:
            return None


def _of_balance(account: Account, catalog: Catalog, reader: Reader) -> Notice | None:
    resets = reader.long_date(account.period.end)
    match warning_at(account.remaining, catalog.policies.low_threshold):
        case CreditWarning.EXHAUSTED:
            return Notice(
                "exhausted",
                Tone.DANGER,
                "You are out of credits",
                f"New messages are refused until your credits reset on {resets}. Upgrade or buy a pack to go on now. "
                "What is free still works.",
                Remedy.UPGRADE,
            )
        case CreditWarning.LOW:
            left = (
                "1 credit is left" if account.remaining == 1 else f"{reader.number(account.remaining)} credits are left"
            )
            return Notice(
                "low",
                Tone.WARNING,
                left,
                f"Your credits reset on {resets}. Upgrade or buy a pack if you need more before then.",
                Remedy.UPGRADE,
            )
        case _:
            return None


def _of_change(account: Account, catalog: Catalog, reader: Reader) -> Notice | None:
    change = account.pending
    if change is None:
        return None
    after = plan_name(change.plan, change.seats, catalog, reader)
    allocation = catalog.plans[change.plan].allocation(change.seats)
    return Notice(
        "pending",
        Tone.INFO,
        f"Your plan changes to {after} on {reader.long_date(change.at)}",
        f"Until then nothing changes. From then on you have {counted(allocation, 'credit', reader)} a month.",
        Remedy.PORTAL,
    )


def _of_limits(account: Account, words: int, flows: int) -> Notice | None:
    over = [
        name
        for name, now, most in (
            ("knowledge words", account.knowledge_words, words),
            ("workflows", account.workflows, flows),
        )
        if now > most
    ]
    if not over:
        return None
    return Notice(
        "over_limit",
        Tone.INFO,
        f"You have more {' and '.join(over)} than your plan includes",
        "Nothing is deleted. You can add more once you are below the limit, or after an upgrade.",
        Remedy.UPGRADE,
    )
