"""Stripe's webhook on moto: what is queued, what is refused, and that whatever is refused was not kept."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from credits.payments.signal import HANDLED
from credits.runtime import clock
from local.sign import signed
from local.template import ROOT, load
from tests.e2e.launch import environment
from tests.functions import Answer, Functions

(FUNCTION,) = [function for function in load().functions if function.name == "stripe_webhook"]
SECRET = "whsec_example"
SIGNED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the events of events/ were signed, with this secret."""


@dataclass
class Webhook:
    """The function on moto and its queue; its clock stands a second after the events were signed."""

    functions: Functions
    queue_url: str
    sqs: Any
    now: datetime = SIGNED_AT + timedelta(seconds=1)

    def receive(self, event: Mapping[str, Any]) -> Answer:
        return self.functions.invoke(FUNCTION, event)

    def messages(self) -> list[Any]:
        """What is on the queue, which is empty afterwards."""
        found = []
        while received := self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages"):
            for each in received:
                found.append(each)
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return found


@pytest.fixture
def webhook(moto: None, monkeypatch: pytest.MonkeyPatch) -> Webhook:  # noqa: ARG001 - it has to be there first
    return made(monkeypatch, livemode="false")


def made(monkeypatch: pytest.MonkeyPatch, *, livemode: str, webhook_secret: str = SECRET) -> Webhook:
    sqs = boto3.client("sqs", region_name="us-east-1")
    url = sqs.create_queue(QueueName=f"{uuid4().hex}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    secrets = boto3.client("secretsmanager", region_name="us-east-1")
    value = json.dumps({"api_key": "sk_test_example", "webhook_secret": webhook_secret})
    secret = secrets.create_secret(Name=uuid4().hex, SecretString=value)["ARN"]
    functions = Functions(
        {
            "ACCOUNTS_TABLE": "accounts",
            "HOLDS_TABLE": "holds",
            "MEMBERS_TABLE": "members",
            "ENTRIES_TABLE": "entries",
            "KEYS_TABLE": "keys",
            "UPGRADE_URL": "https://infuseos.example/upgrade",
            "STRIPE_SECRET_ID": secret,
            "STRIPE_QUEUE_URL": url,
            "STRIPE_LIVEMODE": livemode,
        }
    )
    webhook = Webhook(functions, url, sqs)
    monkeypatch.setattr(clock, "now", lambda: webhook.now)
    return webhook


def event(kind: str = "invoice.paid") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "events" / f"stripe_webhook.{kind}.json").read_text(encoding="utf-8"))
    return read


def altered(**changes: Any) -> dict[str, Any]:
    """A paid invoice's event with these changes, signed again."""
    changed = event()
    body = json.dumps(json.loads(changed["body"]) | changes)
    return signed(changed | {"body": body}, SECRET, now=SIGNED_AT)


@pytest.mark.parametrize("kind", sorted(HANDLED))
def test_every_type_that_is_handled_is_queued_under_its_id_in_its_group(webhook: Webhook, kind: str) -> None:
    sent = json.loads(event(kind)["body"])

    answer = webhook.receive(event(kind))

    assert (answer.status, answer.body) == (200, {"received": True})
    (message,) = webhook.messages()
    own = {"charge.dispute": "du_1TRVexample", "refund": "re_3TRVexample"}  # they name no customer
    group = own.get(kind.rpartition(".")[0], "cus_TQx1example")
    assert message["Attributes"]["MessageGroupId"] == group
    assert message["Attributes"]["MessageDeduplicationId"] == sent["id"]
    signal = json.loads(message["Body"])
    assert (signal["event_id"], signal["type"], signal["created"]) == (sent["id"], kind, 1_795_435_200)
    assert signal["payload"] == sent["data"]["object"]


def test_an_event_whose_body_comes_as_base64_is_queued_as_well(webhook: Webhook) -> None:
    plain = event()
    encoded = plain | {"body": b64encode(plain["body"].encode()).decode(), "isBase64Encoded": True}

    assert webhook.receive(encoded).status == 200

    (message,) = webhook.messages()
    assert json.loads(message["Body"])["object_id"] == "in_1TRVexample"


def test_an_event_that_comes_twice_is_answered_twice_and_queued_once(webhook: Webhook) -> None:
    assert [webhook.receive(event()).status, webhook.receive(event()).status] == [200, 200]

    assert len(webhook.messages()) == 1


