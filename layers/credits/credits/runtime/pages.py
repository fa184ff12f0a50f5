"""Pages: what people see of the service, opened by a session in the place of a key.

    pages = Pages(stage, sessions, Views(FOLDER), headers)

    @pages.get("/usage")
    def show_usage() -> Response[str]:
        session = pages.session()
        return pages.show("usage.html", account=account_now(...))

    handler = pages.serve

Whatever goes wrong is raised as an error of `credits.errors` and is shown as a page of its own, in one place. All that
is shown is escaped, kept by no cache, and under a policy that runs no script and no style but the function's own files.
"""

from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from credits.access.sessions import Session, Sessions
from credits.errors import CreditsError, InvalidRequest, NotFound, PayloadTooLarge
from credits.page.reader import Reader, reader_of
from credits.page.selection import Address
from credits.runtime import clock
from credits.runtime.http import Event, problem_document
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger

HTML: Final = "text/html; charset=utf-8"
LARGEST_FORM_BYTES: Final = 10_000
"""A form has a session and a handful of short fields."""

MOST_FORM_FIELDS: Final = 20

PAGE_PATH: Final = "/usage"
ASSETS_PATH: Final = "/usage/assets"
ASSET_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to. `name` changes with its content, so that it may be kept for ever."""

    name: str
    content_type: str
    text: str


@dataclass(frozen=True, slots=True)
class PageHeaders:
    """The headers of every page.

    - `frame_ancestors`: the origins whose pages may embed ours (a Content-Security-Policy source list).
    - `payment_origins`: where a form may lead on to: browsers hold a form's redirects to the policy as well.
    """

    frame_ancestors: str
    payment_origins: str

    @property
    def lines(self) -> dict[str, str]:
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            "form-action": f"'self' {self.payment_origins}",
            "frame-ancestors": self.frame_ancestors,
            "base-uri": "'none'",
        }
        return {
            "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }


class Views:
    """Templates and assets: `templates/` and `static/` of a folder."""

    def __init__(self, folder: Path) -> None:
        files = sorted((folder / "static").iterdir())
        self._assets = {each.name: each for each in map(_asset, files)}
        self._names = {file.name: asset for file, asset in zip(files, self._assets, strict=True)}
        self._environment = Environment(
            loader=FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = lambda name: f"{ASSETS_PATH}/{self._names[name]}"

    def render(self, template: str, **values: Any) -> str:
        """The template with these values, each of them escaped. `asset("x.css")` in it is the URL of static/x.css."""
        return self._environment.get_template(template).render(values)

    def file(self, name: str) -> Asset:
        """static/<name>, for an address that does not change with it."""
        return self._assets[self._names[name]]

    def asset(self, name: str) -> Asset:
        """The asset of this name, which `asset(…)` in a template gave it. NotFound for any other."""
        if name not in self._assets:
            raise NotFound("There is no such file.")
        return self._assets[name]


class Pages(APIGatewayHttpResolver):
    """The resolver of a function that answers people.

    Paths in `data` are asked by scripts of the product's pages, on any origin: they fail as problems. A script there
    can read what the session in its own request opens, and no more: no browser adds anything to it.
    """

    def __init__(
        self,
        stage: Stage,
        sessions: Sessions,
        views: Views,
        headers: PageHeaders,
        data: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.stage = stage
        self.views = views
        self._sessions = sessions
        self._headers = headers
        self._data = data
        self._opened: Session | None = None
        self.exception_handler(CreditsError)(self._refused)
        self.exception_handler(Exception)(self._fault)
        self.not_found(lambda _: self._refused(NotFound("There is nothing at this address.")))

    def serve(self, event: Event, context: Any) -> Event:
        """Answer one API Gateway event (payload 2.0)."""
        began = perf_counter()
        self._opened = None
        answer: Event = self.resolve(event, context)
        # What a route says itself stays.
        answer["headers"] = self._headers.lines | answer["headers"]
        if event["rawPath"] in self._data:
            answer["headers"]["Access-Control-Allow-Origin"] = "*"
        self._log(event.get("routeKey"), answer["statusCode"], began)
        return answer

    def session(self) -> Session:
        """The session of this request: a form's own field, else the query's. Raises InvalidSession, SessionExpired."""
        event = self.current_event
        token = self.form().get("session") if event.http_method == "POST" else self.query.get("session")
        self._opened = self._sessions.session(token, clock.now())
        return self._opened

    @property
    def query(self) -> dict[str, str]:
        """The request's query. A name that comes twice has both values with a comma between, as API Gateway has it."""
        return dict(self.current_event.query_string_parameters)

    def form(self) -> dict[str, str]:
        """The fields of a form that was sent. Raises InvalidRequest, PayloadTooLarge."""
        event = self.current_event
        text = event.body or ""
        if len(text) > LARGEST_FORM_BYTES:
            raise PayloadTooLarge(size_bytes=len(text), limit_bytes=LARGEST_FORM_BYTES)
        try:
            body = b64decode(text).decode() if event.is_base64_encoded else text
            return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS))
        except ValueError:
            raise InvalidRequest([("body", "is not a form")]) from None

    def reader(self, session: Session) -> Reader:
        """Who looks at the page, as the product or else their browser says."""
        accepted = self.current_event.headers.get("accept-language")
        return reader_of(language=session.locale, accepted=accepted, zone=self.zone_of(session))

    def zone_of(self, session: Session) -> str | None:
        """The reader's time zone where it is known: the product said it, or the address has what the browser said."""
        return session.time_zone or self.query.get("tz")

    def address(self, session: Session) -> Address:
        """How this reader comes to the page, and what its links carry on."""
        zone = None if session.time_zone else self.query.get("tz")
        return Address(PAGE_PATH, {"session": session.token} | ({"tz": zone} if zone else {}))

    def show(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response[str]:
        """A page."""
        return Response(status, HTML, self.views.render(template, **values))

    def _log(self, route: str | None, status: int, began: float) -> None:
        """One line for each request: ids and codes, and never the query, which has the session in it."""
        logger.info(
            "answered",
            route=route,
            status=status,
            account_id=self._opened.account_id if self._opened else None,
            milliseconds=round((perf_counter() - began) * 1000, 1),
        )

    def _refused(self, error: CreditsError) -> Response[str]:
        logger.info("refused", code=error.code)
        if self.current_event.path in self._data:
            return problem_document(error, upgrade_url=self.stage.settings.upgrade_url)
        headers: dict[str, str | list[str]] = {}
        if error.http_status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Session"
        back = self.address(self._opened).to({}) if self._opened else None
        return Response(error.http_status, HTML, self.views.render("problem.html", error=error, back=back), headers)

    def _fault(self, error: Exception) -> Response[str]:
        # A traceback names no values; a session never shows its token.
        logger.error("fault", exc_info=error)
        return self._refused(CreditsError("It was logged, and we will look at it."))


def see_other(url: str) -> Response[str]:
    """What a form leads to: a page of its own, so that reloading sends nothing again."""
    return Response(HTTPStatus.SEE_OTHER, HTML, "", {"Location": url})


def asset_response(asset: Asset, *, cached: str = FOREVER) -> Response[str]:
    """An asset as a file."""
    return Response(HTTPStatus.OK, asset.content_type, asset.text, {"Cache-Control": cached})


def _asset(file: Path) -> Asset:
    text = file.read_text(encoding="utf-8")
    digest = sha256(text.encode()).hexdigest()[:10]
    return Asset(f"{file.stem}.{digest}{file.suffix}", ASSET_TYPES[file.suffix], text)
