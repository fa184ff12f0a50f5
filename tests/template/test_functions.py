"""Every function of template.yaml: its own permissions, its log, its settings, and the routes that lead to it."""

import importlib
import json
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from credits.payments.signal import HANDLED
from credits.runtime.settings import Settings
from local.template import ROOT, load
from tests.template.document import (
    document,
    functions,
    listed,
    permissions,
    references,
    resources,
    statements,
    variables,
)

FOLDERS = sorted(app.parent.name for app in ROOT.glob("functions/*/app.py"))
LEDGER = ("AccountsTable", "HoldsTable", "MembersTable", "EntriesTable")
OF_THE_API = sorted({route.function.name for route in load().routes})
EVENTS = sorted(ROOT.glob("events/*.json"))
REQUESTS = [event for event in EVENTS if event.name.split(".")[0] in OF_THE_API]

each_function = pytest.mark.parametrize("function", FOLDERS)
each_event = pytest.mark.parametrize("event", REQUESTS, ids=lambda event: event.stem)

# What an event of a trigger that is no route says of where it comes from.
SOURCES = {"DynamoDB": "aws:dynamodb", "ScheduleV2": "aws.scheduler", "SQS": "aws:sqs"}


def test_every_folder_of_functions_is_a_function_of_the_template() -> None:
    assert sorted(functions()) == FOLDERS


@each_function
def test_a_function_may_do_nothing_that_is_not_named(function: str) -> None:
    for action, resource in permissions(function):
        assert "*" not in action + resource


@each_function
def test_a_function_has_only_statements_of_its_own(function: str) -> None:
    assert "Role" not in functions()[function]
    for policy in functions()[function]["Policies"]:
        assert isinstance(policy, dict), f"{policy} is a policy that others change"
        assert "Statement" in policy
    assert {statement["Effect"] for statement in statements(function)} == {"Allow"}


@each_function
def test_a_permission_is_given_once(function: str) -> None:
    given = sum(
        len(listed(statement["Action"])) * len(listed(statement["Resource"])) for statement in statements(function)
    )
    assert given == len(permissions(function))


