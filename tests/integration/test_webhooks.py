"""Webhooks on a receiver of our own: what is sent, how it is signed, and what comes back when it is refused."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.sqs.models import sqs_backends

from credits.alerts import queue, webhook
from credits.alerts.queue import Outbox
from credits.alerts.webhook import Endpoint, signing_key
from local.template import ROOT
from tests.template.document import resources

SECRET = "whsec_" + base64.b64encode(b"thirty-three bytes of a test key!").decode()
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENT = json.loads((ROOT / "events" / "webhooks.notices.json").read_text(encoding="utf-8"))


class Receiver:
    """The product's side: keeps what it gets, answers `status`, 503 to the first `refuses`, none where silent."""

    def __init__(self, status: int = 204) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                if receiver.silent.is_set():
                    receiver.closed.wait(10)
                refused, receiver.refuses = receiver.refuses > 0, receiver.refuses - 1
                self.send_response(503 if refused else receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Tests say what they saw themselves."""

        self.status = status
        self.refuses = 0
        self.silent, self.closed = Event(), Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?from=credits"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.closed.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_a_notice_is_signed_as_standard_webhooks_asks(receiver: Receiver) -> None:
    assert Endpoint(receiver.url, signing_key(SECRET)).deliver("evt_1", b'{"a":1}', NOW) is True

    ((headers, body),) = receiver.got
    assert (headers["webhook-id"], headers["webhook-timestamp"], body) == ("evt_1", "1795435200", b'{"a":1}')
    expected = hmac.new(b"thirty-three bytes of a test key!", b'evt_1.1795435200.{"a":1}', hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


@pytest.mark.parametrize("status", [301, 400, 410, 500, 503])
def test_any_answer_but_a_2xx_is_no_delivery(receiver: Receiver, status: int) -> None:
    receiver.status = status

    assert Endpoint(receiver.url, signing_key(SECRET)).deliver("evt_1", b"{}", NOW) is False


def test_a_receiver_that_is_not_there_is_no_delivery() -> None:
    assert Endpoint("http://127.0.0.1:9/hooks", signing_key(SECRET)).deliver("evt_1", b"{}", NOW) is False


def test_a_receiver_that_does_not_answer_is_no_delivery_and_is_not_waited_for_any_longer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    receiver.silent.set()

    began = time.monotonic()
    assert Endpoint(receiver.url, signing_key(SECRET)).deliver("evt_1", b"{}", NOW) is False

    assert len(receiver.got) == 1
    assert time.monotonic() - began < 2


def test_a_receiver_that_takes_no_connection_is_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        # Nobody accepts: what fills the backlog keeps the next from being connected.
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))

        assert Endpoint(f"http://127.0.0.1:{port}/", signing_key(SECRET)).deliver("evt_1", b"{}", NOW) is False
        for each in waiting:
            each.close()


@pytest.fixture
def outbox(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        queue = boto3.client("sqs", region_name="us-east-1").create_queue(QueueName="webhooks")["QueueUrl"]
        secret = boto3.client("secretsmanager", region_name="us-east-1").create_secret(
            Name="webhooks", SecretString=SECRET
        )["ARN"]
        yield Outbox(queue_url=queue, url=receiver.url, secret_id=secret, region="us-east-1")


def test_what_waits_in_the_queue_is_sent_as_its_notice_alone(outbox: Outbox, receiver: Receiver) -> None:
    assert list(outbox.send(EVENT["Records"], NOW)) == []

    ((headers, body),) = receiver.got
    assert headers["webhook-id"] == "evt_0123456789abcdef0123456789abcdef"
    assert json.loads(body)["type"] == "credits.low"


def test_what_is_refused_is_named_and_so_delivered_again(outbox: Outbox, receiver: Receiver) -> None:
    receiver.status = 500

    assert list(outbox.send(EVENT["Records"], NOW)) == ["5a7c1f7e-9b1d-4a55-9f0e-0c1d2e3f4a5b"]


class Waiting:
    """A notice in the queue, which comes when its pause is over: the stand-in's clock is not waited for."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", region_name="us-east-1")
        self.url = self.sqs.get_queue_url(QueueName="webhooks")["QueueUrl"]
        self.sqs.send_message(QueueUrl=self.url, MessageBody=EVENT["Records"][0]["body"])

    @property
    def message(self) -> Any:
        """As moto keeps it."""
        (message,) = sqs_backends["123456789012"]["us-east-1"].queues["webhooks"]._messages
        return message

    def come(self) -> dict[str, Any]:
        """The message as the function is given it."""
        self.message.visible_at = 0
        (got,) = self.sqs.receive_message(
            QueueUrl=self.url, MessageSystemAttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=360
        )["Messages"]
        return {
            "messageId": got["MessageId"],
            "receiptHandle": got["ReceiptHandle"],
            "body": got["Body"],
            "attributes": got["Attributes"],
        }

    def pause(self) -> float:
        """Seconds from now until it comes again."""
        return float(self.message.visible_at / 1000 - time.time())


def test_each_try_that_fails_is_followed_by_a_longer_pause(outbox: Outbox, receiver: Receiver) -> None:
    receiver.status = 503
    waiting = Waiting()
    pauses: list[float] = []
    for _ in range(7):
        message = waiting.come()
        assert list(outbox.send([message], NOW)) == [message["messageId"]]
        pauses.append(waiting.pause())

    # 5 seconds, 5 minutes, 30 minutes, 2, 5 and 10 hours, each up to a tenth longer; the queue gives up after the last.
    for pause, seconds in zip(pauses, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000], strict=True):
        assert seconds - 5 < pause < seconds * 1.1 + 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 7


def test_the_queue_gives_up_after_one_try_more_than_there_are_pauses() -> None:
    redrive = resources("AWS::SQS::Queue")["WebhookQueue"]["RedrivePolicy"]

    assert redrive["maxReceiveCount"] == len(queue.RETRY_SECONDS) + 1 == 7
    # SQS hides a message for 12 hours at most.
    assert max(queue.RETRY_SECONDS) * (1 + queue.JITTER) < 43_200


def test_pauses_differ_so_that_what_failed_together_is_not_tried_again_together(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.status = 503
    waiting = Waiting()
    waiting.come()
    seen: set[int] = set()
    for _ in range(20):
        waiting.message.approximate_receive_count = 5
        list(outbox.send([waiting.come()], NOW))
        seen.add(round(waiting.pause()))

    assert len(seen) > 10
    assert all(36_000 - 1 <= each <= 39_600 + 1 for each in seen)


def test_a_message_whose_pause_cannot_be_set_is_named_all_the_same(outbox: Outbox, receiver: Receiver) -> None:
    receiver.status = 503
    lost = {**Waiting().come(), "receiptHandle": "not one"}

    assert list(outbox.send([lost, *EVENT["Records"]], NOW)) == [lost["messageId"], EVENT["Records"][0]["messageId"]]


def test_of_a_batch_only_what_was_refused_comes_again(outbox: Outbox, receiver: Receiver) -> None:
    (taken,) = EVENT["Records"]
    refused = {**taken, "messageId": "refused"}
    receiver.refuses = 1

    assert list(outbox.send([refused, taken], NOW)) == ["refused"]
    assert len(receiver.got) == 2
