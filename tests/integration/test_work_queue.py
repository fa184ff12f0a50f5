"""The queue of a function's own work, on moto: how it is filled, and what of a delivery comes again."""

import json
from typing import Any
from uuid import uuid4

import boto3
import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from credits.runtime.work_queue import NotSent, WorkQueue, is_first_delivery
from local.zygote import Context

pytestmark = pytest.mark.usefixtures("moto_connection")

CONTEXT = Context("worker", 1024, "request-1", 0)


@pytest.fixture
def url() -> str:
    """An empty queue of moto's."""
    made: str = boto3.client("sqs", region_name="us-east-1").create_queue(QueueName=f"work-{uuid4().hex}")["QueueUrl"]
    return made


@pytest.fixture
def queue(url: str) -> WorkQueue:
    return WorkQueue(url, region="us-east-1")


def waiting(url: str) -> list[Any]:
    """The bodies on the queue."""
    sqs = boto3.client("sqs", region_name="us-east-1")
    bodies = []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(each["Body"]) for each in received]
    return bodies


def delivery(*bodies: Any, received: int = 1) -> dict[str, Any]:
    """Messages m0, m1 … as SQS hands them to a function."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(received)},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


@pytest.mark.parametrize(("messages", "batches"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_messages_are_sent_ten_at_a_time_and_none_is_lost(
    queue: WorkQueue, url: str, messages: int, batches: list[int]
) -> None:
    sent = []
    queue._sqs.meta.events.register(
        "provide-client-params.sqs.SendMessageBatch", lambda params, **_: sent.append(len(params["Entries"]))
    )

    queue.send({"piece": number} for number in range(messages))

    assert sent == batches
    assert sorted(each["piece"] for each in waiting(url)) == list(range(messages))


def test_messages_that_sqs_does_not_take_are_told_with_its_codes(queue: WorkQueue) -> None:
    # moto takes every message: this answer is SQS's own, for some that it did not.
    refusals = [{"Id": str(number), "SenderFault": False, "Code": code} for number, code in enumerate("BAB")]
    queue._sqs.meta.events.register(
        "after-call.sqs.SendMessageBatch", lambda parsed, **_: parsed.update(Failed=refusals)
    )

    with pytest.raises(NotSent, match=r"^A, B$"):
        queue.send([1, 2, 3])


def test_only_the_messages_whose_work_fails_come_again(queue: WorkQueue) -> None:
    done = []

    def work(record: SQSRecord, _: Any) -> None:
        done.append(100 // json.loads(record.body))

    assert queue.work_off(delivery(5, 0, 4), work, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert done == [20, 25]


def test_a_delivery_that_fails_whole_is_answered_and_the_next_is_worked_off(queue: WorkQueue) -> None:
    def work(record: SQSRecord, _: Any) -> None:
        json.loads(record.body)["there"]

    assert queue.work_off(delivery({}, {}), work, CONTEXT) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]
    }
    assert queue.work_off(delivery({"there": 1}), work, CONTEXT) == {"batchItemFailures": []}


@pytest.mark.parametrize(("received", "first"), [(1, True), (2, False), (3, False)])
def test_a_first_delivery_is_told_from_those_that_follow(received: int, first: bool) -> None:
    (record,) = delivery("work", received=received)["Records"]
    assert is_first_delivery(SQSRecord(record)) is first