def test_only_functions_that_post_may_write_the_ledger() -> None:
    writers = {
        (function, table)
        for function in FOLDERS
        for action, table in permissions(function)
        if table in LEDGER and action not in {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
    }
    assert writers == {
        ("accounts", "AccountsTable"),
        ("accounts", "EntriesTable"),
        ("billing", "AccountsTable"),
        ("billing", "EntriesTable"),
        ("accounts", "MembersTable"),
        *((name, table) for name in ("charges", "holds", "renewals") for table in LEDGER),
        ("stripe_sync", "AccountsTable"),
        ("stripe_sync", "EntriesTable"),
    }


@each_function
def test_a_function_s_own_layers_are_none_that_all_have(function: str) -> None:
    # SAM puts those of Globals before them; Lambda takes none twice.
    shared = document()["Globals"]["Function"]["Layers"]
    (own,) = (
        properties.get("Layers", [])
        for properties in resources("AWS::Serverless::Function").values()
        if properties["CodeUri"] == f"functions/{function}"
    )
    assert not [layer for layer in own if layer in shared]


@each_function
def test_a_function_writes_to_a_log_group_of_its_own_that_forgets(function: str) -> None:
    log_group = functions()[function]["LoggingConfig"]["LogGroup"]["Ref"]
    users = [name for name, each in functions().items() if each["LoggingConfig"]["LogGroup"] == {"Ref": log_group}]
    assert users == [function]
    assert resources("AWS::Logs::LogGroup")[log_group]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@each_function
def test_a_function_is_given_every_setting_that_is_read(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from_lambda = {"AWS_REGION"}
    read = fields(_settings(_imported(function, monkeypatch)))
    wanted = {field.name.upper() for field in read} - from_lambda
    needed = {field.name.upper() for field in read if field.default is MISSING} - from_lambda
    assert wanted <= set(variables(function))
    assert all(variables(function)[name] for name in needed)
    assert variables(function)["POWERTOOLS_SERVICE_NAME"] == function


@pytest.mark.parametrize("function", OF_THE_API)
def test_a_function_of_the_api_answers_before_api_gateway_stops_waiting(function: str) -> None:
    api_gateway_waits_seconds = 30
    assert functions()[function]["Timeout"] < api_gateway_waits_seconds


def test_nothing_is_traced() -> None:
    assert "Tracing" not in json.dumps(document()["Globals"]) + json.dumps(document()["Resources"])


@each_function
def test_a_function_s_routes_are_those_of_the_template(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _imported(function, monkeypatch)
    app = getattr(module, "app", None)
    routes = [*app._static_routes, *app._dynamic_routes] if app else []
    handled = {f"{route.method} {route.openapi_path}" for route in routes} | getattr(module, "ROUTES", set())
    assert handled == {route.key for route in load().routes if route.function.name == function}


def test_a_route_leads_to_one_function() -> None:
    keys = [route.key for route in load().routes]
    assert sorted(keys) == sorted(set(keys))


def test_every_route_belongs_to_the_api() -> None:
    for function in functions().values():
        for event in function["Events"].values():
            if event["Type"] == "HttpApi":
                assert event["Properties"]["ApiId"] == {"Ref": "Api"}


@each_event
def test_an_event_is_named_for_the_function_it_reaches(event: Path) -> None:
    routes = {route.key: route.function.name for route in load().routes}
    assert routes[_read(event)["routeKey"]] == event.name.split(".")[0]


@each_event
def test_an_event_agrees_with_itself(event: Path) -> None:
    read = _read(event)
    request = read["requestContext"]["http"]
    path = read["routeKey"].split(" ")[1]
    for name, value in read.get("pathParameters", {}).items():
        path = path.replace(f"{{{name}}}", value)
    assert read["rawPath"] == path
    assert read["requestContext"]["routeKey"] == read["routeKey"]
    assert f"{request['method']} {request['path']}" == f"{read['routeKey'].split(' ')[0]} {path}"
    assert read["rawQueryString"] == "&".join(f"{k}={v}" for k, v in read.get("queryStringParameters", {}).items())
    assert int(read["headers"].get("content-length", 0)) == len(read.get("body", ""))


@each_event
def test_an_event_holds_no_key(event: Path) -> None:
    assert _read(event)["headers"].get("authorization") in {None, "Bearer API_KEY"}


def test_every_route_has_an_event() -> None:
    keys = [_read(event)["routeKey"] for event in REQUESTS if not event.name.startswith("stripe_webhook.")]
    assert sorted([*keys, "POST /stripe/webhook"]) == sorted(route.key for route in load().routes)


def test_every_type_of_stripe_s_that_is_handled_has_an_event() -> None:
    types = {event.stem.removeprefix("stripe_webhook."): event for event in EVENTS if "stripe_webhook" in event.name}
    assert types.keys() == HANDLED
    assert all(json.loads(_read(event)["body"])["type"] == kind for kind, event in types.items())


def test_every_other_trigger_has_an_event() -> None:
    triggers = {
        (name, SOURCES[event["Type"]])
        for name, function in functions().items()
        for event in function.get("Events", {}).values()
        if event["Type"] != "HttpApi"
    }
    assert {(event.name.split(".")[0], _source(_read(event))) for event in EVENTS if event not in REQUESTS} == triggers


def test_every_reference_leads_somewhere() -> None:
    known = {*document()["Parameters"], *document()["Conditions"], *document()["Resources"]}
    for name in references([document()[part] for part in ("Conditions", "Globals", "Resources", "Outputs")]):
        assert name in known or name.startswith("AWS::"), name


def _imported(function: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The function's module, started with its settings."""
    for name in {"AWS_REGION", *variables(function)} - {"AWS_ENDPOINT_URL_DYNAMODB", "POWERTOOLS_LOG_LEVEL"}:
        monkeypatch.setenv(name, "us-east-1" if name == "AWS_REGION" else name)
    return importlib.import_module(f"functions.{function}.app")


def _settings(module: ModuleType) -> type[Settings]:
    """The settings that the module reads: those of every function, or its own kind of them."""
    own = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Settings)]
    return max(own, key=lambda each: len(fields(each)), default=Settings)


def _source(event: dict[str, Any]) -> str:
    """Where an event that is no request comes from."""
    source: str = event["Records"][0]["eventSource"] if "Records" in event else event["source"]
    return source


def _read(event: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(event.read_text(encoding="utf-8"))
    return read
