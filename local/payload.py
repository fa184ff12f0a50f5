"""Payload format 2.0: what API Gateway's HTTP APIs send a Lambda function, and how they read what it returns.

From "Create AWS Lambda proxy integrations for HTTP APIs" in the API Gateway developer guide. Where the guide is silent
the comments name what was observed of the service.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

# The guide does not say which bodies count as text. Observed: these alone; forms and bodies of no type come as base64.
TEXT_TYPES = {"application/json", "application/xml", "application/javascript"}

# These belong to the connection, so that the gateway writes them itself.
CONNECTION_HEADERS = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}


class MalformedResponse(Exception):
    """A handler returned something that API Gateway cannot turn into HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came in; header names in any case, as sent, repeated ones apart."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """The decoded path. API Gateway routes on it, and (observed) ends it at a `?` that was itself encoded."""
        return unquote(urlsplit(self.target).path).partition("?")[0]

    @property
    def raw_query(self) -> str:
        return urlsplit(self.target).query


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; `headers` without those of the connection."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())


def event(
    request: Request,
    *,
    route_key: str,
    path_parameters: Mapping[str, str],
    request_id: str,
    now: datetime,
) -> dict[str, Any]:
    """The event of format 2.0. It has no cookies, query parameters, path parameters or body where there are none."""
    headers = _joined((name.lower(), value.strip()) for name, value in request.headers if name.lower() != "cookie")
    cookies = ";".join(value for name, value in request.headers if name.lower() == "cookie")
    host = headers.get("host", "localhost").partition(":")[0]
    forwarded = {
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": headers.get("host", "").partition(":")[2] or "80",
        "x-forwarded-proto": "http",
    }
    text = _is_text(headers.get("content-type", ""), request.body)
    optional = {
        "cookies": [cookie.strip() for cookie in cookies.split(";") if cookie.strip()],
        "queryStringParameters": _joined(parse_qsl(request.raw_query, keep_blank_values=True)),
        "pathParameters": dict(path_parameters),
        "body": request.body.decode() if text else base64.b64encode(request.body).decode(),
    }
    return {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.path,
        "rawQueryString": request.raw_query,
        "headers": headers | forwarded,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        **{name: value for name, value in optional.items() if value},
        "isBase64Encoded": not text,
    }


def response(result: Any) -> Response:
    """The response a handler's result (already JSON) stands for.

    Without a `statusCode` the whole result is a body of status 200. Raises MalformedResponse for a status, headers,
    cookies or body that HTTP has no form for; API Gateway answers those with its own 500.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result if isinstance(result, str) else json.dumps(result)
        return Response(200, body.encode(), (("content-type", "application/json"),))
    status, headers, cookies = result["statusCode"], result.get("headers") or {}, result.get("cookies") or []
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedResponse(f"statusCode {status!r}")
    lines = [(str(name).lower(), _header_value(name, value)) for name, value in headers.items()]
    if "content-type" not in {name for name, _ in lines}:
        lines.append(("content-type", "application/json"))
    lines.extend(("set-cookie", _header_value("cookie", cookie)) for cookie in cookies)
    return Response(
        status,
        _body(result.get("body"), encoded=bool(result.get("isBase64Encoded"))),
        tuple((name, value) for name, value in lines if name not in CONNECTION_HEADERS),
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Format 2.0 has one value a name: repeated ones are joined by commas, in their order."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _is_text(content_type: str, body: bytes) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    if body and not (media_type.startswith("text/") or media_type in TEXT_TYPES):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _header_value(name: object, value: object) -> str:
    """A list, which is the form of payload format 1.0, is refused too: HTTP APIs do not read it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, (dict, list)) or not text.isascii() or any(character in text for character in "\r\n\0"):
        raise MalformedResponse(f"header {name}: {value!r}")
    return text


def _body(body: Any, *, encoded: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse(f"body of type {type(body).__name__}")
    if not encoded:
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponse(f"body is not base64: {error}") from error
