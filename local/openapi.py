"""`make openapi`: writes the OpenAPI document of the whole API, which the accounts function serves.

Each function describes its own routes; this merges them. The file is sorted, so that a change of a route is the only
difference it makes. `python -m local.openapi FILE` writes it elsewhere.
"""

import importlib
import json
import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from credits.runtime.problem import PROBLEM_JSON
from local.examples import add_examples
from local.resources import Resources
from local.stack import PARAMETERS, VARIABLES
from local.template import ROOT, load

DOCUMENT = ROOT / "functions" / "accounts" / "openapi.json"

# What Powertools would answer to a request, and tell of a response, that its validation refuses.
POWERTOOLS_ANSWERS = ("HTTPValidationError", "ResponseValidationError", "ValidationError")

PROBLEM = {"$ref": "#/components/schemas/Problem"}

# Functions are only imported here, and call nobody.
NOWHERE = "http://127.0.0.1:9"

TITLE = "InfuseOS Credits"
VERSION = "1"
DESCRIPTION = (
    "Prices every action in credits, charges it exactly once, and keeps the ledger. Credits are whole numbers, times "
    "are UTC. Errors are problem documents (RFC 9457) with a `code` for programs; API Gateway's own 404, 413, 429, 500 "
    'and 503 are `{"message": …}` instead.'
)


def document() -> dict[str, Any]:
    """The merged document of every function that has routes in template.yaml. A route of two functions is an error."""
    template = load()
    resources = Resources(template, region=VARIABLES["AWS_REGION"], endpoint=NOWHERE, parameters=PARAMETERS)
    os.environ.update({**VARIABLES, **resources.variables})
    merge = OpenAPIMerge(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        security_schemes={"api_key": HTTPBearer(description="An API key, made by `python -m credits.access create`.")},
        security=[{"api_key": []}],
        on_conflict="error",
    )
    for function in dict.fromkeys(route.function for route in template.routes):
        app = getattr(importlib.import_module(function.module), "app", None)
        if app:  # Stripe's webhook is for Stripe alone
            merge.add_schema(app.get_openapi_schema().model_dump(by_alias=True, exclude_none=True))
    merged: dict[str, Any] = json.loads(merge.get_openapi_json_schema())
    for path in merged["paths"].values():
        for operation in path.values():
            _as_we_answer(operation)
    for name in POWERTOOLS_ANSWERS:
        merged["components"]["schemas"].pop(name, None)
    add_examples(merged)
    return merged


def _as_we_answer(operation: dict[str, Any]) -> None:
    """Takes out the answers that Powertools adds to every route and we never give: what is invalid is our 400. Puts in
    those that every route of ours may give: a fault, and where there is a body, that it is too large. An operation that
    is never refused for its key needs none."""
    responses = operation["responses"]
    for status, answer in list(responses.items()):
        if any(f'"#/components/schemas/{name}"' in json.dumps(answer) for name in POWERTOOLS_ANSWERS):
            del responses[status]
    unforeseen = [HTTPStatus.INTERNAL_SERVER_ERROR]
    if "requestBody" in operation:
        unforeseen.append(HTTPStatus.CONTENT_TOO_LARGE)
    for status in unforeseen:
        responses[str(status.value)] = {"description": status.phrase, "content": {PROBLEM_JSON: {"schema": PROBLEM}}}
    if "401" not in responses:
        operation["security"] = []


def main(arguments: list[str]) -> None:
    file = Path(arguments[0]) if arguments else DOCUMENT
    file.write_text(json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
