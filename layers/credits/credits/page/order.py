"""An order, before it is made: what becomes of credits and money, and what is pressed to go on."""

from dataclasses import dataclass

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.page.chart import counted
from credits.page.history import plan_name
from credits.page.reader import Reader
from credits.payments.checkout import Outcome
from credits.payments.order import Order
from credits.payments.preview import Bill, Preview


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that will be so."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """The page of an order. `confirm` is what the button says; empty where there is nothing to confirm.

    `pays_first` where an open invoice stands before any change; `seats` is None for a plan that has none.
    """

    title: str
    text: str
    plan: str
    seats: int | None
    credits: tuple[Fact, ...]
    money: tuple[Fact, ...]
    lines: tuple[Fact, ...]
    confirm: str
    pays_first: bool


def order_view(preview: Preview, order: Order, account: Account, catalog: Catalog, reader: Reader) -> OrderView:
    """What is said of an order that this preview was made for; `account` is as of now."""
    plan = catalog.plans[order.plan]
    name = plan_name(order.plan, order.seats, catalog, reader)
    upgrade = plan.allocation(order.seats) > catalog.plans[account.plan].allocation(account.seats)
    nothing = preview.outcome is Outcome.UNCHANGED
    return OrderView(
        title=f"Upgrade to {name}" if upgrade else f"Change to {name}",
        text=_text(preview, reader),
        plan=order.plan,
        seats=order.seats if plan.per_seat else None,
        credits=() if nothing else _credits(preview, account, order, catalog, reader),
        money=() if nothing else _money(preview, catalog, reader),
        lines=_lines(preview.due_now, catalog, reader),
        confirm=_confirm(preview, catalog, reader),
        pays_first=preview.outcome is Outcome.PORTAL,
    )


def _text(preview: Preview, reader: Reader) -> str:
    match preview.outcome:
        case Outcome.CHECKOUT:
            return "You pay on the next page. The credits are there as soon as the payment is."
        case Outcome.CHANGED:
            return "It is paid with the card you gave before, and happens at once."
        case Outcome.SCHEDULED:
            return f"Nothing is paid now, and nothing changes until {reader.long_date(preview.at)}."
        case Outcome.PORTAL:
            return "An invoice is open. Once it is paid, you can change your plan."
        case Outcome.UNCHANGED:
            return "This is your plan already."


def _credits(preview: Preview, account: Account, order: Order, catalog: Catalog, reader: Reader) -> tuple[Fact, ...]:
    """What there is now, right after, and each month. Only another plan begins the period anew."""
    each = catalog.plans[order.plan].allocation(order.seats)
    facts = [Fact("Now", counted(account.remaining, "credit", reader))]
    if preview.outcome in {Outcome.CHECKOUT, Outcome.CHANGED}:
        facts.append(Fact("Right after", counted(preview.account.remaining, "credit", reader)))
    facts.append(Fact("Each month from then on", counted(each, "credit", reader)))
    restarts = preview.outcome in {Outcome.CHECKOUT, Outcome.CHANGED} and order.plan != account.plan
    if restarts and account.plan_remaining:
        kept = counted(account.plan_remaining, "credit", reader)
        facts.append(Fact("Left of this period", f"{kept}, kept until {reader.long_date(account.period.end)}"))
    return tuple(facts)


def _money(preview: Preview, catalog: Catalog, reader: Reader) -> tuple[Fact, ...]:
    due, following = preview.due_now, preview.due_next
    facts = [Fact("To pay now", reader.money(due.amount_cents if due else 0, catalog.currency))]
    if following:
        money = reader.money(following.amount_cents, catalog.currency)
        facts.append(Fact("The next payment", f"{money} on {reader.long_date(following.at)}"))
    return tuple(facts)


def _lines(due: Bill | None, catalog: Catalog, reader: Reader) -> tuple[Fact, ...]:
    if due is None:
        return ()
    return tuple(Fact(words, reader.money(cents, catalog.currency)) for words, cents in due.lines)


def _confirm(preview: Preview, catalog: Catalog, reader: Reader) -> str:
    match preview.outcome:
        case Outcome.CHECKOUT:
            return "Continue to payment"
        case Outcome.CHANGED if preview.due_now:
            return f"Pay {reader.money(preview.due_now.amount_cents, catalog.currency)} and change"
        case Outcome.CHANGED:
            return "Change"
        case Outcome.SCHEDULED:
            return f"Change on {reader.long_date(preview.at)}"
        case Outcome.PORTAL | Outcome.UNCHANGED:
            return ""
