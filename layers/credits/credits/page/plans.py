"""Plans and packs: what things cost, what an upgrade brings, and what happens to credits and money then."""

from dataclasses import dataclass
from datetime import datetime

from credits.catalog import Catalog, Plan
from credits.catalog.catalog import EVERY_MODEL
from credits.domain.account import Account
from credits.domain.cycle import months_after
from credits.page.chart import colour_of, counted
from credits.page.reader import Reader
from credits.page.selection import Address


@dataclass(frozen=True, slots=True)
class Price:
    """What one action costs."""

    name: str
    colour: int
    description: str
    credits: str


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a worked example, and what it costs there."""

    name: str
    colour: int
    credits: str


@dataclass(frozen=True, slots=True)
class Worked:
    """A request that people can picture, step by step, and what it costs in all."""

    prompt: str
    steps: tuple[Step, ...]
    credits: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The next plan up: what it brings, and what happens on the day. At `url` it is told what would be paid."""

    url: str
    plan: str
    name: str
    price: str
    brings: tuple[str, ...]
    happens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One plan of the comparison. `cells` are its features, in the order of `FEATURES`; at `url` it can be ordered, or
    seats of it changed, as `choose` says."""

    plan: str
    name: str
    price: str
    current: bool
    cells: tuple[str, ...]
    choose: str
    url: str


@dataclass(frozen=True, slots=True)
class PackOffer:
    """A pack, what it gives and what it costs."""

    pack: str
    name: str
    credits: str
    price: str


@dataclass(frozen=True, slots=True)
class Plans:
    """Everything that is for sale, and what it is spent on."""

    prices: tuple[Price, ...]
    examples: tuple[Worked, ...]
    subscribed: bool
    offer: Offer | None
    features: tuple[str, ...]
    columns: tuple[Column, ...]
    packs: tuple[PackOffer, ...]


FEATURES = ("Credits a month", "AI models", "Knowledge words", "Workflows", "Support")


def plans_of(account: Account, address: Address, catalog: Catalog, reader: Reader, *, now: datetime) -> Plans:
    """The plans and packs as they are shown to the people of an account, which is as of `now`."""
    return Plans(
        prices=tuple(
            Price(
                action.name,
                colour_of(action.id, catalog),
                action.description,
                counted(action.credits, "credit", reader) if action.credits else "Free",
            )
            for action in catalog.actions.values()
        ),
        examples=tuple(
            Worked(
                example.prompt,
                tuple(
                    Step(
                        step.name, colour_of(step.action, catalog), reader.number(catalog.actions[step.action].credits)
                    )
                    for step in example.steps
                ),
                counted(example.credits, "credit", reader),
            )
            for example in catalog.examples
        ),
        subscribed=account.subscription_id is not None,
        offer=_offer(account, address, catalog, reader, now),
        features=FEATURES,
        columns=tuple(
            Column(
                plan.id,
                plan.name,
                price_of(plan, catalog, reader),
                plan.id == account.plan,
                _cells(plan, catalog, reader),
                _choose(plan, account),
                _order_url(address, plan, account),
            )
            for plan in catalog.plans.values()
        ),
        packs=tuple(
            PackOffer(
                pack.id,
                pack.name,
                counted(pack.credits, "credit", reader),
                reader.money(pack.price_cents, catalog.currency),
            )
            for pack in catalog.packs.values()
        ),
    )


def price_of(plan: Plan, catalog: Catalog, reader: Reader) -> str:
    """`$29 a month`, `$49 a seat a month`."""
    money = reader.money(plan.price_cents, catalog.currency)
    return f"{money} a seat a month" if plan.per_seat else f"{money} a month" if plan.price_cents else money


def _offer(account: Account, address: Address, catalog: Catalog, reader: Reader, now: datetime) -> Offer | None:
    upgrade = next((each for each in catalog.upgrades if each.from_plan == account.plan), None)
    if upgrade is None:
        return None
    plan = catalog.plans[upgrade.to_plan]
    return Offer(
        _order_url(address, plan, account),
        plan.id,
        plan.name,
        price_of(plan, catalog, reader),
        tuple(bullet.text for bullet in upgrade.bullets),
        _happens(account, plan, catalog, reader, now),
    )


def _choose(plan: Plan, account: Account) -> str:
    """What can be done about a plan. Free is what is left when a subscription ends, and no more to be had by itself."""
    if plan.id == account.plan:
        return "Change seats" if plan.per_seat else ""
    return f"Choose {plan.name}" if plan.price_cents or account.subscription_id else ""


def _order_url(address: Address, plan: Plan, account: Account) -> str:
    seats = {"seats": str(account.seats)} if plan.per_seat and plan.id == account.plan else {}
    return address.to({"plan": plan.id} | seats, path=f"{address.path}/order")


def _happens(account: Account, plan: Plan, catalog: Catalog, reader: Reader, now: datetime) -> tuple[str, ...]:
    """An upgrade, in words: the credits come at once, the cycle begins anew, and what is left stays till its day."""
    happens = [f"{counted(plan.allocation(1), 'credit', reader)} are added at once, and the new limits apply."]
    if account.plan_remaining:
        left = counted(account.plan_remaining, "credit", reader)
        happens.append(f"The {left} left of this period stay yours until {reader.long_date(account.period.end)}.")
    if account.purchased_remaining:
        happens.append(f"Your {counted(account.purchased_remaining, 'purchased credit', reader)} stay as they are.")
    money = reader.money(plan.price_cents, catalog.currency)
    happens.append(
        f"You pay {money} on the day you upgrade. If that is today, the next payment is on "
        f"{reader.long_date(months_after(now, 1))}."
    )
    return tuple(happens)


def _cells(plan: Plan, catalog: Catalog, reader: Reader) -> tuple[str, ...]:
    each = " a seat" if plan.per_seat else ""
    models = (
        "All models"
        if EVERY_MODEL in plan.models
        else ", ".join(catalog.models[model].name for model in plan.models) + " only"
    )
    return (
        reader.number(plan.credits) + each,
        models,
        reader.number(plan.knowledge_words) + each,
        reader.number(plan.workflows) + each,
        plan.support.capitalize(),
    )
