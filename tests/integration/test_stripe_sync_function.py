"""The function stripe_sync: a batch of the queue, of which only what failed comes again, and the daily comparison."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import AccountKey
from credits.ledger.tables import Tables, create_missing
from credits.payments.signal import signal_of
from credits.payments.tables import StripeEvents, open_events
from credits.runtime import clock
from local.zygote import Context
from tests.functions import Functions
from tests.integration.conftest import tables_of_one_test
from tests.moves import opened
from tests.stripe_sdk import Shop

TIMEOUT_SECONDS = 90


@dataclass
class Worker:
    """The function on moto, its queue, and a stand-in for Stripe."""

    module: ModuleType
    tables: Tables
    events: StripeEvents
    queue_url: str
    shop: Shop
    sqs: Any = field(default_factory=lambda: boto3.client("sqs", region_name="us-east-1"))

    def invoke(self, event: Any, *, seconds: float = TIMEOUT_SECONDS) -> Any:
        context = Context("stripe_sync", 1024, uuid4().hex, time.monotonic() + seconds)
        return json.loads(json.dumps(self.module.handler(json.loads(json.dumps(event)), context)))

    def messages(self) -> list[Any]:
        """The bodies on the queue, which is empty afterwards."""
        bodies = []
        while received := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for each in received:
                bodies.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return bodies

    def plan(self, account_id: str) -> str:
        (account,) = DynamoStore(self.tables).read(AccountKey(account_id))
        assert account
        return str(account.plan)

    def subscribed(self, account_id: str) -> None:
        opened(DynamoStore(self.tables), account_id, at=self.shop.clock())
        self.shop.subscribe(self.shop.customer(account_id=account_id), self.shop.pro)


@pytest.fixture
def worker(moto_connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    shop = Shop()
    monkeypatch.setattr(clock, "now", shop.clock)
    name = uuid4().hex
    events = open_events(moto_connection, f"stripe-{name}")
    create_missing([events.items])
    secrets = boto3.client("secretsmanager", region_name="us-east-1")
    secrets.create_secret(Name=f"stripe-{name}", SecretString=json.dumps({"api_key": "sk_test_local"}))
    sqs = boto3.client("sqs", region_name="us-east-1")
    queue_url = sqs.create_queue(QueueName=f"stripe-{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with tables_of_one_test(moto_connection) as tables:
        module = Functions(
            {
                "ACCOUNTS_TABLE": tables.accounts.Meta.table_name,
                "HOLDS_TABLE": tables.holds.Meta.table_name,
                "MEMBERS_TABLE": tables.members.Meta.table_name,
                "ENTRIES_TABLE": tables.entries.Meta.table_name,
                "KEYS_TABLE": "no-keys",
                "UPGRADE_URL": "https://infuseos.example/upgrade",
                "STRIPE_EVENTS_TABLE": f"stripe-{name}",
                "STRIPE_SECRET_ID": f"stripe-{name}",
                "STRIPE_QUEUE_URL": queue_url,
            }
        ).module("stripe_sync")
        monkeypatch.setattr(module.account, "_made", ("sk_test_local", shop.sdk))
        yield Worker(module, tables, events, queue_url, shop)


def batch(*signals: tuple[str, str]) -> dict[str, Any]:
    """Messages as SQS brings them: each a group and a body."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "awsRegion": "us-east-1",
            }
            for number, (group, body) in enumerate(signals)
        ]
    }


def told(worker: Worker) -> list[tuple[str, str]]:
    """Every event so far, as the receiver would queue it."""
    signals = [signal for event in worker.shop.engine.events if (signal := signal_of(event))]
    return [(signal.group, signal.to_message()) for signal in signals]


def failed(answer: Any) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_a_batch_is_brought_into_the_ledger_and_remembered(worker: Worker) -> None:
    worker.subscribed("ada")
    signals = told(worker)

    assert failed(worker.invoke(batch(*signals))) == []

    assert worker.plan("ada") == "pro"
    assert worker.events.seen(json.loads(signals[0][1])["event_id"])


def test_what_failed_comes_again_with_all_after_it_in_its_group_and_nothing_else(worker: Worker) -> None:
    worker.subscribed("ada")
    ada = told(worker)
    worker.shop.subscribe(worker.shop.customer(account_id="nobody"), worker.shop.pro)
    nobody = told(worker)[len(ada) :]

    answer = worker.invoke(batch(nobody[0], ada[0], nobody[1], ada[1]))

    assert failed(answer) == ["m0", "m2"]
    assert worker.plan("ada") == "pro"
    assert not worker.events.seen(json.loads(nobody[0][1])["event_id"])


def test_a_message_is_not_begun_when_time_runs_out(worker: Worker) -> None:
    worker.subscribed("ada")
    (first, *_) = told(worker)

    assert failed(worker.invoke(batch(first), seconds=44)) == ["m0"]
    assert worker.plan("ada") == "free"


def test_the_schedule_begins_a_comparison_that_goes_on_in_the_queue(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifted: list[dict[str, Any]] = []
    monkeypatch.setattr(worker.module.logger, "warning", lambda message, **facts: drifted.append({message: facts}))
    worker.subscribed("ada")
    worker.invoke(batch(*told(worker)))
    (subscription,) = worker.shop.sdk.v1.subscriptions.list().data
    worker.shop.change(subscription, price=worker.shop.max.id, billing_cycle_anchor="now", proration_behavior="none")

    assert worker.invoke({"source": "aws.scheduler"}) is None
    (first,) = worker.messages()
    assert first == {"compare": "events", "beyond": None}
    assert failed(worker.invoke(batch(("comparisons", json.dumps(first))))) == []
    (second,) = worker.messages()
    assert second == {"compare": "accounts", "beyond": None}
    assert failed(worker.invoke(batch(("comparisons", json.dumps(second))))) == []

    assert worker.messages() == []
    assert worker.plan("ada") == "max"
    ((name, facts),) = drifted[0].items()
    assert (name, facts["account_id"], facts["function_name"]) == ("drift", "ada", "stripe_sync")


def test_nothing_is_compared_before_stripe_is_set_up(worker: Worker) -> None:
    secrets = boto3.client("secretsmanager", region_name="us-east-1")
    name = worker.module.settings.stripe_secret_id
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"api_key": "", "webhook_secret": ""}))

    assert worker.invoke({"source": "aws.scheduler"}) is None

    assert worker.messages() == []
