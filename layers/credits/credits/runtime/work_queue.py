"""A function's queue of its own work: the schedule fills it, deliveries work it off, and what a delivery has no time
for goes on in a new message."""

import json
from collections.abc import Callable, Iterable
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from credits.runtime.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MESSAGES_AT_ONCE = 10
"""What SQS takes in one batch."""

CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
"""Short: whoever hands on does so in its last seconds. `LONGEST_SEND_SECONDS` is what comes of it."""

LONGEST_SEND_SECONDS = 8
"""One call, with its time-outs and its one retry."""


class NotSent(Exception):
    """SQS did not take all messages. The trigger is tried again, so some may be sent twice."""


class WorkQueue:
    """The queue at `url`."""

    def __init__(self, url: str, *, region: str) -> None:
        self._url = url
        self._sqs: SQSClient = boto3.client("sqs", region_name=region, config=CONFIG)
        # A batch that failed as a whole is told as its failed messages, too: the function itself has not failed.
        self._processor = BatchProcessor(
            event_type=EventType.SQS,
            raise_on_entire_batch_failure=False,
            logger=logger,  # type: ignore[arg-type]  # Powertools' own, which is used as one
        )

    def send(self, messages: Iterable[Any]) -> None:
        """Put the messages on the queue, as JSON. Raises NotSent, or the client's error, where one may not be there."""
        for batch in batched(messages, MESSAGES_AT_ONCE, strict=False):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(number), "MessageBody": json.dumps(body)} for number, body in enumerate(batch)],
            )
            if failed := answer.get("Failed"):
                raise NotSent(", ".join(sorted({each["Code"] for each in failed})))

    def work_off(self, event: dict[str, Any], work: Callable[[SQSRecord, Any], None], context: Any) -> Any:
        """Do `work` on each message of a delivery; those for which it raises are delivered again."""

        def each(record: SQSRecord, lambda_context: Any) -> None:  # Powertools gives the context by this name
            work(record, lambda_context)

        return process_partial_response(event, each, self._processor, context)


def is_first_delivery(record: SQSRecord) -> bool:
    """Whether the message was not delivered before. Only then does work hand on: else a failure that lasts would
    multiply messages."""
    return record.attributes.approximate_receive_count == "1"
