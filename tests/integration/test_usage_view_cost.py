"""What a view of the Usage page reads, counted on DynamoDB Local: the same however long the history is."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

from pynamodb.connection import Connection

from benchmarks.population import History, counted
from credits.catalog import load
from credits.domain.appoint import appoint
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import post
from credits.ledger.read import account_now
from credits.ledger.store import AccountKey, MemberKey
from credits.ledger.tables import create_missing
from credits.page.reader import reader_of
from credits.page.readings import readings
from credits.page.selection import selection_of
from credits.usage.tables import Rollups, open_rollups
from tests.integration.conftest import tables_of_one_test
from tests.moves import moved_to

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PACE = timedelta(minutes=45)
CATALOG = load()
READER = reader_of(language=None, accepted=None, zone="UTC")


def viewed(store: DynamoStore, rollups: Rollups, account_id: str, **query: str) -> Counter[str]:
    """What the page of this account and query asks of the tables."""
    with counted(store.connection.client) as cost:
        account = account_now(store, CATALOG, account_id, NOW)
        selection = selection_of(query, account, CATALOG, READER, now=NOW)
        readings(store, rollups, CATALOG, account, selection, READER, now=NOW)
    return cost


def test_a_view_costs_the_same_calls_and_read_units_at_1_000_and_at_4_000_entries(local_connection: Connection) -> None:
    with tables_of_one_test(local_connection) as tables:
        rollups = open_rollups(local_connection, f"usage-{uuid4().hex}")
        create_missing([rollups.items])
        store = DynamoStore(tables)
        costs = []
        for count in (1_000, 4_000):
            account_id, newest = f"acme-{count}", f"chat-{count // 16 - 1}"
            history = History(tables, account_id, count, opened_at=NOW - count * PACE, pace=PACE)
            history.write_entries()
            history.write_usage(rollups)
            costs.append(
                [
                    viewed(store, rollups, account_id, span="30d"),
                    viewed(store, rollups, account_id, span="30d", conversation=newest),
                    viewed(store, rollups, account_id, span="30d", type="deep_research"),
                ]
            )
        assert costs[0] == costs[1]
        # The account; the days drawn, those of the last month, the last conversations, a page of entries.
        assert costs[0][0] == {"GetItem": 1, "Query": 4, "read units": 14.5}
        # And the conversation.
        assert costs[0][1] == {"GetItem": 2, "Query": 4, "read units": 12.0}
        # Nothing of this kind is there: 500 entries are looked at, a hundred at a time.
        assert costs[0][2] == {"GetItem": 1, "Query": 8, "read units": 52.5}
        # The members of a team that has any come with one more.
        moved_to(store, "team", "team", seats=2, account_id="acme-1000", at=NOW)
        assert viewed(store, rollups, "acme-1000")["Query"] == 4
        zoe = partial(appoint, catalog=CATALOG, key="m#zoe", member_id="zoe", credit_cap=5)
        post(store, "m#zoe", [AccountKey("acme-1000"), MemberKey("acme-1000", "zoe")], zoe, now=NOW)
        assert viewed(store, rollups, "acme-1000")["Query"] == 5
        rollups.items.delete_table()
