"""Every answer of a function is held against the OpenAPI document, and what is not as described fails the test."""

import json
from typing import Any

import pytest

from tests import described
from tests.integration.conftest import Stack

ROUTE = "POST /v1/accounts/{account_id}/charges"
JSON = "application/json"
PROBLEM = "application/problem+json"


def example(status: int, kind: str = JSON) -> Any:
    return json.loads(json.dumps(described.routes()[ROUTE]["responses"][str(status)]["content"][kind]["example"]))


def test_what_the_document_describes_holds() -> None:
    described.HELD.clear()

    described.hold(ROUTE, 201, JSON, json.dumps(example(201)))
    described.hold(ROUTE, 402, PROBLEM, json.dumps(example(402, PROBLEM)))

    assert {(ROUTE, 201), (ROUTE, 402)} == described.HELD


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("credits",), "1", r"\$\.credits: '1' is not of type 'integer'"),
        (("balance", "remaining"), None, r"\$\.balance\.remaining: None is not of type 'integer'"),
        (("warning",), "high", r"\$\.warning: 'high' is not valid under any of the given schemas"),
        (("entry", "at"), "2026-11-23T12:00:00", r"\$\.entry\.at: '2026-11-23T12:00:00' is not a 'date-time'"),
    ],
)
def test_a_field_that_is_not_as_described_is_found(where: tuple[str, ...], value: object, says: str) -> None:
    body = example(201)
    inner = body
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value

    with pytest.raises(AssertionError, match=says):
        described.hold(ROUTE, 201, JSON, json.dumps(body))


def test_a_field_that_is_missing_is_found() -> None:
    body = example(201)
    del body["charge_id"]

    with pytest.raises(AssertionError, match="'charge_id' is a required property"):
        described.hold(ROUTE, 201, JSON, json.dumps(body))


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (204, JSON, "answered 204, of which the document says nothing"),
        (201, "text/html; charset=utf-8", "answered 201 with text/html"),
        (402, JSON, "answered 402 with application/json"),
    ],
)
def test_a_status_or_a_type_that_is_not_described_is_found(status: int, kind: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        described.hold(ROUTE, status, kind, "{}")


def test_whoever_asks_a_function_hears_of_an_answer_that_is_not_as_described(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answering(*_: object) -> dict[str, object]:
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}

    monkeypatch.setattr(stack.functions.module("accounts"), "handler", answering)

    with pytest.raises(AssertionError, match="GET /v1/catalog answered 200, and not as described"):
        stack.functions.call("GET", "/v1/catalog")
