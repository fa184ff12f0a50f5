"""The event pump's sources, on moto, with functions that answer as they are told to."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.bus import Bus
from local.clock import Clock
from local.queues import QueueSource
from local.schedules import ScheduleSource
from local.source import Outcome
from local.streams import Stream, StreamSource, matches
from local.template import Function, TemplateError, Trigger

REGION = "us-east-1"
PROBE = Function("probe", "functions.probe.app", timeout_seconds=1, memory_mb=128)


class Scripted:
    """A function that ends as the script says, one outcome after another, and then well."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = iter(outcomes)
        self.events: list[Any] = []

    def __call__(self, event: Any) -> Outcome:
        self.events.append(event)
        return next(self._outcomes, Outcome())

    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in event["Records"]] for event in self.events]

    def keys(self) -> list[list[str]]:
        return [[record["dynamodb"]["Keys"]["k"]["S"] for record in event["Records"]] for event in self.events]


def failing(*identifiers: str) -> Outcome:
    return Outcome({"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]})


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (Outcome(None), set()),
        (Outcome({}), set()),
        (Outcome({"batchItemFailures": []}), set()),
        (failing("a"), {"a"}),
        (failing("a", "of another batch"), {"a", "b"}),
        (failing(""), {"a", "b"}),
        (Outcome({"batchItemFailures": ["a"]}), {"a", "b"}),
        (Outcome("done"), {"a", "b"}),
        (Outcome(error="boom"), {"a", "b"}),
    ],
)
def test_what_a_function_says_decides_which_records_come_again(outcome: Outcome, failed: set[str]) -> None:
    assert outcome.failed(["a", "b"], reports=True) == failed


def test_a_source_that_reads_no_reports_takes_a_batch_as_done_unless_it_failed() -> None:
    assert failing("a").failed(["a", "b"], reports=False) == set()
    assert Outcome(error="boom").failed(["a", "b"], reports=False) == {"a", "b"}


# Schedules


def schedule(send: Scripted, clock: Clock, **properties: Any) -> ScheduleSource:
    written = {"ScheduleExpression": "rate(5 minutes)", **properties}
    return ScheduleSource(Trigger("Probe.Often", "ScheduleV2", written, PROBE), clock=clock, region=REGION, send=send)


def test_a_schedule_sends_at_the_start_and_when_the_clock_was_moved_and_not_between() -> None:
    send, clock = Scripted(), Clock()
    source = schedule(send, clock)

    turns = [source.turn(), source.turn()]
    clock.advance("PT4M")
    turns.append(source.turn())
    clock.advance("P31D")
    turns += [source.turn(), source.turn()]

    assert turns == [True, False, False, True, False]
    assert [event["source"] for event in send.events] == ["aws.scheduler", "aws.scheduler"]
    assert [event["detail"] for event in send.events] == ["{}", "{}"]
    assert send.events[1]["time"] == clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_schedule_sends_its_own_input() -> None:
    send = Scripted()
    schedule(send, Clock(), Input='{"kind": "all"}').turn()

    assert send.events == [{"kind": "all"}]


def test_a_schedule_that_failed_comes_again_only_with_its_next_time() -> None:
    send = Scripted(Outcome(error="boom"))
    source = schedule(send, Clock())

    assert [source.turn(), source.turn()] == [True, False]


@pytest.mark.parametrize("expression", ["cron(0 12 * * ? *)", "rate(0 minutes)", "hourly"])
def test_a_schedule_that_is_no_rate_is_refused_by_its_name(expression: str) -> None:
    with pytest.raises(TemplateError, match=r"Probe\.Often"):
        schedule(Scripted(), Clock(), ScheduleExpression=expression)


# Queues


