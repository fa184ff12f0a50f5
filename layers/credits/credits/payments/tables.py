"""The table of Stripe's events: which were seen, who is whose customer, and the tickets that order what was fetched.

| id | holds |
| --- | --- |
| `event#<event id>` | an event that was acted on, for 35 days |
| `customer#<customer id>` | the account that the customer pays for |
| `account#<account id>` | the customer that pays for the account |
| `ticket#<account id>` | the last ticket that was drawn for the account |
| `turn#<account id>` | who is changing the account's subscription at the moment, and until when at the latest |
| `top_up#<account id>` | the account's automatic top-up, and how it went so far |
| `call#<account id>#<key>` | what a caller was answered under its Idempotency-Key, for 35 days |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from credits.domain.instant import to_text
from credits.ledger.dynamo import told_in_our_words
from credits.ledger.tables import OnDemand, bind

KEPT = timedelta(days=35)
"""Stripe lists its events for 30 days, and tries to deliver one for three: no event comes later than that."""

LISTING = "customers"
EVENT, CUSTOMER, ACCOUNT, TICKET = "event#", "customer#", "account#", "ticket#"
CONDITION = "ConditionalCheckFailedException"


class Customers(GlobalSecondaryIndex["StripeEventItem"]):
    """The accounts that have a customer, and nothing else: what a comparison with Stripe goes through."""

    class Meta:
        index_name = "customers"
        projection = KeysOnlyProjection()

    listing = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class StripeEventItem(Model):
    """One item of the table; the first part of its id says which of these it is."""

    class Meta(OnDemand):
        pass

    id = UnicodeAttribute(hash_key=True)
    account_id = UnicodeAttribute(null=True)
    customer_id = UnicodeAttribute(null=True)
    ticket = NumberAttribute(null=True)
    before = NumberAttribute(null=True)
    finished = NumberAttribute(null=True)
    listing = UnicodeAttribute(null=True)
    at = UnicodeAttribute(null=True)
    holder = UnicodeAttribute(null=True)
    fingerprint = UnicodeAttribute(null=True)
    answer = UnicodeAttribute(null=True)
    state = UnicodeAttribute(null=True)
    expires_at = TTLAttribute(null=True)

    customers = Customers()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A number drawn before Stripe is asked. `alone`: every one before it was finished when it was drawn."""

    number: int
    alone: bool


class StripeEvents:
    """The table of one stack. Safe to share between threads.

    Every method raises the errors of `ledger.store` where the table does not answer.
    """

    def __init__(self, items: type[StripeEventItem]) -> None:
        self.items = items

    def seen(self, event_id: str) -> bool:
        """Whether the event was acted on."""
        return self.read(f"{EVENT}{event_id}") is not None

    def mark_seen(self, event_id: str, now: datetime) -> None:
        """Remember that the event was acted on: what it told of is in the ledger, and need not be fetched again."""
        with told_in_our_words():
            self.items(f"{EVENT}{event_id}", at=to_text(now), expires_at=now + KEPT).save()

    def account_of(self, customer_id: str) -> str | None:
        """The account that this customer pays for, or once paid for."""
        item = self.read(f"{CUSTOMER}{customer_id}")
        return item.account_id if item else None

    def customer_of(self, account_id: str) -> str | None:
        """The customer that pays for this account."""
        item = self.read(f"{ACCOUNT}{account_id}")
        return item.customer_id if item else None

    def link(self, account_id: str, customer_id: str) -> str:
        """Link the two both ways, and return the customer that pays for the account: the first who came.

        A customer belongs to one account for ever, and an account has one customer at a time. Whoever comes second, in
        a race or by mistake, leads to the account and does not pay for it.
        """
        free = StripeEventItem.id.does_not_exist()
        with told_in_our_words():
            held(self.items(f"{CUSTOMER}{customer_id}", account_id=account_id).save, condition=free)
            ours = self.items(f"{ACCOUNT}{account_id}", customer_id=customer_id, listing=LISTING)
            if held(ours.save, condition=free):
                return customer_id
        return self.customer_of(account_id) or customer_id

    def unlink(self, account_id: str, customer_id: str) -> None:
        """The customer was deleted: the account may have another. Its late events still lead to the account."""
        with told_in_our_words():
            item = self.items(f"{ACCOUNT}{account_id}")
            held(item.delete, condition=StripeEventItem.customer_id == customer_id)

    def accounts(self, *, limit: int, beyond: str | None = None) -> Sequence[str]:
        """At most `limit` accounts that have a customer, in the order of their ids, beginning after `beyond`."""
        start = {"listing": {"S": LISTING}, "id": {"S": f"{ACCOUNT}{beyond}"}} if beyond else None
        with told_in_our_words():
            rows = self.items.customers.query(LISTING, limit=limit, page_size=limit, last_evaluated_key=start)
            return [row.id.removeprefix(ACCOUNT) for row in rows]

    def draw_ticket(self, account_id: str, now: datetime) -> Ticket:
        """A ticket above every one drawn for the account before, whoever drew it.

        It is drawn before Stripe is asked: of two answers, the one under the higher ticket was asked for later. It does
        not begin below the clock's milliseconds, so that a table that was lost, or restored from an older day, draws no
        tickets that accounts have long passed.
        """
        clock = round(now.timestamp() * 1000)
        ticket = StripeEventItem.ticket
        item = self.items(f"{TICKET}{account_id}")
        last = StripeEventItem.before.set(ticket | 0)
        with told_in_our_words():
            behind = ticket.does_not_exist() | (ticket < clock)
            if not held(item.update, actions=[last, ticket.set(clock)], condition=behind):
                item.update(actions=[last, ticket.add(1)])
        return Ticket(int(item.ticket), alone=int(item.before) <= int(item.finished or 0))

    def finish_ticket(self, account_id: str, ticket: Ticket) -> None:
        """What was fetched under the ticket is applied, or was found not to matter."""
        finished = StripeEventItem.finished
        behind = finished.does_not_exist() | (finished < ticket.number)
        with told_in_our_words():
            item = self.items(f"{TICKET}{account_id}")
            held(item.update, actions=[finished.set(ticket.number)], condition=behind)

    def write(self, item_id: str, **attributes: Any) -> None:
        """Put the item under this id, whatever was there before."""
        with told_in_our_words():
            self.items(item_id, **attributes).save()

    def read(self, item_id: str) -> StripeEventItem | None:
        """The item under this id. A strongly consistent read."""
        with told_in_our_words():
            try:
                return self.items.get(item_id, consistent_read=True)
            except self.items.DoesNotExist:
                return None


def open_events(connection: Connection, table_name: str) -> StripeEvents:
    """The events table of this name over this connection."""
    return StripeEvents(bind(StripeEventItem, table_name, connection))


def held(write: Callable[..., Any], **options: Any) -> bool:
    """Whether the write's condition held. If not, nothing was written."""
    try:
        write(**options)
    except PynamoDBException as error:
        if error.cause_response_code != CONDITION:
            raise
        return False
    return True
