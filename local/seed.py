"""The accounts of the stack: one on each plan and two that run short, with weeks of history behind them.

They are told to a ledger in memory, by the rules and through the door of the real one, at the moments they would have
happened; then its lines are copied into the tables. Through the API it could only happen now, and a line at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from credits import catalog
from credits.domain.charge import charge
from credits.domain.meter import Meter, set_meter
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.pack import give_pack
from credits.domain.subscribe import change_plan
from credits.ledger.dynamo import DynamoStore, _account_item, _entry_item
from credits.ledger.memory import MemoryStore
from credits.ledger.post import client_key, post
from credits.ledger.store import AccountKey, Span
from credits.usage.project import rebuild
from credits.usage.tables import Rollups
from local.client import Client
from local.history import METERS, OPENED_DAYS_AGO, PACKS, happenings


@dataclass(frozen=True, slots=True)
class Seeded:
    """An account: whose it is, and its plan."""

    name: str
    plan: str = "free"
    seats: int = 1


ACCOUNTS: Final = {
    "pro": Seeded("Ada Marsh", "pro"),
    "free": Seeded("Noor Haddad"),
    "max": Seeded("Ivo Lindqvist", "max"),
    "team": Seeded("Harbour Studio", "team", 3),
    "low": Seeded("Lena Ortiz"),
    "exhausted": Seeded("Theo Brandt"),
}

# The account whose Usage page is shown first.
SHOWN: Final = "pro"

# DynamoDB's limit for one BatchWriteItem, and more entries than any of them has.
MOST_ITEMS_A_CALL: Final = 25
MOST_ENTRIES: Final = 1_000


def seed(store: DynamoStore, rollups: Rollups, dynamodb: Any, *, accounts: str, entries: str, now: datetime) -> None:
    """Makes the accounts that are not there in these tables, as of `now`. One that is there stays as it is by now."""
    absent = [account_id for account_id in ACCOUNTS if store.read(AccountKey(account_id)) == [None]]
    told = MemoryStore()
    for account_id in absent:
        tell(told, account_id, now)
        history = told.entries(Span(account_id), limit=MOST_ENTRIES, newest_first=False)
        put(dynamodb, entries, [_entry_item(entry) for entry in history])
        (book,) = told.read(AccountKey(account_id))
        put(dynamodb, accounts, [_account_item(book)])
        # The stream would come to the same, in its own time: the page is looked at as soon as the stack is up.
        rebuild(store, rollups, account_id)


def tell(store: MemoryStore, account_id: str, now: datetime) -> None:
    """The life of one account up to now."""
    account, sold = ACCOUNTS[account_id], catalog.load()
    opened = now - timedelta(days=OPENED_DAYS_AGO)
    do = partial(post, store, books=[AccountKey(account_id)])
    do(OPENED_KEY, decide=partial(open_account, account_id=account_id, catalog=sold), now=opened, opens=True)
    if account.plan != "free":
        change = partial(change_plan, key="seed-plan", plan=account.plan, seats=account.seats, catalog=sold)
        do("seed-plan", decide=change, now=opened + timedelta(minutes=5))
    words, workflows = METERS[account_id]
    for meter, value in ((Meter.KNOWLEDGE_WORDS, words), (Meter.WORKFLOWS, workflows)):
        filled = partial(set_meter, key=f"seed-{meter}", meter=meter, value=value, catalog=sold)
        do(f"seed-{meter}", decide=filled, now=opened + timedelta(minutes=10))
    chats = [(each.ago, client_key(f"seed-{number:02}"), each) for number, each in enumerate(happenings(account_id), 1)]
    told = [(ago, key, partial(charge, key=key, lines=each.lines, catalog=sold)) for ago, key, each in chats]
    if account_id in PACKS:
        pack, days = PACKS[account_id]
        bought = partial(give_pack, key="seed-pack", pack=sold.packs[pack], catalog=sold)
        told.append((timedelta(days=days), "seed-pack", bought))
    for ago, key, rule in sorted(told, key=lambda each: each[0], reverse=True):
        do(key, decide=rule, now=now - ago)


def put(dynamodb: Any, table: str, items: Sequence[Mapping[str, Any]]) -> None:
    for batch in chunks(items):
        left: Mapping[str, Any] = {table: [{"PutRequest": {"Item": item}} for item in batch]}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]


def chunks(items: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    for start in range(0, len(items), MOST_ITEMS_A_CALL):
        yield items[start : start + MOST_ITEMS_A_CALL]


def usage_page(client: Client, account_id: str, **reader: object) -> str:
    """A new link to the account's Usage page, for this reader."""
    answer = client.call("POST", f"/v1/accounts/{account_id}/usage-sessions", reader, expect=(201,))
    url: str = answer.body["url"]
    return url
