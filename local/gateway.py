"""API Gateway on one machine: an HTTP API with the `$default` stage, in front of the functions of template.yaml.

It routes as API Gateway does, keeps its limits, and answers in its words, `{"message": …}`, where a request reaches no
function or a function brings no response. Under /__local__/ it answers for the stack itself, and at / for its shell.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from local import payload
from local.clock import Clock, NotADuration
from local.environments import (
    Environments,
    FunctionError,
    IntegrationTimeout,
    InvocationError,
    PayloadTooLarge,
    Throttled,
)
from local.payload import MalformedResponse, Request, Response
from local.routing import Router
from local.shell.host import Host
from local.template import Template
from local.throttle import Throttle

# What the caller hears of a function that brought no response. One that fails is a 500 whatever the reason
# ("Troubleshooting issues with HTTP API Lambda integrations"); one that API Gateway could not run, or stopped waiting
# for, is a 503; an event that Lambda refuses for its size is the 413 of a body that API Gateway refuses itself.
STATUS_OF_FAILURE: Mapping[type[Exception], HTTPStatus] = {
    FunctionError: HTTPStatus.INTERNAL_SERVER_ERROR,
    MalformedResponse: HTTPStatus.INTERNAL_SERVER_ERROR,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Throttled: HTTPStatus.SERVICE_UNAVAILABLE,
    IntegrationTimeout: HTTPStatus.SERVICE_UNAVAILABLE,
}

MESSAGES: Mapping[HTTPStatus, str] = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Too Long"}


class Gateway:
    """Answers requests, many at once, from the functions and routes of one template."""

    def __init__(
        self,
        template: Template,
        environments: Environments,
        clock: Clock,
        events: Callable[[], Sequence[Mapping[str, Any]]] = list,
        stripe: Callable[[Request], Response] | None = None,
        host: Host | None = None,
    ) -> None:
        self._router = Router(template.routes)
        self._throttle = Throttle(rate=template.throttle_rate, burst=template.throttle_burst)
        self._environments = environments
        self._clock = clock
        self._events = events
        self._stripe = stripe
        self._host = host

    def answer(self, request: Request) -> tuple[Response, str]:
        """The response, and what an operator would find in the logs about it, which is mostly nothing."""
        if (own := self._own(request)) is not None:
            return own, ""
        match = self._router.match(request.method, request.path)
        if match is None:
            return refusal(HTTPStatus.NOT_FOUND), ""
        if not self._throttle.admits(match.route.key):
            return refusal(HTTPStatus.TOO_MANY_REQUESTS), ""
        request_id = secrets.token_urlsafe(11) + "="
        event = payload.event(
            request,
            route_key=match.route.key,
            path_parameters=match.path_parameters,
            request_id=request_id,
            now=self._clock.now(),
        )
        try:
            result = self._environments.invoke(
                match.route.function, event, request_id=request_id, clock_offset=self._clock.offset
            )
            response = payload.response(result)
        except (InvocationError, MalformedResponse) as failure:
            response, remark = refusal(STATUS_OF_FAILURE[type(failure)]), str(failure)
        else:
            remark = ""
        return Response(response.status, response.body, (*response.headers, ("apigw-requestid", request_id))), remark

    def _own(self, request: Request) -> Response | None:
        """What the stack answers itself; None for what is the API's."""
        if request.path == "/__local__/clock":
            return self._move_clock(request)
        if request.path == "/__local__/events":
            return self._show_events(request)
        if self._stripe is not None and request.path.startswith("/__local__/stripe"):
            return self._stripe(request)
        if self._host is not None and self._host.answers(request.path):
            return self._host.answer(request)
        return None

    def _move_clock(self, request: Request) -> Response:
        """`POST /__local__/clock {"advance": "P31D"}` → 200 `{"now": …}`."""
        if request.method != "POST":
            return refusal(HTTPStatus.NOT_FOUND)
        try:
            now = self._clock.advance(dict(json.loads(request.body))["advance"])
        except NotADuration as error:
            return _json(HTTPStatus.BAD_REQUEST, {"message": str(error)})
        except (KeyError, TypeError, ValueError):
            return _json(HTTPStatus.BAD_REQUEST, {"message": 'the body is an object such as {"advance": "P31D"}'})
        return _json(HTTPStatus.OK, {"now": now.isoformat(timespec="milliseconds").replace("+00:00", "Z")})

    def _show_events(self, request: Request) -> Response:
        """`GET /__local__/events` → 200 `{"events": […]}`: the last ones put on the bus, the oldest first."""
        if request.method != "GET":
            return refusal(HTTPStatus.NOT_FOUND)
        return _json(HTTPStatus.OK, {"events": self._events()})


def refusal(status: HTTPStatus) -> Response:
    """API Gateway's own answer: the status and its phrase as `{"message": …}`."""
    return _json(status, {"message": MESSAGES.get(status, status.phrase)})


def _json(status: HTTPStatus, body: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(body, separators=(",", ":")).encode(), (("content-type", "application/json"),))
