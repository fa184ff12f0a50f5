"""Renewals: what the schedule costs among accounts that are not due, and how fast one worker renews those that are."""

import os
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import botocore.session

from benchmarks.figure import Figure
from benchmarks.population import counted, populate
from credits.catalog import load
from credits.ledger.due import renew_due
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import DUE_SHARDS
from credits.ledger.tables import Tables

ACCOUNTS = 1_000_000 if os.environ.get("FULL") == "1" else 100_000
DUE = 1_000
TIMED = 480

OPENED = datetime(2026, 1, 10, tzinfo=UTC)
RESET = datetime(2026, 2, 10, tzinfo=UTC)
"""When the accounts of each measurement are due: all within this day, and the others the day after."""

CATALOG = load()
SHARDS = [f"{shard:02d}" for shard in range(DUE_SHARDS)]


def measure(tables: Tables, endpoint: str) -> list[Figure]:
    """The schedule for 1,000 due accounts by themselves and again among all the others, then one worker's pace."""
    populate(tables, DUE, prefix="alone-", opened_at=OPENED)
    alone = _cost(tables, RESET)
    populate(tables, ACCOUNTS - 2 * DUE, prefix="other-", opened_at=OPENED + timedelta(days=1))
    populate(tables, DUE, prefix="among-", opened_at=OPENED + timedelta(hours=1))
    among = _cost(tables, RESET + timedelta(hours=1))
    populate(tables, TIMED, prefix="timed-", opened_at=OPENED + timedelta(hours=2))
    mine, theirs = _pace(tables, endpoint, RESET + timedelta(hours=2))
    calls, calls_alone = among.total() - among["read units"], alone.total() - alone["read units"]
    where = f"{DUE:,} due among {ACCOUNTS:,} / by themselves"
    return [
        Figure(f"calls: {where}", calls / calls_alone, 1, f"{calls:,.0f} over {calls_alone:,.0f}"),
        Figure(
            f"read units: {where}",
            among["read units"] / alone["read units"],
            1,
            f"{among['read units']:,.0f} over {alone['read units']:,.0f}",
        ),
        Figure(
            "renewal by a worker / its two bare calls",
            mine / theirs,
            1.25,
            f"{1 / mine:.0f} renewals a second, {1 / theirs:.0f} bare",
        ),
    ]


def _cost(tables: Tables, now: datetime) -> Counter[str]:
    """What the schedule asks for at `now`, over all shards."""
    with counted(tables.connection.client) as cost:
        renewed = sum(_renewed(DynamoStore(tables), shard, now) for shard in SHARDS)
    if renewed != DUE:
        raise RuntimeError(f"{renewed} accounts were renewed")
    return cost


def _renewed(store: DynamoStore, shard: str, now: datetime) -> int:
    run = renew_due(store, CATALOG, "account", shard, now=now, time_left=lambda: 1.0)
    if run.failed:
        raise run.failed[0].error
    return run.renewed


def _pace(tables: Tables, endpoint: str, now: datetime) -> tuple[float, float]:
    """Seconds for one account: by a worker, its listing counted, and by the bare calls made again for neighbours.

    Shards take turns, so that the machine's moods meet both alike.
    """
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        calls.append((model.name, dict(params)))

    tables.connection.client.meta.events.register("provide-client-params.dynamodb.*", note)
    bare = botocore.session.get_session().create_client(
        "dynamodb", region_name=tables.connection.region, endpoint_url=endpoint
    )
    mine: list[float] = []
    theirs: list[float] = []
    for shard in SHARDS:
        calls.clear()
        began = time.perf_counter()
        renewed = _renewed(DynamoStore(tables), shard, now)
        mine.append((time.perf_counter() - began) / renewed)
        theirs.append(_bare(bare, calls) / renewed)
    tables.connection.client.meta.events.unregister("provide-client-params.dynamodb.*", note)
    return median(mine), median(theirs)


def _bare(client: Any, calls: list[tuple[str, dict[str, Any]]]) -> float:
    """Seconds for the reads again, and the commits again for accounts that are not there yet, on items alike."""
    again = [(name, _of_a_neighbour(params)) for name, params in calls if name != "Query"]
    began = time.perf_counter()
    for name, params in again:
        if name == "GetItem":
            client.get_item(**params)
        else:
            client.transact_write_items(**params)
    return time.perf_counter() - began


def _of_a_neighbour(params: Mapping[str, Any]) -> dict[str, Any]:
    """A read as it was; a commit with other ids that are as long, each Put on the condition that it is new."""
    if "TransactItems" not in params:
        return dict(params)
    puts = []
    for each in params["TransactItems"]:
        item = {
            name: {"S": "b" + value["S"][1:]} if name in {"account_id", "book_id"} else value
            for name, value in each["Put"]["Item"].items()
        }
        key = "key" if "key" in item else "account_id"
        condition = {"ConditionExpression": "attribute_not_exists(#0)", "ExpressionAttributeNames": {"#0": key}}
        puts.append({"Put": {"TableName": each["Put"]["TableName"], "Item": item} | condition})
    return {"TransactItems": puts}
