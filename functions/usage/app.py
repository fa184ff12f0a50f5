"""Usage: where the credits went, from the read models and from the ledger itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from credits.access.caller import Scope
from credits.access.sessions import Secret, Sessions
from credits.domain.entry import EntryKind
from credits.ledger.audit import audit
from credits.ledger.export import exported, line
from credits.ledger.read import EntryFilter, account_now, entries
from credits.runtime import clock
from credits.runtime.http import AccountId, Api, Cursor, Limit, answer, answers, problems
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.wire.audit import Audit
from credits.runtime.wire.entry import Entry, EntryPage
from credits.runtime.wire.session import OpenSession, UsageSession
from credits.runtime.wire.shape import ID, Id
from credits.runtime.wire.usage import CSV, ConversationPage, Insights, OpenConversation, Usage, csv_page
from credits.usage.insights import insights
from credits.usage.report import (
    Granularity,
    Wanted,
    conversation,
    conversations,
    instant_of,
    report,
    wanted_time,
    zone_named,
)
from credits.usage.tables import open_rollups


@dataclass(frozen=True, slots=True)
class UsageSettings(Settings):
    """The settings of usage.

    - `usage_table`: the table of the read models.
    - `session_secret_id`: the secret that signs links to the Usage page, in Secrets Manager.
    """

    usage_table: str
    session_secret_id: str


AUDIT_SECONDS = 20.0
"""How long a request audits; well inside the function's time-out, with a page under way."""

stage = Stage.from_environment()
settings = UsageSettings.from_environment()
rollups = open_rollups(stage.ledger.connection, settings.usage_table)
sessions = Sessions(
    Secret(settings.session_secret_id, region=settings.aws_region),
    lasts=timedelta(seconds=stage.catalog.policies.session_seconds),
)
app = Api(stage)

JSON_LINES = "application/jsonl"
MOST_CSV_ROWS = 500
"""Of the longest texts there can be, in the form in which they take the most bytes, half of the 6 MB Lambda returns."""

BOUND = "An instant with its offset, or a date: its first instant in the time zone `tz`."
Since = Annotated[str | None, Query(alias="from", max_length=40, description=f"From here on. {BOUND}")]
Until = Annotated[str | None, Query(alias="to", max_length=40, description=f"Before this. {BOUND}")]
TimeZone = Annotated[str, Query(max_length=64, description="An IANA name, such as Europe/Berlin.")]


