"""Payload format 2.0: events as API Gateway's HTTP APIs build them, responses as they read them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local.payload import MalformedResponse, Request, Response, event, response

NOON = datetime(2026, 11, 23, 12, 0, 5, 250_000, tzinfo=UTC)


def event_of(
    method: str = "GET", target: str = "/v1/catalog", headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
) -> dict[str, Any]:
    request = Request(method, target, headers, body, source_ip="127.0.0.1")
    return event(request, route_key="GET /v1/catalog", path_parameters={}, request_id="JKJaXmPLvHcESHA=", now=NOON)


def test_a_request_becomes_an_event_of_format_2_0() -> None:
    request = Request(
        "POST",
        "/v1/accounts/acme/charges?a=1&a=2&b=%2B",
        (("Host", "127.0.0.1:3000"), ("User-Agent", "curl/8"), ("Content-Type", "application/json")),
        b'{"action": "message"}',
        source_ip="127.0.0.1",
    )

    built = event(
        request,
        route_key="POST /v1/accounts/{account_id}/charges",
        path_parameters={"account_id": "acme"},
        request_id="JKJaXmPLvHcESHA=",
        now=NOON,
    )

    assert built == {
        "version": "2.0",
        "routeKey": "POST /v1/accounts/{account_id}/charges",
        "rawPath": "/v1/accounts/acme/charges",
        "rawQueryString": "a=1&a=2&b=%2B",
        "headers": {
            "host": "127.0.0.1:3000",
            "user-agent": "curl/8",
            "content-type": "application/json",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "3000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"a": "1,2", "b": "+"},
        "pathParameters": {"account_id": "acme"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "127.0.0.1",
            "domainPrefix": "127",
            "http": {
                "method": "POST",
                "path": "/v1/accounts/acme/charges",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /v1/accounts/{account_id}/charges",
            "stage": "$default",
            "time": "23/Nov/2026:12:00:05 +0000",
            "timeEpoch": 1795435205250,
        },
        "body": '{"action": "message"}',
        "isBase64Encoded": False,
    }


def test_an_event_has_no_key_for_what_the_request_did_not_have() -> None:
    assert {"cookies", "queryStringParameters", "pathParameters", "body"}.isdisjoint(event_of())


def test_repeated_headers_are_joined_by_commas_under_their_lower_case_name() -> None:
    headers = event_of(headers=(("X-Tag", "a"), ("x-tag", "b")))["headers"]

    assert headers["x-tag"] == "a,b"


def test_cookies_leave_the_headers_for_a_field_of_their_own() -> None:
    built = event_of(headers=(("Cookie", "a=1; b=x,y"), ("Cookie", "c=3")))

    assert built["cookies"] == ["a=1", "b=x,y", "c=3"]
    assert "cookie" not in built["headers"]


def test_the_path_is_decoded_and_the_query_string_is_not() -> None:
    built = event_of(target="/v1/accounts/a%20b?q=%20")

    assert (built["rawPath"], built["rawQueryString"]) == ("/v1/accounts/a b", "q=%20")


def test_a_path_ends_at_an_encoded_question_mark_as_it_does_on_aws() -> None:
    assert event_of(target="/v1/accounts/a%3Fb")["rawPath"] == "/v1/accounts/a"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "text/csv"])
def test_a_text_body_is_sent_as_it_is(content_type: str) -> None:
    built = event_of("POST", headers=(("Content-Type", content_type),), body="café".encode())

    assert (built["body"], built["isBase64Encoded"]) == ("café", False)


@pytest.mark.parametrize("headers", [(), (("Content-Type", "application/x-www-form-urlencoded"),)])
def test_a_form_and_a_body_of_no_type_come_as_base64(headers: tuple[tuple[str, str], ...]) -> None:
    built = event_of("POST", headers=headers, body=b"a=1")

    assert (built["body"], built["isBase64Encoded"]) == ("YT0x", True)


def test_a_body_that_is_not_utf_8_comes_as_base64_whatever_its_type_says() -> None:
    built = event_of("POST", headers=(("Content-Type", "application/json"),), body=b"\xff")

    assert (built["body"], built["isBase64Encoded"]) == ("/w==", True)


def test_a_result_with_a_status_becomes_a_response() -> None:
    result = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "X-Count": 3, "Connection": "close"},
        "cookies": ["a=1; Secure", "b=2"],
        "body": "café",
    }

    assert response(result) == Response(
        201,
        "café".encode(),
        (("content-type", "text/plain"), ("x-count", "3"), ("set-cookie", "a=1; Secure"), ("set-cookie", "b=2")),
    )


def test_a_base64_body_is_decoded() -> None:
    assert response({"statusCode": 200, "body": "/w==", "isBase64Encoded": True}).body == b"\xff"


@pytest.mark.parametrize(("result", "body"), [({"a": 1}, b'{"a": 1}'), ("hello", b"hello"), (None, b"null")])
def test_a_result_without_a_status_is_the_body_of_a_200(result: Any, body: bytes) -> None:
    assert response(result) == Response(200, body, (("content-type", "application/json"),))


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "200"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": {"x": "a\r\nset-cookie: b"}},
        {"statusCode": 200, "headers": {"x": ["a", "b"]}},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "*", "isBase64Encoded": True},
    ],
)
def test_what_http_has_no_form_for_is_malformed(result: Any) -> None:
    with pytest.raises(MalformedResponse):
        response(result)
