"""A stand-in Stripe and a ledger in memory, with the real SDK, snapshot and sync between them.

books = StripeBooks()
subscription = books.shop.subscribe(books.customer, books.shop.pro)
books.deliver()
assert books.account.plan == "pro"
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from credits.catalog import load
from credits.domain.account import Account
from credits.domain.charge import Usage, charge
from credits.domain.entry import AnyEntry
from credits.domain.hold import HOLD_MARK
from credits.domain.instant import floor
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.renew import as_of
from credits.ledger.audit import audit
from credits.ledger.export import lines
from credits.ledger.memory import MemoryStore
from credits.ledger.post import post
from credits.ledger.spend import capture_from, set_aside, settle
from credits.ledger.store import AccountKey, Due, Span
from credits.payments.fetch import Fetch
from credits.payments.signal import Signal, signal_of
from credits.payments.sync import Sync, Synced
from credits.payments.tables import Ticket
from local.stripe.state import Policy
from tests.stripe_sdk import Shop
from tests.verifier import said_of

CATALOG = load()
ACCOUNT = "ada"


class MemoryEvents:
    """The table of events, customers and tickets, in memory."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._customers: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._drawn: dict[str, int] = {}
        self._finished: dict[str, int] = {}

    def seen(self, event_id: str) -> bool:
        return event_id in self._seen

    def mark_seen(self, event_id: str, _: datetime) -> None:
        self._seen.add(event_id)

    def account_of(self, customer_id: str) -> str | None:
        return self._customers.get(customer_id)

    def customer_of(self, account_id: str) -> str | None:
        return self._accounts.get(account_id)

    def link(self, account_id: str, customer_id: str) -> str:
        self._customers.setdefault(customer_id, account_id)
        return self._accounts.setdefault(account_id, customer_id)

    def unlink(self, account_id: str, customer_id: str) -> None:
        if self._accounts.get(account_id) == customer_id:
            del self._accounts[account_id]

    def accounts(self, *, limit: int, beyond: str | None = None) -> Sequence[str]:
        return sorted(name for name in self._accounts if beyond is None or name > beyond)[:limit]

    def draw_ticket(self, account_id: str, now: datetime) -> Ticket:
        before = self._drawn.get(account_id, 0)
        self._drawn[account_id] = max(before + 1, round(now.timestamp() * 1000))
        return Ticket(self._drawn[account_id], before <= self._finished.get(account_id, 0))

    def finish_ticket(self, account_id: str, ticket: Ticket) -> None:
        self._finished[account_id] = max(self._finished.get(account_id, 0), ticket.number)


class EngineAccount:
    """What `payments.client.Stripe` is, on an engine."""

    def __init__(self, shop: Shop) -> None:
        self.client = shop.sdk


class StripeBooks:
    """One account, opened a day before its customer comes; nothing is heard of Stripe until it is delivered."""

    def __init__(self, *, card: str | None = "pm_card_visa", policy: Policy | None = None) -> None:
        self.shop = Shop(policy=policy)
        self.store = MemoryStore()
        self.events = MemoryEvents()
        self.hear_through(Fetch(EngineAccount(self.shop), CATALOG))  # type: ignore[arg-type]  # the same, on an engine
        self._post(OPENED_KEY, partial(open_account, account_id=ACCOUNT), opens=True)
        self.shop.move(days=1)
        self.customer = self.shop.customer(card, ACCOUNT)
        self._delivered = 0

    def hear_through(self, fetch: Fetch) -> None:
        """Ask Stripe through this."""
        self.fetch = fetch
        self.sync = Sync(fetch, self.events, self.store, CATALOG)  # type: ignore[arg-type]  # the same, in memory

    @property
    def now(self) -> datetime:
        return floor(self.shop.clock())

    @property
    def account(self) -> Account:
        """The account as of now."""
        (found,) = self.store.read(AccountKey(ACCOUNT))
        assert found
        return as_of(found, CATALOG, self.now)

    @property
    def entries(self) -> Sequence[AnyEntry]:
        """The whole ledger, the oldest first."""
        return self.store.entries(Span(ACCOUNT), limit=10_000, newest_first=False)

    @property
    def undelivered(self) -> list[Signal]:
        """The signals of what has happened since the last delivery."""
        return [signal for event in self.shop.engine.events[self._delivered :] if (signal := signal_of(event))]

    def deliver(self) -> list[Synced]:
        """Deliver everything that has happened, in its order."""
        return self.act_on(self.new_signals())

    def new_signals(self) -> list[Signal]:
        """The signals that were undelivered; whoever takes them delivers them."""
        signals = self.undelivered
        self._delivered = len(self.shop.engine.events)
        return signals

    def act_on(self, signals: Iterable[Signal]) -> list[Synced]:
        return [self.sync.act_on(signal, self.now) for signal in signals]

    def spend(self, credits: int) -> None:
        """Charge this many messages."""
        key = f"c#{len(self.entries)}"
        self._post(key, partial(charge, key=key, lines=[Usage(action="message", quantity=credits)]))

    @property
    def holds(self) -> Sequence[Due]:
        """Those that are open, the first to expire before the others."""
        return self.store.open_holds(ACCOUNT, limit=1_000)

    def hold(self, credits: int) -> None:
        """Set credits aside, for a day."""
        name = f"run-{len(self.entries)}"
        set_aside(self.store, CATALOG, ACCOUNT, name, credits, now=self.now, expires_in_seconds=86_400)

    def capture(self, credits: int) -> None:
        """Capture this many messages from the hold that expires first. Raises IndexError where there is none."""
        key, usage = f"step-{len(self.entries)}", Usage(action="message", quantity=credits)
        capture_from(self.store, CATALOG, ACCOUNT, self._first_hold(), key, usage, now=self.now)

    def close(self) -> None:
        """Close the hold that expires first. Raises IndexError where there is none."""
        settle(self.store, CATALOG, ACCOUNT, self._first_hold(), now=self.now)

    def _first_hold(self) -> str:
        return self.holds[0].book_id.partition(HOLD_MARK)[2]

    def balanced(self) -> bool:
        """Whether the ledger holds, for the audit and for whoever verifies its export."""
        return audit(self.store, ACCOUNT).ok and said_of(lines(self.store, ACCOUNT)) == "holds"

    def _post(self, key: str, rule: Any, *, opens: bool = False) -> None:
        post(self.store, key, [AccountKey(ACCOUNT)], partial(rule, catalog=CATALOG), now=self.now, opens=opens)


def left(account: Account) -> list[tuple[str, int, str | None]]:
    """What is left of each grant, by kind and expiry."""
    sums: dict[tuple[str, str | None], int] = {}
    for grant in account.grants:
        name = grant.kind.value, f"{grant.expires_at:%Y-%m-%d %H:%M}" if grant.expires_at else None
        sums[name] = sums.get(name, 0) + grant.remaining
    return [(kind, remaining, expires) for (kind, expires), remaining in sorted(sums.items(), key=str)]
