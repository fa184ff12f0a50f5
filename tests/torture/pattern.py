"""The documented pattern in a worker: Powertools' idempotency around a conditional update of one number.

Set up as its documentation says: the caller's key as idempotency key, the Lambda context registered, so that the record
of a process that died is given up when its function would have timed out, a conditional `ADD`, a refusal as an
exception, which takes the record away again. The client has the time-outs and the one retry that ours has.
"""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import boto3
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import BaseError as IdempotencyError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TIMEOUT_SECONDS = 2.0
"""Of the function. A caller that retries waits as long for a record whose process died; the shorter, the kinder."""

KEY_SECONDS = 3_600
"""How long a key is remembered: Powertools' default."""

CREDITS = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the worker finds its tables."""

    endpoint: str
    balances: str
    records: str


class Refused(Exception):
    """The balance does not cover it."""


class LambdaContext:
    """The part of Lambda's context that the pattern reads."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._ends - time.monotonic()) * 1000))


def client(endpoint: str) -> Any:
    """DynamoDB, with the patience that the ledger's client has."""
    patience = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    return boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=patience)


def work(requests: "Connection[Any, Any]", settings: Settings) -> None:
    """Serve one request after the other until the caller is gone."""
    dynamodb = client(settings.endpoint)
    config = IdempotencyConfig(event_key_jmespath="key", expires_after_seconds=KEY_SECONDS)
    records = DynamoDBPersistenceLayer(table_name=settings.records, boto3_client=dynamodb)

    @idempotent_function(  # type: ignore[untyped-decorator]  # Powertools leaves it so
        data_keyword_argument="charge", config=config, persistence_store=records
    )
    def spend(charge: dict[str, str]) -> dict[str, int]:
        try:
            updated = dynamodb.update_item(
                TableName=settings.balances,
                Key={"account_id": {"S": charge["account_id"]}},
                UpdateExpression="ADD credits :minus",
                ConditionExpression="credits >= :price",
                ExpressionAttributeValues={":minus": {"N": str(-CREDITS)}, ":price": {"N": str(CREDITS)}},
                ReturnValues="UPDATED_NEW",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException as failed:
            raise Refused from failed
        return {"remaining": int(updated["Attributes"]["credits"]["N"])}

    while True:
        try:
            charge = requests.recv()
        except EOFError:
            return
        config.register_lambda_context(LambdaContext())  # type: ignore[arg-type]  # all of it that is read
        try:
            spend(charge={"account_id": charge.account_id, "key": f"{charge.account_id}/{charge.key}"})
            requests.send("charged")
        except Refused:
            requests.send("refused")
        except (BotoCoreError, ClientError, IdempotencyError):
            requests.send("again")