@app.get(
    "/v1/accounts/<account_id>/usage",
    summary="Report usage",
    description="By day, ISO week or month, drawn in the time zone `tz`; by itself, of the current period. "
    "Usage is counted by quarter hours: one that `from` or `to` cuts counts whole. It lags the ledger by a moment.",
    responses=answers(Usage, refuses={HTTPStatus.NOT_FOUND}),
)
def report_usage(
    account_id: AccountId,
    granularity: Annotated[Granularity, Query()] = Granularity.DAY,
    since: Since = None,
    until: Until = None,
    action: Annotated[Id | None, Query()] = None,
    member: Annotated[Id | None, Query()] = None,
    tz: TimeZone = "UTC",
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    account = account_now(stage.ledger, stage.catalog, account_id, clock.now())
    zone = zone_named(tz)
    begins, ends = wanted_time(*bounds(since, until, zone), account.period)
    wanted = Wanted(granularity, begins, ends, zone, action, member)
    return answer(HTTPStatus.OK, Usage.of(report(rollups, account_id, wanted)))


@app.get(
    "/v1/accounts/<account_id>/insights",
    summary="Read insights",
    description="The burn rate of the last seven days, when the credits run out at this rate, and the product's tips "
    "with what following them would have saved in the last thirty. It lags the ledger by a moment.",
    responses=answers(Insights, refuses={HTTPStatus.NOT_FOUND}),
)
def read_insights(account_id: AccountId, tz: TimeZone = "UTC") -> Response[str]:
    app.allow(Scope.READ, account_id)
    now = clock.now()
    zone = zone_named(tz)
    account = account_now(stage.ledger, stage.catalog, account_id, now)
    return answer(HTTPStatus.OK, Insights.of(insights(rollups, stage.catalog, account, now=now), zone))


@app.get(
    "/v1/accounts/<account_id>/conversations",
    summary="List conversations",
    description="What each conversation used, the last used first. It lags the ledger by a moment.",
    responses=answers(ConversationPage, refuses={HTTPStatus.NOT_FOUND}),
)
def list_conversations(account_id: AccountId, limit: Limit = 50, cursor: Cursor = None) -> Response[str]:
    app.allow(Scope.READ, account_id)
    account_now(stage.ledger, stage.catalog, account_id, clock.now())
    page = conversations(rollups, account_id, limit=limit, cursor=cursor)
    return answer(HTTPStatus.OK, ConversationPage.of(page))


@app.get(
    "/v1/accounts/<account_id>/conversations/<conversation_id>",
    summary="Read a conversation",
    description="What it used, and its ledger entries, newest first.",
    responses=answers(OpenConversation, refuses={HTTPStatus.NOT_FOUND}),
)
def read_conversation(
    account_id: AccountId,
    conversation_id: Annotated[str, Path(pattern=ID)],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    account_now(stage.ledger, stage.catalog, account_id, clock.now())
    found = conversation(rollups, account_id, conversation_id)
    wanted = EntryFilter(conversation_id=conversation_id)
    page = entries(stage.ledger, account_id, wanted, limit=limit, cursor=cursor)
    return answer(HTTPStatus.OK, OpenConversation.opened(found, page))


@app.get(
    "/v1/accounts/<account_id>/entries",
    summary="List ledger entries",
    description="Newest first. A page of a rare kind or action may hold few entries, or none, and still have a cursor.",
    responses=answers(EntryPage, refuses={HTTPStatus.NOT_FOUND}),
)
def list_entries(
    account_id: AccountId,
    since: Since = None,
    until: Until = None,
    conversation: Annotated[Id | None, Query()] = None,
    kind: Annotated[EntryKind | None, Query()] = None,
    action: Annotated[Id | None, Query()] = None,
    tz: TimeZone = "UTC",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    wanted = EntryFilter(*bounds(since, until, zone_named(tz)), conversation, kind, action)
    page = entries(stage.ledger, account_id, wanted, limit=limit, cursor=cursor)
    return answer(HTTPStatus.OK, EntryPage(entries=[Entry.of(entry) for entry in page.items], cursor=page.cursor))


@app.get(
    "/v1/accounts/<account_id>/entries.csv",
    summary="Download ledger entries",
    description="The list of entries as CSV (RFC 4180); days are drawn in the time zone `tz`. Where there are more, "
    "the header Link has the next page.",
    responses={
        HTTPStatus.OK.value: {"description": "OK", "content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(refuses={HTTPStatus.NOT_FOUND}),
    },
)
def download_entries(
    account_id: AccountId,
    since: Since = None,
    until: Until = None,
    conversation: Annotated[Id | None, Query()] = None,
    kind: Annotated[EntryKind | None, Query()] = None,
    action: Annotated[Id | None, Query()] = None,
    tz: TimeZone = "UTC",
    limit: Annotated[
        int, Query(ge=1, le=MOST_CSV_ROWS, description="How many rows a page has at most.")
    ] = MOST_CSV_ROWS,
    cursor: Cursor = None,
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    wanted = EntryFilter(*bounds(since, until, zone_named(tz)), conversation, kind, action)
    page = entries(stage.ledger, account_id, wanted, limit=limit, cursor=cursor)
    headers: dict[str, str | list[str]] = {"Content-Disposition": f'attachment; filename="{account_id}.csv"'}
    if page.cursor:
        headers["Link"] = app.next_page(page.cursor)
    return Response(HTTPStatus.OK, CSV, csv_page(page.items), headers)


@app.get(
    "/v1/accounts/<account_id>/ledger.jsonl",
    summary="Export the ledger",
    description="Every entry as it was hashed, oldest first, one JSON object a line; tools/verify_ledger.py checks it. "
    "Where there are more, the header Link has the next page.",
    responses={
        HTTPStatus.OK.value: {"description": "OK", "content": {JSON_LINES: {"schema": {"type": "string"}}}},
        **problems(refuses={HTTPStatus.NOT_FOUND}),
    },
)
def export_ledger(
    account_id: AccountId,
    limit: Annotated[
        int, Query(ge=1, le=MOST_CSV_ROWS, description="How many lines a page has at most.")
    ] = MOST_CSV_ROWS,
    cursor: Cursor = None,
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    page = exported(stage.ledger, account_id, limit=limit, cursor=cursor)
    headers: dict[str, str | list[str]] = {"Content-Disposition": f'attachment; filename="{account_id}.jsonl"'}
    if page.cursor:
        headers["Link"] = app.next_page(page.cursor)
    return Response(HTTPStatus.OK, JSON_LINES, "".join(f"{line(entry)}\n" for entry in page.items), headers)


@app.get(
    "/v1/accounts/<account_id>/audit",
    summary="Audit an account",
    description="Checks every entry against the one before: the hash chain, the sums of every grant, the balance. "
    "One that is too long for a request (some 50,000 entries) is 503; the daily audit, and the command, see all.",
    responses=answers(Audit, refuses={HTTPStatus.NOT_FOUND}),
)
def audit_account(account_id: AccountId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    return answer(HTTPStatus.OK, Audit.of(audit(stage.ledger, account_id, seconds=AUDIT_SECONDS)))


@app.post(
    "/v1/accounts/<account_id>/usage-sessions",
    summary="Link to the Usage page",
    description="For one reader: the link shows this account alone, for a quarter of an hour.",
    responses=answers(UsageSession, HTTPStatus.CREATED, refuses={HTTPStatus.NOT_FOUND}),
)
def create_usage_session(account_id: AccountId, body: OpenSession) -> Response[str]:
    app.allow(Scope.READ, account_id)
    if body.time_zone is not None:
        zone_named(body.time_zone, "time_zone")
    now = clock.now()
    account_now(stage.ledger, stage.catalog, account_id, now)
    session = sessions.open(account_id, now=now, **dict(body))
    return answer(HTTPStatus.CREATED, UsageSession.of(session, app.origin))


def bounds(since: str | None, until: str | None, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """The instants that `from` and `to` mean in the zone; None for one that is not given. Raises InvalidRequest."""
    return instant_of(since, "from", zone) if since else None, instant_of(until, "to", zone) if until else None


handler = app.serve
