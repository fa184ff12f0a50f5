"""Automatic top-up: below a line that the account chose, it buys a pack by itself, so many times a month at most.

    an entry crosses the line ──> credits.top_up_due on the bus ──> queue ──> buy: one payment for that entry

The ledger knows the line alone and latches its crossing (`domain/top_up`); what is bought, and how often, is here. A
card that is declined pauses the top-up until somebody sets it again: nobody's bank is asked over and over. The credits
follow when Stripe tells of the payment, as those of every pack.

A crossing may be told again for weeks (dead letters are kept for 14 days), and Stripe knows an idempotency key for a
day alone. So a payment carries the crossing that it is for (metadata `top_up`), and before a crossing that was cut off
pays, it looks whether it has paid.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

import stripe

from credits.domain.account import Account, below_top_up_line
from credits.domain.top_up import draw_line
from credits.errors import InvalidRequest, NotFound
from credits.ledger.post import Decide
from credits.payments.checkout import Desk, customer_of
from credits.payments.fetch import FOR_TOP_UP, Fetch
from credits.payments.order import ENDED
from credits.payments.refusal import decline_of, stripe_in_our_words
from credits.payments.tables import StripeEvents

TOP_UP: Final = "top_up#"

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""A payment may bear a time that is before the one at which it was begun here: that is Stripe's clock, this is ours."""

PAID: Final = frozenset({"succeeded", "processing"})
"""The statuses of a payment that was made, or whose money is on its way."""

NO_CARD: Final = "no_card"
"""Why a top-up is paused whose customer has left no card: the portal takes one (flow `card`)."""

Post = Callable[[str, str, Decide], Any]
"""`post(key, account_id, rule)`: the one door to the account's book, with the catalog and the clock of the caller."""


class Result(StrEnum):
    """What came of a crossing: `bought`, or why nothing was.

    `paused`: the card was declined, or there is none; `limit`: the month's purchases were made; `over`: the balance is
    at the line again; `done`: this crossing, or a later one, was acted on before; `off`: there is no top-up.
    """

    BOUGHT = "bought"
    PAUSED = "paused"
    LIMIT = "limit"
    OVER = "over"
    DONE = "done"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """What an account chose, and how it went so far.

    - Below `below` credits it buys `pack`, at most `at_most` times in a calendar month (UTC). `below` is None where it
      was taken away.
    - `month` (`2026-11`) is the one that `bought` counts in. `paused` says why nothing is bought until it is set again.
    - `seq` is the ledger entry whose crossing was acted on last, `begun` when (seconds since 1970), and `settled`
      whether that has come to its end.
    - `generation` counts settings: the line is drawn in the ledger once for each.
    """

    below: int | None
    pack: str
    at_most: int
    month: str = ""
    bought: int = 0
    paused: str | None = None
    seq: int = 0
    begun: int = 0
    settled: bool = True
    generation: int = 1

    @property
    def mark(self) -> str:
        """The name of the crossing that was acted on last, in Stripe: no other of the account's has it, ever."""
        return f"{self.generation}#{self.seq}"

    def bought_in(self, month: str) -> int:
        """How many packs it bought in this month."""
        return self.bought if self.month == month else 0


def month_of(now: datetime) -> str:
    """The calendar month that purchases are counted in."""
    return f"{now:%Y-%m}"


def read_top_up(desk: Desk, account_id: str) -> TopUp:
    """The account's top-up. Raises NotFound where it has none."""
    with stripe_in_our_words():
        top_up = _read(desk.events, account_id)
    if top_up is None or top_up.below is None:
        raise NotFound(f"The account {account_id} has no automatic top-up.", account_id=account_id)
    return top_up


def set_top_up(desk: Desk, account_id: str, *, below: int, pack: str, at_most: int, post: Post, now: datetime) -> TopUp:
    """Set the top-up, or set it again after it was paused. To set what is set already changes nothing, so that a
    request that is sent twice draws one line.

    Raises InvalidRequest for a pack that is not in the catalog, and what `post` does.
    """
    if pack not in desk.catalog.packs:
        raise InvalidRequest([("pack", f"there is no pack {pack!r}; the catalog has {', '.join(desk.catalog.packs)}")])
    wanted = (below, pack, at_most)
    with stripe_in_our_words(), desk.calls.turn(account_id, now):
        top_up = _read(desk.events, account_id)
        if top_up is None:
            top_up = TopUp(below=below, pack=pack, at_most=at_most)
        elif top_up.paused or (top_up.below, top_up.pack, top_up.at_most) != wanted:
            generation = top_up.generation + 1
            top_up = replace(
                top_up, below=below, pack=pack, at_most=at_most, paused=None, settled=True, generation=generation
            )
        _write(desk.events, account_id, top_up)
    _draw(account_id, top_up, f"below {below}: {pack}, at most {at_most} a month", post)
    return top_up


def remove_top_up(desk: Desk, account_id: str, *, post: Post, now: datetime) -> None:
    """Take the top-up away. What it bought this month is remembered. Raises NotFound where there is none."""
    with stripe_in_our_words(), desk.calls.turn(account_id, now):
        top_up = read_top_up(desk, account_id)
        top_up = replace(top_up, below=None, paused=None, settled=True, generation=top_up.generation + 1)
        _write(desk.events, account_id, top_up)
    _draw(account_id, top_up, "taken away", post)


