"""The queue of webhooks: each message is an event of the bus, sent after longer and longer pauses until it is taken."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from credits.alerts.webhook import Endpoint, signing_key

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000)
"""The pause after each try that failed: the schedule that Standard Webhooks recommends, as far as SQS can wait (12 h).
After one try more, 18 hours after the first, the message goes to the dead-letter queue."""

JITTER = 0.1
"""Pauses are up to this much longer, so that what failed together is not tried again together."""

CONFIG = Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"})

Message = Mapping[str, Any]
logger = Logger(serialize_stacktrace=False)


class Outbox:
    """The queue whose messages go to one URL. The secret is read with the first message, and kept."""

    def __init__(self, *, queue_url: str, url: str, secret_id: str, region: str) -> None:
        self._queue_url = queue_url
        self._url = url
        self._secret_id = secret_id
        self._region = region
        self._sqs: SQSClient = boto3.client("sqs", region_name=region, config=CONFIG)
        self._endpoint: Endpoint | None = None

    def send(self, messages: Sequence[Message], now: datetime) -> Iterator[str]:
        """Send each message's notice; yields the ids of the messages that have to be sent again, their pause set."""
        for message in messages:
            notice = json.loads(message["body"])["detail"]
            body = json.dumps(notice, ensure_ascii=False, separators=(",", ":")).encode()
            if not self._to_product().deliver(notice["id"], body, now):
                self._postpone(message)
                yield message["messageId"]

    def _to_product(self) -> Endpoint:
        if self._endpoint is None:
            secrets = boto3.client("secretsmanager", region_name=self._region, config=CONFIG)
            secret: str = secrets.get_secret_value(SecretId=self._secret_id)["SecretString"]
            self._endpoint = Endpoint(self._url, signing_key(secret))
        return self._endpoint

    def _postpone(self, message: Message) -> None:
        """Keep the message from coming back before its pause is over. Where that fails, it comes back sooner."""
        tries = int(message["attributes"]["ApproximateReceiveCount"])
        seconds = RETRY_SECONDS[min(tries, len(RETRY_SECONDS)) - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=message["receiptHandle"], VisibilityTimeout=int(seconds)
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("not postponed", message_id=message["messageId"], exc_info=error)
