"""Another site than the stack's: a product that embeds what the stack serves."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def product(page: str) -> Iterator[str]:
    """Another site with this page; its origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            with contextlib.suppress(ConnectionError):  # who asked has left already
                self.send_response(200 if found else 404)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page.encode() if found else b"")

        def log_message(self, *_: object) -> None:
            """The tests' output is pytest's."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
