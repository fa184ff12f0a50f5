"""`make bench`: measures on DynamoDB Local and prints each figure beside its budget. Exits 1 where one is over."""

import os
import sys

from benchmarks import charge, history, page, renewals, start, webhook
from benchmarks.figure import table
from credits.access.keys import KeyItem
from credits.ledger.tables import bind, bind_tables, connect, create_missing
from credits.usage.tables import open_rollups
from local.dynamodb import dynamodb_local

ENVIRONMENT = {
    "ACCOUNTS_TABLE": "bench-accounts",
    "ENTRIES_TABLE": "bench-entries",
    "KEYS_TABLE": "bench-keys",
    "UPGRADE_URL": "http://127.0.0.1/upgrade",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_LOG_LEVEL": "WARNING",
}


def main() -> int:
    os.environ.update(ENVIRONMENT)
    with dynamodb_local() as database:
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = database.endpoint
        connection = connect(region=ENVIRONMENT["AWS_REGION"])
        tables = bind_tables(connection, accounts=ENVIRONMENT["ACCOUNTS_TABLE"], entries=ENVIRONMENT["ENTRIES_TABLE"])
        keys = bind(KeyItem, ENVIRONMENT["KEYS_TABLE"], connection)
        create_missing([tables.accounts, tables.entries, keys])
        figures = charge.measure(database.endpoint) + start.measure()
        due = bind_tables(connection, accounts="bench-due-accounts", entries="bench-due-entries")
        create_missing([due.accounts, due.entries])
        figures += renewals.measure(due, database.endpoint)
        told = bind_tables(connection, accounts="bench-history-accounts", entries="bench-history-entries")
        rollups = open_rollups(connection, "bench-history-usage")
        create_missing([told.accounts, told.entries, rollups.items])
        figures += history.measure(told, rollups)
    figures += webhook.measure(os.environ)
    figures += page.measure()
    print(table(figures))
    return 0 if all(figure.within for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
