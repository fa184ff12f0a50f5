"""Stripe sync: brings what Stripe says now into the ledger, signal by signal; and every day all of it.

Two triggers. The FIFO queue carries the signals that the webhook took, in order for each customer. The schedule puts a
comparison on the same queue, which goes on in new messages until it is through.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from credits.payments.client import Stripe
from credits.payments.drift import PARTS, Drift
from credits.payments.fetch import Fetch
from credits.payments.secret import Secret
from credits.payments.signal import Signal
from credits.payments.sync import Sync
from credits.payments.tables import open_events
from credits.runtime import clock
from credits.runtime.settings import StripeSettings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger

STOP_SECONDS = 45
"""No signal is begun with less than this left: some calls of Stripe, of which one may take all its tries, and a commit.
What was not begun comes again."""

COMPARISON_SECONDS = 20
"""Signals of customers wait behind a comparison that came in one batch with them, so it goes on in small pieces."""

COMPARISONS = "comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings(StripeSettings):
    """`stripe_queue_url`: the queue that this function works off, and that a comparison goes on in."""

    stripe_queue_url: str


class NoTimeLeft(Exception):
    """The function's time is over; the message comes again."""


settings = SyncSettings.from_environment()
stage = Stage.from_environment()
events = open_events(stage.ledger.connection, settings.stripe_events_table)
account = Stripe(Secret(settings.stripe_secret_id, region=settings.aws_region), api_base=settings.stripe_api_base)
fetch = Fetch(account, stage.catalog)
sync = Sync(fetch, events, stage.ledger, stage.catalog)
drift = Drift(sync, fetch, events)
sqs = boto3.client(
    "sqs",
    region_name=settings.aws_region,
    config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2}),
)
# A message that failed keeps those after it in its group waiting, and no other group's.
processor = SqsFifoPartialProcessor(
    skip_group_on_error=True,
)
# A batch that failed as a whole is told as its failed messages, too: the function itself has not failed.
processor.raise_on_entire_batch_failure = False


def handler(event: dict[str, Any], context: Any) -> Any:
    """Work off a batch of the queue; any other event is the schedule's, and begins a comparison."""
    if "Records" in event:
        return process_partial_response(event, work_off, processor, context)
    if account.is_set_up:
        hand_on(PARTS[0], None)
    return None


def work_off(record: SQSRecord, lambda_context: Any) -> None:
    """Act on one message: a signal, or a piece of a comparison."""
    seconds = lambda_context.get_remaining_time_in_millis() / 1000 - STOP_SECONDS
    if seconds <= 0:
        raise NoTimeLeft(record.message_id)
    body = json.loads(record.body)
    if "compare" in body:
        compare(body["compare"], body["beyond"], lambda_context)
        return
    signal = Signal.from_message(record.body)
    try:
        synced = sync.act_on(signal, clock.now())
    except Exception as error:
        logger.error(
            "not synced", event_id=signal.event_id, type=signal.type, object_id=signal.object_id, exc_info=error
        )
        raise
    logger.info(
        "synced",
        event_id=signal.event_id,
        type=signal.type,
        account_id=synced.account_id,
        seen=synced.seen,
        entries=[entry.kind.value for entry in synced.entries],
    )


def compare(part: str, beyond: str | None, lambda_context: Any) -> None:
    """Compare a piece of one part, tell what differed, and hand on the rest, or the next part."""
    until = lambda_context.get_remaining_time_in_millis() / 1000 - COMPARISON_SECONDS

    def time_left() -> float:
        left = lambda_context.get_remaining_time_in_millis() / 1000
        return float(left - max(until, STOP_SECONDS))

    found = drift.compare(part, now=clock.now(), time_left=time_left, beyond=beyond)
    for each in found.differences:
        # The metric StripeDrift counts these lines.
        logger.warning(
            "drift",
            function_name=lambda_context.function_name,
            part=part,
            found_by=each.name,
            account_id=each.account_id,
            entries=[(entry.kind.value, entry.credits) for entry in each.entries],
        )
    for failure in found.failures:
        logger.error("not compared", part=part, found_by=failure.name, exc_info=failure.error)
    logger.info(
        "compared",
        part=part,
        count=found.compared,
        differences=len(found.differences),
        failures=len(found.failures),
        finished=found.finished,
    )
    if not found.finished:
        hand_on(part, found.beyond)
    elif part != PARTS[-1]:
        hand_on(PARTS[PARTS.index(part) + 1], None)


def hand_on(part: str, beyond: str | None) -> None:
    """Put the rest of a comparison on the queue. Raises the client's error where it may not be there."""
    sqs.send_message(
        QueueUrl=settings.stripe_queue_url,
        MessageBody=json.dumps({"compare": part, "beyond": beyond}),
        MessageGroupId=COMPARISONS,
        MessageDeduplicationId=str(uuid4()),
    )
