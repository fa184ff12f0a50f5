"""Rebuild the usage of accounts from their ledger, from a shell with AWS credentials.

ACCOUNTS_TABLE=… ENTRIES_TABLE=… USAGE_TABLE=… python -m credits.usage rebuild --account acme
"""

import argparse
import os
import sys
from collections.abc import Sequence

from credits.ledger.dynamo import DynamoStore
from credits.ledger.tables import bind_tables, connect
from credits.usage.project import rebuild
from credits.usage.tables import open_rollups

TABLES = ("ACCOUNTS_TABLE", "ENTRIES_TABLE", "USAGE_TABLE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 done, 1 an account that has no ledger."""
    parser = argparse.ArgumentParser(prog="python -m credits.usage", description="Rebuild usage from the ledger.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("rebuild", help="delete the rollups of accounts and fold their ledgers again")
    command.add_argument("--account", action="append", required=True, help="may be given repeatedly")
    command.add_argument("--region", default=os.environ.get("AWS_REGION"), help="the tables' (default: $AWS_REGION)")
    given = parser.parse_args(arguments)
    absent = [name for name in TABLES if not os.environ.get(name)] + ([] if given.region else ["AWS_REGION"])
    if absent:
        parser.error(f"set {', '.join(absent)}")
    accounts, entries, usage = (os.environ[name] for name in TABLES)
    connection = connect(region=given.region)
    ledger = DynamoStore(bind_tables(connection, accounts=accounts, entries=entries))
    rollups = open_rollups(connection, usage)
    empty = False
    for account_id in given.account:
        rebuilt = rebuild(ledger, rollups, account_id)
        print(f"{account_id}  {rebuilt.entries} entries of {rebuilt.books} books")
        empty = empty or not rebuilt.entries
    return int(empty)


if __name__ == "__main__":
    sys.exit(main())
