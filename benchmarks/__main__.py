"""`make bench`: measures on DynamoDB Local and prints each figure beside its budget. Exits 1 where one is over."""

import os
import sys

from pynamodb.connection import Connection

from benchmarks import charge, history, hold, page, renewals, simulation, start, webhook
from benchmarks.figure import table
from credits.access.keys import KeyItem
from credits.ledger.tables import Tables, bind, bind_tables, connect, create_missing
from credits.usage.tables import open_rollups
from local.dynamodb import dynamodb_local

ENVIRONMENT = {
    "ACCOUNTS_TABLE": "bench-accounts",
    "HOLDS_TABLE": "bench-holds",
    "MEMBERS_TABLE": "bench-members",
    "ENTRIES_TABLE": "bench-entries",
    "KEYS_TABLE": "bench-keys",
    "UPGRADE_URL": "http://127.0.0.1/upgrade",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_LOG_LEVEL": "WARNING",
}


def _tables(connection: Connection, name: str) -> Tables:
    """A ledger's tables, each named for it."""
    return bind_tables(
        connection,
        accounts=f"{name}-accounts",
        holds=f"{name}-holds",
        members=f"{name}-members",
        entries=f"{name}-entries",
    )


def main() -> int:
    os.environ.update(ENVIRONMENT)
    with dynamodb_local() as database:
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = database.endpoint
        connection = connect(region=ENVIRONMENT["AWS_REGION"])
        tables = _tables(connection, "bench")
        keys = bind(KeyItem, ENVIRONMENT["KEYS_TABLE"], connection)
        create_missing([*tables.models, keys])
        figures = charge.measure(database.endpoint) + hold.measure() + start.measure()
        due = _tables(connection, "bench-due")
        create_missing(due.models)
        figures += renewals.measure(due, database.endpoint)
        told = _tables(connection, "bench-history")
        rollups = open_rollups(connection, "bench-history-usage")
        create_missing([*told.models, rollups.items])
        figures += history.measure(told, rollups)
    figures += webhook.measure(os.environ)
    figures += page.measure()
    figures += simulation.measure()
    print(table(figures))
    return 0 if all(figure.within for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
