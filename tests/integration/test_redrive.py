"""Dead letters of the stream: what they speak of is told and counted again, from the stream or from the ledger."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from credits.alerts import __main__ as alerts
from credits.alerts import bus as alerts_bus
from credits.domain.notice import notices
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import Span
from credits.ledger.tables import create_missing
from credits.usage import __main__ as usage
from credits.usage.fold import Tally
from credits.usage.project import project
from credits.usage.tables import open_rollups
from tests.integration.conftest import tables_of_one_test
from tests.moves import NOON, charged, granted, opened, renewed

HOUR = timedelta(hours=1)
GONE = "shardId-00000000000000000001-00000001"
"""A shard that the stream no longer has."""


class Operator:
    """Somebody with a shell: a ledger with its stream, the two queues of dead letters, and a subscriber of the bus."""

    def __init__(self, store: DynamoStore, entries_table: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.name = uuid4().hex
        self.sqs: Any = boto3.client("sqs", region_name="us-east-1")
        self.letters = self.sqs.create_queue(QueueName=f"letters-{self.name}")["QueueUrl"]
        self.heard_at = self.sqs.create_queue(QueueName=f"product-{self.name}")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.heard_at, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.events: Any = boto3.client("events", region_name="us-east-1")
        self.events.create_event_bus(Name=self.name)
        self.events.put_rule(Name="all", EventBusName=self.name, EventPattern='{"source": ["infuseos.credits"]}')
        self.events.put_targets(Rule="all", EventBusName=self.name, Targets=[{"Id": "product", "Arn": arn}])
        self.streams: Any = boto3.client("dynamodbstreams", region_name="us-east-1")
        table = boto3.client("dynamodb", region_name="us-east-1").describe_table(TableName=entries_table)["Table"]
        self.stream_arn = table["LatestStreamArn"]
        self.shard_id = self.streams.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]["Shards"][0][
            "ShardId"
        ]
        monkeypatch.setenv("EVENT_BUS_NAME", self.name)
        monkeypatch.setattr(alerts_bus, "PAUSE_SECONDS", 0)

    def records(self) -> list[dict[str, Any]]:
        """All that the stream has."""
        iterator = self.streams.get_shard_iterator(
            StreamArn=self.stream_arn, ShardId=self.shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: list[dict[str, Any]] = self.streams.get_records(ShardIterator=iterator)["Records"]
        return records

    def is_left_a_letter(
        self, first: str = 21 * "0", last: str = 21 * "0", *, shard_id: str | None = None, at: datetime = NOON
    ) -> None:
        """What Lambda leaves there, to the second."""
        arrival = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        batch = {
            "shardId": shard_id or self.shard_id,
            "startSequenceNumber": first,
            "endSequenceNumber": last,
            "approximateArrivalOfFirstRecord": arrival,
            "approximateArrivalOfLastRecord": arrival,
            "batchSize": 1,
            "streamArn": self.stream_arn,
        }
        body = {
            "requestContext": {"condition": "RetryAttemptsExhausted"},
            "version": "1.0",
            "DDBStreamBatchInfo": batch,
        }
        self.sqs.send_message(QueueUrl=self.letters, MessageBody=json.dumps(body))

    def letters_left(self) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.letters, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def heard(self) -> list[tuple[str, str]]:
        """The type and the account of each event since the last time, and that its id is the ledger's."""
        heard: list[tuple[str, str]] = []
        while got := self.sqs.receive_message(QueueUrl=self.heard_at, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                notice = json.loads(message["Body"])["detail"]
                assert notice["id"] in self.ids(notice["account_id"])
                heard.append((notice["type"], notice["account_id"]))
                self.sqs.delete_message(QueueUrl=self.heard_at, ReceiptHandle=message["ReceiptHandle"])
        return heard

    def ids(self, account_id: str) -> set[str]:
        """Of everything that the account's ledger has to tell."""
        entries = self.store.entries(Span(account_id), limit=1_000)
        return {notice.id for entry in entries for notice in notices(entry)}


@pytest.fixture
def operator(
    moto: None,  # noqa: ARG001 - it has to be there first
    local_connection: Connection,
    dynamodb_local: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:
    """Queues and bus are moto's. The ledger is on DynamoDB Local: moto's streams know no shards."""
    for service in ("DYNAMODB", "DYNAMODB_STREAMS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", dynamodb_local)
    with tables_of_one_test(local_connection) as tables:
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("ACCOUNTS_TABLE", tables.accounts.Meta.table_name)
        monkeypatch.setenv("HOLDS_TABLE", tables.holds.Meta.table_name)
        monkeypatch.setenv("MEMBERS_TABLE", tables.members.Meta.table_name)
        monkeypatch.setenv("ENTRIES_TABLE", tables.entries.Meta.table_name)
        yield Operator(DynamoStore(tables), tables.entries.Meta.table_name, monkeypatch)


def redrive(operator: Operator, *options: str) -> int:
    return alerts.main(["redrive", "--queue-url", operator.letters, *options])


def test_what_the_stream_still_has_is_told_and_nothing_else(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    for account_id in ("acme", "globex", "initech"):
        opened(operator.store, account_id)
    numbers = [record["dynamodb"]["SequenceNumber"] for record in operator.records()]
    operator.is_left_a_letter(numbers[2], numbers[3])  # globex: its opening and its allocation

    assert redrive(operator) == 0

    assert operator.heard() == [("credits.renewed", "globex")]
    assert operator.letters_left() == 0
    assert capsys.readouterr().out == "1 dead letters by the stream, 0 by the ledger: 2 entries, 1 events\n"


def test_what_the_stream_has_lost_is_found_in_the_ledgers_of_that_time(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(operator.store, "acme", at=NOON)
    opened(operator.store, "globex", at=NOON - 2 * HOUR)
    opened(operator.store, "initech", at=NOON + 2 * HOUR)
    granted(operator.store, "g1", 50, account_id="globex", at=NOON + timedelta(milliseconds=900))
    granted(operator.store, "g2", 50, account_id="globex", at=NOON + timedelta(seconds=1))
    operator.is_left_a_letter(shard_id=GONE, at=NOON)

    assert redrive(operator) == 0

    assert sorted(operator.heard()) == [("credits.granted", "globex"), ("credits.renewed", "acme")]
    assert operator.letters_left() == 0
    assert capsys.readouterr().out == "0 dead letters by the stream, 1 by the ledger: 3 entries, 2 events\n"


def test_the_operator_can_name_accounts_and_how_late_their_renewals_were_written(operator: Operator) -> None:
    reset = datetime.fromisoformat("2026-12-23T12:00:00Z")
    for account_id in ("acme", "globex"):
        opened(operator.store, account_id)
        renewed(operator.store, account_id=account_id, at=reset + 5 * HOUR)
    operator.is_left_a_letter(shard_id=GONE, at=reset + 5 * HOUR)
    operator.is_left_a_letter(shard_id=GONE, at=reset + 5 * HOUR + timedelta(minutes=1))

    assert redrive(operator, "--account", "acme", "--late", "6") == 0

    assert operator.heard() == [("credits.renewed", "acme")]
    assert operator.letters_left() == 0


def test_told_twice_an_event_has_the_id_it_had(operator: Operator) -> None:
    opened(operator.store)
    for _ in range(2):
        operator.is_left_a_letter(shard_id=GONE)
        assert redrive(operator) == 0

    assert operator.heard() == [("credits.renewed", "acme")] * 2
    assert len(operator.ids("acme")) == 1


def test_while_the_bus_takes_nothing_the_letters_stay(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(operator.store)
    numbers = [record["dynamodb"]["SequenceNumber"] for record in operator.records()]
    operator.is_left_a_letter(numbers[0], numbers[1])
    operator.is_left_a_letter(shard_id=GONE)

    with monkeypatch.context() as patched:
        patched.setenv("EVENT_BUS_NAME", "nobody-s")
        assert redrive(operator) == 1

    assert operator.letters_left() == 2
    assert capsys.readouterr().out.count("was not taken by the bus") == 2
    assert redrive(operator) == 0
    assert operator.heard() == [("credits.renewed", "acme")] * 2


def test_a_record_that_is_no_entry_is_named_and_its_letter_stays_while_the_rest_is_told(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(operator.store, "acme")
    entries_table = operator.stream_arn.partition("/")[2].partition("/")[0]
    boto3.client("dynamodb", region_name="us-east-1").put_item(
        TableName=entries_table,
        Item={"book_id": {"S": "x"}, "key": {"S": "x"}, "account_id": {"S": "x"}, "moment": {"S": "x"}},
    )
    opened(operator.store, "globex")
    numbers = [record["dynamodb"]["SequenceNumber"] for record in operator.records()]
    operator.is_left_a_letter(numbers[0], numbers[-1])

    assert redrive(operator) == 1

    assert operator.heard() == [("credits.renewed", "acme"), ("credits.renewed", "globex")]
    assert f"not handled: the record {numbers[2]} that is no entry\n" in capsys.readouterr().out
    assert operator.letters_left() == 1


def test_an_account_can_be_told_again_by_hand(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    opened(operator.store, at=NOON - HOUR)
    granted(operator.store, "g1", 50, at=NOON)
    granted(operator.store, "g2", 50, at=NOON + HOUR)

    assert alerts.main(["tell", "--account", "acme", "--from", "2026-11-23T13:00+01:00"]) == 0
    assert operator.heard() == [("credits.granted", "acme")] * 2
    assert capsys.readouterr().out == "acme  2 events\n"

    assert alerts.main(["tell", "--account", "acme", "--from", "2026-11-23T00:00Z", "--to", "2026-11-23T12:00Z"]) == 0
    assert operator.heard() == [("credits.renewed", "acme")]


def test_usage_that_was_not_counted_is_counted_and_its_accounts_are_named(
    operator: Operator,
    local_connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rollups = open_rollups(local_connection, f"usage-{operator.name}")
    create_missing([rollups.items])
    monkeypatch.setenv("USAGE_TABLE", rollups.items.Meta.table_name)
    for account_id in ("acme", "globex"):
        opened(operator.store, account_id)
        charged(operator.store, "k1", account_id=account_id)
    project(operator.store, rollups, operator.store.entries(Span("acme"), limit=100))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in operator.records()]
    operator.is_left_a_letter(numbers[-1], numbers[-1])
    operator.is_left_a_letter(shard_id=GONE)

    assert usage.main(["redrive", "--queue-url", operator.letters]) == 0

    for account_id in ("acme", "globex"):
        (day,) = rollups.days(account_id, "2026-11-23", "2026-11-23")
        assert day.quarters == {"12:00": {"message": Tally(1, 1)}}
    *counted, summary = capsys.readouterr().out.splitlines()
    assert sorted(counted) == ["acme  counted", "globex  counted", "globex  counted"]
    assert summary == "1 dead letters by the stream, 1 by the ledger: 7 entries"
    assert operator.letters_left() == 0
    rollups.items.delete_table()


def test_usage_that_still_cannot_be_counted_is_named_and_its_letter_stays(
    operator: Operator,
    local_connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rollups = open_rollups(local_connection, f"usage-{operator.name}")
    create_missing([rollups.items])
    monkeypatch.setenv("USAGE_TABLE", rollups.items.Meta.table_name)
    opened(operator.store)
    rollups.park("acme")  # where a rebuild was killed
    operator.is_left_a_letter(shard_id=GONE)

    assert usage.main(["redrive", "--queue-url", operator.letters]) == 1

    assert "not handled: acme: Parked('acme')\n" in capsys.readouterr().out
    assert operator.letters_left() == 1
    rollups.items.delete_table()


@pytest.mark.parametrize("body", ['{"kind": "account", "shard": "04", "beyond": null}', "[]", "not JSON"])
def test_another_queue_is_refused_and_keeps_its_messages(
    operator: Operator, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.sqs.send_message(QueueUrl=operator.letters, MessageBody=body)

    assert redrive(operator) == 1

    assert capsys.readouterr().out == f"this is no dead letter of a stream: {body}\n"
    assert operator.letters_left() == 1


@pytest.mark.parametrize("command", [alerts.main, usage.main])
def test_a_setting_that_is_missing_is_named(
    operator: Operator, command: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ENTRIES_TABLE")

    with pytest.raises(SystemExit):
        command(["redrive", "--queue-url", operator.letters])

    assert "ENTRIES_TABLE" in capsys.readouterr().err
