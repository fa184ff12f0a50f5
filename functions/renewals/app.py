"""Renewals: what time does to the books that nobody touches, written down on the schedule.

Two triggers. The schedule sends a message for each kind of book and each shard; a message brings the due books of its
shard up to now. What a message has no time for goes on in a new one.
"""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from credits.domain.instant import from_text, to_text
from credits.ledger.due import KINDS, LONGEST_STEP_SECONDS, renew_due
from credits.ledger.store import DUE_SHARDS, Due
from credits.runtime import clock
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger

LAST_MESSAGES_SECONDS = 8
"""Kept for handing on what is left: one call, with the client's time-outs and one retry."""

STOP_SECONDS = LONGEST_STEP_SECONDS + LAST_MESSAGES_SECONDS
"""No book is begun with less than this left of the function's time."""

MESSAGES_AT_ONCE = 10
"""What SQS takes in one batch."""


@dataclass(frozen=True, slots=True)
class RenewalsSettings(Settings):
    """`due_queue_url`: the queue of shards that this function fills and works off."""

    due_queue_url: str


class NotSent(Exception):
    """SQS did not take all messages. The trigger is tried again, and a shard that is sent twice is renewed once."""


class BooksFailed(Exception):
    """Books of a shard could not be renewed, and the others were: SQS delivers the shard again."""


settings = RenewalsSettings.from_environment()
stage = Stage.from_environment()
sqs = boto3.client(
    "sqs",
    region_name=settings.aws_region,
    config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2}),
)
# A batch that failed as a whole is told as its failed messages, too: the function itself has not failed.
processor = BatchProcessor(
    event_type=EventType.SQS,
    raise_on_entire_batch_failure=False,
    logger=logger,  # type: ignore[arg-type]  # Powertools' own, which is used as one
)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Work off a batch of SQS messages; any other event is the schedule's."""
    if "Records" in event:
        return process_partial_response(event, renew_shard, processor, context)
    send([message(kind, f"{shard:02d}") for kind in KINDS for shard in range(DUE_SHARDS)])
    return None


def renew_shard(record: SQSRecord, lambda_context: Any) -> None:
    """Renew what is due in one shard, and hand on what there was no time for.

    Only a first delivery hands on. A message that is delivered again, since books failed, has done so already, and
    the schedule comes again in any case: else a failure that lasts would multiply messages.
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
    first_delivery = record.attributes.approximate_receive_count == "1"
    if not run.finished and first_delivery:
        send([message(kind, shard, run.beyond)])
    logger.info("renewed", kind=kind, shard=shard, books=run.renewed, failed=len(run.failed), finished=run.finished)
    if run.failed:
        raise BooksFailed(f"{len(run.failed)} of shard {shard}")


def message(kind: str, shard: str, beyond: Due | None = None) -> str:
    """The body of a message: a shard's due books of one kind, beginning after `beyond`."""
    place = [to_text(beyond.due_at), beyond.book_id] if beyond else None
    return json.dumps({"kind": kind, "shard": shard, "beyond": place})


def send(bodies: list[str]) -> None:
    """Put the messages on the queue. Raises NotSent, or the client's error, where one may not be there."""
    for first in range(0, len(bodies), MESSAGES_AT_ONCE):
        batch = bodies[first : first + MESSAGES_AT_ONCE]
        answer = sqs.send_message_batch(
            QueueUrl=settings.due_queue_url,
            Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)],
        )
        if failed := answer.get("Failed"):
            raise NotSent(", ".join(sorted({each["Code"] for each in failed})))
