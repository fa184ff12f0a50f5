"""The renewals function: the schedule becomes a message for each shard, a message renews what is due in its shard."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import AccountKey, HoldKey, Span, Unreadable
from credits.ledger.tables import Tables
from credits.runtime import clock
from credits.runtime.work_queue import NotSent
from local.template import ROOT
from local.zygote import Context
from tests.functions import Functions
from tests.integration.conftest import tables_of_one_test
from tests.moves import NOON, held, opened

RESET = datetime(2026, 12, 23, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
IN_SHARD_00 = ("a6", "a34", "a55", "a62", "a88")
TIMEOUT_SECONDS = 90


@dataclass
class Renewals:
    """The function on moto, its queue, and what it works on."""

    module: ModuleType
    tables: Tables
    queue_url: str
    sqs: Any
    seconds_left: list[float] = field(default_factory=list)

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.tables)

    def invoke(self, event: Any, *, seconds: float = TIMEOUT_SECONDS) -> Any:
        """One invocation that has so many seconds."""
        context = Context("renewals", 1024, uuid4().hex, time.monotonic() + seconds)
        return json.loads(json.dumps(self.module.handler(json.loads(json.dumps(event)), context)))

    def messages(self) -> list[Any]:
        """The bodies on the queue, which is empty afterwards."""
        bodies = []
        while received := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for each in received:
                bodies.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return bodies

    def remaining(self, account_id: str) -> tuple[int, int]:
        """Credits of the account's item, and how many entries its ledger has."""
        (account,) = self.store.read(AccountKey(account_id))
        assert account
        return account.remaining, len(self.store.entries(Span(account_id), limit=100))

    def held(self, account_id: str) -> int:
        """Credits that the account's item has in holds."""
        (account,) = self.store.read(AccountKey(account_id))
        assert account
        held: int = account.held
        return held

    def status(self, account_id: str, hold_id: str) -> str:
        """What the hold's item says of it."""
        (hold,) = self.store.read(HoldKey(account_id, hold_id))
        assert hold
        status: str = hold.status.value
        return status


@pytest.fixture
def renewals(moto_connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Renewals]:
    """The function with empty tables and an empty queue; its clock stands at the accounts' reset."""
    monkeypatch.setattr(clock, "now", lambda: RESET)
    sqs = boto3.client("sqs", region_name="us-east-1")
    queue_url = sqs.create_queue(QueueName=f"due-{uuid4().hex}")["QueueUrl"]
    with tables_of_one_test(moto_connection) as tables:
        functions = Functions(
            {
                "ACCOUNTS_TABLE": tables.accounts.Meta.table_name,
                "HOLDS_TABLE": tables.holds.Meta.table_name,
                "MEMBERS_TABLE": tables.members.Meta.table_name,
                "ENTRIES_TABLE": tables.entries.Meta.table_name,
                "KEYS_TABLE": "keys",
                "UPGRADE_URL": "https://infuseos.example/upgrade",
                "DUE_QUEUE_URL": queue_url,
            }
        )
        yield Renewals(functions.module("renewals"), tables, queue_url, sqs)


def event(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))


def shards(*bodies: Any, received: int = 1) -> Any:
    """Messages m0, m1 … in one batch, in the shape of events/renewals.shards.json."""
    record = event("renewals.shards")["Records"][0]
    return {
        "Records": [
            record
            | {
                "messageId": f"m{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": record["attributes"] | {"ApproximateReceiveCount": str(received)},
            }
            for number, body in enumerate(bodies)
        ]
    }


def shard(name: str, beyond: Any = None) -> dict[str, Any]:
    return {"kind": "account", "shard": name, "beyond": beyond}


def holds(name: str, beyond: Any = None) -> dict[str, Any]:
    return {"kind": "hold", "shard": name, "beyond": beyond}


def poisoned(renewals: Renewals, account_id: str) -> None:
    """The account's item no longer tells an account."""
    client: Any = renewals.tables.connection.client
    client.update_item(
        TableName=renewals.tables.accounts.Meta.table_name,
        Key={"account_id": {"S": account_id}},
        UpdateExpression="SET #s = :broken",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":broken": {"S": "{"}},
    )


# The schedule


def test_the_schedule_sends_a_message_for_each_kind_of_book_and_each_shard(renewals: Renewals) -> None:
    assert renewals.invoke(event("renewals.schedule")) is None

    sent = sorted(renewals.messages(), key=lambda body: (str(body["kind"]), str(body["shard"])))
    assert sent == [
        {"kind": kind, "shard": name, "beyond": None}
        for kind in ("account", "hold")
        for name in ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15"]
    ]


