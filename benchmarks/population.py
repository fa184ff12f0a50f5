"""Accounts by the thousand, and what a DynamoDB is asked and charges for: to show what a number of accounts costs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Any
from uuid import uuid4

from credits.catalog import load
from credits.domain.open import OPENED_KEY, open_account
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey, due_shard
from credits.ledger.tables import Tables

ITEMS_AT_ONCE = 25
"""What BatchWriteItem takes."""

WRITERS = 4
"""While one batch is signed, others are written."""


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

    ids = (f"{prefix}{number}" for number in range(count))
    with ThreadPoolExecutor(WRITERS) as writers:
        for _ in writers.map(write, batched(ids, ITEMS_AT_ONCE, strict=False)):
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