class Queue:
    """A queue whose messages go to their dead letters after two deliveries, and its source."""

    def __init__(self, send: Scripted, **properties: Any) -> None:
        self.sqs: Any = boto3.client("sqs", region_name=REGION)
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:dead", "maxReceiveCount": 2}
        self.url = self.sqs.create_queue(QueueName="due", Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
        self.said: list[str] = []
        self.source = QueueSource(
            Trigger("Probe.Shards", "SQS", properties, PROBE),
            url=self.url,
            arn=f"arn:aws:sqs:{REGION}:123456789012:due",
            region=REGION,
            sqs=self.sqs,
            send=send,
            say=self.said.append,
        )

    def put(self, *bodies: str) -> list[str]:
        """Sends messages and returns their ids."""
        return [self.sqs.send_message(QueueUrl=self.url, MessageBody=body)["MessageId"] for body in bodies]

    def left(self, url: str) -> int:
        """How many messages there are, on their way or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is visible again at once."""
    monkeypatch.setattr("local.queues.RETRY_SECONDS", 0)


def test_a_message_arrives_as_lambda_sends_it_and_is_deleted() -> None:
    send = Scripted()
    queue = Queue(send)
    (message_id,) = queue.put("one")

    assert [queue.source.turn(), queue.source.turn()] == [True, False]
    (record,) = send.events[0]["Records"]
    assert (record["messageId"], record["body"], record["messageAttributes"]) == (message_id, "one", {})
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", f"arn:aws:sqs:{REGION}:123456789012:due")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert queue.left(queue.url) == 0


def test_a_batch_is_no_larger_than_the_mapping_says() -> None:
    send = Scripted()
    queue = Queue(send, BatchSize=2)
    queue.put("one", "two", "three")

    assert [queue.source.turn(), queue.source.turn(), queue.source.turn()] == [True, True, False]
    assert send.bodies() == [["one", "two"], ["three"]]


@pytest.mark.usefixtures("_no_pause")
def test_only_the_messages_that_are_reported_come_again() -> None:
    send = Scripted()
    queue = Queue(send, FunctionResponseTypes=["ReportBatchItemFailures"])
    _, second, _ = queue.put("one", "two", "three")
    send._outcomes = iter([failing(second)])

    assert [queue.source.turn(), queue.source.turn(), queue.source.turn()] == [True, True, False]
    assert send.bodies() == [["one", "two", "three"], ["two"]]
    assert queue.said == ["probe: 1 of 3 messages failed"]
    assert (queue.left(queue.url), queue.left(queue.dead)) == (0, 0)


@pytest.mark.usefixtures("_no_pause")
def test_a_message_that_fails_as_often_as_the_queue_allows_is_a_dead_letter() -> None:
    send = Scripted(Outcome(error="boom"), Outcome(error="boom"))
    queue = Queue(send)
    queue.put("poison")

    assert [queue.source.turn(), queue.source.turn(), queue.source.turn()] == [True, True, False]
    assert send.bodies() == [["poison"], ["poison"]]
    assert (queue.left(queue.url), queue.left(queue.dead)) == (0, 1)


# FIFO queues


class FifoQueue(Queue):
    """A FIFO queue, and its dead letters."""

    def __init__(self, send: Scripted, **properties: Any) -> None:
        super().__init__(send, **properties)
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.dead = self.sqs.create_queue(QueueName="dead.fifo", Attributes=fifo)["QueueUrl"]
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:dead.fifo", "maxReceiveCount": 2}
        fifo["RedrivePolicy"] = json.dumps(redrive)
        self.url = self.sqs.create_queue(QueueName="events.fifo", Attributes=fifo)["QueueUrl"]
        self.source._url = self.url

    def put_in(self, group: str, *bodies: str) -> list[str]:
        """Sends messages of a group and returns their ids."""
        return [
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageGroupId=group)["MessageId"]
            for body in bodies
        ]


def test_a_message_that_was_sent_twice_comes_once_and_tells_its_group() -> None:
    send = Scripted()
    queue = FifoQueue(send, BatchSize=10)
    queue.put_in("ada", "paid", "paid")
    queue.source.turn()

    assert send.bodies() == [["paid"]]
    attributes = send.events[0]["Records"][0]["attributes"]
    assert attributes["MessageGroupId"] == "ada"
    assert len(attributes["MessageDeduplicationId"]) == 64


