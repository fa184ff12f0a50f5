"""Stripe's webhook: checks the signature of an event, puts it on the queue and answers. It never imports the SDK."""

from base64 import b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from credits.errors import CreditsError
from credits.payments.inbox import Inbox
from credits.payments.secret import Secret
from credits.runtime import clock
from credits.runtime.problem import problem, problem_headers
from credits.runtime.settings import Settings
from credits.runtime.telemetry import logger

ROUTES = {"POST /stripe/webhook"}
RECEIVED = {
    "statusCode": HTTPStatus.OK.value,
    "headers": {"Content-Type": "application/json"},
    "body": '{"received": true}',
}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WebhookSettings(Settings):
    """The settings of the webhook.

    - `stripe_secret_id`: the secret in Secrets Manager that holds what signs webhooks.
    - `stripe_queue_url`: the FIFO queue that events are put on.
    - `stripe_livemode`: `true` for a stack that sells for real money, `false` for one on Stripe's test mode.
    """

    stripe_secret_id: str
    stripe_queue_url: str
    stripe_livemode: str


settings = WebhookSettings.from_environment()
inbox = Inbox(
    Secret(settings.stripe_secret_id, region=settings.aws_region),
    queue_url=settings.stripe_queue_url,
    livemode=settings.stripe_livemode == "true",
    region=settings.aws_region,
)


def handler(event: Event, _: object) -> Event:
    """Answer one webhook: 200 where it was queued, or changes nothing here; else a problem, and nothing was kept."""
    text: str = event.get("body") or ""
    body = b64decode(text) if event.get("isBase64Encoded") else text.encode()
    try:
        signal = inbox.take(body, event["headers"].get("stripe-signature"), now=clock.now())
    except CreditsError as error:
        logger.warning("refused", code=error.code, reason=error.detail)
        return {"statusCode": error.http_status, "headers": problem_headers(error), "body": problem(error)}
    if signal:
        logger.info("queued", event_id=signal.event_id, type=signal.type, object_id=signal.object_id)
    return RECEIVED
