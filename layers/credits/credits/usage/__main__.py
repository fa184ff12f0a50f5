"""Count usage that was not counted, or count it anew, from a shell with AWS credentials.

With ACCOUNTS_TABLE, HOLDS_TABLE, MEMBERS_TABLE, ENTRIES_TABLE and USAGE_TABLE in the environment:

    python -m credits.usage redrive --queue-url https://sqs…
    python -m credits.usage rebuild --account acme
"""

import argparse
import os
import sys
from collections.abc import Sequence

from credits.domain.entry import AnyEntry
from credits.ledger.dead_letters import DeadLetters, NotALetter, NotHandled, handle_again
from credits.ledger.dynamo import DynamoStore
from credits.ledger.tables import bind_tables, connect
from credits.usage.project import project, rebuild
from credits.usage.tables import Rollups, open_rollups

TABLES = ("ACCOUNTS_TABLE", "HOLDS_TABLE", "MEMBERS_TABLE", "ENTRIES_TABLE", "USAGE_TABLE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 done, 1 an account without a ledger, or one that was not counted."""
    parser = argparse.ArgumentParser(prog="python -m credits.usage", description="Count usage from the ledger.")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), help="the tables' (default: $AWS_REGION)")
    commands = parser.add_subparsers(dest="command", required=True)
    again = commands.add_parser("redrive", help="count what the dead letters of usage_projection speak of")
    again.add_argument("--queue-url", required=True, help="UsageProjectionDeadLetters")
    again.add_argument("--account", action="append", default=[], help="look into this ledger alone; may be repeated")
    anew = commands.add_parser("rebuild", help="delete the rollups of accounts and fold their ledgers again")
    anew.add_argument("--account", action="append", required=True, help="may be given repeatedly")
    given = parser.parse_args(arguments)
    absent = [name for name in TABLES if not os.environ.get(name)] + ([] if given.region else ["AWS_REGION"])
    if absent:
        parser.error(f"set {', '.join(absent)}")
    accounts, holds, members, entries, usage = (os.environ[name] for name in TABLES)
    connection = connect(region=given.region)
    ledger = DynamoStore(bind_tables(connection, accounts=accounts, holds=holds, members=members, entries=entries))
    rollups = open_rollups(connection, usage)
    if given.command == "redrive":
        return _redrive(DeadLetters(given.queue_url, region=given.region), ledger, rollups, given.account)
    return _rebuild(ledger, rollups, given.account)


def _redrive(letters: DeadLetters, ledger: DynamoStore, rollups: Rollups, accounts: Sequence[str]) -> int:
    def count(entries: Sequence[AnyEntry]) -> None:
        failed = project(ledger, rollups, entries)
        for account_id in sorted({entry.account_id for entry in entries if entry.book_id not in failed}):
            print(f"{account_id}  counted")
        if failed:
            raise NotHandled("; ".join(f"{book_id}: {reason!r}" for book_id, reason in sorted(failed.items())))

    try:
        handled = handle_again(letters, ledger, count, accounts=accounts)
    except NotALetter as trouble:
        print(trouble)
        return 1
    print(handled)
    return int(bool(handled.failed))


def _rebuild(ledger: DynamoStore, rollups: Rollups, accounts: Sequence[str]) -> int:
    empty = False
    for account_id in accounts:
        rebuilt = rebuild(ledger, rollups, account_id)
        print(f"{account_id}  {rebuilt.entries} entries of {rebuilt.books} books")
        empty = empty or not rebuilt.entries
    return int(empty)


if __name__ == "__main__":
    sys.exit(main())
