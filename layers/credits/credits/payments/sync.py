"""Sync: what Stripe says now, brought into the ledger.

    signal ──> account ──> ticket ──> what Stripe has now ──> one pure decision ──> ledger.post

A signal only says where to look. So a signal that comes twice, late or out of order finds what is true, and a signal
that was lost is made up for by the next one, or by the daily comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from credits.catalog import Catalog
from credits.domain.entitle import Snapshot
from credits.domain.entry import AnyEntry, Entry
from credits.domain.follow import follow
from credits.domain.pack import asked, bring_back, freeze, give_pack, lose, take_back, thaw, undone_key
from credits.ledger.post import PATIENCE, Decide, Patience, Receipt, post
from credits.ledger.store import AccountKey, EntryKey, Store
from credits.payments.fetch import FOR_TOP_UP, Fetch, Gone
from credits.payments.signal import Signal
from credits.payments.snapshot import Thing, UnknownPrice
from credits.payments.tables import StripeEvents

NOT_REFUNDED: Final = frozenset({"failed", "canceled"})
INQUIRIES: Final = frozenset({"warning_needs_response", "warning_under_review", "warning_closed"})
"""Disputes in which no money has moved: nothing is frozen for a question."""

WON: Final = frozenset({"won", "prevented"})
LOST: Final = frozenset({"lost"})
PAID: Final = frozenset({"paid", "no_payment_required"})


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of a signal: the account it led to, and the entries it brought, those of time itself left out.

    No account: the customer is none of ours. `seen`: it had been acted on before, and nothing was asked.
    """

    account_id: str | None
    entries: tuple[Entry, ...] = ()
    seen: bool = False


class Sync:
    """One stack's way from Stripe to its ledger."""

    def __init__(
        self, fetch: Fetch, events: StripeEvents, ledger: Store, catalog: Catalog, *, patience: Patience = PATIENCE
    ) -> None:
        self._fetch = fetch
        self._events = events
        self._ledger = ledger
        self._catalog = catalog
        self._patience = patience

    def act_on(self, signal: Signal, now: datetime) -> Synced:
        """Bring into the ledger what the signal tells to look at, and remember that it was acted on.

        Raises what keeps it from being done (Stripe or the ledger does not answer, UnknownPrice, Unreadable,
        AccountNotFound …): then it is not remembered, and whoever brought it brings it again.
        """
        if self._events.seen(signal.event_id):
            return Synced(None, seen=True)
        synced = self._followed(signal, now)
        self._events.mark_seen(signal.event_id, now)
        return synced

    def bring_up(self, account_id: str, now: datetime, *, payload: Thing | None = None) -> Synced:
        """Bring the account to what Stripe says of its customer now. One without a customer is left as it is."""
        customer_id = self._events.customer_of(account_id)
        if customer_id is None:
            return Synced(account_id)
        ticket = self._events.draw_ticket(account_id, now)
        snapshot = self._fetch.snapshot(customer_id, now=now, payload=payload)
        key = f"sync#{ticket.number}"
        rule = partial(
            follow, catalog=self._catalog, key=key, snapshot=snapshot, ticket=ticket.number, alone=ticket.alone
        )
        receipt = self._post(account_id, key, rule, now)
        self._events.finish_ticket(account_id, ticket)
        return Synced(account_id, receipt.entries)

    def _followed(self, signal: Signal, now: datetime) -> Synced:
        match signal.object_type:
            case "customer":
                return self._deleted(signal.object_id, now)
            case "checkout.session":
                return self._session(signal.object_id, now)
            case "payment_intent":
                return self._payment(signal.object_id, now)
            case "charge" | "refund" | "dispute":
                return self._charged(signal, now)
            case "subscription":
                return self._subscribed(signal.customer_id, now, signal.payload)
            case _:
                return self._subscribed(signal.customer_id, now, None)

    def _subscribed(self, customer_id: str | None, now: datetime, payload: Thing | None) -> Synced:
        account_id = self._account_of(customer_id, payload)
        return self.bring_up(account_id, now, payload=payload) if account_id else Synced(None)

    def _deleted(self, customer_id: str, now: datetime) -> Synced:
        """The customer is gone, with its subscriptions and what they would still have been billed."""
        account_id = self._events.account_of(customer_id)
        if account_id is None:
            return Synced(None)
        entries: tuple[Entry, ...] = ()
        if self._events.customer_of(account_id) == customer_id:
            ticket = self._events.draw_ticket(account_id, now)
            key = f"sync#{ticket.number}"
            rule = partial(follow, catalog=self._catalog, key=key, snapshot=Snapshot(None, None), ticket=ticket.number)
            entries = self._post(account_id, key, rule, now).entries
            self._events.finish_ticket(account_id, ticket)
            self._events.unlink(account_id, customer_id)
        return Synced(account_id, entries)

    def _session(self, session_id: str, now: datetime) -> Synced:
        session = self._fetch.checkout_session(session_id)
        account_id = session.get("client_reference_id") or (session.get("metadata") or {}).get("account_id")
        if session.get("customer") and account_id:
            self._events.link(account_id, session["customer"])
        if session["mode"] == "subscription":
            return self._subscribed(session.get("customer"), now, None)
        if session.get("payment_intent"):
            return self._payment(session["payment_intent"], now)
        pack_id = (session.get("metadata") or {}).get("pack")
        if session["payment_status"] in PAID and pack_id and account_id:
            return Synced(account_id, self._given(account_id, session_id, pack_id, now).entries)
        return Synced(account_id)

    def _charged(self, signal: Signal, now: datetime) -> Synced:
        """A charge, a refund or a dispute names its payment, or at least its charge."""
        found = signal.payload or self._fetch.movement(signal.object_type, signal.object_id)
        payment = found.get("payment_intent")
        if payment is None and (charge_id := found.get("charge")):
            payment = self._fetch.movement("charge", charge_id).get("payment_intent")
        return self._payment(payment, now) if payment else Synced(None)

    def _payment(self, payment_intent_id: str, now: datetime) -> Synced:
        """A pack's payment: its credits, and what became of them when money went back or was fought over.

        All of it is looked up and done again, each step under a key of its own, so it may begin at any of them.
        """
        try:
            payment = self._fetch.payment_intent(payment_intent_id)
        except Gone:
            return Synced(None)
        metadata = payment.get("metadata") or {}
        account_id, pack_id = metadata.get("account_id"), metadata.get("pack")
        if not account_id or not pack_id:
            return Synced(None)
        if payment["status"] != "succeeded":
            return Synced(account_id)
        given = self._given(account_id, payment_intent_id, pack_id, now, for_line=FOR_TOP_UP in metadata)
        _Pack(self, account_id, given.entries[0], payment["amount_received"], now).settle(
            self._fetch.refunds(payment_intent_id), self._fetch.disputes(payment_intent_id)
        )
        return Synced(account_id, () if given.replayed else given.entries)

    def _given(self, account_id: str, payment: str, pack_id: str, now: datetime, *, for_line: bool = False) -> Receipt:
        if pack_id not in self._catalog.packs:
            raise UnknownPrice(f"{payment} paid for the pack {pack_id!r}, which the catalog does not have")
        key = f"pack#{payment}"
        rule = partial(give_pack, catalog=self._catalog, key=key, pack=self._catalog.packs[pack_id], for_line=for_line)
        return self._post(account_id, key, rule, now)

    def _account_of(self, customer_id: str | None, thing: Thing | None) -> str | None:
        """The account that a customer pays for: as it is linked, or as the customer or the object itself says."""
        if customer_id is None:
            return None
        if linked := self._events.account_of(customer_id):
            return linked
        named = ((thing or {}).get("metadata") or {}).get("account_id")
        if not named:
            customer = self._fetch.customer(customer_id) or {}
            named = (customer.get("metadata") or {}).get("account_id")
        if named:
            self._events.link(named, customer_id)
        return named or None

    def _post(self, account_id: str, key: str, rule: Decide, now: datetime) -> Receipt:
        return post(self._ledger, key, [AccountKey(account_id)], rule, now=now, patience=self._patience)

    def step(self, account_id: str, key: str, rule: Decide, now: datetime) -> Entry:
        """The entry of one step of a pack, written now or before."""
        return self._post(account_id, key, partial(rule, catalog=self._catalog), now).entries[0]

    def stored(self, account_id: str, key: str) -> AnyEntry | None:
        """The entry under this key, if the step was taken."""
        (entry,) = self._ledger.read(EntryKey(account_id, key))
        return entry


