"""The charges function over API Gateway's events: quotes, charges, batches, and their replays."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from botocore.awsrequest import AWSPreparedRequest

from benchmarks.capacity import item_size
from tests.integration.conftest import Stack
from tests.moves import NOON

DAY = timedelta(days=1)

# Charges


def test_a_charge_answers_201_and_what_it_cost_and_left(stack: Stack) -> None:
    path = stack.opened("charger")

    answer = stack.call(
        "POST",
        f"{path}/charges",
        {
            "action": "agent_step",
            "quantity": 2,
            "conversation_id": "chat-1",
            "conversation_title": "Search my Gmail",
            "member_id": "mara",
            "model": "gpt-5.1",
            "tool": "gmail.search",
            "description": "emails from John",
        },
        key="k1",
    )

    assert answer.status == 201
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    body = answer.body
    entry = body.pop("entry")
    assert body == {
        "charge_id": "k1",
        "action": "agent_step",
        "quantity": 2,
        "credits": 4,
        "balance": {"remaining": 296, "total": 300},
        "warning": None,
    }
    assert entry == {
        "seq": 3,
        "key": "c#k1",
        "kind": "charge",
        "at": "2026-11-23T12:00:00.000Z",
        "credits": -4,
        "remaining": 296,
        "total": 300,
        "warning": None,
        "alert": None,
        "charge_id": "k1",
        "action": "agent_step",
        "quantity": 2,
        "conversation_id": "chat-1",
        "conversation_title": "Search my Gmail",
        "member_id": "mara",
        "hold_id": None,
        "model": "gpt-5.1",
        "tool": "gmail.search",
        "description": "emails from John",
        "change": None,
        "corrects": None,
        "by": None,
        "standing_before": None,
        "shortfall": 0,
        "forced": False,
        "draws": [{"grant_id": "g2", "kind": "allocation", "credits": -4, "held": 0, "frozen": 0}],
        "catalog_version": "2026-11-23",
        "prev_hash": "56c03c5993d43d08be50f7afe3fc5215bb04fd83aa9d4a6c0fd8ca247d3d5769",
        "hash": "dc97661e85cbe53ecfbc1223e4fc718b6ab054fd34c66e7719af7a0179c06cdd",
    }


def test_a_charge_needs_nothing_but_its_action(stack: Stack) -> None:
    answer = stack.charged(stack.opened(), "k1")

    assert (answer.status, answer.body["quantity"], answer.body["credits"]) == (201, 1, 1)


def test_the_same_charge_again_answers_200_with_the_same_bytes_and_says_that_it_is_a_replay(stack: Stack) -> None:
    path = stack.opened()
    first = stack.charged(path, "k1", quantity=3, conversation_title="Заметки")
    stack.charged(path, "k2", quantity=100)
    stack.now = NOON + 400 * DAY

    again = stack.charged(path, "k1", quantity=3, conversation_title="Заметки")

    assert (first.status, again.status) == (201, 200)
    assert again.text == first.text
    assert again.headers == first.headers | {"idempotency-replayed": "true"}


def test_defaults_that_are_written_out_make_the_same_request(stack: Stack) -> None:
    path = stack.opened()
    first = stack.charged(path, "k1")

    again = stack.charged(path, "k1", quantity=1, model=None)

    assert (again.status, again.text) == (200, first.text)


def test_a_key_with_another_body_or_on_another_route_is_409(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1")

    other_body = stack.charged(path, "k1", quantity=2)
    other_route = stack.call("POST", f"{path}/charges/batch", {"charges": [{"action": "message"}]}, key="k1")
    grant = stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 1, "reason": "x"}, key="k1")

    for answer in (other_body, other_route, grant):
        assert (answer.status, answer.body["code"], answer.body["key"]) == (409, "idempotency_key_reused", "k1")
    assert stack.call("GET", path).body["credits"]["remaining"] == 299


def test_the_same_key_is_another_one_on_another_account(stack: Stack) -> None:
    for _ in range(2):
        assert stack.charged(stack.opened(), "k1").status == 201


def test_a_charge_is_read_with_the_bytes_it_was_answered_with(stack: Stack) -> None:
    path = stack.opened()
    made = stack.charged(path, "k1", quantity=3)

    read = stack.call("GET", f"{path}/charges/k1")

    assert (read.status, read.text) == (200, made.text)
    assert "idempotency-replayed" not in read.headers


def test_a_charge_that_was_never_made_is_404(stack: Stack) -> None:
    path = stack.opened()

    answer = stack.call("GET", f"{path}/charges/k1")

    assert (answer.status, answer.body["code"], answer.body["charge_id"]) == (404, "charge_not_found", "k1")


def test_a_charge_on_no_account_is_404(stack: Stack) -> None:
    answer = stack.charged("/v1/accounts/nobody", "k1")

    assert (answer.status, answer.body["code"]) == (404, "account_not_found")


# Refusals


def test_the_warning_appears_at_10_credits_left_and_the_alert_once(stack: Stack) -> None:
    path = stack.opened()
    heard = [
        stack.charged(path, "k1", quantity=289),
        stack.charged(path, "k2"),
        stack.charged(path, "k3"),
        stack.charged(path, "k4", quantity=9),
    ]

    assert [(each.body["warning"], each.body["entry"]["alert"]) for each in heard] == [
        (None, None),
        ("low", "low"),
        ("low", None),
        ("exhausted", "exhausted"),
    ]


def test_a_charge_the_balance_does_not_cover_is_402_and_the_key_succeeds_after_a_grant(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=290)

    refused = stack.charged(path, "k2", action="deep_research")
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 10, "reason": "x"}, key="g1")
    made = stack.charged(path, "k2", action="deep_research")

    assert refused.status == 402
    assert refused.body == {
        "type": "urn:infuseos:credits:insufficient_credits",
        "title": "Not enough credits",
        "status": 402,
        "detail": "Credits needed: 20, left: 10. Wait for the reset on 23 December 2026, upgrade the plan or "
        "buy a pack.",
        "code": "insufficient_credits",
        "required": 20,
        "remaining": 10,
        "resets_at": "2026-12-23T12:00:00.000Z",
        "upgrade_url": "https://infuseos.example/upgrade",
    }
    assert (made.status, made.body["balance"]["remaining"]) == (201, 0)


def test_at_zero_a_message_is_402_and_what_is_free_still_works(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=300)

    refused = stack.charged(path, "k2")
    free = stack.charged(path, "k3", action="ai_response")

    assert (refused.status, refused.body["code"], refused.body["remaining"]) == (402, "credits_exhausted", 0)
    assert refused.body["upgrade_url"] == "https://infuseos.example/upgrade"
    assert (free.status, free.body["credits"], free.body["balance"]["remaining"]) == (201, 0, 0)
    assert stack.call("GET", f"{path}/charges/k2").status == 404


def test_a_model_outside_the_plan_is_403_and_names_the_plans_that_have_it(stack: Stack) -> None:
    path = stack.opened()

    refused = stack.charged(path, "k1", model="claude-opus")
    stack.call("PUT", f"{path}/plan", {"plan": "pro"})
    made = stack.charged(path, "k1", model="claude-opus")

    assert refused.status == 403
    assert refused.body == {
        "type": "urn:infuseos:credits:not_in_plan",
        "title": "Not part of this plan",
        "status": 403,
        "detail": "The model claude-opus is not part of the plan free. Plans that have it: pro, max, team.",
        "code": "not_in_plan",
        "model": "claude-opus",
        "plan": "free",
        "plans": ["pro", "max", "team"],
        "upgrade_url": "https://infuseos.example/upgrade",
    }
    assert made.status == 201


# Batches


def test_the_two_worked_examples_cost_3_and_7(stack: Stack) -> None:
    path = stack.opened()
    gmail = [{"action": "message"}, {"action": "agent_step", "tool": "gmail.search"}, {"action": "ai_response"}]
    slot = [{"action": "message"}, *[{"action": "agent_step"}] * 3]

    first = stack.call("POST", f"{path}/charges/batch", {"charges": gmail}, key="b1")
    second = stack.call("POST", f"{path}/charges/batch", {"charges": slot}, key="b2")

    assert (first.status, second.status) == (201, 201)
    assert list(first.body) == ["charges", "credits", "balance", "warning"]
    assert (first.body["credits"], first.body["balance"]) == (3, {"remaining": 297, "total": 300})
    assert (second.body["credits"], second.body["balance"]) == (7, {"remaining": 290, "total": 300})
    assert [(each["charge_id"], each["credits"]) for each in first.body["charges"]] == [
        ("b1", 1),
        ("b1~01", 2),
        ("b1~02", 0),
    ]
    assert [each["balance"]["remaining"] for each in second.body["charges"]] == [296, 294, 292, 290]


def test_a_batch_is_replayed_to_the_byte_and_each_line_is_read_by_its_id(stack: Stack) -> None:
    path = stack.opened()
    body = {"charges": [{"action": "message"}, {"action": "web_fetch", "quantity": 3}]}
    first = stack.call("POST", f"{path}/charges/batch", body, key="b1")
    stack.charged(path, "k1")

    again = stack.call("POST", f"{path}/charges/batch", body, key="b1")
    line = stack.call("GET", f"{path}/charges/b1~01")

    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert (line.status, line.body) == (200, first.body["charges"][1])


def test_a_batch_that_cannot_be_paid_in_full_charges_nothing(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=290)

    answer = stack.call("POST", f"{path}/charges/batch", {"charges": [{"action": "message"}] * 11}, key="b1")

    assert (answer.status, answer.body["code"], answer.body["required"]) == (402, "insufficient_credits", 11)
    assert stack.call("GET", path).body["credits"]["remaining"] == 10


@pytest.mark.parametrize("number", [1, 50])
def test_a_batch_has_up_to_50_charges(stack: Stack, number: int) -> None:
    path = stack.opened()

    answer = stack.call("POST", f"{path}/charges/batch", {"charges": [{"action": "message"}] * number}, key="b1")

    assert (answer.status, answer.body["credits"], len(answer.body["charges"])) == (201, number, number)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"charges": []}, "charges"),
        ({"charges": [{"action": "message"}] * 51}, "charges"),
        ({"charges": {"action": "message"}}, "charges"),
        ({"charges": [{"action": "message"}, {"action": "nothing"}]}, "charges.1.action"),
        ({"charges": [{"action": "message"}, {"quantity": 1}]}, "charges.1.action"),
        ({"charges": [{"action": "message", "quantity": 0}]}, "charges.0.quantity"),
        ({"charges": [{"action": "message", "extra": 0}]}, "charges.0.extra"),
        ({"charges": ["message"]}, "charges.0"),
        ({}, "charges"),
    ],
)
def test_a_batch_that_cannot_be_is_400_with_the_path_of_the_field(stack: Stack, body: object, field: str) -> None:
    path = stack.opened()

    answer = stack.call("POST", f"{path}/charges/batch", body, key="b1")

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)
    assert stack.call("GET", f"{path}/audit").body["entries"] == 2


# Bodies and keys that cannot be


@pytest.mark.parametrize("quantity", [1, 10_000])
def test_a_quantity_is_from_1_to_10000(stack: Stack, quantity: int) -> None:
    answer = stack.charged(stack.opened(), "k1", action="ai_response", quantity=quantity)

    assert (answer.status, answer.body["quantity"]) == (201, quantity)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 10_001}, "quantity"),
        ({"quantity": "1"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": 1.0}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"quantity": 10**30}, "quantity"),
        ({"action": "nothing"}, "action"),
        ({"action": ""}, "action"),
        ({"action": 5}, "action"),
        ({"action": None}, "action"),
        ({"conversation_id": "chat#1"}, "conversation_id"),
        ({"conversation_id": ""}, "conversation_id"),
        ({"conversation_id": "x" * 65}, "conversation_id"),
        ({"conversation_id": "-x"}, "conversation_id"),
        ({"conversation_id": "chat\n"}, "conversation_id"),
        ({"conversation_title": "x" * 201}, "conversation_title"),
        ({"conversation_title": ""}, "conversation_title"),
        ({"member_id": "a b"}, "member_id"),
        ({"model": "x" * 101}, "model"),
        ({"tool": "x" * 201}, "tool"),
        ({"description": "x" * 201}, "description"),
        ({"credits": 1}, "credits"),
    ],
)
def test_a_charge_that_cannot_be_is_400_with_the_field(stack: Stack, changes: dict[str, Any], field: str) -> None:
    path = stack.opened()

    answer = stack.charged(path, "k1", **changes)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)
    assert answer.body["errors"][0]["field"] == field
    assert stack.call("GET", f"{path}/charges/k1").status == 404


def test_every_field_that_cannot_be_is_told_at_once(stack: Stack) -> None:
    answer = stack.charged(stack.opened(), "k1", action=5, quantity=0, extra=1)

    assert {each["field"] for each in answer.body["errors"]} == {"action", "quantity", "extra"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"action"', b"5", b'{"action": "message"', b"[" * 100_000, b'{"a":' * 20_000],
)
def test_a_body_that_is_no_json_object_is_400(stack: Stack, body: bytes) -> None:
    path = stack.opened()

    answer = stack.call("POST", f"{path}/charges", body, key="k1")

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert stack.call("GET", f"{path}/audit").body["entries"] == 2


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "application/octet-stream", "text/plain"]
)
def test_a_body_is_read_as_json_whatever_type_it_says_it_has(stack: Stack, content_type: str) -> None:
    path = stack.opened()

    answer = stack.call(
        "POST", f"{path}/charges", b'{"action": "message"}', key="k1", headers={"content-type": content_type}
    )

    assert answer.status == 201


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_a_body_that_is_not_utf8_is_400(stack: Stack, content_type: str) -> None:
    body = '{"action": "message", "description": "naïve"}'.encode("latin-1")

    answer = stack.call("POST", f"{stack.opened()}/charges", body, key="k1", headers={"content-type": content_type})

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "body")


@pytest.mark.parametrize("key", ["", "a#b", "-a", "a b", "x" * 65, "ключ", "a~01"])
def test_an_idempotency_key_that_cannot_be_is_400(stack: Stack, key: str) -> None:
    answer = stack.charged(stack.opened(), key)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "Idempotency-Key")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("charges", {"action": "message"}),
        ("charges/batch", {"charges": [{"action": "message"}]}),
        ("grants", {"kind": "promotion", "credits": 1, "reason": "x"}),
    ],
)
def test_what_moves_credits_needs_an_idempotency_key(stack: Stack, route: str, body: object) -> None:
    path = stack.opened()

    answer = stack.call("POST", f"{path}/{route}", body)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "Idempotency-Key")
    assert stack.call("GET", path).body["credits"]["remaining"] == 300


@pytest.mark.parametrize("account_id", ["x" * 65, "-a", "a%20b", "%D0%B0", "a%252Fb"])
def test_an_account_id_that_cannot_be_is_400(stack: Stack, account_id: str) -> None:
    for answer in (
        stack.charged(f"/v1/accounts/{account_id}", "k1"),
        stack.call("GET", f"/v1/accounts/{account_id}"),
        stack.call("GET", f"/v1/accounts/{account_id}/entries"),
    ):
        assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "account_id")


@pytest.mark.parametrize("account_id", ["a%23b", "%23", "a%2523b", "acme%23c%23k1"])
def test_a_path_with_the_mark_that_joins_stored_keys_leads_nowhere(stack: Stack, account_id: str) -> None:
    for answer in (
        stack.charged(f"/v1/accounts/{account_id}", "k1"),
        stack.call("GET", f"/v1/accounts/{account_id}"),
        stack.call("GET", f"/v1/accounts/{account_id}/entries"),
    ):
        assert (answer.status, answer.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("account_id", ["", "a#b", "-a", "x" * 65, "a b", "ä", 5, None, ["a"], "a\n"])
def test_an_account_cannot_be_opened_under_such_an_id(stack: Stack, account_id: object) -> None:
    answer = stack.call("POST", "/v1/accounts", {"account_id": account_id})

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "account_id")


def test_ids_of_64_characters_of_every_kind_work(stack: Stack) -> None:
    account_id = "A1._:@-" + "z" * 57
    path = stack.opened(account_id)

    assert stack.charged(path, "K" * 64, conversation_id="c" * 64).status == 201
    assert stack.call("GET", f"{path}/charges/{'K' * 64}").status == 200
    assert stack.call("GET", path.replace("@", "%40")).body["account_id"] == account_id


def test_a_body_of_more_than_128_kib_is_413(stack: Stack) -> None:
    path = stack.opened()

    fits = stack.call("POST", f"{path}/charges", b'{"action": "message"}'.ljust(131_072), key="k1")
    too_large = stack.call("POST", f"{path}/charges", b'{"action": "message"}'.ljust(131_073), key="k2")

    assert fits.status == 201
    assert too_large.status == 413
    assert too_large.headers["content-type"] == "application/problem+json"
    assert (too_large.body["code"], too_large.body["size_bytes"], too_large.body["limit_bytes"]) == (
        "payload_too_large",
        131_073,
        131_072,
    )


# Quotes


def test_a_quote_prices_every_action_and_writes_nothing(stack: Stack) -> None:
    path = stack.opened()
    actions = [{"action": "message"}, {"action": "agent_step", "quantity": 3}, {"action": "ai_response"}]

    answer = stack.call("POST", f"{path}/quotes", {"actions": actions, "model": "gpt-5.1"})

    assert answer.status == 200
    assert answer.body == {
        "lines": [
            {"action": "message", "quantity": 1, "credits": 1},
            {"action": "agent_step", "quantity": 3, "credits": 6},
            {"action": "ai_response", "quantity": 1, "credits": 0},
        ],
        "total": 7,
        "affordable": True,
        "remaining_after": 293,
    }
    assert stack.call("GET", f"{path}/audit").body["entries"] == 2


def test_a_quote_that_cannot_be_paid_says_so(stack: Stack) -> None:
    answer = stack.call("POST", f"{stack.opened()}/quotes", {"actions": [{"action": "message", "quantity": 301}]})

    assert (answer.status, answer.body["affordable"], answer.body["remaining_after"]) == (200, False, None)


def test_a_quote_counts_what_expired_holds_keep_as_a_charge_would_and_settles_none(stack: Stack) -> None:
    path = stack.opened()
    for hold_id, seconds in (("a", 60), ("b", 120)):
        stack.call("POST", f"{path}/holds", {"credits": 150, "expires_in": seconds}, key=hold_id)
    wanted = {"actions": [{"action": "message", "quantity": 140}]}
    assert stack.call("POST", f"{path}/quotes", wanted).body["affordable"] is False
    stack.now += timedelta(seconds=60)

    answer = stack.call("POST", f"{path}/quotes", wanted)

    assert (answer.body["affordable"], answer.body["remaining_after"]) == (True, 10)
    assert stack.call("GET", path).body["credits"]["held"] == 300
    assert stack.charged(path, "k1", quantity=140).body["balance"]["remaining"] == 10


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"actions": []}, 400, "invalid_request"),
        ({"actions": [{"action": "nothing"}]}, 400, "invalid_request"),
        ({"actions": [{"action": "message"}], "model": "claude-opus"}, 403, "not_in_plan"),
        ({"actions": [{"action": "message", "tool": "x"}]}, 400, "invalid_request"),
    ],
)
def test_a_quote_refuses_what_a_charge_would(stack: Stack, body: object, status: int, code: str) -> None:
    answer = stack.call("POST", f"{stack.opened()}/quotes", body)

    assert (answer.status, answer.body["code"]) == (status, code)


# What a charge costs us


def test_a_charge_with_a_cached_verdict_is_two_calls_of_dynamodb(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1")
    called: list[str | bytes] = []
    events = stack.functions.module("charges").stage.ledger._tables.connection.client.meta.events

    def count(request: AWSPreparedRequest, **_: object) -> None:
        called.append(request.headers["X-Amz-Target"])

    events.register_first("before-send.dynamodb", count)
    stack.charged(path, "k2")
    events.unregister("before-send.dynamodb", count)

    assert called == [b"DynamoDB_20120810.GetItem", b"DynamoDB_20120810.TransactWriteItems"]


@pytest.mark.parametrize("days", [1, 40], ids=["in the month of an upgrade", "in a later month"])
def test_the_items_of_an_ordinary_charge_are_under_1_kb_and_so_billed_as_one_write_unit_each(
    stack: Stack, days: int
) -> None:
    account_id, key, conversation = (str(UUID(int=(number << 96) + 7)) for number in (1, 2, 3))
    path = stack.opened(account_id)
    stack.call("PUT", f"{path}/plan", {"plan": "pro"})
    stack.now = NOON + days * DAY
    stack.charged(
        path,
        key,
        action="agent_step",
        quantity=2,
        conversation_id=conversation,
        conversation_title="A conversation title of forty characters"[:40],
        model="claude-opus-4.1",
        tool="gmail.search",
    )
    client: Any = stack.tables.connection.client
    entry_key = {"book_id": {"S": account_id}, "key": {"S": f"c#{key}"}}
    entry = client.get_item(TableName=stack.tables.entries.Meta.table_name, Key=entry_key)["Item"]
    account = client.get_item(TableName=stack.tables.accounts.Meta.table_name, Key={"account_id": {"S": account_id}})[
        "Item"
    ]

    assert len(entry["conversation_title"]["S"]) == 40
    assert item_size(entry) <= 1024
    assert item_size(account) <= 1024
