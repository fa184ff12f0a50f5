"""Which route a request takes, as API Gateway decides it."""

import pytest

from local.routing import Router
from local.template import Function, Route

FUNCTION = Function("any", "functions.any.app", timeout_seconds=3, memory_mb=128)


def key_of(router: Router, method: str, path: str) -> str | None:
    match = router.match(method, path)
    return match.route.key if match else None


def router(*routes: tuple[str, str]) -> Router:
    return Router(Route(method, path, FUNCTION) for method, path in routes)


def test_variables_take_the_segments_of_the_path() -> None:
    match = router(("GET", "/v1/accounts/{account_id}/charges/{charge_id}")).match("GET", "/v1/accounts/a b/charges/c")

    assert match is not None
    assert match.path_parameters == {"account_id": "a b", "charge_id": "c"}


def test_a_literal_segment_wins_over_a_variable_and_a_method_over_any() -> None:
    routes = router(("ANY", "/a/{x}"), ("GET", "/a/{x}"), ("GET", "/a/batch"), ("GET", "/{all+}"), ("ANY", "$default"))

    assert key_of(routes, "GET", "/a/batch") == "GET /a/batch"
    assert key_of(routes, "GET", "/a/b") == "GET /a/{x}"
    assert key_of(routes, "POST", "/a/b") == "ANY /a/{x}"
    assert key_of(routes, "GET", "/b/c/d") == "GET /{all+}"
    assert key_of(routes, "POST", "/b/c/d") == "$default"


def test_a_greedy_variable_takes_the_rest_of_the_path() -> None:
    match = router(("GET", "/files/{path+}")).match("GET", "/files/a/b/c")

    assert match is not None
    assert match.path_parameters == {"path": "a/b/c"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/a/1"), ("GET", "/a"), ("GET", "/a/"), ("GET", "/a/1/"), ("GET", "/a/1/2"), ("GET", "/A/1")],
)
def test_another_method_or_path_has_no_route(method: str, path: str) -> None:
    assert router(("GET", "/a/{x}")).match(method, path) is None
