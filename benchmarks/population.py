"""Accounts and entries by the thousand, and what a DynamoDB is asked and charges for: to show what numbers cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from typing import Any
from uuid import uuid4

from credits.catalog import load
from credits.domain.charge import Usage, charge
from credits.domain.entry import Entry
from credits.domain.open import OPENED_KEY, open_account
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey, due_shard, moment
from credits.ledger.tables import Tables
from credits.usage.fold import fold
from credits.usage.tables import Rollups, rollup_item

ITEMS_AT_ONCE = 25
"""What BatchWriteItem takes."""

WRITERS = 4
"""While one batch is signed, others are written."""

LINES = [
    Usage(
        action=action,
        conversation_id="chat",
        conversation_title="Quarterly numbers",
        member_id="alice",
        model="gpt-5.1",
    )
    for action in (
        "message",
        "agent_step",
        "ai_response",
        "message",
        "web_fetch",
        "web_fetch",
        "agent_step",
        "ai_response",
    )
]
"""What a history is made of: people ask, tools run, the answer is free."""

ENTRIES_OF_A_CONVERSATION = 16


def populate(tables: Tables, count: int, *, prefix: str, opened_at: datetime) -> None:
    """Write `count` accounts as one opened at this instant stands, straight into the table and without entries."""
    model = f"model-{uuid4().hex}"
    rule = partial(open_account, catalog=load(), account_id=model)
    post(DynamoStore(tables), OPENED_KEY, [AccountKey(model)], rule, now=opened_at, opens=True)
    client: Any = tables.connection.client
    table = tables.accounts.Meta.table_name
    item = client.get_item(TableName=table, Key={"account_id": {"S": model}})["Item"]
    client.delete_item(TableName=table, Key={"account_id": {"S": model}})

    def write(ids: Iterable[str]) -> None:
        puts = [item | {"account_id": {"S": each}, "due_shard": {"S": due_shard(each)}} for each in ids]
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": put}} for put in puts]})

    _in_batches(write, (f"{prefix}{number}" for number in range(count)))


class History:
    """An account and `count` charges of it, one each `pace` since its opening: a few that the ledger wrote, again and
    again under other keys."""

    def __init__(self, tables: Tables, account_id: str, count: int, *, opened_at: datetime, pace: timedelta) -> None:
        self.account_id = account_id
        self._tables, self._count, self._opened_at, self._pace = tables, count, opened_at, pace
        store, catalog, books = DynamoStore(tables), load(), [AccountKey(account_id)]
        opening = partial(open_account, catalog=catalog, account_id=account_id)
        post(store, OPENED_KEY, books, opening, now=opened_at, opens=True)
        self._models: list[Entry] = []
        for number, line in enumerate(LINES):
            rule = partial(charge, catalog=catalog, key=f"c#model-{number}", lines=[line])
            self._models += post(store, f"c#model-{number}", books, rule, now=opened_at).entries

    def write_entries(self) -> None:
        """Put the charges straight into the table."""
        client: Any = self._tables.connection.client
        table = self._tables.entries.Meta.table_name
        keys = ({"book_id": {"S": self.account_id}, "key": {"S": model.key}} for model in self._models)
        models: list[dict[str, Any]] = [client.get_item(TableName=table, Key=key)["Item"] for key in keys]

        def item(number: int) -> dict[str, Any]:
            entry = self._entry(number)
            return models[number % len(models)] | {
                "key": {"S": entry.key},
                "moment": {"S": moment(entry.at, entry.seq)},
                "conversation_key": {"S": f"{self.account_id}#{entry.conversation_id}"},
            }

        def write(numbers: Iterable[int]) -> None:
            puts = [{"PutRequest": {"Item": item(number)}} for number in numbers]
            client.batch_write_item(RequestItems={table: puts})

        _in_batches(write, range(self._count))

    def write_usage(self, rollups: Rollups) -> None:
        """Put what the charges add up to straight into the table."""
        with rollups.items.batch_write() as batch:
            for rollup in fold({}, map(self._entry, range(self._count))).values():
                batch.save(rollup_item(rollups.items, self.account_id, rollup))

    def _entry(self, number: int) -> Entry:
        return replace(
            self._models[number % len(self._models)],
            key=f"c#k{number}",
            at=self._opened_at + number * self._pace,
            seq=self._models[-1].seq + 1 + number,
            conversation_id=f"chat-{number // ENTRIES_OF_A_CONVERSATION}",
        )


def _in_batches[T](write: Callable[[Sequence[T]], None], what: Iterable[T]) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        for _ in writers.map(write, batched(what, ITEMS_AT_ONCE, strict=False)):
            pass


@contextmanager
def counted(client: Any) -> Iterator[Counter[str]]:
    """Every call of the client in this block by its name, and under `read units` what the reads consumed."""
    count: Counter[str] = Counter()

    def ask(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        count[model.name] += 1
        if model.name in {"GetItem", "Query"}:
            count["read units"] += parsed["ConsumedCapacity"]["CapacityUnits"]

    client.meta.events.register("before-parameter-build.dynamodb.*", ask, unique_id="ask")
    client.meta.events.register("after-call.dynamodb.*", note, unique_id="note")
    try:
        yield count
    finally:
        client.meta.events.unregister("before-parameter-build.dynamodb.*", unique_id="ask")
        client.meta.events.unregister("after-call.dynamodb.*", unique_id="note")
