"""Every route is described with examples, and the examples are what the document says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from local.openapi import DOCUMENT

OPENAPI = json.loads(DOCUMENT.read_text(encoding="utf-8"))
ROUTES = {
    f"{method.upper()} {path}": operation
    for path, operations in OPENAPI["paths"].items()
    for method, operation in operations.items()
}

each_route = pytest.mark.parametrize("route", ROUTES)


def problems(value: Any, schema: Any) -> list[str]:
    """What the value is not, that its schema says."""
    whole = schema | {"components": OPENAPI["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def contents(route: str) -> Iterator[tuple[str, Any]]:
    operation = ROUTES[route]
    if body := operation.get("requestBody"):
        yield from (("the body", content) for content in body["content"].values())
    for status, answer in operation["responses"].items():
        yield from ((f"the answer {status}", content) for content in answer.get("content", {}).values())


@each_route
def test_a_route_has_an_example_of_its_body_and_of_each_answer_that_its_schema_allows(route: str) -> None:
    described = dict(contents(route))

    assert described
    for what, content in described.items():
        assert "example" in content, (
            f"{what} of {route} has none: give the route an event in events/, run `make openapi`"
        )
        assert problems(content["example"], content["schema"]) == [], f"{what} of {route}"


@each_route
def test_a_route_has_an_example_of_each_parameter_that_it_needs(route: str) -> None:
    for parameter in ROUTES[route].get("parameters", []):
        if parameter["required"]:
            assert problems(parameter["example"], parameter["schema"]) == [], parameter["name"]


@each_route
def test_a_route_says_what_it_does(route: str) -> None:
    assert ROUTES[route]["summary"]
    assert ROUTES[route]["description"]


@each_route
def test_the_example_of_a_refusal_is_of_its_own_status(route: str) -> None:
    for status, answer in ROUTES[route]["responses"].items():
        if refusal := answer.get("content", {}).get("application/problem+json"):
            assert refusal["example"]["status"] == int(status)


@each_route
def test_a_route_may_fail_and_one_with_a_body_may_find_it_too_large(route: str) -> None:
    operation = ROUTES[route]

    assert "500" in operation["responses"]
    assert ("413" in operation["responses"]) == ("requestBody" in operation)
