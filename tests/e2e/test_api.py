"""The API as its callers meet it: HTTP in, HTTP out, the real handlers between."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from local.client import Client
from tests.e2e.launch import Launched


@pytest.fixture
def client(stack: Launched) -> Client:
    return stack.client


def test_an_account_is_opened_once_on_free_with_300_credits(client: Client) -> None:
    opened = client.call("POST", "/v1/accounts", {"account_id": "opened-once"})
    again = client.call("POST", "/v1/accounts", {"account_id": "opened-once"})

    assert opened.status == 201
    assert opened.body["account_id"] == "opened-once"
    assert opened.body["plan"] == {"id": "free", "name": "Free"}
    assert opened.body["credits"] == {
        "remaining": 300,
        "total": 300,
        "used": 0,
        "held": 0,
        "frozen": 0,
        "plan_remaining": 300,
        "purchased_remaining": 0,
    }
    assert again.status == 200
    assert again.body == opened.body


def test_a_charge_is_answered_201_and_its_retry_is_the_same_answer_replayed(client: Client) -> None:
    client.call("POST", "/v1/accounts", {"account_id": "charged"}, expect=[201])
    charge = {"action": "image_generation", "conversation_id": "chat-1"}

    first = client.call("POST", "/v1/accounts/charged/charges", charge, key="k1")
    retry = client.call("POST", "/v1/accounts/charged/charges", charge, key="k1")
    read = client.call("GET", f"/v1/accounts/charged/charges/{first.body['charge_id']}")

    assert (first.status, first.headers["idempotency-replayed"]) == (201, None)
    assert (first.body["credits"], first.body["balance"]) == (5, {"remaining": 295, "total": 300})
    assert (retry.status, retry.headers["idempotency-replayed"]) == (200, "true")
    assert retry.body == first.body
    assert (read.status, read.body) == (200, first.body)


def test_a_key_that_was_used_for_another_charge_is_409(client: Client) -> None:
    client.call("POST", "/v1/accounts", {"account_id": "reuses"}, expect=[201])
    client.call("POST", "/v1/accounts/reuses/charges", {"action": "message"}, key="k1", expect=[201])

    other = client.call("POST", "/v1/accounts/reuses/charges", {"action": "web_fetch"}, key="k1")

    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")


def test_a_charge_without_a_key_is_400(client: Client) -> None:
    client.call("POST", "/v1/accounts", {"account_id": "keyless"}, expect=[201])

    refused = client.call("POST", "/v1/accounts/keyless/charges", {"action": "message"})

    assert (refused.status, refused.body["code"]) == (400, "invalid_request")
    assert refused.headers["content-type"] == "application/problem+json"


def test_credits_run_out_with_402_while_free_actions_go_on(client: Client) -> None:
    client.call("POST", "/v1/accounts", {"account_id": "spender"}, expect=[201])
    client.call("POST", "/v1/accounts/spender/charges", {"action": "message", "quantity": 299}, key="a", expect=[201])

    short = client.call("POST", "/v1/accounts/spender/charges", {"action": "agent_step"}, key="b")
    last = client.call("POST", "/v1/accounts/spender/charges", {"action": "message"}, key="c")
    empty = client.call("POST", "/v1/accounts/spender/charges", {"action": "message"}, key="d")
    free = client.call("POST", "/v1/accounts/spender/charges", {"action": "ai_response"}, key="e")

    assert (short.status, short.body["code"]) == (402, "insufficient_credits")
    assert (short.body["required"], short.body["remaining"]) == (2, 1)
    assert (last.status, last.body["warning"]) == (201, "exhausted")
    assert (empty.status, empty.body["code"], empty.body["remaining"]) == (402, "credits_exhausted", 0)
    assert empty.headers["content-type"] == "application/problem+json"
    assert (free.status, free.body["credits"]) == (201, 0)


def test_entries_are_listed_newest_first_a_page_at_a_time(client: Client) -> None:
    client.call("POST", "/v1/accounts", {"account_id": "listed"}, expect=[201])
    for number in range(3):
        client.call("POST", "/v1/accounts/listed/charges", {"action": "message"}, key=f"m{number}", expect=[201])

    first = client.call("GET", "/v1/accounts/listed/entries?limit=2", expect=[200]).body
    second = client.call("GET", f"/v1/accounts/listed/entries?limit=2&cursor={first['cursor']}", expect=[200]).body

    assert [entry["credits"] for entry in first["entries"]] == [-1, -1]
    assert [entry["remaining"] for entry in first["entries"]] == [297, 298]
    assert [entry["credits"] for entry in second["entries"]][:2] == [-1, 300]


def test_a_month_later_the_credits_are_back(moving_stack: Launched) -> None:
    client = moving_stack.client
    client.call("POST", "/v1/accounts", {"account_id": "patient"}, expect=[201])
    spent = client.call("POST", "/v1/accounts/patient/charges", {"action": "deep_research"}, key="a", expect=[201])
    before = client.call("GET", "/v1/accounts/patient", expect=[200]).body

    moved = client.call("POST", "/__local__/clock", {"advance": "P31D"})
    after = client.call("GET", "/v1/accounts/patient", expect=[200]).body

    assert spent.body["balance"] == {"remaining": 280, "total": 300}
    assert moved.status == 200
    assert moved.body["now"] > before["resets_at"]
    assert after["credits"]["remaining"] == 300
    assert after["period"]["start"] == before["period"]["end"]
    assert client.call("GET", "/v1/accounts/patient/audit").body["ok"] is True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing/here"),
        ("DELETE", "/v1/accounts/free"),
        ("OPTIONS", "/v1/accounts"),
        ("GET", "/v1/accounts/"),
    ],
)
def test_what_no_route_leads_to_is_api_gateways_own_404(client: Client, method: str, path: str) -> None:
    answer = client.call(method, path)

    assert (answer.status, answer.body) == (404, {"message": "Not Found"})
    assert answer.headers["content-type"] == "application/json"


def test_a_caller_without_a_key_is_refused_by_the_handler(stack: Launched) -> None:
    refused = Client(stack.client.url, "ik_made-up").call("GET", "/v1/accounts/free")

    assert (refused.status, refused.body["code"]) == (401, "unauthenticated")


def test_the_catalog_the_document_and_its_page_need_no_key(stack: Launched) -> None:
    nobody = Client(stack.client.url, "")
    connection = http.client.HTTPConnection(urlsplit(stack.client.url).netloc, timeout=30)
    connection.request("GET", "/docs")
    page = connection.getresponse()
    text = page.read().decode()
    connection.close()

    assert nobody.call("GET", "/v1/catalog").status == 200
    assert "/v1/accounts/{account_id}/charges" in nobody.call("GET", "/openapi.json").body["paths"]
    assert (page.status, page.getheader("content-type")) == (200, "text/html; charset=utf-8")
    assert "<html" in text


def test_a_connection_is_kept_for_the_next_request(stack: Launched) -> None:
    connection = http.client.HTTPConnection(urlsplit(stack.client.url).netloc, timeout=30)
    headers = {"authorization": f"Bearer {stack.client.api_key}"}
    answers = []
    for _ in range(3):
        connection.request("GET", "/v1/accounts/free", headers=headers)
        response = connection.getresponse()
        answers.append((response.status, json.loads(response.read())["account_id"], connection.sock is not None))
    connection.close()

    assert answers == [(200, "free", True)] * 3
