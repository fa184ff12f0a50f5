"""Tell events that were not told, from a shell with AWS credentials, under the ids that they would have had.

With EVENT_BUS_NAME, ACCOUNTS_TABLE, HOLDS_TABLE, MEMBERS_TABLE and ENTRIES_TABLE in the environment:

    python -m credits.alerts redrive --queue-url https://sqs…
    python -m credits.alerts tell --account acme --from 2026-11-23T12:00Z
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

from credits.alerts.bus import EventBus, tell_again
from credits.domain.entry import AnyEntry
from credits.domain.instant import floor
from credits.ledger.dead_letters import LATE, DeadLetters, NotALetter, NotHandled, handle_again
from credits.ledger.dynamo import DynamoStore
from credits.ledger.read import in_time
from credits.ledger.store import Span
from credits.ledger.tables import bind_tables, connect

SETTINGS = ("ACCOUNTS_TABLE", "HOLDS_TABLE", "MEMBERS_TABLE", "ENTRIES_TABLE", "EVENT_BUS_NAME")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 all was told, 1 something was not; it is named."""
    parser = argparse.ArgumentParser(prog="python -m credits.alerts", description="Tell events again.")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), help="the stack's (default: $AWS_REGION)")
    commands = parser.add_subparsers(dest="command", required=True)
    again = commands.add_parser("redrive", help="tell what the dead letters of alerts speak of")
    again.add_argument("--queue-url", required=True, help="AlertsDeadLetters")
    again.add_argument("--account", action="append", default=[], help="look into this ledger alone; may be repeated")
    again.add_argument(
        "--late",
        type=hours,
        default=LATE,
        metavar="HOURS",
        help="how long before they were written renewals may be dated (default: 1)",
    )
    by_hand = commands.add_parser("tell", help="tell what the entries of an account have to tell, from one instant on")
    by_hand.add_argument("--account", required=True)
    by_hand.add_argument("--from", dest="since", type=instant, required=True, metavar="INSTANT")
    by_hand.add_argument("--to", dest="until", type=instant, metavar="INSTANT", help="before this one (default: now)")
    given = parser.parse_args(arguments)
    absent = [name for name in SETTINGS if not os.environ.get(name)] + ([] if given.region else ["AWS_REGION"])
    if absent:
        parser.error(f"set {', '.join(absent)}")
    accounts, holds, members, entries, bus_name = (os.environ[name] for name in SETTINGS)
    connection = connect(region=given.region)
    store = DynamoStore(bind_tables(connection, accounts=accounts, holds=holds, members=members, entries=entries))
    bus = EventBus(bus_name, region=given.region)
    if given.command == "redrive":
        letters = DeadLetters(given.queue_url, region=given.region)
        return _redrive(letters, store, bus, given.account, given.late)
    return _tell(store, bus, Span(given.account, since=given.since, until=given.until))


def _redrive(letters: DeadLetters, store: DynamoStore, bus: EventBus, accounts: Sequence[str], late: timedelta) -> int:
    told = 0

    def tell(entries: Sequence[AnyEntry]) -> None:
        nonlocal told
        told += tell_again(entries, bus)

    try:
        handled = handle_again(letters, store, tell, accounts=accounts, late=late)
    except NotALetter as trouble:
        print(trouble)
        return 1
    print(f"{handled}, {told} events")
    return int(bool(handled.failed))


def _tell(store: DynamoStore, bus: EventBus, span: Span) -> int:
    told = 0
    try:
        for page in in_time(store, span):
            told += tell_again(page, bus)
    except NotHandled as trouble:
        print(f"not handled: {trouble}")
        return 1
    print(f"{span.account_id}  {told} events")
    return 0


def instant(text: str) -> datetime:
    """2026-11-23T12:00Z, or with another offset."""
    return floor(datetime.fromisoformat(text))


def hours(text: str) -> timedelta:
    """A number of hours."""
    return timedelta(hours=float(text))


if __name__ == "__main__":
    sys.exit(main())
