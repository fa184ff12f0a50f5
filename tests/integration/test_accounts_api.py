"""The accounts function over API Gateway's events: opening, reading, plans, grants, and the documents."""

import json
from datetime import timedelta
from functools import partial

import pytest

from credits.domain.pack import freeze, give_pack
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey
from tests.integration.conftest import Stack
from tests.moves import CATALOG, NOON, held

DAY = timedelta(days=1)


def test_opening_an_account_answers_201_and_the_account(stack: Stack) -> None:
    answer = stack.call("POST", "/v1/accounts", {"account_id": "acme"})

    assert answer.status == 201
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    assert answer.body == {
        "account_id": "acme",
        "plan": {"id": "free", "name": "Free"},
        "seats": 1,
        "status": "active",
        "credits": {
            "remaining": 300,
            "total": 300,
            "used": 0,
            "held": 0,
            "frozen": 0,
            "plan_remaining": 300,
            "purchased_remaining": 0,
        },
        "period": {"start": "2026-11-23T12:00:00.000Z", "end": "2026-12-23T12:00:00.000Z"},
        "resets_at": "2026-12-23T12:00:00.000Z",
        "warning": None,
        "knowledge_words": {"used": 0, "limit": 50000},
        "workflows": {"active": 0, "limit": 2},
        "pending_change": None,
    }


def test_opening_it_again_answers_200_and_the_account_as_it_is_now(stack: Stack) -> None:
    path = stack.opened("again")
    stack.charged(path, "k1", quantity=40)

    answer = stack.call("POST", "/v1/accounts", {"account_id": "again"})

    assert answer.status == 200
    assert answer.body == stack.call("GET", path).body
    assert answer.body["credits"]["remaining"] == 260


def test_an_account_is_read_as_of_now(stack: Stack) -> None:
    path = stack.opened("reader")
    stack.charged(path, "k1", quantity=292)
    before = stack.call("GET", path)
    stack.now = NOON + 30 * DAY

    after = stack.call("GET", path)

    assert (before.status, after.status) == (200, 200)
    assert (before.body["credits"]["remaining"], before.body["warning"]) == (8, "low")
    assert before.body["credits"]["used"] == 292
    assert (after.body["credits"]["remaining"], after.body["warning"]) == (300, None)
    assert after.body["period"] == {"start": "2026-12-23T12:00:00.000Z", "end": "2027-01-23T12:00:00.000Z"}


def test_an_account_at_zero_says_that_it_is_exhausted(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=300)

    assert stack.call("GET", path).body["warning"] == "exhausted"


@pytest.mark.parametrize(
    ("at", "remaining"),
    [
        ("2026-11-23T12:00:00.000Z", 300),
        ("2026-11-24T12:00:00.000Z", 290),
        ("2026-11-24T11:59:59.999Z", 300),
        ("2026-11-24T13:00:00+01:00", 290),
        ("2026-11-24T12:00:00.000999Z", 290),
        ("2026-11-25T12:00:00Z", 270),
    ],
)
def test_at_reads_an_earlier_instant(stack: Stack, at: str, remaining: int) -> None:
    path = stack.opened()
    stack.now = NOON + DAY
    stack.charged(path, "k1", quantity=10)
    stack.now = NOON + 2 * DAY
    stack.charged(path, "k2", quantity=20)

    answer = stack.call("GET", path, query={"at": at})

    assert (answer.status, answer.body["credits"]["remaining"]) == (200, remaining)


