"""Holds over HTTP: what they answer, once and again; and what comes back of them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from tests.functions import Answer
from tests.integration.conftest import Stack


def hold(stack: Stack, path: str, key: str = "run-1", credits: int = 20, **more: Any) -> Answer:
    return stack.call("POST", f"{path}/holds", {"credits": credits} | more, key=key)


def capture(stack: Stack, path: str, key: str, hold_id: str = "run-1", action: str = "message", **more: Any) -> Answer:
    return stack.call("POST", f"{path}/holds/{hold_id}/captures", {"action": action} | more, key=key)


def close(stack: Stack, path: str, hold_id: str = "run-1") -> Answer:
    return stack.call("POST", f"{path}/holds/{hold_id}/close")


def credits_of(stack: Stack, path: str) -> tuple[int, int, int]:
    """Remaining, held and used, by the account; and proof that its ledger says the same."""
    assert stack.call("GET", f"{path}/audit").body["problems"] == []
    account = stack.call("GET", path).body["credits"]
    return account["remaining"], account["held"], account["used"]


def test_a_hold_answers_201_and_what_was_set_aside_and_left(stack: Stack) -> None:
    path = stack.opened("acme")

    answer = hold(stack, path, expires_in=600, conversation_id="chat-1", description="deep research")

    assert (answer.status, answer.body) == (
        201,
        {
            "hold_id": "run-1",
            "account_id": "acme",
            "status": "open",
            "credits": 20,
            "captured": 0,
            "remaining": 20,
            "expires_at": "2026-11-23T12:10:00.000Z",
            "member_id": None,
            "conversation_id": "chat-1",
            "description": "deep research",
            "balance": {"remaining": 280, "total": 300},
        },
    )
    assert credits_of(stack, path) == (280, 20, 0)


def test_the_same_hold_again_is_the_first_answer_to_the_byte_also_after_it_was_used_and_closed(stack: Stack) -> None:
    path = stack.opened()
    first = hold(stack, path)
    capture(stack, path, "k1")
    close(stack, path)

    again = hold(stack, path)

    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert hold(stack, path, credits=21).body["code"] == "idempotency_key_reused"
    assert stack.charged(path, "run-1").body["code"] == "idempotency_key_reused"


def test_a_capture_answers_what_the_hold_has_left_and_touches_no_account(stack: Stack) -> None:
    path = stack.opened("acme")
    hold(stack, path, conversation_id="chat-1")
    before = stack.tables.accounts.get("acme").attribute_values

    answer = capture(stack, path, "k1", action="agent_step", quantity=2, model="gpt-5.1", tool="search")

    assert answer.status == 201
    body = answer.body
    entry = body.pop("entry")
    assert body == {
        "charge_id": "run-1!k1",
        "action": "agent_step",
        "quantity": 2,
        "credits": 4,
        "hold": {"hold_id": "run-1", "captured": 4, "remaining": 16},
    }
    shown = ("kind", "seq", "hold_id", "charge_id", "conversation_id", "credits", "remaining", "total")
    assert [entry[name] for name in shown] == ["capture", 2, "run-1", "run-1!k1", "chat-1", -4, 16, 20]
    assert stack.tables.accounts.get("acme").attribute_values == before


def test_a_capture_reads_its_hold_alone_and_writes_that_and_its_entry_alone(stack: Stack) -> None:
    path = stack.opened("acme")
    hold(stack, path, member_id="mara")
    capture(stack, path, "k1")
    asked: list[tuple[object, Any]] = []
    events = stack.functions.module("holds").stage.ledger.connection.client.meta.events

    def note(request: AWSPreparedRequest, **_: object) -> None:
        assert isinstance(request.body, bytes)
        asked.append((request.headers["X-Amz-Target"], json.loads(request.body)))

    events.register_first("before-send.dynamodb", note)
    answer = capture(stack, path, "k2")
    events.unregister("before-send.dynamodb", note)

    assert answer.status == 201
    (reads, read), (commits, committed) = asked
    assert (reads, commits) == (b"DynamoDB_20120810.GetItem", b"DynamoDB_20120810.TransactWriteItems")
    holds, entries = stack.tables.holds.Meta.table_name, stack.tables.entries.Meta.table_name
    the_hold = {"S": "acme#hold#run-1"}
    assert (read["TableName"], read["Key"]) == (holds, {"book_id": the_hold})
    assert [list(each) for each in committed["TransactItems"]] == [["Put"], ["Put"]]
    entry, book = (each["Put"] for each in committed["TransactItems"])
    assert (entry["TableName"], entry["Item"]["book_id"], entry["Item"]["key"]) == (entries, the_hold, {"S": "c#k2"})
    assert (book["TableName"], book["Item"]["book_id"]) == (holds, the_hold)


def test_a_capture_again_is_a_replay_and_its_charge_is_read_under_its_id(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path)
    first = capture(stack, path, "k1")

    again = capture(stack, path, "k1")

    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert capture(stack, path, "k1", quantity=2).body["code"] == "idempotency_key_reused"
    assert stack.call("GET", f"{path}/charges/run-1!k1").text == first.text
    assert stack.call("GET", f"{path}/charges/run-1%21k1").text == first.text
    for missing in ("k1", "run-1!k2", "run-2!k1", "run-1!run-1"):
        assert stack.call("GET", f"{path}/charges/{missing}").body["code"] == "charge_not_found"


def test_a_capture_over_the_hold_is_402_and_one_after_its_end_409(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path)

    over = capture(stack, path, "k1", quantity=21)
    assert (over.status, over.body["code"], over.body["remaining"], over.body["required"]) == (
        402,
        "hold_exhausted",
        20,
        21,
    )
    assert over.body["upgrade_url"] == "https://infuseos.example/upgrade"
    assert capture(stack, path, "k1", quantity=20).status == 201  # a refusal is not stored

    close(stack, path)
    closed = capture(stack, path, "k2")
    assert (closed.status, closed.body["code"], closed.body["status"]) == (409, "hold_closed", 409)
    assert closed.body["hold_status"] == "closed"
    extension = stack.call("POST", f"{path}/holds/run-1/extensions", {"credits": 1}, key="more").body
    assert (extension["status"], extension["hold_status"]) == (409, "closed")
    assert capture(stack, path, "k3", hold_id="nobody").body["code"] == "hold_not_found"


def test_a_hold_that_expired_is_told_so_by_whoever_looks_and_gives_back_when_it_is_closed(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path, expires_in=60)
    capture(stack, path, "k1")
    stack.now += timedelta(seconds=60)

    late = capture(stack, path, "k2")
    assert (late.status, late.body["code"], late.body["status"]) == (409, "hold_closed", 409)
    assert late.body["hold_status"] == "expired"
    shown = stack.call("GET", f"{path}/holds/run-1").body
    assert (shown["status"], shown["captured"], shown["remaining"]) == ("expired", 1, 0)
    assert stack.call("GET", f"{path}/holds").body["holds"] == []
    assert credits_of(stack, path) == (280, 20, 0)

    answer = close(stack, path)

    assert (answer.status, answer.body["captured"], answer.body["released"]) == (200, 1, 19)
    assert stack.call("GET", f"{path}/holds/run-1").body["status"] == "expired"
    assert credits_of(stack, path) == (299, 0, 1)


def test_closing_answers_what_came_back_and_closing_again_the_same(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path)
    capture(stack, path, "k1", quantity=6)

    first = close(stack, path)

    assert (first.status, first.body) == (
        200,
        {
            "hold_id": "run-1",
            "captured": 6,
            "released": 14,
            "expired": 0,
            "balance": {"remaining": 294, "total": 300},
        },
    )
    stack.charged(path, "later")
    again = close(stack, path)
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    assert close(stack, path, "nobody").status == 404
    assert credits_of(stack, path) == (293, 0, 7)


def test_what_comes_back_into_an_expired_grant_is_told_as_expired(stack: Stack) -> None:
    path = stack.opened()
    stack.now += timedelta(days=29, hours=23)
    hold(stack, path, expires_in=86_400)
    capture(stack, path, "k1", quantity=6)
    stack.now += timedelta(hours=2)

    first = close(stack, path)

    assert first.body == {
        "hold_id": "run-1",
        "captured": 6,
        "released": 0,
        "expired": 14,
        "balance": {"remaining": 300, "total": 306},
    }
    assert close(stack, path).text == first.text
    assert credits_of(stack, path) == (300, 0, 6)


def test_an_extension_under_the_key_of_a_capture_is_409_and_sets_nothing_aside(stack: Stack) -> None:
    path = stack.opened()
    stack.call("POST", f"{path}/holds", {"credits": 20}, key="run-1")
    stack.call("POST", f"{path}/holds/run-1/captures", {"action": "message"}, key="k1")

    answer = stack.call("POST", f"{path}/holds/run-1/extensions", {"credits": 5}, key="k1")

    assert (answer.status, answer.body["code"]) == (409, "idempotency_key_reused")
    assert stack.call("GET", path).body["credits"]["held"] == 20


def test_an_extension_answers_the_hold_and_a_replay_of_it_the_same(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path, expires_in=60)
    capture(stack, path, "k1", quantity=15)

    first = stack.call("POST", f"{path}/holds/run-1/extensions", {"credits": 10, "expires_in": 600}, key="more")

    body = first.body
    assert (first.status, body["credits"], body["captured"], body["remaining"]) == (201, 30, 15, 15)
    assert (body["expires_at"], body["balance"]) == ("2026-11-23T12:10:00.000Z", {"remaining": 270, "total": 300})
    again = stack.call("POST", f"{path}/holds/run-1/extensions", {"credits": 10, "expires_in": 600}, key="more")
    assert (again.status, again.text) == (200, first.text)
    assert stack.call("POST", f"{path}/holds/run-1/extensions", {}, key="no").body["code"] == "invalid_request"
    assert stack.call("POST", f"{path}/holds/no/extensions", {"credits": 1}, key="no").body["code"] == "hold_not_found"
    assert credits_of(stack, path) == (270, 30, 0)


def test_an_extension_to_an_earlier_instant_leaves_the_expiry_that_stands(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path, expires_in=600)

    answer = stack.call("POST", f"{path}/holds/run-1/extensions", {"expires_in": 60}, key="sooner")

    assert (answer.status, answer.body["expires_at"]) == (201, "2026-11-23T12:10:00.000Z")


def test_open_holds_are_listed_by_pages_the_soonest_to_expire_first(stack: Stack) -> None:
    path = stack.opened()
    for key, seconds in (("c", 300), ("a", 100), ("b", 200), ("closed", 50)):
        hold(stack, path, key, 5, expires_in=seconds)
    close(stack, path, "closed")

    first = stack.call("GET", f"{path}/holds", query={"limit": "2"}).body
    second = stack.call("GET", f"{path}/holds", query={"limit": "2", "cursor": first["cursor"]}).body

    assert [each["hold_id"] for each in first["holds"]] == ["a", "b"]
    assert ([each["hold_id"] for each in second["holds"]], second["cursor"]) == (["c"], None)
    assert second["holds"][0]["balance"] == {"remaining": 285, "total": 300}
    assert stack.call("GET", f"{path}/holds", query={"cursor": "bm9uc2Vuc2U"}).body["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"credits": 0}, "credits"),
        ({"credits": "5"}, "credits"),
        ({"credits": 5, "expires_in": 86_401}, "expires_in"),
        ({"credits": 5, "expires_in": 0}, "expires_in"),
        ({"credits": 5, "colour": "red"}, "colour"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(stack: Stack, body: object, field: str) -> None:
    answer = stack.call("POST", f"{stack.opened()}/holds", body, key="k1")

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


def test_who_is_refused_for_want_of_credits_has_the_expired_holds_settled_first(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path, "a", 100, expires_in=60)
    hold(stack, path, "b", 100, expires_in=60)
    hold(stack, path, "alive", 90, expires_in=600)
    capture(stack, path, "k1", hold_id="a", quantity=5)
    refused = stack.charged(path, "k2", quantity=195)
    assert (refused.status, refused.body["remaining"], refused.body["held"]) == (402, 10, 290)
    stack.now += timedelta(seconds=60)

    assert stack.charged(path, "k2", quantity=195).status == 201
    assert hold(stack, path, "c", 11).status == 402
    assert credits_of(stack, path) == (10, 90, 200)


def test_captures_are_usage_of_their_conversation_and_holds_are_not(stack: Stack) -> None:
    path = stack.opened()
    hold(stack, path, conversation_id="chat-1")
    capture(stack, path, "k1", action="deep_research")
    close(stack, path)

    entries = stack.call("GET", f"{path}/entries").body["entries"]
    told = [(each["kind"], each["credits"], each["charge_id"]) for each in entries if each["hold_id"] == "run-1"]
    assert sorted(told) == [
        ("capture", -20, "run-1!k1"),
        ("hold", -20, None),
        ("hold", 20, None),
        ("release", 0, None),
        ("release", 0, None),
    ]
    at = stack.call("GET", path, query={"at": "2026-11-23T12:00:00.000Z"}).body["credits"]
    assert (at["remaining"], at["used"]) == (280, 20)


# The documents: deep research with a hold (docs/holds.md)


def test_deep_research_is_held_captured_on_success_and_given_back_on_failure(stack: Stack) -> None:
    path = stack.opened()
    assert hold(stack, path, "research-1").status == 201
    assert capture(stack, path, "research-1-done", "research-1", action="deep_research").status == 201
    assert close(stack, path, "research-1").body["balance"]["remaining"] == 280

    assert hold(stack, path, "research-2").body["balance"]["remaining"] == 260
    assert close(stack, path, "research-2").body["balance"]["remaining"] == 280
    assert credits_of(stack, path) == (280, 0, 20)
