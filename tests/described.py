"""Answers held against the OpenAPI document: every one that a function gives in the tests (tests/functions.py).

hold("GET /v1/catalog", 200, "application/json", answer.text)     # AssertionError where it is not as described
"""

import json
from datetime import datetime
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from local.openapi import DOCUMENT

FORMATS: Final = FormatChecker(formats=())

HELD: Final[set[tuple[str, int]]] = set()
"""What was found as it is described so far, in this process: route and status."""


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
def is_instant(value: object) -> bool:
    """Whether it is an instant with its offset, if it is a text at all."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def routes() -> dict[str, Any]:
    """The operations of the document by their route keys, such as `GET /v1/accounts`. Pages for people have none."""
    return {
        f"{method.upper()} {path}": operation
        for path, operations in _document()["paths"].items()
        for method, operation in operations.items()
    }


def hold(route: str, status: int, content_type: str, text: str) -> None:
    """AssertionError, unless the document has the route answer with this status, this type and such a body."""
    answers = routes()[route]["responses"]
    assert str(status) in answers, f"{route} answered {status}, of which the document says nothing: {text[:200]}"
    kind = content_type.partition(";")[0]
    assert kind in answers[str(status)]["content"], f"{route} answered {status} with {content_type}"
    if kind.endswith("json"):
        wrong = [
            f"{error.json_path}: {error.message}"
            for error in _validator(route, status, kind).iter_errors(json.loads(text))
        ]
        assert not wrong, f"{route} answered {status}, and not as described: {'; '.join(wrong)}"
    HELD.add((route, status))


@cache
def _document() -> Any:
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


@cache
def _validator(route: str, status: int, kind: str) -> Any:
    """Made once: finding what a schema refers to costs more than most answers do."""
    schema = routes()[route]["responses"][str(status)]["content"][kind]["schema"]
    return Draft202012Validator(schema | {"components": _document()["components"]}, format_checker=FORMATS)
