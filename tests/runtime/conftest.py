"""Built once, run once: the functions under the emulator, before a DynamoDB that remembers what it was asked."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.ledger.tables import Tables, bind, bind_tables, connect, create_missing
from credits.payments.tables import open_events
from credits.runtime import clock
from credits.usage.tables import open_rollups
from local.dynamodb import moto
from local.stripe.engine import Engine
from local.template import ROOT
from tests.runtime.build import BuiltFunction, sam_build
from tests.runtime.emulator import Emulator, Unavailable, emulated, link_runtime, program
from tests.runtime.recorder import Recorder, recording
from tests.runtime.stripe import stripe_standing_in


@dataclass(frozen=True, slots=True)
class Answer:
    """An API Gateway response of format 2.0."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The functions of a stack, called as API Gateway calls them."""

    api_key: str
    tables: Tables
    stripe: Engine
    emulators: dict[str, Emulator]
    recorders: dict[str, Recorder] = field(default_factory=dict)

    def invoke(self, name: str) -> Any:
        """What the function returns for events/<name>.json, an event of a trigger that is no route."""
        event = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
        return self.emulators[name.partition(".")[0]].invoke(event)

    def send(self, name: str, *, authorization: str | None = None, **changes: Any) -> Answer:
        """What the function answers to events/<name>.json, sent with this deployment's key and with these changes."""
        event = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
        if "authorization" in event["headers"]:
            event["headers"]["authorization"] = authorization or f"Bearer {self.api_key}"
        answered = self.emulators[name.partition(".")[0]].invoke(event | changes)
        headers = {key.lower(): value for key, value in answered["headers"].items()}
        return Answer(answered["statusCode"], headers, answered["body"])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuiltFunction]:
    """Every function, as `sam build` makes it. Where none can be run, skips with the reason; fails under CI=true."""
    try:
        program()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true: {reason}")
        pytest.skip(str(reason))
    return sam_build(tmp_path_factory.mktemp("sam") / "build")


@pytest.fixture(scope="session")
def deployment(built: dict[str, BuiltFunction], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The built functions, running, each before a recorder of its own, all before one new DynamoDB."""
    folder = tmp_path_factory.mktemp("runtime")
    link_runtime(folder / "runtime")
    with ExitStack() as started:
        database = started.enter_context(moto())
        engine, stripe = started.enter_context(stripe_standing_in())
        deployment = Deployment(*_prepare(database.endpoint), engine, {})
        for name, function in built.items():
            recorder = started.enter_context(recording(database.endpoint))
            deployment.recorders[name] = recorder
            deployment.emulators[name] = started.enter_context(
                emulated(
                    function,
                    runtime=folder / "runtime",
                    variables={
                        "AWS_ENDPOINT_URL_DYNAMODB": recorder.endpoint,
                        "AWS_ENDPOINT_URL_SQS": recorder.endpoint,
                        "AWS_ENDPOINT_URL_EVENTBRIDGE": recorder.endpoint,
                        "AWS_ENDPOINT_URL_SECRETS_MANAGER": recorder.endpoint,
                        "STRIPE_API_BASE": stripe,
                        "STRIPE_QUEUE_URL": "StripeQueue.fifo",  # its ending is SQS's
                        "WEBHOOK_URL": "http://127.0.0.1:9/hooks",  # a product that is not there
                        "AWS_REGION": "us-east-1",
                        "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test",
                    },
                    output=Path(folder / f"{name}.log"),
                )
            )
        yield deployment


def _prepare(endpoint: str) -> tuple[str, Tables]:
    """Makes what the functions use, under the names that the built template gives it, and a key with every scope."""
    sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoint)
    for queue in ("DueQueue", "AuditQueue", "TopUpQueue", "WebhookQueue"):
        sqs.create_queue(QueueName=queue)
    sqs.create_queue(QueueName="StripeQueue.fifo", Attributes={"FifoQueue": "true"})
    boto3.client("events", region_name="us-east-1", endpoint_url=endpoint).create_event_bus(Name="EventBus")
    secrets = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=endpoint)
    secrets.create_secret(Name="WebhookSecret", SecretString="c2VjcmV0IG9mIGEgdGVzdA==")
    secrets.create_secret(Name="SessionSecret", SecretString="s" * 64)
    secrets.create_secret(Name="StripeSecret", SecretString='{"api_key": "sk_test_1", "webhook_secret": "whsec_1"}')
    connection = connect(region="us-east-1", endpoint_url=endpoint)
    tables = bind_tables(
        connection, accounts="AccountsTable", holds="HoldsTable", members="MembersTable", entries="EntriesTable"
    )
    keys = bind(KeyItem, "KeysTable", connection)
    rollups, events = open_rollups(connection, "UsageTable"), open_events(connection, "StripeEventsTable")
    create_missing([*tables.models, keys, rollups.items, events.items])
    return Keys(keys).create(name="runtime test", scopes=Scope, account_id=None, now=clock.now()).secret, tables
