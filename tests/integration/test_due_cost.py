"""What a schedule costs on DynamoDB Local: calls and consumed reads are those of the accounts that are due."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from pynamodb.connection import Connection

from benchmarks.population import counted, populate
from credits.ledger.due import renew_due
from credits.ledger.dynamo import DynamoStore
from credits.ledger.tables import Tables
from tests.integration.conftest import tables_of_one_test
from tests.moves import CATALOG, NOON

RESET = datetime(2026, 12, 23, 12, tzinfo=UTC)


def cost_of_the_schedule(tables: Tables, at: datetime) -> Counter[str]:
    """What all shards cost together at this instant."""
    with counted(tables.connection.client) as cost:
        for shard in range(16):
            assert renew_due(
                DynamoStore(tables), CATALOG, "account", f"{shard:02d}", now=at, time_left=lambda: 1.0
            ).finished
    return cost


def test_1_000_due_accounts_cost_the_same_among_10_000_as_by_themselves(local_connection: Connection) -> None:
    costs = []
    for others in (0, 9_000):
        with tables_of_one_test(local_connection) as tables:
            populate(tables, 1_000, prefix="due-", opened_at=NOON)
            populate(tables, others, prefix="other-", opened_at=NOON + timedelta(days=1))
            costs.append(cost_of_the_schedule(tables, RESET))

    # A query of each shard at half a unit; a read of each account at one.
    assert costs == [{"Query": 16, "GetItem": 1_000, "TransactWriteItems": 1_000, "read units": 1_008.0}] * 2


def test_when_nothing_is_due_a_schedule_costs_one_empty_query_a_shard(local_connection: Connection) -> None:
    with tables_of_one_test(local_connection) as tables:
        populate(tables, 500, prefix="other-", opened_at=NOON)
        # DynamoDB Local counts nothing for an empty query; DynamoDB itself half a unit.
        assert cost_of_the_schedule(tables, RESET - timedelta(milliseconds=1)) == {"Query": 16, "read units": 0}
