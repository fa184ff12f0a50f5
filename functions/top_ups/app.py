"""Top-ups: buys the pack that an account chose, when its balance has come below the account's own line."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from credits.ledger.read import account_now
from credits.payments.checkout import open_desk
from credits.payments.top_up import buy
from credits.runtime import clock
from credits.runtime.settings import StripeSettings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger

stage = Stage.from_environment()
settings = StripeSettings.from_environment()
desk = open_desk(
    stage.catalog,
    stage.ledger.connection,
    events_table=settings.stripe_events_table,
    secret_id=settings.stripe_secret_id,
    region=settings.aws_region,
    api_base=settings.stripe_api_base,
)
# A batch that failed as a whole is told as its failed messages, too: the function itself has not failed.
processor = BatchProcessor(
    event_type=EventType.SQS,
    raise_on_entire_batch_failure=False,
    logger=logger,  # type: ignore[arg-type]  # Powertools' own, which is used as one
)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Work off a batch of crossings. One that could not be acted on comes again."""
    return process_partial_response(event, top_up, processor, context)


def top_up(record: SQSRecord) -> None:
    """Buy for one crossing, an event of the bus as its rule put it on the queue."""
    notice = json.loads(record.body)["detail"]
    account_id, seq = notice["account_id"], notice["seq"]
    now = clock.now()
    result = buy(desk, account_now(stage.ledger, stage.catalog, account_id, now), seq=seq, now=now)
    logger.info("top-up", account_id=account_id, seq=seq, result=result.value)