@pytest.mark.parametrize(
    ("at", "status", "code"),
    [
        ("2026-11-23T11:59:59.999Z", 404, "account_not_found"),
        ("0001-01-01T00:00:00Z", 404, "account_not_found"),
        ("2026-11-23T12:00:00.001Z", 400, "invalid_request"),
        ("9999-12-31T23:59:59Z", 400, "invalid_request"),
        ("9999-12-31T23:59:59-12:00", 400, "invalid_request"),
        ("0001-01-01T00:00:00+12:00", 400, "invalid_request"),
        ("2026-11-23T12:00:00", 400, "invalid_request"),
        ("yesterday", 400, "invalid_request"),
        ("", 400, "invalid_request"),
    ],
)
def test_at_is_an_instant_of_the_accounts_past(stack: Stack, at: str, status: int, code: str) -> None:
    path = stack.opened()

    answer = stack.call("GET", path, query={"at": at})

    assert (answer.status, answer.body["code"]) == (status, code)
    if status == 400:
        assert answer.body["field"] == "at"


def test_an_account_that_is_not_there_is_404(stack: Stack) -> None:
    answer = stack.call("GET", "/v1/accounts/nobody")

    assert (answer.status, answer.body["code"], answer.body["account_id"]) == (404, "account_not_found", "nobody")


# Lists


def test_accounts_are_listed_newest_first_by_pages(stack: Stack) -> None:
    for number in range(3):
        stack.now = NOON + 100 * DAY + timedelta(minutes=number)
        stack.opened(f"listed{number}")

    first = stack.call("GET", "/v1/accounts", query={"limit": "2"})
    second = stack.call("GET", "/v1/accounts", query={"limit": "1", "cursor": first.body["cursor"]})

    assert first.status == 200
    assert list(first.body) == ["accounts", "cursor"]
    assert [each["account_id"] for each in first.body["accounts"]] == ["listed2", "listed1"]
    assert first.body["accounts"][0] == stack.call("GET", "/v1/accounts/listed2").body
    assert [each["account_id"] for each in second.body["accounts"]] == ["listed0"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "many", ""])
@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/accounts/limits/entries"])
def test_a_list_has_1_to_100_items(stack: Stack, path: str, limit: str) -> None:
    answer = stack.call("GET", path, query={"limit": limit})

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "limit")


@pytest.mark.parametrize("cursor", ["x", "WyIiLCIiXQ", "é", "W10", "A" * 501])
def test_a_text_that_is_no_cursor_is_400(stack: Stack, cursor: str) -> None:
    answer = stack.call("GET", "/v1/accounts", query={"cursor": cursor})

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", "cursor")


# Plans


def test_an_upgrade_adds_its_credits_at_once_and_starts_the_cycle_anew(stack: Stack) -> None:
    path = stack.opened("upgrader")
    stack.charged(path, "k1", quantity=100)
    stack.now = NOON + DAY

    answer = stack.call("PUT", f"{path}/plan", {"plan": "pro"})

    assert answer.status == 200
    assert answer.body == stack.call("GET", path).body
    assert answer.body["plan"] == {"id": "pro", "name": "Pro"}
    assert answer.body["credits"] == {
        "remaining": 1200,
        "total": 1200,
        "used": 0,
        "held": 0,
        "frozen": 0,
        "plan_remaining": 1200,
        "purchased_remaining": 0,
    }
    assert answer.body["period"] == {"start": "2026-11-24T12:00:00.000Z", "end": "2026-12-24T12:00:00.000Z"}
    assert answer.body["knowledge_words"] == {"used": 0, "limit": 1000000}
    assert answer.body["workflows"] == {"active": 0, "limit": 10}


def test_what_a_dispute_keeps_back_is_frozen_and_what_a_hold_sets_aside_is_held(stack: Stack) -> None:
    path = stack.opened("disputed")
    store = DynamoStore(stack.tables)
    for key, rule in (
        ("pack#1", partial(give_pack, pack=CATALOG.packs["small"])),
        ("dispute#1", partial(freeze, grant_id="g3", credits=150, reason="disputed")),
    ):
        post(store, key, [AccountKey("disputed")], partial(rule, catalog=CATALOG, key=key), now=NOON)
    held(store, "run-1", 20, account_id="disputed")

    answer = stack.call("GET", path)

    assert answer.body["credits"] == {
        "remaining": 530,
        "total": 700,
        "used": 0,
        "held": 20,
        "frozen": 150,
        "plan_remaining": 280,
        "purchased_remaining": 250,
    }
    assert stack.call("GET", path, query={"at": "2026-11-23T12:00:00Z"}).body == answer.body


