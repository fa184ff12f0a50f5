"""Who may not, and how it is told: keys and scopes at every route, and the one shape of an error."""

import json
from io import StringIO

import pytest

from credits.access.caller import Scope
from credits.errors import Contended, Unavailable
from credits.ledger.dynamo import DynamoStore
from credits.runtime.telemetry import logger
from credits.usage.project import rebuild
from local.template import load
from tests import described
from tests.functions import Answer
from tests.integration.conftest import Stack

BODIES: dict[str, object] = {
    "POST /v1/accounts/{account_id}/checkout-sessions": {"plan": "pro"},
    "POST /v1/accounts/{account_id}/portal-sessions": {},
    "POST /v1/accounts/{account_id}/seats": {"seats": 2},
    "PUT /v1/accounts/{account_id}/top-up": {"below": 100, "pack": "small", "at_most": 3},
    "POST /v1/accounts": {"account_id": "ACCOUNT"},
    "PUT /v1/accounts/{account_id}/plan": {"plan": "pro"},
    "POST /v1/accounts/{account_id}/grants": {"kind": "promotion", "credits": 1, "reason": "x"},
    "POST /v1/accounts/{account_id}/quotes": {"actions": [{"action": "message"}]},
    "POST /v1/accounts/{account_id}/charges": {"action": "message"},
    "POST /v1/accounts/{account_id}/charges/batch": {"charges": [{"action": "message"}]},
    "POST /v1/accounts/{account_id}/usage-sessions": {},
    "POST /v1/accounts/{account_id}/charges/{charge_id}/refund": {"reason": "x"},
    "POST /v1/accounts/{account_id}/holds": {"credits": 1},
    "POST /v1/accounts/{account_id}/holds/{hold_id}/captures": {"action": "message"},
    "POST /v1/accounts/{account_id}/holds/{hold_id}/extensions": {"credits": 1},
    "POST /v1/accounts/{account_id}/adjustments": {"credits": 1, "reason": "x", "by": "ops"},
    "PUT /v1/accounts/{account_id}/meters/knowledge_words": {"value": 1},
    "POST /v1/accounts/{account_id}/meters/workflows/changes": {"change": 1},
    "PUT /v1/accounts/{account_id}/members/{member_id}": {"credit_cap": None},
}

QUERIES = {"GET /v1/accounts/{account_id}/plan-changes/preview": {"plan": "pro"}}

SCOPES = {
    "POST /v1/accounts/{account_id}/checkout-sessions": Scope.ADMIN,
    "POST /v1/accounts/{account_id}/portal-sessions": Scope.ADMIN,
    "POST /v1/accounts/{account_id}/seats": Scope.ADMIN,
    "GET /v1/accounts/{account_id}/plan-changes/preview": Scope.READ,
    "PUT /v1/accounts/{account_id}/top-up": Scope.ADMIN,
    "GET /v1/accounts/{account_id}/top-up": Scope.READ,
    "DELETE /v1/accounts/{account_id}/top-up": Scope.ADMIN,
    "POST /v1/accounts": Scope.CHARGE,
    "GET /v1/accounts": Scope.READ,
    "GET /v1/accounts/{account_id}": Scope.READ,
    "PUT /v1/accounts/{account_id}/plan": Scope.ADMIN,
    "POST /v1/accounts/{account_id}/grants": Scope.ADMIN,
    "POST /v1/accounts/{account_id}/quotes": Scope.READ,
    "POST /v1/accounts/{account_id}/charges": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/charges/batch": Scope.CHARGE,
    "GET /v1/accounts/{account_id}/charges/{charge_id}": Scope.READ,
    "GET /v1/accounts/{account_id}/usage": Scope.READ,
    "GET /v1/accounts/{account_id}/conversations": Scope.READ,
    "GET /v1/accounts/{account_id}/conversations/{conversation_id}": Scope.READ,
    "GET /v1/accounts/{account_id}/entries": Scope.READ,
    "GET /v1/accounts/{account_id}/entries.csv": Scope.READ,
    "GET /v1/accounts/{account_id}/ledger.jsonl": Scope.READ,
    "GET /v1/accounts/{account_id}/audit": Scope.READ,
    "GET /v1/accounts/{account_id}/insights": Scope.READ,
    "POST /v1/accounts/{account_id}/usage-sessions": Scope.READ,
    "POST /v1/accounts/{account_id}/charges/{charge_id}/refund": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/holds": Scope.CHARGE,
    "GET /v1/accounts/{account_id}/holds": Scope.READ,
    "GET /v1/accounts/{account_id}/holds/{hold_id}": Scope.READ,
    "POST /v1/accounts/{account_id}/holds/{hold_id}/captures": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/holds/{hold_id}/extensions": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/holds/{hold_id}/close": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/adjustments": Scope.ADMIN,
    "PUT /v1/accounts/{account_id}/meters/knowledge_words": Scope.CHARGE,
    "POST /v1/accounts/{account_id}/meters/workflows/changes": Scope.CHARGE,
    "PUT /v1/accounts/{account_id}/members/{member_id}": Scope.ADMIN,
    "GET /v1/accounts/{account_id}/members": Scope.READ,
    "GET /v1/accounts/{account_id}/members/{member_id}": Scope.READ,
    "DELETE /v1/accounts/{account_id}/members/{member_id}": Scope.ADMIN,
}
"""Every route that needs a key, and the scope it needs."""

