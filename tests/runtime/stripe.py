"""The stand-in's engine on a socket, for functions that run in processes of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from credits.catalog import load
from credits.payments.push import push
from credits.runtime import clock
from local.stripe import api
from local.stripe.engine import Engine
from tests.stripe_sdk import sdk


@contextmanager
def stripe_standing_in() -> Iterator[tuple[Engine, str]]:
    """An engine that sells the catalog, and the origin that it answers at. It ends with the block."""
    engine = Engine(now=clock.now)
    push(sdk(engine), load(), webhook_url=None)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = api.answer(engine, self.command, parts.path, parts.query, headers, body)
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - what http.server calls

        def log_message(self, *_: Any) -> None:
            """Tests say what they saw themselves."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield engine, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
