"""HTTP: what every function of the API shares. Authentication, validation, and the one shape of an error (RFC 9457).

A route parses, makes one call and returns; everything that can go wrong is raised as an error of `credits.errors` and
becomes a problem document here, in one place:

    stage = Stage.from_environment()
    app = Api(stage)

    @app.get("/v1/accounts/<account_id>", responses=answers(Account))
    def read_account(account_id: AccountId) -> Response[str]:
        app.allow(Scope.READ, account_id)
        return answer(HTTPStatus.OK, Account.of(account_now(...)))

    handler = app.serve
"""

import json
from base64 import b64decode
from collections.abc import Mapping, Set
from hashlib import sha256
from http import HTTPStatus
from time import perf_counter
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError, ResponseValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel

from credits.access.caller import Caller, Scope
from credits.domain.instant import floor
from credits.errors import CreditsError, InvalidRequest, NotFound, PayloadTooLarge
from credits.runtime.problem import PROBLEM_JSON, problem, problem_headers
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger
from credits.runtime.wire.shape import ID, Answer

Event = dict[str, Any]


CHARGE_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}(~[0-9]{2}|![A-Za-z0-9][A-Za-z0-9._:@-]{0,63})?(~refund)?$"
LARGEST_BODY_BYTES = 131_072
"""Room for the longest batch with every field full."""

JSON = "application/json"

AccountId = Annotated[str, Path(pattern=ID, description="The account's id, as the product named it.")]
ChargeId = Annotated[str, Path(pattern=CHARGE_ID, description="The id that the charge was answered with.")]
HoldId = Annotated[str, Path(pattern=ID, description="The hold's id: the Idempotency-Key that opened it.")]
MemberId = Annotated[str, Path(pattern=ID, description="The member's id, as the product named it.")]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=ID,
        description="Made by the caller, one for each thing it wants done, and sent again with every retry of it.",
    ),
]
Instant = Annotated[AwareDatetime, AfterValidator(floor)]
OptionalIdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=ID)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="The `cursor` of the page before.")]


class Problem(BaseModel):
    """An error, in the shape of RFC 9457. Each `code` adds the fields that a program can act on."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Api(APIGatewayHttpResolver):
    """The resolver of one function. Requests to `public` paths need no key."""

    def __init__(self, stage: Stage, public: Set[str] = frozenset()) -> None:
        super().__init__(
            enable_validation=True,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
            json_body_deserializer=_parsed,
        )
        self.stage = stage
        self._public = public
        self.exception_handler(CreditsError)(self._problem)
        self.exception_handler(RequestValidationError)(self._invalid)
        self.exception_handler([ResponseValidationError, Exception])(self._fault)
        self.not_found(self._no_route)

    def serve(self, event: Event, context: Any) -> Event:
        """Answer one API Gateway event (payload 2.0). The key is checked first, then the request, then the scope."""
        began = perf_counter()
        caller: Caller | None = None
        try:
            event = _readable(event)
            if event["rawPath"] not in self._public:
                caller = self.stage.keys.caller(event["headers"].get("authorization"))
                self.context["caller"] = caller
            answer: Event = self.resolve(event, context)
        except CreditsError as error:
            self.context.clear()
            problem = self._problem(error)
            answer = {"statusCode": problem.status_code, "headers": problem.headers, "body": problem.body}
        answer["headers"].setdefault("Cache-Control", "no-store")
        logger.info(
            "answered",
            route=event.get("routeKey"),
            status=answer["statusCode"],
            account_id=(event.get("pathParameters") or {}).get("account_id"),
            key_id=caller.key_id if caller else None,
            milliseconds=round((perf_counter() - began) * 1000, 1),
        )
        return answer

    def allow(self, scope: Scope, account_id: str | None = None) -> None:
        """Forbidden, unless the caller's key has the scope and reaches the account (None: every account)."""
        caller: Caller = self.context["caller"]
        caller.require(scope, account_id)

    def next_page(self, cursor: str) -> str:
        """The header Link (RFC 8288) to the page at the cursor: this request's path and query otherwise."""
        event = self.current_event
        query = urlencode({**event.query_string_parameters, "cursor": cursor})
        return f'<{quote(event.path)}?{query}>; rel="next"'

    @property
    def origin(self) -> str:
        """Where this request was sent: the scheme and host that its caller knows us by."""
        headers = self.current_event.headers
        return f"{headers['x-forwarded-proto']}://{headers['host']}"

    def _problem(self, error: CreditsError) -> Response[str]:
        logger.info("refused", code=error.code)
        return problem_document(error, upgrade_url=self.stage.settings.upgrade_url)

    def _invalid(self, error: RequestValidationError) -> Response[str]:
        return self._problem(InvalidRequest([(_path(each["loc"]), _message(each)) for each in error.errors()]))

    def _fault(self, error: Exception) -> Response[str]:
        logger.error("fault", exc_info=error)
        return self._problem(
            CreditsError("The fault was logged. What was asked for may be sent again with the same key.")
        )

    def _no_route(self, _: Exception) -> Response[str]:
        return self._problem(NotFound("There is nothing at this path."))


