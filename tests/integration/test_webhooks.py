"""Webhooks on a receiver of our own: what is sent, how it is signed, and what comes back when it is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from moto import mock_aws

from credits.alerts.queue import Outbox
from credits.alerts.webhook import Endpoint, signing_key
from local.template import ROOT

SECRET = "whsec_" + base64.b64encode(b"thirty-three bytes of a test key!").decode()
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENT = json.loads((ROOT / "events" / "webhooks.notices.json").read_text(encoding="utf-8"))


class Receiver:
    """The product's side: keeps what it gets, and answers with `status`."""

    def __init__(self, status: int = 204) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Tests say what they saw themselves."""

        self.status = status
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?from=credits"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
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