def test_a_type_that_changes_nothing_here_is_answered_and_not_queued(webhook: Webhook) -> None:
    assert webhook.receive(altered(type="customer.updated")).status == 200

    assert webhook.messages() == []


def test_an_event_that_was_altered_on_its_way_is_refused(webhook: Webhook) -> None:
    changed = event()
    changed["body"] = changed["body"].replace('"amount_paid": 2900', '"amount_paid": 9900')

    answer = webhook.receive(changed)

    assert (answer.status, answer.body["code"]) == (400, "invalid_signature")
    assert answer.headers["content-type"] == "application/problem+json"
    assert webhook.messages() == []


def test_an_event_without_a_signature_is_refused(webhook: Webhook) -> None:
    unsigned = event()
    del unsigned["headers"]["stripe-signature"]

    assert webhook.receive(unsigned).status == 400
    assert webhook.messages() == []


def test_an_event_that_was_signed_more_than_five_minutes_ago_is_refused(webhook: Webhook) -> None:
    webhook.now = SIGNED_AT + timedelta(minutes=5, seconds=1)

    answer = webhook.receive(event())

    assert (answer.status, answer.body["code"]) == (400, "invalid_signature")
    assert webhook.messages() == []


def test_what_is_signed_and_is_no_event_is_refused(webhook: Webhook) -> None:
    answer = webhook.receive(signed(event() | {"body": "[]"}, SECRET, now=SIGNED_AT))

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert webhook.messages() == []


def test_a_request_without_a_body_is_refused(webhook: Webhook) -> None:
    empty = event()
    del empty["body"]

    assert webhook.receive(empty).status == 400


def test_a_test_event_is_refused_by_a_stack_that_sells_for_real_money(
    moto: None,  # noqa: ARG001 - it has to be there first
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = made(monkeypatch, livemode="true")

    answer = live.receive(event())

    assert (answer.status, answer.body["field"]) == (400, "livemode")
    assert live.messages() == []
    assert live.receive(altered(livemode=True)).status == 200


def test_a_queue_that_refuses_is_503_and_stripe_sends_the_event_again(webhook: Webhook) -> None:
    webhook.sqs.delete_queue(QueueUrl=webhook.queue_url)

    answer = webhook.receive(event())

    assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (503, "not_queued", "5")


def test_before_anybody_has_written_the_secret_an_event_waits_with_stripe(
    moto: None,  # noqa: ARG001 - it has to be there first
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unwritten = made(monkeypatch, livemode="false", webhook_secret="")

    answer = unwritten.receive(signed(event(), "", now=SIGNED_AT))

    assert (answer.status, answer.body["code"]) == (503, "not_queued")
    assert unwritten.messages() == []


def test_while_a_secret_is_rolled_events_that_are_signed_with_both_are_queued(webhook: Webhook) -> None:
    rolled = event()
    other = signed(event(), "whsec_the_next_one", now=SIGNED_AT)["headers"]["stripe-signature"].partition(",")[2]
    rolled["headers"]["stripe-signature"] += f",{other}"

    assert webhook.receive(rolled).status == 200


HEAVY = """
import sys
import functions.stripe_webhook.app
print(sorted({name.split(".")[0] for name in sys.modules} & {"stripe", "pydantic", "pynamodb", "aws_xray_sdk"}))
print(any(name.startswith("aws_lambda_powertools.event_handler") for name in sys.modules))
print(any(name.startswith(("credits.catalog", "credits.ledger")) for name in sys.modules))
"""


def test_the_function_imports_neither_the_sdk_nor_what_else_it_does_not_need() -> None:
    settings = {
        "ACCOUNTS_TABLE": "accounts",
        "HOLDS_TABLE": "holds",
        "MEMBERS_TABLE": "members",
        "ENTRIES_TABLE": "entries",
        "KEYS_TABLE": "keys",
        "UPGRADE_URL": "https://infuseos.example/upgrade",
        "STRIPE_SECRET_ID": "secret",
        "STRIPE_QUEUE_URL": "https://sqs.example/queue.fifo",
        "STRIPE_LIVEMODE": "false",
        "AWS_REGION": "us-east-1",
    }
    run = subprocess.run(
        [sys.executable, "-c", HEAVY], env=environment(**settings), capture_output=True, text=True, check=True
    )

    assert run.stdout.splitlines() == ["[]", "False", "False"]
