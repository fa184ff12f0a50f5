"""A DynamoDB that speaks the wire and says what it was told to say: refusals, faults and silence, over real HTTP."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer of DynamoDB's."""

    status: int
    body: bytes


class HangUp:
    """The connection is closed without an answer."""


class Silence:
    """The connection stays open, and nothing comes."""


Line = Answer | HangUp | Silence


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came over the wire."""

    operation: str
    body: dict[str, Any]


@dataclass(slots=True)
class ScriptedDynamoDB:
    """Its answers, of which the last is repeated, and what it was asked."""

    endpoint: str
    script: Sequence[Line] = ()
    asked: list[Asked] = field(default_factory=list)

    def says(self, *script: Line) -> None:
        """Begins anew with this script."""
        self.script = script
        self.asked = []


def refusal(code: str, status: int = 400, **fields: Any) -> Answer:
    """DynamoDB's refusal with this code."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "told by the script", **fields}
    return Answer(status, json.dumps(body).encode())


def canceled(*reasons: str) -> Answer:
    """A transaction that was cancelled, with the code of the reason for each of its items."""
    return refusal("TransactionCanceledException", CancellationReasons=[{"Code": reason} for reason in reasons])


@contextmanager
def scripted_dynamodb() -> Iterator[ScriptedDynamoDB]:
    """Serves on a free port until the end of the block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            line = spoken.script[min(len(spoken.asked), len(spoken.script) - 1)]
            spoken.asked.append(Asked(self.headers["x-amz-target"].rpartition(".")[2], json.loads(body)))
            if isinstance(line, Silence):
                over.wait()
            if not isinstance(line, Answer):
                self.close_connection = True
                return
            self.send_response(line.status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(line.body)))
            self.end_headers()
            self.wfile.write(line.body)

        def log_message(self, *_: object) -> None:
            """The tests' output is pytest's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    spoken = ScriptedDynamoDB(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield spoken
    finally:
        over.set()
        server.shutdown()
        serving.join()
        server.server_close()