def problem_document(error: CreditsError, *, upgrade_url: str) -> Response[str]:
    """The error in the shape of RFC 9457. Refusals that an upgrade mends say where to."""
    offers = error.http_status == HTTPStatus.PAYMENT_REQUIRED or error.code == "not_in_plan"
    further = {"upgrade_url": upgrade_url} if offers else {}
    headers: dict[str, str | list[str]] = dict(problem_headers(error))
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(error.http_status, PROBLEM_JSON, problem(error, **further), headers)


def answer(status: HTTPStatus, body: Answer, *, replayed: bool = False) -> Response[str]:
    """A JSON answer; a replay says so in its header. A shape is valid as it stands, so it goes out as it is."""
    headers: dict[str, str | list[str]] = {"Idempotency-Replayed": "true"} if replayed else {}
    return Response(status, JSON, body.model_dump_json(), headers)


def created(body: Answer, *, replayed: bool) -> Response[str]:
    """201 for what was done now, 200 for what the same key had done before."""
    return answer(HTTPStatus.OK if replayed else HTTPStatus.CREATED, body, replayed=replayed)


def fingerprint(route: str, body: BaseModel) -> str:
    """What a key stands for: the route and the body with its defaults, as 128 bits in hex."""
    text = f"{route}\n{json.dumps(body.model_dump(mode='json'), sort_keys=True)}"
    return sha256(text.encode()).hexdigest()[:32]


def answers(body: type[BaseModel], *statuses: HTTPStatus, refuses: Set[HTTPStatus] = frozenset()) -> dict[int, Any]:
    """The `responses` of a route for its OpenAPI document: the body under each status (200), and problems."""
    good = {
        status.value: {"description": status.phrase, "content": {JSON: {"model": body}}}
        for status in statuses or (HTTPStatus.OK,)
    }
    return good | problems(refuses=refuses)


def problems(*, refuses: Set[HTTPStatus] = frozenset()) -> dict[int, Any]:
    """The part of a route's `responses` that are problems: those of every route, and what this one `refuses` with."""
    always = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}
    return {
        status.value: {"description": status.phrase, "content": {PROBLEM_JSON: {"model": Problem}}}
        for status in sorted(always | refuses)
    }


def _readable(event: Event) -> Event:
    """The event with its body as text that is read as JSON whatever its Content-Type says, and its path decoded."""
    body: str | bytes = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = b64decode(body)
    size = len(body) if isinstance(body, bytes) else len(body.encode(errors="surrogatepass"))
    if size > LARGEST_BODY_BYTES:
        raise PayloadTooLarge(size_bytes=size, limit_bytes=LARGEST_BODY_BYTES)
    try:
        text = body.decode() if isinstance(body, bytes) else body
    except UnicodeDecodeError:
        raise InvalidRequest([("body", "is not UTF-8 text")]) from None
    path = "/".join(unquote(part).replace("/", "%2F") for part in event["rawPath"].split("/"))
    headers = {name.lower(): value for name, value in event["headers"].items()} | {"content-type": JSON}
    return event | {"rawPath": path, "headers": headers, "body": text, "isBase64Encoded": False}


def _parsed(text: str) -> Any:
    """The JSON value, or the JSONDecodeError that the resolver turns into a 400; nesting too deep is one as well."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    if not isinstance(value, dict):
        raise json.JSONDecodeError("expected an object", "", 0)
    return value


def _path(location: tuple[Any, ...]) -> str:
    """`("body", "charges", 3, "action")` as `charges.3.action`; headers, queries and paths by their bare name."""
    where, *parts = (str(part) for part in location)
    if where == "header":
        return parts[0].title()
    return "body" if where == "body" and parts[:1] and parts[0].isdecimal() else ".".join(parts) or where


def _message(error: Mapping[str, Any]) -> str:
    """What is wrong, in the words of whoever found it: pydantic puts "Value error, " before those of our shapes."""
    return str(error["ctx"]["error"]) if error["type"] == "value_error" else str(error["msg"])
