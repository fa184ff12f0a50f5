"""HTTP/1.1 for the gateway: connections kept alive, a thread each, headers and bodies within API Gateway's bounds."""

import contextlib
import re
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from local.gateway import refusal
from local.payload import Request, Response

# "Quotas for configuring and running an HTTP API": payload size, and request line and header values together.
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 10_240

# A refused body is still read, so that its sender hears the refusal; one larger than this is cut off.
MAX_DISCARDED_BYTES = 64 * 1024 * 1024

# A chunked body: the line that opens a chunk, how long it and a trailer may be, and how many trailers are read past.
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
MAX_CHUNK_LINE_BYTES = 1_024
MAX_TRAILERS = 32

# Connections served at once; more wait in the backlog until one is closed.
MAX_CONNECTIONS = 512

# How long an idle connection is kept.
KEEP_ALIVE_SECONDS = 60

# What makes a request into a response, and into a remark for the log.
Answer = Callable[[Request], tuple[Response, str]]

# A request and what came of it: (method, path without its query, status, milliseconds, remark).
AccessLog = Callable[[str, str, int, int, str], None]


class PortTaken(Exception):
    """Another program listens on the port."""


class Refused(Exception):
    """The request cannot be read as HTTP, or not within the bounds."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Server(socketserver.ThreadingTCPServer):
    """Listens from the moment it is made (port 0: a free one); answers once `start` was called."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    answer: Answer

    def __init__(self, port: int) -> None:
        self.log: AccessLog = lambda *_: None
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="gateway")
        try:
            super().__init__(("127.0.0.1", port), _Connection)
        except OSError as error:
            raise PortTaken(str(error)) from error

    @property
    def port(self) -> int:
        return cast("tuple[str, int]", self.server_address)[1]

    def start(self, answer: Answer) -> None:
        self.answer = answer
        self._thread.start()

    def stop(self) -> None:
        """Takes no more connections. Those that are open end with the process."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the stack's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def __getattr__(self, name: str) -> Any:
        """http.server looks for do_GET, do_POST …: every method is answered the same way."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        started = time.perf_counter()
        try:
            request = self._request()
        except Refused as refused:
            self.close_connection = True
            path, response, remark = self.path, refusal(refused.status), ""
        else:
            path, (response, remark) = request.path, self.server.answer(request)
        self._send(response)
        milliseconds = round((time.perf_counter() - started) * 1000)
        self.server.log(self.command, path.partition("?")[0], response.status, milliseconds, remark)

    def _request(self) -> Request:
        headers = tuple(self.headers.items())
        if len(self.requestline) + sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return Request(
            method=self.command,
            target=self.path,
            headers=headers,
            body=self._body(),
            source_ip=str(self.client_address[0]),
            protocol=self.request_version,
        )

    def _body(self) -> bytes:
        lengths = self.headers.get_all("content-length", [])
        encodings = self.headers.get_all("transfer-encoding", [])
        match [each.strip().lower() for each in encodings], [each.strip() for each in lengths]:
            case [], []:
                return b""
            case ["chunked"], []:
                return self._chunks()
            case [], [length] if length.isascii() and length.isdecimal():
                return self._bytes(int(length))
            case _:
                # Two lengths, or a length and chunks: two programs could read two different requests here.
                raise Refused(HTTPStatus.BAD_REQUEST)

    def _bytes(self, length: int) -> bytes:
        if length > MAX_BODY_BYTES:
            self._discard(min(length, MAX_DISCARDED_BYTES))
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client hung up within its body")
        return body

    def _discard(self, length: int) -> None:
        while length > 0 and (chunk := self.rfile.read(min(length, 65_536))):
            length -= len(chunk)

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            body += self._bytes(size)
            if len(body) > MAX_BODY_BYTES:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if self._line():
                raise Refused(HTTPStatus.BAD_REQUEST)
        for _ in range(MAX_TRAILERS):
            if not self._line():
                return bytes(body)
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _chunk_size(self) -> int:
        size = CHUNK_SIZE.fullmatch(self._line())
        if size is None:
            raise Refused(HTTPStatus.BAD_REQUEST)
        return int(size[1], 16)

    def _line(self) -> bytes:
        line = self.rfile.readline(MAX_CHUNK_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Refused(HTTPStatus.BAD_REQUEST)
        return line.rstrip(b"\r\n")

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        self.send_header("date", formatdate(usegmt=True))
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            self.send_header("content-length", str(len(response.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            self.wfile.write(response.body)

    def handle_expect_100(self) -> bool:
        """Asks for no body that would be refused for its length."""
        length = self.headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            return False
        with contextlib.suppress(ConnectionError):
            super().handle_expect_100()
            self.wfile.flush()
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What http.server itself finds unreadable is refused in API Gateway's words, as everything is."""
        self.close_connection = True
        self.request_version = self.protocol_version  # which the request line may not have said
        self._send(refusal(HTTPStatus(code)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """The access log is written once the request is answered, by `_answer`."""
