"""A proxy before AWS's services that remembers what was asked of it, as the permissions that AWS would demand."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# A transaction asks for the permission of each of its items ("IAM for transactions", DynamoDB developer guide).
TRANSACTION_ITEMS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


class Recorder:
    """What was asked so far: `("dynamodb:Query", "EntriesTable/index/by_time")`, each once."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.asked: set[tuple[str, str]] = set()


@contextmanager
def recording(endpoint: str) -> Iterator[Recorder]:
    """Starts a recorder before the services at `endpoint`. It ends with the block."""
    backend = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            recorder.asked.update(demanded(self.headers["X-Amz-Target"], json.loads(body)))
            with closing(http.client.HTTPConnection(backend, timeout=30)) as connection:
                connection.request("POST", self.path, body, dict(self.headers))
                response = connection.getresponse()
                answer = response.read()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


def demanded(target: str, request: dict[str, Any]) -> set[tuple[str, str]]:
    """The permissions that IAM asks for before a request is served."""
    service, operation = target.split(".")
    if service == "AmazonSQS":
        queue = request["QueueUrl"].rsplit("/", 1)[-1].removesuffix(".fifo")
        return {(f"sqs:{operation.removesuffix('Batch')}", queue)}
    if service == "AWSEvents":
        return {(f"events:{operation}", entry["EventBusName"]) for entry in request["Entries"]}
    if service == "secretsmanager":
        return {(f"secretsmanager:{operation}", request["SecretId"])}
    if operation.startswith("Transact"):
        return {
            (f"dynamodb:{TRANSACTION_ITEMS[kind]}", item["TableName"])
            for each in request["TransactItems"]
            for kind, item in each.items()
        }
    if operation.startswith("Batch"):
        return {(f"dynamodb:{operation}", table) for table in request["RequestItems"]}
    index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
    return {(f"dynamodb:{operation}", request["TableName"] + index)}
