"""SQS event source mappings on one machine: from a queue, on moto, to its function."""

import time
from collections import deque
from typing import Any

from local.source import Say, Send
from local.template import Trigger

DEFAULT_BATCH_SIZE = 10
MOST_MESSAGES_A_CALL = 10

# In AWS a message that failed comes again when its queue's visibility time has passed, which is minutes.
RETRY_SECONDS = 1


class QueueSource:
    """Deletes what the function was done with; the rest comes again, until the queue's redrive policy takes it away.

    What failed stays in flight while it waits, and so its group of a FIFO queue waits with it, and other groups do not.
    It is then given back all at once and in order: moto forgets the order of messages that come back by themselves.
    """

    def __init__(self, trigger: Trigger, *, url: str, arn: str, region: str, sqs: Any, send: Send, say: Say) -> None:
        self._name = trigger.function.name
        self._batch_size = min(int(trigger.properties.get("BatchSize", DEFAULT_BATCH_SIZE)), MOST_MESSAGES_A_CALL)
        self._reports = "ReportBatchItemFailures" in trigger.properties.get("FunctionResponseTypes", [])
        self._url = url
        self._arn = arn
        self._region = region
        self._sqs = sqs
        self._send = send
        self._say = say
        self._waiting: deque[tuple[float, str]] = deque()

    def turn(self) -> bool:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=self._waiting.popleft()[1], VisibilityTimeout=0
            )
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch_size,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            return False
        outcome = self._send({"Records": [self._record(message) for message in received]})
        failed = outcome.failed([message["MessageId"] for message in received], reports=self._reports)
        if failed:
            self._say(f"{self._name}: {len(failed)} of {len(received)} messages failed")
        again_at = time.monotonic() + RETRY_SECONDS
        for message in received:
            if message["MessageId"] in failed:
                self._waiting.append((again_at, message["ReceiptHandle"]))
            else:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as Lambda sends it ("Using Lambda with Amazon SQS")."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {f"{key[0].lower()}{key[1:]}": value for key, value in attribute.items()}
                for name, attribute in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._region,
        }