def test_a_message_that_sqs_does_not_take_fails_the_schedule_so_that_it_is_tried_again(
    renewals: Renewals,
) -> None:
    # moto takes every message: this answer is SQS's own, for one that it did not.
    refusal = {"Id": "3", "SenderFault": False, "Code": "InternalError", "Message": "Try again"}

    def answered(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Failed"] = [refusal]

    renewals.module.queue._sqs.meta.events.register("after-call.sqs.SendMessageBatch", answered)

    with pytest.raises(NotSent, match="InternalError"):
        renewals.invoke(event("renewals.schedule"))


# A shard


def test_a_message_renews_what_is_due_in_its_shard_and_nothing_else(renewals: Renewals) -> None:
    opened(renewals.store, "a6")
    opened(renewals.store, "a34", at=NOON + timedelta(days=1))
    opened(renewals.store, "acme")

    assert renewals.invoke(shards(shard("00"))) == {"batchItemFailures": []}

    assert renewals.remaining("a6") == (300, 4)
    assert renewals.remaining("a34") == (300, 2)
    assert renewals.remaining("acme") == (300, 2)
    assert renewals.messages() == []


def test_the_event_of_the_documents_is_answered(renewals: Renewals) -> None:
    opened(renewals.store, "acme")
    opened(renewals.store, "globex", at=NOON + DAY)
    held(renewals.store, "run-3", 20, account_id="globex", at=RESET - HOUR, expires_in_seconds=60)

    assert renewals.invoke(event("renewals.shards")) == {"batchItemFailures": []}

    # Its second message goes on in shard 14 after "a6", at the instant at which acme is due as well; its third is of
    # the holds in shard 05.
    assert renewals.remaining("acme") == (300, 4)
    assert renewals.remaining("globex") == (300, 6)


def test_the_same_message_twice_renews_once(renewals: Renewals) -> None:
    opened(renewals.store, "a6")

    assert renewals.invoke(shards(shard("00"), shard("00"))) == {"batchItemFailures": []}
    assert renewals.invoke(shards(shard("00"))) == {"batchItemFailures": []}

    assert renewals.remaining("a6") == (300, 4)


def test_only_the_message_whose_shard_has_failures_comes_again(
    renewals: Renewals, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (*IN_SHARD_00, "acme"):
        opened(renewals.store, name)
    poisoned(renewals, "a55")

    answer = renewals.invoke(shards(shard("14"), shard("00")))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert renewals.remaining("acme") == (300, 4)
    for name in ("a6", "a34", "a62", "a88"):
        assert renewals.remaining(name) == (300, 4)
    (failed,) = [vars(record) for record in caplog.records if record.message == "not renewed"]
    assert (failed["kind"], failed["shard"], failed["book_id"]) == ("account", "00", "a55")
    assert failed["exc_info"][0] is Unreadable


@pytest.mark.parametrize("body", ["", "not json", '{"kind": "moon", "shard": "00", "beyond": null}', "{}"])
def test_a_message_that_cannot_be_read_is_the_only_one_that_fails(renewals: Renewals, body: str) -> None:
    opened(renewals.store, "a6")

    answer = renewals.invoke(shards(body, shard("00")))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert renewals.remaining("a6") == (300, 4)


def test_when_every_message_fails_each_is_told_and_the_function_itself_has_not_failed(renewals: Renewals) -> None:
    answer = renewals.invoke(shards("{}", "{}"))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}


# Holds


def test_a_message_of_holds_gives_back_what_the_expired_ones_of_its_shard_keep_and_touches_nothing_else(
    renewals: Renewals, caplog: pytest.LogCaptureFixture
) -> None:
    store = renewals.store
    opened(store, "acme", at=NOON + DAY)
    opened(store, "globex", at=NOON + DAY)
    opened(store, "a6")
    for account_id, hold_id, credits, seconds in (
        ("globex", "run-3", 20, 60),  # in shard 05
        ("acme", "run-1", 30, 7_200),  # there, too, and alive
        ("acme", "run-2", 40, 60),  # over, in shard 15
    ):
        held(store, hold_id, credits, account_id=account_id, at=RESET - HOUR, expires_in_seconds=seconds)

    assert renewals.invoke(shards(holds("05"))) == {"batchItemFailures": []}

    assert [renewals.held(name) for name in ("globex", "acme")] == [0, 70]
    assert [renewals.status(*name) for name in (("globex", "run-3"), ("acme", "run-1"), ("acme", "run-2"))] == [
        "expired",
        "open",
        "open",
    ]
    assert renewals.remaining("globex")[0] == 300
    assert renewals.remaining("a6") == (300, 2)
    (told,) = [vars(record) for record in caplog.records if record.message == "renewed"]
    assert (told["kind"], told["shard"], told["books"], told["failed"]) == ("hold", "05", 1, 0)


def test_holds_that_there_is_no_time_for_are_handed_on_as_holds(
    renewals: Renewals, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes, name in enumerate(("acme#run-1", "globex#run-3")):
        account_id, _, hold_id = name.partition("#")
        opened(renewals.store, account_id, at=NOON + DAY)
        at = RESET - HOUR + timedelta(minutes=minutes)
        held(renewals.store, hold_id, 20, account_id=account_id, at=at, expires_in_seconds=60)
    looks = iter([37_000, 36_000])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(looks))
    renewals.invoke(shards(holds("05")))
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: RESET)

    (rest,) = renewals.messages()

    assert rest == holds("05", ["2026-12-23T11:01:00.000Z", "acme#hold#run-1"])
    assert [renewals.held(name) for name in ("acme", "globex")] == [0, 20]
    assert renewals.invoke(shards(rest)) == {"batchItemFailures": []}
    assert [renewals.held(name) for name in ("acme", "globex")] == [0, 0]
    assert renewals.messages() == []


