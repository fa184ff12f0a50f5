"""The functions in this process: imported as Lambda imports them, called as API Gateway calls them.

    functions = Functions({"ACCOUNTS_TABLE": …})
    answer = functions.call("POST", "/v1/accounts", {"account_id": "acme"}, api_key=secret)
    assert answer.status == 201

The route, and with it the function, is found in template.yaml; the event is the one the local gateway sends. What is
answered on a route of the OpenAPI document has to be as it says.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode
from uuid import uuid4

from credits.runtime import clock
from local.payload import Request, event, response
from local.routing import Router
from local.template import ROOT, Function, load
from local.zygote import Context
from tests import described


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returned, as API Gateway reads it; header names in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class Functions:
    """Every function of template.yaml, started with these environment variables; they share nothing but the tables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._template = load()
        self._router = Router(self._template.routes)
        self._modules: dict[str, ModuleType] = {}

    def module(self, name: str) -> ModuleType:
        """functions/<name>/app.py, imported at its first use under a name that no other import has."""
        if name not in self._modules:
            path = ROOT / "functions" / name / "app.py"
            spec = spec_from_file_location(f"{name}_app_{uuid4().hex}", path)
            assert spec, path
            assert spec.loader, path
            module = module_from_spec(spec)
            with patch.dict(os.environ, self._environment):
                spec.loader.exec_module(module)
            self._modules[name] = module
        return self._modules[name]

    @cached_property
    def routes(self) -> list[str]:
        """The route keys of the template, such as `GET /v1/accounts/{account_id}`."""
        return [route.key for route in self._template.routes]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        api_key: str | None = None,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. `body` is sent as JSON, bytes as they are; `key` is the Idempotency-Key; `path` as in a URL."""
        sent = {"host": "credits.example", "content-type": "application/json"}
        if api_key is not None:
            sent["authorization"] = f"Bearer {api_key}"
        if key is not None:
            sent["idempotency-key"] = key
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        request = Request(method, target, tuple((sent | dict(headers or {})).items()), content, "203.0.113.7")
        match = self._router.match(method, request.path)
        assert match, f"template.yaml has no route for {method} {path}"
        made = event(
            request,
            route_key=match.route.key,
            path_parameters=match.path_parameters,
            request_id=uuid4().hex,
            now=clock.now(),
        )
        return self.invoke(match.route.function, made)

    def invoke(self, function: Function, event: Mapping[str, Any]) -> Answer:
        """The event as it is, through JSON there and back, as between the gateway and Lambda."""
        handler = self.module(function.name).handler
        deadline = time.monotonic() + function.timeout_seconds
        context = Context(function.name, function.memory_mb, uuid4().hex, deadline)
        answer = response(json.loads(json.dumps(handler(json.loads(json.dumps(event)), context))))
        told = Answer(answer.status, dict(answer.headers), answer.body.decode())
        if (route := event.get("routeKey")) in described.routes():
            described.hold(route, told.status, told.headers["content-type"], told.text)
        return told