def buy(desk: Desk, account: Account, *, seq: int, now: datetime) -> Result:
    """Buy what the crossing at the entry `seq` calls for. `account` is as of `now`.

    One crossing is one payment, however often and however late it is told. The count of the month is raised before the
    bank is asked. A crossing that was cut off looks for its payment first: one that was made, or declined, settles it;
    where there is none, nothing was bought, and it is decided anew like one that is told for the first time.

    Raises StripeUnavailable and Unavailable; then it may be told again. Raises TooMuch where the customer's payments
    since are more than can be looked through: nothing is paid then.
    """
    account_id = account.account_id
    with stripe_in_our_words(), desk.calls.turn(account_id, now):
        top_up = _read(desk.events, account_id)
        if top_up is None or top_up.below is None:
            return Result.OFF
        if seq < top_up.seq or (seq == top_up.seq and top_up.settled):
            return Result.DONE
        if top_up.paused:
            return Result.PAUSED
        if seq == top_up.seq:
            payment = _payment(desk, account_id, top_up)
            if payment is not None:
                return _settle(desk, account_id, top_up, refusal_of(payment))
            top_up = replace(top_up, bought=top_up.bought - 1, settled=True)
        unwanted = _unwanted(account, top_up, now)
        if unwanted is not None:
            if seq == top_up.seq:
                _write(desk.events, account_id, top_up)
            return unwanted
        top_up = _begun(top_up, seq, now)
        _write(desk.events, account_id, top_up)
        return _settle(desk, account_id, top_up, _pay(desk, account_id, top_up))


def refusal_of(payment: Mapping[str, Any]) -> str | None:
    """Why this payment intent is not paid: the bank's reason as Stripe puts it, else the intent's status, such as
    `requires_action` where somebody would have to go to a bank's page. None where it is paid, or will be.
    """
    if payment["status"] in PAID:
        return None
    error = payment["last_payment_error"] or {}
    return str(error.get("decline_code") or error.get("code") or payment["status"])


def _unwanted(account: Account, top_up: TopUp, now: datetime) -> Result | None:
    """Why nothing is to be bought now; None where the crossing calls for it."""
    if not below_top_up_line(account):
        return Result.OVER
    return Result.LIMIT if top_up.bought_in(month_of(now)) >= top_up.at_most else None


def _begun(top_up: TopUp, seq: int, now: datetime) -> TopUp:
    """The top-up with the crossing at `seq` begun, and counted in the month of `now`."""
    month = month_of(now)
    bought = top_up.bought_in(month) + 1
    return replace(top_up, month=month, bought=bought, seq=seq, begun=int(now.timestamp()), settled=False)


def _settle(desk: Desk, account_id: str, top_up: TopUp, refusal: str | None) -> Result:
    """The crossing has come to its end: paid, or refused, which pauses the top-up and counts for nothing."""
    if refusal is not None:
        top_up = replace(top_up, bought=top_up.bought - 1, paused=refusal)
    _write(desk.events, account_id, replace(top_up, settled=True))
    return Result.PAUSED if refusal else Result.BOUGHT


def _payment(desk: Desk, account_id: str, top_up: TopUp) -> Mapping[str, Any] | None:
    """The payment of the crossing that was begun; None where there is none.

    Stripe lists what it has made, to the last; its search lags behind.
    """
    since = datetime.fromtimestamp(top_up.begun, UTC) - CLOCKS_DIFFER
    made = Fetch(desk.stripe, desk.catalog).payment_intents(customer_of(desk, account_id), since=since)
    return next((each for each in made if each["metadata"].get(FOR_TOP_UP) == top_up.mark), None)


def _pay(desk: Desk, account_id: str, top_up: TopUp) -> str | None:
    """Pay for the pack with the card that the customer left. Returns why it was refused; None where it was not.

    The idempotency key makes one of two tries that meet at Stripe, where neither sees the other's payment yet.
    """
    customer = customer_of(desk, account_id)
    card = _card(desk, customer)
    if card is None:
        return NO_CARD
    pack = desk.catalog.packs[top_up.pack]
    wanted: Any = {
        "amount": pack.price_cents,
        "currency": desk.catalog.currency,
        "customer": customer,
        "payment_method": card,
        "off_session": True,
        "confirm": True,
        # Nobody is there to be led to a bank's page.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "description": f"{pack.name} pack, bought automatically",
        "metadata": {"account_id": account_id, "pack": pack.id, FOR_TOP_UP: top_up.mark},
    }
    key = f"{account_id}#{TOP_UP}{top_up.mark}"
    try:
        payment = desk.stripe.client.v1.payment_intents.create(wanted, {"idempotency_key": key})
    except stripe.CardError as error:
        return decline_of(error)
    return refusal_of(payment.to_dict())


def _card(desk: Desk, customer: str) -> str | None:
    """The payment method that is charged by itself: the customer's own choice, else that of its subscription."""
    client = desk.stripe.client.v1
    found = client.customers.retrieve(customer).to_dict()
    if chosen := (found.get("invoice_settings") or {}).get("default_payment_method"):
        return str(chosen)
    subscriptions = client.subscriptions.list({"customer": customer, "limit": 10}).to_dict()["data"]
    cards = (each["default_payment_method"] for each in subscriptions if each["status"] not in ENDED)
    return next((card for card in cards if card), None)


def _draw(account_id: str, top_up: TopUp, description: str, post: Post) -> None:
    """Draw the line in the ledger, once for each setting."""
    key = f"{TOP_UP}{top_up.generation}"
    post(key, account_id, partial(draw_line, key=key, below=top_up.below, description=description))


def _read(events: StripeEvents, account_id: str) -> TopUp | None:
    item = events.read(f"{TOP_UP}{account_id}")
    return TopUp(**json.loads(item.state or "{}")) if item else None


def _write(events: StripeEvents, account_id: str, top_up: TopUp) -> None:
    events.write(f"{TOP_UP}{account_id}", state=json.dumps(asdict(top_up), separators=(",", ":")))
