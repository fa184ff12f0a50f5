"""The audits function: the schedule puts the list of accounts on a queue in pieces, and a piece is audited."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import AccountKey
from credits.ledger.tables import Tables
from local.template import ROOT
from local.zygote import Context
from tests.functions import Functions
from tests.integration.conftest import tables_of_one_test
from tests.moves import NOON, charged, opened
from tests.whole_story import whole_story

TIMEOUT_SECONDS = 900


@dataclass
class Audits:
    """The function on moto, its queue, and what it works on."""

    module: ModuleType
    tables: Tables
    queue_url: str
    sqs: Any

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.tables)

    def invoke(self, event: Any, *, seconds: float = TIMEOUT_SECONDS) -> Any:
        """One invocation that has so many seconds."""
        context = Context("audits", 1024, uuid4().hex, time.monotonic() + seconds)
        return json.loads(json.dumps(self.module.handler(json.loads(json.dumps(event)), context)))

    def messages(self) -> list[Any]:
        """The bodies on the queue, which is empty afterwards."""
        bodies = []
        while received := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for each in received:
                bodies.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return bodies

    def tamper(self, account_id: str) -> None:
        """A hand in the table: the account's first entry says something else."""
        client: Any = self.tables.connection.client
        client.update_item(
            TableName=self.tables.entries.Meta.table_name,
            Key={"book_id": {"S": account_id}, "key": {"S": "opened"}},
            UpdateExpression="SET description = :forged",
            ExpressionAttributeValues={":forged": {"S": "a gift"}},
        )


@pytest.fixture
def audits(moto_connection: Connection) -> Iterator[Audits]:
    """The function with empty tables and an empty queue."""
    sqs = boto3.client("sqs", region_name="us-east-1")
    queue_url = sqs.create_queue(QueueName=f"audit-{uuid4().hex}")["QueueUrl"]
    with tables_of_one_test(moto_connection) as tables:
        functions = Functions(
            {
                "ACCOUNTS_TABLE": tables.accounts.Meta.table_name,
                "HOLDS_TABLE": tables.holds.Meta.table_name,
                "MEMBERS_TABLE": tables.members.Meta.table_name,
                "ENTRIES_TABLE": tables.entries.Meta.table_name,
                "KEYS_TABLE": "keys",
                "UPGRADE_URL": "https://infuseos.example/upgrade",
                "AUDIT_QUEUE_URL": queue_url,
            }
        )
        yield Audits(functions.module("audits"), tables, queue_url, sqs)


def event(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))


def delivered(body: Any, *, received: int = 1) -> Any:
    """One message, in the shape of events/audits.pieces.json."""
    record = event("audits.pieces")["Records"][0]
    attributes = record["attributes"] | {"ApproximateReceiveCount": str(received)}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"Records": [record | {"messageId": "m0", "body": text, "attributes": attributes}]}


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == message]


