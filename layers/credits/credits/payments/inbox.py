"""The inbox: takes Stripe's events in, checked, as signals on a FIFO queue. It answers Stripe; the work comes after."""

from datetime import datetime
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from credits.errors import NotQueued
from credits.payments.secret import Secret, SecretNotSet
from credits.payments.signal import Signal, read_event
from credits.payments.signature import verify

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CONFIG = Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"})
"""Stripe waits, and sends again what was not taken."""

RETRY_AFTER_SECONDS = 5


class Inbox:
    """The queue of one stack. `livemode` is that of the events it takes."""

    def __init__(self, secret: Secret, *, queue_url: str, livemode: bool, region: str) -> None:
        self._secret = secret
        self._queue_url = queue_url
        self._livemode = livemode
        self._sqs: SQSClient = boto3.client("sqs", region_name=region, config=CONFIG)

    def take(self, body: bytes, header: str | None, *, now: datetime) -> Signal | None:
        """Queue the event in this body, signed by this header. Returns its signal; None for a type that changes nothing
        here, which is not queued.

        An event that comes twice within five minutes is queued once; later, whoever works the queue off knows its id.
        Raises InvalidSignature, InvalidRequest and NotQueued. Whatever it raises, nothing was kept.
        """
        try:
            verify(body, header, self._secret.webhook_secret, now=now)
            signal = read_event(body, livemode=self._livemode)
            if signal:
                self._sqs.send_message(
                    QueueUrl=self._queue_url,
                    MessageBody=signal.to_message(),
                    MessageGroupId=signal.group,
                    MessageDeduplicationId=signal.event_id,
                )
        except (BotoCoreError, ClientError, SecretNotSet) as error:
            raise NotQueued(retry_after_seconds=RETRY_AFTER_SECONDS) from error
        return signal
