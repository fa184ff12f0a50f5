"""Webhooks: delivers the notices that wait in the queue to the product's URL, signed."""

from dataclasses import dataclass
from typing import Any

from credits.alerts.queue import Outbox
from credits.runtime import clock
from credits.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class WebhooksSettings(Settings):
    """The settings of webhooks.

    - `webhook_url`: where the product takes them.
    - `webhook_secret_id`: the secret that signs them, in Secrets Manager.
    - `webhook_queue_url`: the queue that they wait in.
    """

    webhook_url: str
    webhook_secret_id: str
    webhook_queue_url: str


settings = WebhooksSettings.from_environment()
outbox = Outbox(
    queue_url=settings.webhook_queue_url,
    url=settings.webhook_url,
    secret_id=settings.webhook_secret_id,
    region=settings.aws_region,
)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Send one batch. Messages that were not delivered are named, and come back after their pause."""
    undelivered = outbox.send(event["Records"], clock.now())
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in undelivered]}
