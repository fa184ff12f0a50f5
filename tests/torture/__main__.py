"""`make torture`: the ledger and the documented pattern under the same faults, and what each charges.

DynamoDB Local behind a proxy that loses replies, many callers, workers that are killed. Exits 1 where the ledger
charged anything else than it told.
"""

import argparse
import os
import sys

from tqdm import tqdm

from local.dynamodb import dynamodb_local
from tests.torture.runs import CREDITS, PRICE, Faults, Report, requests, torture_ledger, torture_pattern

ACCOUNTS = 4


def main() -> int:
    """Run both and print what they did. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Torture the ledger.")
    parser.add_argument("--charges", type=int, default=480, help="requests of each run, on four accounts")
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--lost", type=float, default=0.3, help="the share of replies to writes that are lost")
    parser.add_argument("--kill-every", type=int, default=5, help="answers between two kills")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "torture", "AWS_SECRET_ACCESS_KEY": "torture"}
    charges = requests(ACCOUNTS, given.charges // ACCOUNTS)
    faults = Faults(given.callers, given.lost, given.kill_every, given.seed)
    purse = f"{ACCOUNTS} accounts with {CREDITS} each"
    print(f"{len(charges)} requests of {PRICE} credits on {purse}, from {given.callers} callers.")
    print(
        f"{given.lost:.0%} of the replies to writes are lost, a worker is killed at every {given.kill_every} answers,"
    )
    print("and callers send the same key until they are answered.\n")
    with dynamodb_local() as database, tqdm(total=2 * len(charges), unit=" charges", disable=None) as bar:

        def told() -> None:
            bar.update()

        ledger, _ = torture_ledger(database.endpoint, charges, faults, told)
        pattern = torture_pattern(database.endpoint, charges, faults, told)
    print(f"{'credits':24}{'asked':>9}{'charged':>9}{'told':>9}{'unexplained':>13}   tries  lost  kills  seconds")
    for report in (ledger, pattern):
        print(_row(report))
    print(f"\naudit: the ledgers of {ledger.audited} of {ACCOUNTS} accounts hold")
    return 0 if ledger.honest and ledger.audited == ACCOUNTS else 1


def _row(report: Report) -> str:
    outcome = report.outcome
    figures = f"{report.asked:>9,}{report.charged:>9,}{report.told:>9,}{report.charged - report.told:>13,}"
    return (
        f"{report.name:24}{figures}{outcome.tries:>8}{report.lost_replies:>6}{outcome.kills:>7}{outcome.seconds:>9.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
