"""Alerts: the entries' stream told on a bus by the handler itself, on moto; a queue is the product's subscriber."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.template import ROOT

EVENT = json.loads((ROOT / "events" / "alerts.entries.json").read_text(encoding="utf-8"))


class Product:
    """A subscriber of the bus."""

    def __init__(self) -> None:
        self._sqs = boto3.client("sqs", region_name="us-east-1")
        self._queue = self._sqs.create_queue(QueueName="product")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        events = boto3.client("events", region_name="us-east-1")
        events.create_event_bus(Name="credits")
        events.put_rule(Name="all", EventBusName="credits", EventPattern=json.dumps({"source": ["infuseos.credits"]}))
        events.put_targets(Rule="all", EventBusName="credits", Targets=[{"Id": "product", "Arn": arn}])

    def heard(self) -> list[tuple[str, str]]:
        """The type and the id of each event since the last time."""
        heard: list[tuple[str, str]] = []
        while got := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                event = json.loads(message["Body"])
                heard.append((event["detail-type"], event["detail"]["id"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return heard


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("ACCOUNTS", "HOLDS", "MEMBERS", "ENTRIES", "KEYS", "USAGE"):
        monkeypatch.setenv(f"{name}_TABLE", name)
    monkeypatch.setenv("UPGRADE_URL", "https://infuseos.example/upgrade")
    monkeypatch.setenv("EVENT_BUS_NAME", "credits")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield importlib.reload(importlib.import_module("functions.alerts.app"))


def test_an_allocation_is_told_once_and_again_under_the_same_id(alerts: Any) -> None:
    product = Product()

    assert alerts.handler(EVENT, None) == {"batchItemFailures": []}
    first = product.heard()
    assert alerts.handler(EVENT, None) == {"batchItemFailures": []}

    assert [kind for kind, _ in first] == ["credits.renewed"]
    assert product.heard() == first


def test_without_the_bus_the_first_record_that_had_something_to_tell_comes_again(alerts: Any) -> None:
    (failure,) = alerts.handler(EVENT, None)["batchItemFailures"]

    assert failure["itemIdentifier"] in {record["dynamodb"]["SequenceNumber"] for record in EVENT["Records"]}


def test_a_record_that_is_no_entry_stops_the_batch_where_it_stands(alerts: Any) -> None:
    Product()
    broken = {"dynamodb": {"SequenceNumber": "999", "NewImage": {"book_id": {"S": "acme"}}}}

    assert alerts.handler({"Records": [*EVENT["Records"], broken]}, None) == {
        "batchItemFailures": [{"itemIdentifier": "999"}]
    }
    with pytest.raises(Exception, match="999"):
        alerts.handler({"Records": [broken]}, None)