class _Pack:
    """One pack that was given, and what is to become of it."""

    def __init__(self, sync: Sync, account_id: str, given: Entry, amount: int, now: datetime) -> None:
        self._sync = sync
        self._account_id = account_id
        self._grant_id = given.draws[0].grant_id
        self._credits = given.credits
        self._amount = amount
        self._now = now

    def settle(self, refunds: Sequence[Thing], disputes: Sequence[Thing]) -> None:
        """Take back what was refunded and lost, freeze what is disputed, and let go of what was won.

        Shares of a refund in parts are rounded down once over their sum, and all of it is the whole pack, no more.
        """
        taken = refunded = 0
        for refund in refunds:
            key = f"refund#{refund['id']}"
            if refund["status"] in NOT_REFUNDED:
                self._undo(key)
                continue
            refunded += refund["amount"]
            # Below nothing by a rounding, where one before it failed.
            if (share := self._share(refunded) - taken) > 0:
                taken += asked(self._step(key, take_back, share, "refund"))
        for dispute in disputes:
            self._dispute(dispute, self._credits - taken)

    def _dispute(self, dispute: Thing, left: int) -> None:
        status, key = dispute["status"], f"dispute#{dispute['id']}"
        share = min(self._share(dispute["amount"]), left)
        if status in INQUIRIES or share <= 0:
            return
        frozen = self._step(key, freeze, share, "disputed")
        credits = sum(draw.frozen for draw in frozen.draws)
        if status in WON and credits:
            self._step(f"{key}#won", thaw, credits, "dispute won")
        elif status in LOST:
            self._step(f"{key}#lost", lose, credits, "dispute lost", missing=frozen.shortfall)

    def _undo(self, key: str) -> None:
        """Give back what was taken for a refund that did not go through after all."""
        taken = self._sync.stored(self._account_id, key)
        if taken:
            wanted = partial(bring_back, grant_id=self._grant_id, taken=taken, reason="refund failed")
            self._sync.step(self._account_id, undone_key(taken), wanted, self._now)

    def _step(self, key: str, rule: Decide, credits: int, reason: str, **facts: Any) -> Entry:
        wanted = partial(rule, key=key, grant_id=self._grant_id, credits=credits, reason=reason, **facts)
        return self._sync.step(self._account_id, key, wanted, self._now)

    def _share(self, amount: int) -> int:
        """The credits that this much of the payment bought."""
        return self._credits * min(amount, self._amount) // self._amount
