"""A proxy before DynamoDB that loses replies: the write is done, and the connection breaks before the caller hears."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

WRITES = frozenset({"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"})
OF_THE_CONNECTION = {"connection", "transfer-encoding", "content-length"}


class LossyProxy:
    """Counts the writes that went through it and those of which the reply was lost."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.writes = 0
        self.lost = 0

    def loses_the_next(self) -> bool:
        with self._lock:
            lost = self._dice.random() < self._share
            self.writes += 1
            self.lost += lost
            return lost


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # as many callers as there are connect at one moment

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed is gone, and so is its connection: that is what the tests are about."""


@contextmanager
def lossy_proxy(endpoint: str, *, share: float, seed: int) -> Iterator[tuple[str, LossyProxy]]:
    """The URL of a proxy before `endpoint` that loses this share of the replies to writes."""
    proxy = LossyProxy(share, seed)
    target = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.upstream = HTTPConnection(target, timeout=30)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.upstream.request("POST", self.path, body, dict(self.headers))
            answer = self.upstream.getresponse()
            content = answer.read()
            if self.headers["x-amz-target"].split(".")[-1] in WRITES and proxy.loses_the_next():
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """The tests' output is pytest's."""

    server = Server(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", proxy
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
