"""Make and revoke API keys from a shell with AWS credentials.

KEYS_TABLE=… python -m credits.access create --name backend --scope charge --scope read
KEYS_TABLE=… python -m credits.access revoke KEY_ID
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.errors import NotFound
from credits.ledger.tables import bind, connect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 no such key."""
    parser = argparse.ArgumentParser(prog="python -m credits.access", description="Make and revoke API keys.")
    parser.add_argument("--table", default=os.environ.get("KEYS_TABLE"), help="the keys table (default: $KEYS_TABLE)")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), help="its region (default: $AWS_REGION)")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True, help="who will use it")
    create.add_argument("--scope", action="append", choices=list(Scope), required=True, help="may be given repeatedly")
    create.add_argument("--account", help="bind the key to one account")
    revoke = commands.add_parser("revoke", help="take a key back; it stops working within a minute")
    revoke.add_argument("key_id")
    given = parser.parse_args(arguments)
    if not given.table or not given.region:
        parser.error("name the table (--table or KEYS_TABLE) and its region (--region or AWS_REGION)")
    keys = Keys(bind(KeyItem, given.table, connect(region=given.region)))
    now = datetime.now(UTC)
    if given.command == "create":
        scopes = [Scope(scope) for scope in given.scope]
        made = keys.create(name=given.name, scopes=scopes, account_id=given.account, now=now)
        print(f"key     {made.secret}\nkey id  {made.key_id}")
        return 0
    try:
        keys.revoke(given.key_id, now=now)
    except NotFound as error:
        print(error.detail, file=sys.stderr)
        return 1
    print(f"revoked {given.key_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