def test_what_failed_and_all_after_it_in_its_group_come_again_in_order_and_other_groups_do_not_wait() -> None:
    send = Scripted()
    queue = FifoQueue(send, BatchSize=2, FunctionResponseTypes=["ReportBatchItemFailures"])
    first, second = queue.put_in("ada", "a1", "a2")
    queue.put_in("ada", "a3")
    queue.put_in("bob", "b1")
    send._outcomes = iter([failing(first, second)])

    queue.source.turn()
    queue.source.turn()
    time.sleep(1.1)
    queue.source.turn()
    queue.source.turn()

    assert send.bodies() == [["a1", "a2"], ["b1"], ["a1", "a2"], ["a3"]]
    assert queue.left(queue.url) == 0


def test_a_group_goes_on_after_a_message_that_was_given_up() -> None:
    send = Scripted(Outcome(error="boom"), Outcome(error="boom"))
    queue = FifoQueue(send, BatchSize=1)
    queue.put_in("ada", "poison", "next")
    for _ in range(3):
        queue.source.turn()
        time.sleep(1.1)

    assert send.bodies() == [["poison"], ["poison"], ["next"]]
    assert (queue.left(queue.url), queue.left(queue.dead)) == (0, 1)


# Streams


class Table:
    """A table with a stream, and the source that reads it. Its time stands still until it is moved."""

    def __init__(self, send: Scripted, **properties: Any) -> None:
        self.dynamodb = boto3.client("dynamodb", region_name=REGION)
        self.dynamodb.create_table(
            TableName="entries",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.arn = self.dynamodb.describe_table(TableName="entries")["Table"]["LatestStreamArn"]
        self.writes = 0
        self.seconds = 0.0
        self.given_up: list[Any] = []
        self.source = StreamSource(
            Trigger("Probe.Entries", "DynamoDB", properties, PROBE),
            Stream(
                self.arn, boto3.client("dynamodbstreams", region_name=REGION), lambda: self.writes, settled=nullcontext
            ),
            REGION,
            send,
            lambda _: None,
            self.given_up.append,
            monotonic=lambda: self.seconds,
        )

    def put(self, *keys: str, kind: str = "charge") -> None:
        for key in keys:
            self.dynamodb.put_item(TableName="entries", Item={"k": {"S": key}, "kind": {"S": kind}})
            self.writes += 1

    def turns(self) -> int:
        """Turns until nothing is left to send, the waits between tries passed over; how many sent something."""
        sent = idle = 0
        while idle < 2:
            self.seconds += 10
            if self.source.turn():
                sent, idle = sent + 1, 0
            else:
                idle += 1
            assert sent < 100
        return sent


def sequence_numbers(send: Scripted) -> Sequence[str]:
    return [record["dynamodb"]["SequenceNumber"] for record in send.events[0]["Records"]]


def test_records_arrive_in_order_as_lambda_sends_them() -> None:
    send = Scripted()
    table = Table(send)
    table.put("a", "b")
    table.turns()
    table.put("c")
    table.turns()

    assert send.keys() == [["a", "b"], ["c"]]
    record = send.events[0]["Records"][0]
    assert (record["eventName"], record["eventSource"], record["awsRegion"]) == ("INSERT", "aws:dynamodb", REGION)
    assert record["eventSourceARN"] == table.arn
    assert record["dynamodb"]["NewImage"] == {"k": {"S": "a"}, "kind": {"S": "charge"}}
    assert json.loads(json.dumps(record)) == record


def test_a_table_that_nobody_wrote_to_is_not_asked() -> None:
    table = Table(Scripted())
    table.put("a")
    table.turns()
    table.source.stream.client.get_records = None

    assert table.source.turn() is False


def test_a_transaction_that_was_rolled_back_is_neither_sent_nor_in_the_way() -> None:
    send = Scripted()
    table = Table(send)
    table.put("a")
    table.turns()
    taken: Any = {"Put": {"TableName": "entries", "Item": {"k": {"S": "a"}}}}
    taken["Put"]["ConditionExpression"] = "attribute_not_exists(k)"
    new: Any = {"Put": {"TableName": "entries", "Item": {"k": {"S": "never"}}}}
    with pytest.raises(table.dynamodb.exceptions.TransactionCanceledException):
        table.dynamodb.transact_write_items(TransactItems=[new, taken])
    table.put("b")
    table.turns()

    assert send.keys() == [["a"], ["b"]]


def test_a_filter_lets_through_what_matches_any_of_its_patterns() -> None:
    send = Scripted()
    pattern = '{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["grant"]}}}}'
    table = Table(send, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    table.put("a")
    table.put("b", kind="grant")
    table.put("c")
    table.turns()

    assert send.keys() == [["b"]]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ({"alert": {"S": [{"exists": True}]}}, True),
        ({"action": {"S": [{"exists": True}]}}, False),
        ({"action": {"S": [{"exists": False}]}}, True),
        ({"alert": {"S": [{"prefix": "lo"}]}}, True),
        ({"alert": {"S": [{"anything-but": ["low"]}]}}, False),
        ({"alert": {"S": ["exhausted", "low"]}}, True),
    ],
)
def test_a_pattern_compares_as_lambdas_filters_do(pattern: Any, *, matched: bool) -> None:
    assert matches(pattern, {"alert": {"S": "low"}}) is matched


