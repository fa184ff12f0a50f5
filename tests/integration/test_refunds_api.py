"""Refunds over HTTP: once for each charge, to where the credits came from."""

from datetime import timedelta
from typing import Any

import pytest

from tests.functions import Answer
from tests.integration.conftest import Stack


def refund(stack: Stack, path: str, charge_id: str = "k1", key: str = "r1", **more: Any) -> Answer:
    return stack.call("POST", f"{path}/charges/{charge_id}/refund", {"reason": "the tool failed"} | more, key=key)


def remaining(stack: Stack, path: str) -> int:
    assert stack.call("GET", f"{path}/audit").body["problems"] == []
    credits: int = stack.call("GET", path).body["credits"]["remaining"]
    return credits


def test_a_refund_answers_201_and_the_balance_with_it(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", action="image_edit", conversation_id="chat-1", member_id="mara")

    answer = refund(stack, path)

    assert (answer.status, answer.body) == (
        201,
        {
            "refund_id": "k1~refund",
            "charge_id": "k1",
            "credits": 5,
            "balance": {"remaining": 300, "total": 300},
            "hold": None,
        },
    )
    entry = stack.call("GET", f"{path}/entries", query={"kind": "refund"}).body["entries"][0]
    shown = ("key", "credits", "corrects", "action", "conversation_id", "member_id", "description", "charge_id")
    assert [entry[name] for name in shown] == [
        "refund#c#k1",
        5,
        "k1",
        "image_edit",
        "chat-1",
        "mara",
        "the tool failed",
        None,
    ]
    assert stack.call("GET", path).body["credits"]["used"] == 0


def test_a_charge_is_refunded_once_whatever_the_key(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", action="image_edit")
    first = refund(stack, path, credits=2)

    again = refund(stack, path, credits=2)
    other = refund(stack, path, key="r2", credits=2)

    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert (other.status, other.body["code"], other.body["charge_id"]) == (409, "already_refunded", "k1")
    assert remaining(stack, path) == 297


def test_a_line_of_a_batch_is_refunded_by_itself(stack: Stack) -> None:
    path = stack.opened()
    stack.call("POST", f"{path}/charges/batch", {"charges": [{"action": "image_edit"}, {"action": "message"}]}, key="b")

    assert refund(stack, path, "b~01").body["credits"] == 1
    assert refund(stack, path, "b").body["credits"] == 5
    assert remaining(stack, path) == 300


@pytest.mark.parametrize(
    ("charge_id", "more", "status", "code"),
    [
        ("k1", {"credits": 6}, 400, "invalid_request"),
        ("k1", {"credits": 0}, 400, "invalid_request"),
        ("free", {}, 409, "not_refundable"),
        ("k1~refund", {}, 409, "not_refundable"),
        ("nobody", {}, 404, "charge_not_found"),
        ("run-1", {}, 404, "charge_not_found"),
        ("another-account-s", {}, 404, "charge_not_found"),
        ("k 1", {}, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_refunded_says_why(
    stack: Stack, charge_id: str, more: dict[str, Any], status: int, code: str
) -> None:
    path = stack.opened()
    stack.charged(path, "k1", action="image_edit")
    stack.charged(path, "free", action="ai_response")
    stack.call("POST", f"{path}/holds", {"credits": 5}, key="run-1")
    stack.charged(stack.opened(), "another-account-s")

    answer = refund(stack, path, charge_id.replace(" ", "%20"), **more)

    assert (answer.status, answer.body["code"]) == (status, code)
    assert remaining(stack, path) == 290


def test_what_expired_meanwhile_comes_back_as_a_promotion_until_the_period_ends(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", action="image_edit")
    stack.now += timedelta(days=31)

    answer = refund(stack, path)

    assert answer.body["balance"] == {"remaining": 305, "total": 305}
    entry = stack.call("GET", f"{path}/entries", query={"kind": "refund"}).body["entries"][0]
    assert [(draw["kind"], draw["credits"]) for draw in entry["draws"]] == [("promotion", 5)]
    stack.now += timedelta(days=31)
    assert remaining(stack, path) == 300


def test_a_capture_is_refunded_to_its_hold_while_that_is_open(stack: Stack) -> None:
    path = stack.opened()
    stack.call("POST", f"{path}/holds", {"credits": 20}, key="run-1")
    stack.call("POST", f"{path}/holds/run-1/captures", {"action": "deep_research"}, key="k1")

    answer = refund(stack, path, "run-1!k1")

    assert (answer.status, answer.body) == (
        201,
        {
            "refund_id": "run-1!k1~refund",
            "charge_id": "run-1!k1",
            "credits": 20,
            "balance": None,
            "hold": {"hold_id": "run-1", "captured": 0, "remaining": 20},
        },
    )
    stack.call("POST", f"{path}/holds/run-1/close")
    assert refund(stack, path, "run-1!k1").text == answer.text
    assert refund(stack, path, "run-1!k1", key="r2").body["code"] == "already_refunded"
    assert remaining(stack, path) == 300


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "expired and not settled"])
def test_a_capture_of_a_hold_that_is_over_is_refunded_to_the_account_once(stack: Stack, closed: bool) -> None:
    path = stack.opened()
    stack.call("POST", f"{path}/holds", {"credits": 20, "expires_in": 60}, key="run-1")
    stack.call("POST", f"{path}/holds/run-1/captures", {"action": "image_edit"}, key="k1")
    if closed:
        stack.call("POST", f"{path}/holds/run-1/close")
    stack.now += timedelta(seconds=60)

    first = refund(stack, path, "run-1!k1", credits=3)

    assert (first.status, first.body["credits"], first.body["balance"]) == (201, 3, {"remaining": 298, "total": 300})
    assert refund(stack, path, "run-1!k1", credits=3).text == first.text
    assert refund(stack, path, "run-1!k1", key="r2").body["code"] == "already_refunded"
    assert stack.call("GET", path).body["credits"]["used"] == 2
    assert remaining(stack, path) == 298
