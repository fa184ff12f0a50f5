"""Stripe's webhook beside a bare handler that only enqueues what it is sent, on the same queue in the same run.

The queue is one that answers at once: what the checks cost shows the more, the quicker a queue is. moto takes ten times
as long, and SQS itself some milliseconds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from typing import Any

import boto3

from benchmarks.figure import Figure
from local.sign import signed
from local.template import ROOT

WARM_UP = 200
ROUNDS = 1_500
SECRET = "whsec_bench"

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

IMPORTED = """
import functions.stripe_webhook.app, sys
heavy = {"stripe", "pydantic", "pynamodb", "aws_xray_sdk"}
print(" ".join(sorted({name.split(".")[0] for name in sys.modules} & heavy)))
"""


class Services(BaseHTTPRequestHandler):
    """SQS and Secrets Manager, as far as the two handlers ask them."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"] == "AmazonSQS.SendMessage":
            digest = md5(asked["MessageBody"].encode(), usedforsecurity=False).hexdigest()
            answer = {"MessageId": "bench", "MD5OfMessageBody": digest}
        else:
            answer = {"SecretString": json.dumps({"api_key": "sk_test_bench", "webhook_secret": SECRET})}
        body = json.dumps(answer).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def measure(environment: MutableMapping[str, str]) -> list[Figure]:
    """The medians of `ROUNDS` events each, taken in turn, so that the machine's moods meet both alike."""
    with _services() as endpoint:
        queue = f"{endpoint}/123456789012/bench.fifo"
        environment.update({"STRIPE_SECRET_ID": "bench", "STRIPE_QUEUE_URL": queue, "STRIPE_LIVEMODE": "false"})
        environment.update({"AWS_ENDPOINT_URL_SQS": endpoint, "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint})
        from functions.stripe_webhook import app  # noqa: PLC0415 - the settings must be in the environment first

        sqs = boto3.client("sqs", region_name=environment["AWS_REGION"], endpoint_url=endpoint)
        mine: list[float] = []
        theirs: list[float] = []
        for number in range(WARM_UP + ROUNDS):
            event = _event(number)
            mine.append(_seconds(app.handler, event))
            theirs.append(_seconds(_bare(sqs, queue), event))
    heavy = subprocess.run([sys.executable, "-c", IMPORTED], check=True, capture_output=True, text=True).stdout.split()
    ours, bare = median(mine[WARM_UP:]), median(theirs[WARM_UP:])
    times = f"{ours * 1000:.2f} over {bare * 1000:.2f} ms"
    return [
        Figure("webhook / a bare handler that enqueues", ours / bare, 1.3, times),
        Figure("modules the webhook must not import (Stripe …)", len(heavy), 0, ", ".join(heavy)),
    ]


@contextmanager
def _services() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Services) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _bare(sqs: Any, queue: str) -> Handler:
    def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
        request_id = event["requestContext"]["requestId"]
        sqs.send_message(
            QueueUrl=queue, MessageBody=event["body"], MessageGroupId="bench", MessageDeduplicationId=request_id
        )
        return {"statusCode": 200}

    return handler


def _seconds(handler: Handler, event: dict[str, Any]) -> float:
    began = time.perf_counter()
    answer = handler(event, None)
    seconds = time.perf_counter() - began
    if answer["statusCode"] != 200:
        raise RuntimeError(f"expected 200, got {answer}")
    return seconds


def _event(number: int) -> dict[str, Any]:
    """A paid invoice, under an id of its own."""
    event = json.loads((ROOT / "events" / "stripe_webhook.invoice.paid.json").read_text(encoding="utf-8"))
    event["requestContext"]["requestId"] = f"request-{number}"
    body = json.dumps(json.loads(event["body"]) | {"id": f"evt_{number}"})
    return signed(event | {"body": body}, SECRET, now=datetime.now(UTC))
