"""The examples of the OpenAPI document, for every route without a word in the route itself.

A request's example is the route's event in events/, which the tests send. An answer's is put together from its shape:
what a field says of itself first (`Field(examples=[…])`), then what fields of this name mostly hold. A refusal's is an
error that answers with its status, as it is really told.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from credits.domain.instant import from_text
from credits.errors import (
    AccountNotFound,
    Contended,
    CreditsError,
    Forbidden,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidRequest,
    PayloadTooLarge,
    Unauthenticated,
    Unavailable,
)
from credits.runtime.problem import PROBLEM_JSON, problem
from local.template import ROOT

EVENTS = ROOT / "events"
JSON = "application/json"

Json = dict[str, Any]

DEEPEST = 8
"""No answer is nested deeper; a shape that holds itself ends here."""

MOSTLY: Final[Mapping[str, Any]] = {
    "account_id": "acme",
    "action": "message",
    "active": 3,
    "affordable": True,
    "amount_cents": 2900,
    "catalog_version": "2026-11-23",
    "charge_id": "charge-1",
    "confirmed": False,
    "conversation_id": "conversation-1",
    "conversation_title": "Emails from John",
    "count": 3,
    "credits": 1,
    "credits_per_day": 12.5,
    "currency": "usd",
    "description": "emails from John",
    "entries": 42,
    "from_plan": "free",
    "grant_id": "g2",
    "held": 0,
    "frozen": 0,
    "hold_id": "hold-1",
    "id": "pro",
    "key": "c#charge-1",
    "limit": 50_000,
    "member_id": "mara",
    "model": "gpt-5.1",
    "name": "Pro",
    "ok": True,
    "plan": "pro",
    "plan_remaining": 299,
    "problem": "hash is not that of the entry's fields",
    "purchased_remaining": 0,
    "quantity": 1,
    "reason": "Welcome",
    "remaining": 299,
    "remaining_after": 299,
    "seats": 1,
    "seq": 3,
    "text": "Look at usage weekly, to know the pattern before running out.",
    "title": "Emails from John",
    "to_plan": "pro",
    "tool": "gmail.search",
    "total": 300,
    "url": "https://credits.infuseos.example/usage?session=…",
    "used": 1,
    "version": "2026-11-23",
    # Of one shape.
    "Draw.credits": -1,
    "Entry.credits": -1,
    # Not known beforehand, or mostly not there: an example that says null says that it may be.
    "alert": None,
    "change": None,
    "cursor": None,
    "expires_at": None,
    "pending_change": None,
    "warning": None,
}

WORDS = ("charge", "allocation", "active", "applied", "promotion")
"""Of a field that holds one of a few words: the first of these that it can hold, or else its own first."""

OTHERWISE: Final[Mapping[str, Any]] = {"boolean": True, "integer": 1, "number": 1.0, "string": "text", "null": None}
INSTANT = "2026-11-23T12:00:00.000Z"
REFUSALS: Final = (
    InvalidRequest([("quantity", "Input should be greater than or equal to 1")]),
    Unauthenticated("This API key is unknown or was revoked."),
    InsufficientCredits(required=20, remaining=5, resets_at=from_text(INSTANT)),
    Forbidden("This needs an API key with the scope charge.", scope="charge"),
    AccountNotFound("acme"),
    IdempotencyKeyReused("charge-1"),
    PayloadTooLarge(size_bytes=140_000, limit_bytes=131_072),
    Contended(retry_after_seconds=1),
    CreditsError("The fault was logged. What was asked for may be sent again with the same key."),
    Unavailable(retry_after_seconds=1),
)
"""One for each status that refuses."""
PROBLEMS: Final = {str(error.http_status): json.loads(problem(error)) for error in REFUSALS}

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def add_examples(document: Json) -> None:
    """Give every parameter, body and answer of the document its example."""
    events = _events()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _ask(operation, events.get(f"{method.upper()} {path}", {}))
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    refused = kind == PROBLEM_JSON
                    shapes = document["components"]["schemas"]
                    content["example"] = PROBLEMS[status] if refused else example(content["schema"], shapes)


def example(schema: Json, shapes: Mapping[str, Json], name: str = "", depth: int = 0) -> Any:  # noqa: PLR0911 - a case each
    """One value of this schema; `name` is that of the field it is for (of a shape: its own, and a dot)."""
    if "$ref" in schema:
        shape = schema["$ref"].rpartition("/")[2]
        return example(shapes[shape], shapes, name if "enum" in shapes[shape] else f"{shape}.", depth)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next((word for word in WORDS if word in schema["enum"]), schema["enum"][0])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        empty = {"type": "null"} in options and (MOSTLY.get(name, "") is None or depth > DEEPEST)
        return (
            None if empty else example(next(each for each in options if each != {"type": "null"}), shapes, name, depth)
        )
    match schema.get("type"):
        case "array":
            return [example(schema["items"], shapes, name.removesuffix("s"), depth + 1)] if depth < DEEPEST else []
        case "object" | None:
            return _object(schema, shapes, name, depth)
        case "string" if schema.get("format") == "date-time":
            return INSTANT
        case "string" if name.endswith("hash"):
            return HASH
        case kind:
            value = MOSTLY.get(name)
            return value if value is not None and _is(value, str(kind)) else OTHERWISE[str(kind)]


def _object(schema: Json, shapes: Mapping[str, Json], shape: str, depth: int) -> Any:
    if values := schema.get("additionalProperties"):
        return {"message": example(values, shapes, "", depth + 1)} if isinstance(values, dict) else {}
    fields = schema.get("properties", {}).items()
    return {
        name: MOSTLY[shape + name] if shape + name in MOSTLY else example(each, shapes, name, depth + 1)
        for name, each in fields
    }


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    kinds = {"integer": int, "number": int | float, "string": str}
    return kind in kinds and isinstance(value, kinds[kind])


def _ask(operation: Json, event: Json) -> None:
    """What the route's event asks, as the examples of its parameters and its body."""
    asked = {
        **event.get("pathParameters", {}),
        **event.get("queryStringParameters", {}),
        **{name: value for name, value in event.get("headers", {}).items() if name == "idempotency-key"},
    }
    for parameter in operation.get("parameters", []):
        if (value := asked.get(parameter["name"])) is not None:
            parameter["example"] = int(value) if parameter["schema"].get("type") == "integer" else value
    if body := operation.get("requestBody"):
        body["content"][JSON]["example"] = json.loads(event.get("body") or "null")


def _events() -> dict[str, Json]:
    """The event of each route, by its key."""
    found: dict[str, Json] = {}
    for file in sorted(Path(EVENTS).glob("*.json")):
        event = json.loads(file.read_text(encoding="utf-8"))
        if "routeKey" in event:
            found.setdefault(event["routeKey"], event)
    return found