def test_a_hold_that_cannot_be_read_keeps_no_other_waiting_and_its_message_comes_again(
    renewals: Renewals, caplog: pytest.LogCaptureFixture
) -> None:
    for account_id, hold_id in (("acme", "run-1"), ("globex", "run-3")):
        opened(renewals.store, account_id, at=NOON + DAY)
        held(renewals.store, hold_id, 20, account_id=account_id, at=RESET - HOUR, expires_in_seconds=60)
    poisoned(renewals, "acme")

    assert renewals.invoke(shards(holds("05"))) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}

    assert renewals.held("globex") == 0
    (failed,) = [vars(record) for record in caplog.records if record.message == "not renewed"]
    assert (failed["kind"], failed["shard"], failed["book_id"]) == ("hold", "05", "acme#hold#run-1")


# Time that runs out


def test_what_there_is_no_time_for_is_handed_on(renewals: Renewals) -> None:
    for name in IN_SHARD_00:
        opened(renewals.store, name)

    # 30 seconds before the time-out no account is begun.
    assert renewals.invoke(shards(shard("00")), seconds=30) == {"batchItemFailures": []}

    assert [renewals.remaining(name)[1] for name in IN_SHARD_00] == [2] * 5
    assert renewals.messages() == [shard("00")]


def test_handed_on_it_goes_on_after_the_last_account_that_was_tried(
    renewals: Renewals, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes, name in enumerate(IN_SHARD_00):
        opened(renewals.store, name, at=NOON - timedelta(minutes=10 - minutes))
    looks = iter([37_000, 37_000, 36_000])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(looks))
    renewals.invoke(shards(shard("00")))
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: RESET)

    (rest,) = renewals.messages()

    assert rest == shard("00", ["2026-12-23T11:51:00.000Z", "a34"])
    assert [renewals.remaining(name)[1] for name in IN_SHARD_00] == [4, 4, 2, 2, 2]
    assert renewals.invoke(shards(rest)) == {"batchItemFailures": []}
    assert [renewals.remaining(name) for name in IN_SHARD_00] == [(300, 4)] * 5
    assert renewals.messages() == []


def test_a_message_that_comes_again_hands_nothing_on_since_it_did_the_first_time(renewals: Renewals) -> None:
    opened(renewals.store, "a6")

    assert renewals.invoke(shards(shard("00"), received=2), seconds=30) == {"batchItemFailures": []}

    assert renewals.messages() == []


def test_a_shard_with_failures_that_runs_out_of_time_is_handed_on_and_comes_again(
    renewals: Renewals, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes, name in enumerate(IN_SHARD_00):
        opened(renewals.store, name, at=NOON - timedelta(minutes=10 - minutes))
    poisoned(renewals, "a6")
    looks = iter([37_000, 37_000, 36_000])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(looks))

    answer = renewals.invoke(shards(shard("00")))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert renewals.messages() == [shard("00", ["2026-12-23T11:51:00.000Z", "a34"])]