PUBLIC = {"GET /v1/catalog", "GET /openapi.json", "GET /docs"}
SIGNED = {"POST /stripe/webhook"}
"""Opened by a signature: test_stripe_webhook.py."""

PAGES = {
    "GET /usage",
    "GET /usage/assets/{name}",
    "GET /usage/badge.js",
    "GET /usage/balance",
    "GET /usage/history.csv",
    "GET /usage/order",
    "POST /usage/checkout",
    "POST /usage/portal",
}
"""What people see. A session opens it, and test_usage_page.py has its refusals."""


def asked(stack: Stack, route: str, account_id: str, api_key: str | None) -> Answer:
    """A request to the route, good in every way but perhaps its key."""
    method, _, path = route.partition(" ")
    body = json.loads(json.dumps(BODIES.get(route)).replace("ACCOUNT", account_id))
    names = {"charge_id": "made-before", "conversation_id": "chat-1", "hold_id": "run-1", "member_id": "mara"}
    path = path.format(account_id=account_id, **names)
    return stack.functions.call(method, path, body, api_key=api_key, key="k1", query=QUERIES.get(route))


@pytest.fixture
def account(stack: Stack) -> str:
    path = stack.opened()
    stack.charged(path, "made-before", conversation_id="chat-1")
    stack.call("POST", f"{path}/holds", {"credits": 5}, key="run-1")
    stack.call("PUT", f"{path}/members/mara", {"credit_cap": 100})
    account_id = path.rpartition("/")[2]
    rebuild(DynamoStore(stack.tables), stack.rollups, account_id)
    stack.subscribed(account_id, "team", seats=3)
    stack.call("PUT", f"{path}/top-up", {"below": 10, "pack": "large", "at_most": 1})
    return account_id


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions log."""
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


def test_every_route_of_the_template_is_in_one_of_these_tables() -> None:
    assert {route.key for route in load().routes} == SCOPES.keys() | PUBLIC | SIGNED | PAGES


@pytest.mark.parametrize("route", SCOPES)
def test_a_key_with_the_scope_of_the_route_opens_it(stack: Stack, account: str, route: str) -> None:
    described.HELD.clear()

    status = asked(stack, route, account, stack.key(SCOPES[route])).status

    assert status in {200, 201}
    assert {(route, status)} == described.HELD  # the answer was looked at, and is what the document says


def test_the_document_describes_every_route_but_those_for_people_and_for_stripe() -> None:
    assert described.routes().keys() == SCOPES.keys() | {"GET /v1/catalog"}


@pytest.mark.parametrize("route", SCOPES)
def test_a_key_with_the_other_scopes_is_403(stack: Stack, account: str, route: str) -> None:
    answer = asked(stack, route, account, stack.key(*(set(Scope) - {SCOPES[route]})))

    assert (answer.status, answer.body["code"], answer.body["scope"]) == (403, "forbidden", SCOPES[route].value)


@pytest.mark.parametrize("route", SCOPES)
def test_a_key_of_the_account_opens_its_own_routes(stack: Stack, account: str, route: str) -> None:
    answer = asked(stack, route, account, stack.key(*Scope, account_id=account))

    assert answer.status in ({403} if route == "GET /v1/accounts" else {200, 201})


@pytest.mark.parametrize("route", SCOPES)
def test_a_key_of_another_account_can_neither_read_nor_charge(stack: Stack, account: str, route: str) -> None:
    before = stack.call("GET", f"/v1/accounts/{account}/audit").text

    answer = asked(stack, route, account, stack.key(*Scope, account_id="another"))

    assert (answer.status, answer.body["code"], answer.body["bound_to"]) == (403, "forbidden", "another")
    assert stack.call("GET", f"/v1/accounts/{account}/audit").text == before


@pytest.mark.parametrize("route", SCOPES)
def test_a_key_of_another_account_does_not_learn_which_accounts_there_are(
    stack: Stack, account: str, route: str
) -> None:
    key = stack.key(*Scope, account_id="another")

    assert asked(stack, route, account, key).text == asked(stack, route, "no-such-account", key).text


@pytest.mark.parametrize("route", SCOPES)
def test_without_a_key_or_with_a_wrong_or_revoked_one_it_is_401(stack: Stack, account: str, route: str) -> None:
    revoked = stack.keys.create(name="was", scopes=list(Scope), account_id=None, now=stack.now)
    stack.keys.revoke(revoked.key_id, now=stack.now)

    for api_key in (None, "", "ik_unknown", "not-even-like-a-key", revoked.secret):
        answer = asked(stack, route, account, api_key)
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_the_documents_need_no_key_and_do_not_mind_one(stack: Stack, route: str) -> None:
    for api_key in (None, "ik_unknown", stack.everything):
        assert asked(stack, route, "any", api_key).status == 200


def test_without_a_key_nothing_is_said_about_the_body(stack: Stack) -> None:
    answer = stack.functions.call("POST", "/v1/accounts/acme/charges", b"{", key="k1")

    assert answer.status == 401


def test_an_open_request_after_a_refused_one_is_judged_by_its_own_key(stack: Stack, account: str) -> None:
    refused = stack.functions.call("GET", f"/v1/accounts/{account}")
    bound = asked(stack, "GET /v1/accounts/{account_id}", account, stack.key(Scope.READ, account_id="another"))
    opened = asked(stack, "GET /v1/accounts/{account_id}", account, stack.key(Scope.READ))

    assert [refused.status, bound.status, opened.status] == [401, 403, 200]


# The one shape


def test_every_error_has_this_shape(stack: Stack) -> None:
    answer = stack.call("POST", "/v1/accounts", {"account_id": "a#b"})

    assert answer.status == 400
    assert answer.headers == {"content-type": "application/problem+json", "cache-control": "no-store"}
    assert answer.text == (
        '{"type":"urn:infuseos:credits:invalid_request","title":"The request is not valid","status":400,'
        '"detail":"account_id: String should match pattern \'^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$\'",'
        '"code":"invalid_request","field":"account_id","errors":[{"field":"account_id",'
        '"message":"String should match pattern \'^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$\'"}]}'
    )


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("adjustments", {"credits": 0, "reason": "x", "by": "ops"}, "credits: must not be 0"),
        ("holds/run-1/extensions", {}, "body: give credits, expires_in, or both"),
        ("checkout-sessions", {}, "body: name a plan or a pack, and only one of them"),
    ],
)
def test_what_a_shape_of_ours_refuses_is_told_in_its_own_words(
    stack: Stack, path: str, body: object, detail: str
) -> None:
    answer = stack.call("POST", f"/v1/accounts/acme/{path}", body, key="k1")

    assert (answer.status, answer.body["detail"]) == (400, detail)
    assert answer.body["errors"] == [{"field": answer.body["field"], "message": detail.partition(": ")[2]}]


def test_a_refusal_before_the_route_has_the_same_shape(stack: Stack) -> None:
    answer = stack.functions.call("GET", "/v1/accounts")

    assert answer.headers == {
        "content-type": "application/problem+json",
        "www-authenticate": "Bearer",
        "cache-control": "no-store",
    }
    assert answer.body == {
        "type": "urn:infuseos:credits:unauthenticated",
        "title": "A valid API key is required",
        "status": 401,
        "detail": "Send the header Authorization: Bearer <key>, with a key of this stack.",
        "code": "unauthenticated",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"), [(Contended, 429, "contended"), (Unavailable, 503, "unavailable")]
)
def test_what_may_be_sent_again_says_when(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, error: type[Contended | Unavailable], status: int, code: str
) -> None:
    path = stack.opened()
    module = stack.functions.module("charges")

    def giving_up(*_: object, **__: object) -> None:
        raise error(retry_after_seconds=1)

    monkeypatch.setattr(module.Stage, "spend", giving_up)
    answer = stack.charged(path, "k1")

    assert (answer.status, answer.body["code"], answer.body["retry_after"]) == (status, code, 1)
    assert answer.headers["retry-after"] == "1"


def test_a_fault_of_ours_is_a_problem_that_says_nothing_of_its_cause(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    path = stack.opened()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(stack.functions.module("charges").Stage, "spend", broken)
    answer = stack.charged(path, "k1")

    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.body["code"], answer.body["status"]) == ("internal", 500)
    assert "secret cause" not in answer.text
    assert "the secret cause" in log.getvalue()


def test_what_is_logged_of_a_request_has_no_body_and_no_key(stack: Stack, log: StringIO) -> None:
    path = stack.opened()

    stack.charged(path, "k1", description="what nobody else should read")

    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["message"], line["status"], line["account_id"]) == ("answered", 201, path.rpartition("/")[2])
    assert line["route"] == "POST /v1/accounts/{account_id}/charges"
    assert stack.everything not in str(line)
    assert "what nobody else should read" not in str(line)
