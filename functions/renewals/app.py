"""Renewals: what time does to the books that nobody touches, written down on the schedule.

Two triggers. The schedule sends a message for each kind of book and each shard; a message brings the due books of its
shard up to now. What a message has no time for goes on in a new one.
"""

import json
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from credits.domain.instant import from_text, to_text
from credits.ledger.due import KINDS, LONGEST_STEP_SECONDS, renew_due
from credits.ledger.store import DUE_SHARDS, Due
from credits.runtime import clock
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger
from credits.runtime.work_queue import LONGEST_SEND_SECONDS, WorkQueue, is_first_delivery

STOP_SECONDS = LONGEST_STEP_SECONDS + LONGEST_SEND_SECONDS
"""No book is begun with less than this left of the function's time: what is left over is handed on."""


@dataclass(frozen=True, slots=True)
class RenewalsSettings(Settings):
    """`due_queue_url`: the queue of shards that this function fills and works off."""

    due_queue_url: str


class BooksFailed(Exception):
    """Books of a shard could not be renewed, and the others were: SQS delivers the shard again."""


settings = RenewalsSettings.from_environment()
stage = Stage.from_environment()
queue = WorkQueue(settings.due_queue_url, region=settings.aws_region)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Work off a batch of SQS messages; any other event is the schedule's."""
    if "Records" in event:
        return queue.work_off(event, renew_shard, context)
    queue.send(message(kind, f"{shard:02d}") for kind in KINDS for shard in range(DUE_SHARDS))
    return None


def renew_shard(record: SQSRecord, lambda_context: Any) -> None:
    """Renew what is due in one shard, and hand on what there was no time for.

    A message that is delivered again, since books failed, has handed on already; the schedule comes again in any case.
    """
    work = json.loads(record.body)
    kind, shard, beyond = work["kind"], work["shard"], work["beyond"]
    run = renew_due(
        stage.ledger,
        stage.catalog,
        kind,
        shard,
        now=clock.now(),
        time_left=lambda: lambda_context.get_remaining_time_in_millis() / 1000 - STOP_SECONDS,
        beyond=Due(from_text(beyond[0]), beyond[1]) if beyond else None,
    )
    for failure in run.failed:
        logger.error("not renewed", kind=kind, shard=shard, book_id=failure.book_id, exc_info=failure.error)
    if not run.finished and is_first_delivery(record):
        queue.send([message(kind, shard, run.beyond)])
    logger.info("renewed", kind=kind, shard=shard, books=run.renewed, failed=len(run.failed), finished=run.finished)
    if run.failed:
        raise BooksFailed(f"{len(run.failed)} of shard {shard}")


def message(kind: str, shard: str, beyond: Due | None = None) -> dict[str, Any]:
    """A message: a shard's due books of one kind, beginning after `beyond`."""
    place = [to_text(beyond.due_at), beyond.book_id] if beyond else None
    return {"kind": kind, "shard": shard, "beyond": place}
