"""Requests that schemathesis makes up from the OpenAPI document: none meets a fault, and the answers are as described.

A fixed seed and a few requests for each route and mode, so that it takes about a minute. More: `schemathesis run`. What
the document allows is asked of what there is, so that reading is answered with 200, and that answer held to its schema
too. The good answer of every other route is in tests/integration/test_problems.py.
"""

import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.openapi import DOCUMENT
from tests.e2e.launch import Launched
from tests.e2e.test_pump import awaited

CONFORMS = [not_a_server_error, response_schema_conformance, content_type_conformance, status_code_conformance]

NAMES = {
    "account_id": "acme",
    "charge_id": "charge-1",
    "conversation_id": "conversation-1",
    "hold_id": "hold-1",
    "member_id": "mara",
}
"""What `acme` makes, under the names that the examples have for it."""

OF_A_CUSTOMER = {"GET /v1/accounts/{account_id}/top-up", "GET /v1/accounts/{account_id}/plan-changes/preview"}
"""They read what acme has only once it paid for something."""

BOUNDED = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def document() -> Any:
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


def operations(*, with_something_to_get_wrong: bool = False) -> list[str]:
    """Every route of the document as `GET /v1/accounts`."""
    return [
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if not with_something_to_get_wrong or operation.get("parameters") or "requestBody" in operation
    ]


def is_api_gateway_s_own(response: Any) -> bool:
    """`{"message": …}`: a path that leads to no function, or more than API Gateway lets through."""
    return response.status_code in {404, 413, 429, 431} and response.headers["content-type"] == ["application/json"]


@pytest.fixture
def acme(stack: Launched) -> Launched:
    """The stack, with what NAMES names in it. Made once: each step is sent again under its key."""
    call, account, made = stack.client.call, "/v1/accounts/acme", [200, 201]
    call("POST", "/v1/accounts", {"account_id": "acme"}, expect=made)
    charge = {"action": "message", "conversation_id": "conversation-1", "conversation_title": "Emails from John"}
    call("POST", f"{account}/charges", charge, key="charge-1", expect=made)
    call("POST", f"{account}/holds", {"credits": 20}, key="hold-1", expect=made)
    call("PUT", f"{account}/members/mara", {"credit_cap": 100}, expect=made)
    awaited(lambda: call("GET", f"{account}/conversations/conversation-1").status == 200)
    return stack


def ask(stack: Launched, operation: str, mode: GenerationMode) -> set[int]:
    """The statuses that were answered, each as it is described."""
    method, path = operation.split(" ")
    schema = schemathesis.openapi.from_dict(document())
    headers = {"Authorization": f"Bearer {stack.client.api_key}"}
    answered: set[int] = set()

    with requests.Session() as session:

        @BOUNDED
        @given(case=schema[path][method].as_strategy(generation_mode=mode))
        def asked(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                case.path_parameters = {name: NAMES[name] for name in case.path_parameters}
            response = case.call(base_url=stack.client.url, session=session, headers=headers)
            if is_api_gateway_s_own(response):
                assert response.json().keys() == {"message"}
            else:
                case.validate_response(response, checks=CONFORMS)
                answered.add(response.status_code)

        asked()
    return answered


@pytest.mark.parametrize("operation", operations())
def test_what_the_document_allows_is_answered_as_it_says(acme: Launched, operation: str) -> None:
    answered = ask(acme, operation, GenerationMode.POSITIVE)

    assert 200 in answered or not operation.startswith("GET ") or operation in OF_A_CUSTOMER


@pytest.mark.parametrize("operation", operations(with_something_to_get_wrong=True))
def test_what_the_document_does_not_allow_is_no_fault_and_answered_as_it_says(stack: Launched, operation: str) -> None:
    ask(stack, operation, GenerationMode.NEGATIVE)


@pytest.mark.parametrize("operation", operations())
def test_the_example_of_a_route_is_answered_and_not_found_wanting(acme: Launched, operation: str) -> None:
    """As it stands in the document, on an account that has what it speaks of: it is never a bad request."""
    stack = acme
    method, path = operation.split(" ")
    described = document()["paths"][path][method.lower()]
    given = {each["name"]: each for each in described.get("parameters", []) if "example" in each}
    url = stack.client.url + path.format(**{name: each["example"] for name, each in given.items()})
    response = requests.request(
        method,
        url,
        params={name: each["example"] for name, each in given.items() if each["in"] == "query"},
        headers={"Authorization": f"Bearer {stack.client.api_key}"}
        | {name: each["example"] for name, each in given.items() if each["in"] == "header"},
        json=described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example"),
        timeout=60,
    )
    assert response.status_code not in {400, 401, 403, 500, 503}, response.text