def test_a_team_is_one_pool_of_4000_a_seat(stack: Stack) -> None:
    path = stack.opened()

    answer = stack.call("PUT", f"{path}/plan", {"plan": "team", "seats": 3})

    assert (answer.status, answer.body["seats"], answer.body["credits"]["remaining"]) == (200, 3, 12300)
    assert answer.body["knowledge_words"]["limit"] == 15000000
    assert answer.body["workflows"]["limit"] == 75


def test_a_downgrade_waits_for_the_end_of_the_period(stack: Stack) -> None:
    path = stack.opened()
    stack.now = NOON + DAY
    stack.call("PUT", f"{path}/plan", {"plan": "pro"})

    answer = stack.call("PUT", f"{path}/plan", {"plan": "free"})

    assert (answer.status, answer.body["plan"]["id"], answer.body["credits"]["remaining"]) == (200, "pro", 1300)
    assert answer.body["pending_change"] == {"plan": "free", "seats": 1, "at": "2026-12-24T12:00:00.000Z"}


def test_the_same_plan_again_changes_nothing(stack: Stack) -> None:
    path = stack.opened()
    first = stack.call("PUT", f"{path}/plan", {"plan": "pro"})
    again = stack.call("PUT", f"{path}/plan", {"plan": "pro"})

    assert (again.status, again.body) == (200, first.body)
    assert stack.call("GET", f"{path}/audit").body["entries"] == 4


def test_a_plan_change_with_a_key_is_replayed(stack: Stack) -> None:
    path = stack.opened()
    first = stack.call("PUT", f"{path}/plan", {"plan": "pro"}, key="up")
    stack.charged(path, "k1")

    again = stack.call("PUT", f"{path}/plan", {"plan": "pro"}, key="up")
    other = stack.call("PUT", f"{path}/plan", {"plan": "max"}, key="up")

    assert "idempotency-replayed" not in first.headers
    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")


def test_a_plan_change_with_a_key_is_replayed_whatever_the_plan_is_by_then(stack: Stack) -> None:
    path = stack.opened()
    first = stack.call("PUT", f"{path}/plan", {"plan": "pro"}, key="up")
    stack.now = NOON + DAY
    stack.call("PUT", f"{path}/plan", {"plan": "max"})

    again = stack.call("PUT", f"{path}/plan", {"plan": "pro"}, key="up")

    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")
    assert stack.call("GET", path).body["plan"]["id"] == "max"
    assert stack.call("GET", path).body["pending_change"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"plan": "platinum"}, "plan"),
        ({"plan": "pro", "seats": 2}, "seats"),
        ({"plan": "team", "seats": 0}, "seats"),
        ({"plan": "team", "seats": 10001}, "seats"),
        ({"plan": "team", "seats": "3"}, "seats"),
        ({"plan": "team", "seats": True}, "seats"),
        ({"plan": "team", "seat": 3}, "seat"),
        ({}, "plan"),
    ],
)
def test_a_plan_that_cannot_be_is_400(stack: Stack, body: object, field: str) -> None:
    answer = stack.call("PUT", f"{stack.opened()}/plan", body)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


# Grants


def test_a_grant_answers_201_and_what_it_gave(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", quantity=100)
    body = {"kind": "promotion", "credits": 50, "reason": "Welcome", "expires_at": "2026-12-01T00:00:00+02:00"}

    first = stack.call("POST", f"{path}/grants", body, key="g1")
    again = stack.call("POST", f"{path}/grants", body, key="g1")

    assert first.status == 201
    assert first.body == {
        "grant_id": "g4",
        "kind": "promotion",
        "credits": 50,
        "remaining": 50,
        "expires_at": "2026-11-30T22:00:00.000Z",
        "balance": {"remaining": 250, "total": 350},
    }
    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, first.text, "true")