def test_a_comparison_that_is_not_known_is_refused() -> None:
    with pytest.raises(TemplateError, match="numeric"):
        matches({"seq": {"N": [{"numeric": [">", 1]}]}}, {"seq": {"N": "2"}})


def test_a_batch_goes_on_from_the_first_record_that_is_reported() -> None:
    send = Scripted()
    table = Table(send, FunctionResponseTypes=["ReportBatchItemFailures"])
    table.put("a", "b", "c")
    stream = table.source.stream
    records, _ = stream.read(stream.shards()[0]["ShardId"], None, 10)
    send._outcomes = iter([failing(records[1]["dynamodb"]["SequenceNumber"])])
    table.turns()

    assert send.keys() == [["a", "b", "c"], ["b", "c"]]
    assert table.given_up == []


def test_a_batch_that_fails_is_tried_again_after_a_pause_and_what_comes_after_it_waits() -> None:
    send = Scripted(Outcome(error="boom"))
    table = Table(send, BatchSize=2)
    table.put("a", "b", "c")

    turns = [table.source.turn(), table.source.turn()]
    table.seconds = 1
    turns.append(table.source.turn())

    assert turns == [True, False, True]
    assert send.keys() == [["a", "b"], ["a", "b"]]
    assert table.turns() == 1
    assert send.keys()[2:] == [["c"]]


def test_a_batch_is_given_up_after_its_retries_and_its_place_is_told() -> None:
    send = Scripted(*[Outcome(error="boom")] * 3)
    table = Table(send, MaximumRetryAttempts=2, BatchSize=2)
    table.put("a", "b", "c")
    table.turns()

    assert send.keys() == [["a", "b"], ["a", "b"], ["a", "b"], ["c"]]
    first, last = sequence_numbers(send)
    (told,) = table.given_up
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["DDBStreamBatchInfo"]["startSequenceNumber"] == first
    assert told["DDBStreamBatchInfo"]["endSequenceNumber"] == last
    assert (told["DDBStreamBatchInfo"]["batchSize"], told["DDBStreamBatchInfo"]["streamArn"]) == (2, table.arn)


def test_a_mapping_that_bisects_gives_up_the_one_bad_record_alone() -> None:
    class Picky(Scripted):
        def __call__(self, event: Any) -> Outcome:
            super().__call__(event)
            return Outcome(error="boom") if "bad" in self.keys()[-1] else Outcome()

    send = Picky()
    table = Table(send, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    table.put("a", "b", "bad", "c")
    table.turns()

    assert send.keys() == [["a", "b", "bad", "c"], ["a", "b"], ["bad", "c"], ["bad"], ["bad"], ["c"]]
    assert [each["DDBStreamBatchInfo"]["batchSize"] for each in table.given_up] == [1]


# The bus


def test_an_event_is_said_and_the_last_hundred_are_kept() -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    said: list[str] = []
    bus = Bus(queue_url=url, sqs=sqs, say=said.append)
    for number in range(102):
        event = {"detail-type": "credits.low", "detail": {"account_id": f"a{number}"}}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    while bus.turn():
        pass

    assert (len(said), said[0]) == (102, "event  credits.low  a0")
    kept = [event["detail"]["account_id"] for event in bus.events()]
    assert (len(kept), kept[0], kept[-1]) == (100, "a2", "a101")
