"""History: what a page of it and a summary of usage cost, however many entries the account has."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from benchmarks.figure import Figure
from benchmarks.population import History, counted
from credits.catalog import load
from credits.ledger.dynamo import DynamoStore
from credits.ledger.read import EntryFilter, account_now, entries
from credits.ledger.tables import Tables
from credits.usage.insights import insights
from credits.usage.report import Granularity, Wanted, conversations, report
from credits.usage.tables import Rollups

FEW = 1_000
MANY = 1_000_000 if os.environ.get("FULL") == "1" else 100_000
ROUNDS = 200

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MONTH = timedelta(days=31)
PACE = timedelta(minutes=45)
"""Both accounts were used alike in the last month; one of them has been for longer."""

LARGEST_DAY_UNITS = 2.5
"""A day is under 20 KB however busy it was, and an eventually consistent read costs half a unit for each 4 KB."""

CATALOG = load()


def measure(tables: Tables, rollups: Rollups) -> list[Figure]:
    """A page and a summary of an account with few entries beside one with many; then a month as busy as can be."""
    few = _written(tables, rollups, "few", FEW)
    many = _written(tables, rollups, "many", MANY)
    busy = History(tables, "busy", MANY, opened_at=NOW - MONTH, pace=MONTH / MANY)
    busy.write_usage(rollups)

    figures: list[Figure] = []
    for name, read in readings(tables, rollups).items():
        figures += _beside(name, tables, partial(read, few), partial(read, many))
    with counted(tables.connection.client) as cost:
        readings(tables, rollups)["usage summary"](busy.account_id)
    units = cost["read units"]
    where = f"read units: usage summary of a month with {MANY:,} entries"
    return [*figures, Figure(where, units, LARGEST_DAY_UNITS * MONTH.days + 1, "however many there are")]


def readings(tables: Tables, rollups: Rollups) -> Mapping[str, Callable[[str], object]]:
    """What the Usage page reads of an account, by name."""
    store = DynamoStore(tables)
    month = Wanted(Granularity.DAY, NOW - MONTH, NOW)

    def history_page(account_id: str) -> object:
        return entries(store, account_id, EntryFilter(), limit=50), conversations(rollups, account_id, limit=50)

    def usage_summary(account_id: str) -> object:
        account = account_now(store, CATALOG, account_id, NOW)
        return report(rollups, account_id, month), insights(rollups, CATALOG, account, now=NOW)

    return {"history page": history_page, "usage summary": usage_summary}


def _written(tables: Tables, rollups: Rollups, account_id: str, count: int) -> str:
    history = History(tables, account_id, count, opened_at=NOW - count * PACE, pace=PACE)
    history.write_entries()
    history.write_usage(rollups)
    return account_id


def _beside(name: str, tables: Tables, few: Callable[[], object], many: Callable[[], object]) -> list[Figure]:
    """Calls, consumed reads and time of the one over those of the other; they take turns, as elsewhere."""
    costs: list[Counter[str]] = []
    for read in (few, many):
        with counted(tables.connection.client) as cost:
            read()
        costs.append(cost)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for read, spent in zip((few, many), seconds, strict=True):
            began = time.perf_counter()
            read()
            spent.append(time.perf_counter() - began)
    (units_few, units_many), (calls_few, calls_many) = (
        [cost["read units"] for cost in costs],
        [cost.total() - cost["read units"] for cost in costs],
    )
    fast, slow = (median(each) * 1000 for each in seconds)
    where = f"{name} at {MANY:,} entries / {FEW:,}"
    return [
        Figure(f"calls: {where}", calls_many / calls_few, 1, f"{calls_many:,.0f} over {calls_few:,.0f}"),
        Figure(f"read units: {where}", units_many / units_few, 1, f"{units_many:,.1f} over {units_few:,.1f}"),
        Figure(f"time: {where}", slow / fast, 1.2, f"{slow:.2f} over {fast:.2f} ms"),
    ]
