"""Audits: every account's ledger proved once a day, and its head written down where nobody rewrites it: in the log.

The schedule walks the list of accounts and puts pieces of it on a queue; a worker audits the accounts of its piece. A
chain that was written anew, whole and right in itself, no longer has the hash that was logged for its seq.
"""

import json
from dataclasses import asdict, dataclass
from itertools import batched
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from credits.ledger.survey import audited, listed
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger
from credits.runtime.work_queue import MESSAGES_AT_ONCE, WorkQueue, is_first_delivery

ACCOUNTS_OF_A_PIECE = 50
"""A message of at most 4 KB, and minutes of work: ledgers of a thousand entries take about a second each."""

STOP_SECONDS = 600
"""No account is begun with less than this left of the function's 900 s: the longest that one may take, which is that of
about two million entries. A longer one fails, and is left to `python -m credits.ledger audit`."""

LAST_PIECES_SECONDS = 60
"""Kept by the walk for handing on where it is."""


@dataclass(frozen=True, slots=True)
class AuditsSettings(Settings):
    """`audit_queue_url`: the queue of pieces that this function fills and works off."""

    audit_queue_url: str


class LedgerDoesNotHold(Exception):
    """An account's audit has problems, or it could not be audited: its message ends in the dead letters."""


settings = AuditsSettings.from_environment()
stage = Stage.from_environment()
queue = WorkQueue(settings.audit_queue_url, region=settings.aws_region)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Work off a batch of SQS messages; any other event is the schedule's."""
    if "Records" in event:
        return queue.work_off(event, work, context)
    walk(None, context)
    return None


def work(record: SQSRecord, lambda_context: Any) -> None:
    """A message is a piece of accounts to audit, or the place from which to go on walking."""
    message = json.loads(record.body)
    if "walk" in message:
        walk(message["walk"], lambda_context)
    else:
        audit_piece(message["accounts"], lambda_context, first_delivery=is_first_delivery(record))


def walk(cursor: str | None, context: Any) -> None:
    """Put every account on the queue, from the cursor on, in pieces; and the rest of the walk, if time runs out."""
    for found in batched(listed(stage.ledger, cursor), ACCOUNTS_OF_A_PIECE * MESSAGES_AT_ONCE, strict=False):
        names = [account_id for account_id, _ in found]
        queue.send([{"accounts": piece} for piece in batched(names, ACCOUNTS_OF_A_PIECE, strict=False)])
        if _seconds_left(context) < LAST_PIECES_SECONDS:
            queue.send([{"walk": found[-1][1]}])
            return


def audit_piece(account_ids: list[str], context: Any, *, first_delivery: bool) -> None:
    """Audit each account and log its head. Raises LedgerDoesNotHold for a piece of one account that does not.

    An account of a larger piece that does not hold comes again as a piece of its own, and so does what there is no time
    for: the others are done. A message that is delivered again hands on nothing, since it has done so already.
    """
    again: list[list[str]] = []
    for number, account_id in enumerate(account_ids):
        if number and _seconds_left(context) < STOP_SECONDS:
            again.append(account_ids[number:])
            break
        if not holds(account_id):
            again.append([account_id])
    if again == [account_ids]:
        raise LedgerDoesNotHold(account_ids[0])
    if first_delivery:
        queue.send([{"accounts": piece} for piece in again])


def holds(account_id: str) -> bool:
    """Whether the account's ledger holds; either way the log says so."""
    try:
        found = audited(stage.ledger, account_id)
    except Exception as error:  # noqa: BLE001 - one ledger that cannot be read must not keep the others waiting
        logger.error("not audited", account_id=account_id, exc_info=error)
        return False
    for problem in found.verdict.problems[:1]:
        logger.error("does not hold", account_id=account_id, **asdict(problem))
    logger.info(
        "audited",
        account_id=account_id,
        ok=found.verdict.ok,
        entries=found.verdict.entries,
        seq=found.seq,
        head=found.head,
    )
    return found.verdict.ok


def _seconds_left(context: Any) -> float:
    return float(context.get_remaining_time_in_millis() / 1000)