def test_an_adjustment_may_last_for_ever(stack: Stack) -> None:
    body = {"kind": "adjustment", "credits": 7, "reason": "Sorry for the outage"}

    answer = stack.call("POST", f"{stack.opened()}/grants", body, key="g1")

    assert (answer.status, answer.body["expires_at"], answer.body["balance"]["remaining"]) == (201, None, 307)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "pack"}, "kind"),
        ({"kind": None}, "kind"),
        ({"credits": 0}, "credits"),
        ({"credits": -5}, "credits"),
        ({"credits": 100_000_001}, "credits"),
        ({"credits": 1.0}, "credits"),
        ({"credits": "5"}, "credits"),
        ({"credits": True}, "credits"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"expires_at": "2026-11-23T12:00:00Z"}, "expires_at"),
        ({"expires_at": "2026-12-23T12:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"note": "x"}, "note"),
    ],
)
def test_a_grant_that_cannot_be_is_400(stack: Stack, changes: dict[str, object], field: str) -> None:
    body = {"kind": "promotion", "credits": 50, "reason": "Welcome"} | changes

    answer = stack.call("POST", f"{stack.opened()}/grants", body, key="g1")

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


def test_a_grant_needs_a_key(stack: Stack) -> None:
    body = {"kind": "promotion", "credits": 50, "reason": "Welcome"}

    answer = stack.call("POST", f"{stack.opened()}/grants", body)

    assert (answer.status, answer.body["field"]) == (400, "Idempotency-Key")


def test_an_account_has_room_for_15_grants_by_hand(stack: Stack) -> None:
    path = stack.opened("generous")
    body = {"kind": "promotion", "credits": 5, "reason": "Welcome"}
    statuses = [stack.call("POST", f"{path}/grants", body, key=f"g{number}").status for number in range(15)]

    refused = stack.call("POST", f"{path}/grants", body, key="one-too-many")

    assert statuses == [201] * 15
    assert (refused.status, refused.body["code"], refused.body["limit"]) == (409, "too_many_grants", 15)


# Documents


def test_the_catalog_lists_every_action_with_its_price(stack: Stack) -> None:
    answer = stack.functions.call("GET", "/v1/catalog")

    assert answer.status == 200
    assert {each["id"]: each["credits"] for each in answer.body["actions"]} == {
        "message": 1,
        "agent_step": 2,
        "web_fetch": 1,
        "image_generation": 5,
        "image_edit": 5,
        "deep_research": 20,
        "ai_response": 0,
    }
    assert {each["id"]: each["credits"] for each in answer.body["plans"]} == {
        "free": 300,
        "pro": 1000,
        "max": 3000,
        "team": 4000,
    }
    assert answer.body["actions"][0]["description"] == "Each message you send"


def test_the_openapi_document_and_its_page_need_no_key(stack: Stack) -> None:
    document = stack.functions.call("GET", "/openapi.json")
    page = stack.functions.call("GET", "/docs")

    assert (document.status, document.headers["content-type"]) == (200, "application/json")
    assert document.body["openapi"].startswith("3.")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert json.dumps("/v1/accounts/{account_id}/charges") in page.text


def test_the_openapi_document_has_every_route_of_the_template(stack: Stack) -> None:
    document = stack.functions.call("GET", "/openapi.json").body

    documented = {f"{method.upper()} {path}" for path, each in document["paths"].items() for method in each}
    for_people = {route for route in stack.functions.routes if " /usage" in route} | {"GET /docs"}
    for_others = {"GET /openapi.json", "POST /stripe/webhook"}
    assert documented == set(stack.functions.routes) - for_others - for_people
