"""What the Usage page reads costs the same calls and consumed reads on DynamoDB Local, however long the history."""

from uuid import uuid4

from pynamodb.connection import Connection

from benchmarks.history import NOW, PACE, readings
from benchmarks.population import History, counted
from credits.ledger.tables import create_missing
from credits.usage.tables import open_rollups
from tests.integration.conftest import tables_of_one_test

COSTS = {
    # Entries, conversations.
    "history page": {"Query": 2, "read units": 6.5},
    # The account, and the days of a month for each of the two readings of it.
    "usage summary": {"GetItem": 1, "Query": 2, "read units": 9.0},
}


def test_a_page_and_a_summary_cost_the_same_at_1_000_and_at_4_000_entries(local_connection: Connection) -> None:
    with tables_of_one_test(local_connection) as tables:
        rollups = open_rollups(local_connection, f"usage-{uuid4().hex}")
        create_missing([rollups.items])
        for count in (1_000, 4_000):
            history = History(tables, f"acme-{count}", count, opened_at=NOW - count * PACE, pace=PACE)
            history.write_entries()
            history.write_usage(rollups)
        for name, read in readings(tables, rollups).items():
            for account_id in ("acme-1000", "acme-4000"):
                with counted(local_connection.client) as cost:
                    read(account_id)
                assert (account_id, cost) == (account_id, COSTS[name])
        rollups.items.delete_table()
