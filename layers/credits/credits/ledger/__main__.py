"""Audit and export ledgers, from a shell with AWS credentials.

    export ACCOUNTS_TABLE=… HOLDS_TABLE=… MEMBERS_TABLE=… ENTRIES_TABLE=…
    python -m credits.ledger audit --account acme
    python -m credits.ledger audit --all
    python -m credits.ledger audit --all --after CURSOR     (goes on where an audit was cut off)
    python -m credits.ledger export --account acme > acme.jsonl

Exit status: 0 all hold; 1 a ledger does not hold, or there is no such account; 2 the tables did not answer; 130 cut
off. An audit that does not come to its end says where to go on.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from credits.errors import AccountNotFound, InvalidRequest, Unavailable
from credits.ledger.dynamo import DynamoStore
from credits.ledger.export import lines
from credits.ledger.store import Ledger
from credits.ledger.survey import Audited, audited, survey
from credits.ledger.tables import bind_tables, connect

TABLES = ("ACCOUNTS_TABLE", "HOLDS_TABLE", "MEMBERS_TABLE", "ENTRIES_TABLE")
WRONG, SILENT, CUT_OFF = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m credits.ledger", description="Audit and export ledgers.")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), help="the tables' (default: $AWS_REGION)")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "audit", help="prove accounts' ledgers, and say which entry is the first that is wrong"
    )
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--account", action="append", help="may be given repeatedly")
    which.add_argument("--all", action="store_true", help="every account, the last opened first")
    command.add_argument("--after", metavar="CURSOR", help="with --all: where an audit was cut off")
    command = commands.add_parser("export", help="an account's whole ledger as JSON lines, for tools/verify_ledger.py")
    command.add_argument("--account", required=True)
    given = parser.parse_args(arguments)
    absent = [name for name in TABLES if not os.environ.get(name)] + ([] if given.region else ["AWS_REGION"])
    if absent:
        parser.error(f"set {', '.join(absent)}")
    accounts, holds, members, entries = (os.environ[name] for name in TABLES)
    connection = connect(region=given.region)
    store = DynamoStore(bind_tables(connection, accounts=accounts, holds=holds, members=members, entries=entries))
    try:
        if given.command == "export":
            return export(store, given.account)
        return audit_all(store, given.after) if given.all else audit_some(store, given.account)
    except Unavailable:
        print("the tables do not answer", file=sys.stderr)
        return SILENT
    except AccountNotFound as missing:
        print(missing.detail, file=sys.stderr)
        return WRONG
    except InvalidRequest as refused:
        parser.error(refused.detail)


def export(store: Ledger, account_id: str) -> int:
    """The ledger on standard output."""
    for line in lines(store, account_id):
        sys.stdout.write(f"{line}\n")
    return 0


def audit_some(store: Ledger, account_ids: Sequence[str]) -> int:
    """These accounts. Raises AccountNotFound."""
    return _tell(audited(store, account_id) for account_id in account_ids)[0]


def audit_all(store: Ledger, cursor: str | None) -> int:
    """Every account from the cursor on; cut off, it says where it came to."""
    try:
        status, cursor = _tell(survey(store, cursor))
    except _CutOff as cut:
        after = cut.cursor or cursor
        print(f"cut off; go on with: --all{f' --after {after}' if after else ''}", file=sys.stderr)
        if isinstance(cut.__cause__, Unavailable):
            raise cut.__cause__ from None
        return CUT_OFF
    return status


class _CutOff(Exception):
    """The survey did not come to its end; `cursor` is where it came to."""

    def __init__(self, cursor: str | None) -> None:
        super().__init__(cursor)
        self.cursor = cursor


def _tell(verdicts: Iterator[Audited]) -> tuple[int, str | None]:
    """A line for each account, and one for each problem; progress on standard error, if that is a terminal."""
    accounts = entries = wrong = 0
    cursor: str | None = None
    with tqdm(verdicts, unit=" accounts", disable=None) as bar:
        try:
            for each in bar:
                accounts += 1
                entries += each.verdict.entries
                wrong += not each.verdict.ok
                state = "ok   " if each.verdict.ok else "WRONG"
                bar.write(f"{state} {each.account_id}  {each.verdict.entries} entries, head {each.seq}:{each.head}")
                for problem in each.verdict.problems:
                    bar.write(f"      {problem}")
                cursor = each.cursor
        except (KeyboardInterrupt, Unavailable) as cause:
            raise _CutOff(cursor) from cause
    print(f"{accounts} accounts with {entries} entries: {f'{wrong} do not hold' if wrong else 'all hold'}")
    return (WRONG if wrong else 0), cursor


if __name__ == "__main__":
    sys.exit(main())