DONE: dict[str, Any] = {"batchItemFailures": []}
FAILED = {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_the_schedule_puts_every_account_on_the_queue_in_pieces(
    audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits.module, "ACCOUNTS_OF_A_PIECE", 2)
    for number in range(5):
        opened(audits.store, f"a{number}", at=NOON + timedelta(minutes=number))

    assert audits.invoke(event("audits.schedule")) is None

    pieces = sorted(body["accounts"] for body in audits.messages())
    assert pieces == [["a0"], ["a2", "a1"], ["a4", "a3"]]


def test_a_walk_without_time_is_handed_on_and_goes_on_there(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits.module, "ACCOUNTS_OF_A_PIECE", 1)
    monkeypatch.setattr(audits.module, "MESSAGES_AT_ONCE", 2)
    for number in range(5):
        opened(audits.store, f"a{number}", at=NOON + timedelta(minutes=number))

    audits.invoke(event("audits.schedule"), seconds=50)
    first = audits.messages()
    (rest,) = [body for body in first if "walk" in body]
    assert sorted(body["accounts"] for body in first if body != rest) == [["a3"], ["a4"]]
    assert audits.invoke(delivered(rest)) == DONE

    assert sorted(body["accounts"] for body in audits.messages()) == [["a0"], ["a1"], ["a2"]]


def test_a_piece_audits_its_accounts_and_logs_the_head_of_each(
    audits: Audits, caplog: pytest.LogCaptureFixture
) -> None:
    opened(audits.store, "acme")
    opened(audits.store, "globex")
    charged(audits.store, "k1")
    heads = {each.account_id: each.head for each in audits.store.read(AccountKey("acme"), AccountKey("globex")) if each}

    assert audits.invoke(delivered({"accounts": ["acme", "globex"]})) == DONE

    found = [(line["account_id"], line["ok"], line["entries"], line["seq"]) for line in logged(caplog, "audited")]
    assert found == [("acme", True, 3, 3), ("globex", True, 2, 2)]
    assert {line["account_id"]: line["head"] for line in logged(caplog, "audited")} == heads
    assert audits.messages() == []


def test_a_ledger_that_does_not_hold_is_told_and_comes_again_alone_until_it_rings(
    audits: Audits, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("acme", "globex", "initech"):
        opened(audits.store, name)
    audits.tamper("globex")

    assert audits.invoke(delivered({"accounts": ["acme", "globex", "initech", "nobody"]})) == DONE

    assert [line["account_id"] for line in logged(caplog, "audited") if line["ok"]] == ["acme", "initech"]
    (wrong,) = logged(caplog, "does not hold")
    assert (wrong["account_id"], wrong["seq"], wrong["key"]) == ("globex", 1, "opened")
    assert wrong["problem"] == "hash is not that of the entry's fields"
    assert [line["account_id"] for line in logged(caplog, "not audited")] == ["nobody"]
    alone = sorted(audits.messages(), key=str)
    assert alone == [{"accounts": ["globex"]}, {"accounts": ["nobody"]}]
    assert [audits.invoke(delivered(body)) for body in alone] == [FAILED, FAILED]
    assert audits.messages() == []


def test_accounts_with_holds_members_and_refunds_hold_and_a_hand_in_a_hold_is_told(
    audits: Audits, caplog: pytest.LogCaptureFixture
) -> None:
    whole_story(audits.store)

    assert audits.invoke(delivered({"accounts": ["acme"]})) == DONE

    (line,) = logged(caplog, "audited")
    assert (line["ok"], line["entries"], line["seq"]) == (True, 115, 87)
    client: Any = audits.tables.connection.client
    name = audits.tables.holds.Meta.table_name
    item = client.get_item(TableName=name, Key={"book_id": {"S": "acme#hold#run-4"}})["Item"]
    state = item["state"]["S"].replace('"captured":1', '"captured":0')
    client.put_item(TableName=name, Item=item | {"state": {"S": state}})
    assert audits.invoke(delivered({"accounts": ["acme"]})) == FAILED
    (wrong,) = logged(caplog, "does not hold")
    assert (wrong["hold_id"], wrong["problem"]) == ("run-4", "the hold's item is not what its last entry left")


def test_what_there_is_no_time_for_is_handed_on_once(audits: Audits, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("acme", "globex", "initech"):
        opened(audits.store, name)
    piece = {"accounts": ["acme", "globex", "initech"]}

    # With less than 600 seconds left only the first is begun: a piece always comes on.
    assert audits.invoke(delivered(piece), seconds=590) == DONE

    assert [line["account_id"] for line in logged(caplog, "audited")] == ["acme"]
    assert audits.messages() == [{"accounts": ["globex", "initech"]}]
    assert audits.invoke(delivered(piece, received=2), seconds=590) == DONE
    assert audits.messages() == []


@pytest.mark.parametrize("body", ["", "not json", "{}", '{"walk": "nonsense"}'])
def test_a_message_that_cannot_be_read_fails(audits: Audits, body: str) -> None:
    assert audits.invoke(delivered(body)) == FAILED
