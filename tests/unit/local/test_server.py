"""HTTP as it is read and written, over real sockets, before a request is anybody's."""

import json
import socket
from collections.abc import Iterator

import pytest

from local.payload import Request, Response
from local.server import PortTaken, Server

MEGABYTE = 1024 * 1024


def echo(request: Request) -> tuple[Response, str]:
    seen = {"method": request.method, "target": request.target, "body_bytes": len(request.body)}
    if request.target == "/nothing":
        return Response(204), ""
    return Response(200, json.dumps(seen).encode(), (("content-type", "application/json"),)), "a remark"


@pytest.fixture
def lines() -> list[tuple[str, str, int, str]]:
    return []


@pytest.fixture
def port(lines: list[tuple[str, str, int, str]]) -> Iterator[int]:
    server = Server(0)
    server.log = lambda method, path, status, _, remark: lines.append((method, path, status, remark))
    server.start(echo)
    yield server.port
    server.stop()


def sent(port: int, *parts: bytes) -> bytes:
    """Everything that comes back, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        received = bytearray()
        while chunk := connection.recv(65_536):
            received += chunk
        return bytes(received)


def status_and_body(raw: bytes) -> tuple[int, object]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_any_method_reaches_the_gateway_and_the_access_log(port: int, lines: list[tuple[str, str, int, str]]) -> None:
    raw = sent(port, b"PURGE /a?session=secret HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status_and_body(raw) == (200, {"method": "PURGE", "target": "/a?session=secret", "body_bytes": 0})
    assert lines == [("PURGE", "/a", 200, "a remark")]


def test_requests_on_one_connection_are_answered_in_turn(port: int) -> None:
    one = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"

    assert sent(port, one, one, one).count(b'"body_bytes": 2}') == 3


def test_head_has_the_headers_of_the_answer_and_no_body(port: int) -> None:
    raw = sent(port, b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b"content-length: 51\r\n" in raw
    assert raw.endswith(b"\r\n\r\n")


def test_204_has_neither_body_nor_length(port: int) -> None:
    raw = sent(port, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"content-length" not in raw


def test_a_chunked_body_is_put_together(port: int) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    raw = sent(port, head, b"3\r\nabc\r\n", b"A;x=y\r\n0123456789\r\n", b"0\r\nTrailer: 1\r\n\r\n")

    assert status_and_body(raw) == (200, {"method": "POST", "target": "/a", "body_bytes": 13})


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: +1\r\n\r\na",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_a_body_that_two_programs_could_read_differently_is_400_and_the_end(port: int, framing: bytes) -> None:
    raw = sent(port, b"POST /a HTTP/1.1\r\nHost: x\r\n" + framing)

    assert status_and_body(raw) == (400, {"message": "Bad Request"})
    assert b"connection: close\r\n" in raw


def test_a_body_of_10_mb_is_read_and_one_byte_more_is_413(port: int) -> None:
    def post(size: int) -> bytes:
        head = f"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        return sent(port, head.encode(), bytes(size))

    assert status_and_body(post(10 * MEGABYTE)) == (200, {"method": "POST", "target": "/a", "body_bytes": 10_485_760})
    assert status_and_body(post(10 * MEGABYTE + 1)) == (413, {"message": "Request Too Long"})


def test_a_body_too_long_is_refused_before_it_is_sent_where_the_client_asks(port: int) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\nExpect: 100-continue\r\n\r\n"

    assert status_and_body(sent(port, head)) == (413, {"message": "Request Too Long"})


def test_more_than_10240_bytes_of_request_line_and_headers_are_431(port: int) -> None:
    def get(size: int) -> bytes:
        return sent(port, b"GET /" + b"a" * (size - 19) + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert get(10_240).startswith(b"HTTP/1.1 200 OK\r\n")
    assert status_and_body(get(10_241)) == (431, {"message": "Request Header Fields Too Large"})


def test_what_is_not_http_is_400_in_json(port: int) -> None:
    assert status_and_body(sent(port, b"GET / HTTP/1.1 nonsense\r\n\r\n")) == (400, {"message": "Bad Request"})


def test_a_port_belongs_to_one_server(port: int) -> None:
    with pytest.raises(PortTaken):
        Server(port)
