"""The Usage page: what people see of their credits, behind a link of the product's."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response

from credits.access.sessions import May, Secret, Sessions
from credits.ledger.read import account_now
from credits.page import FOLDER
from credits.page.readings import history, readings
from credits.page.selection import selection_of
from credits.page.view import view_of
from credits.runtime import clock
from credits.runtime.http import answer
from credits.runtime.pages import PageHeaders, Pages, Views, asset_response
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.wire.session import BadgeBalance
from credits.runtime.wire.usage import CSV, csv_page
from credits.usage.tables import open_rollups


@dataclass(frozen=True, slots=True)
class UsagePageSettings(Settings):
    """The settings of the page.

    - `usage_table`: the table of the read models.
    - `session_secret_id`: the secret that signs its links, in Secrets Manager.
    - `frame_ancestors`: the origins whose pages may embed it, or 'none'.
    - `payment_origins`: the origins of checkout and the portal.
    """

    usage_table: str
    session_secret_id: str
    frame_ancestors: str
    payment_origins: str


stage = Stage.from_environment()
settings = UsagePageSettings.from_environment()
rollups = open_rollups(stage.ledger.connection, settings.usage_table)
sessions = Sessions(
    Secret(settings.session_secret_id, region=settings.aws_region),
    lasts=timedelta(seconds=stage.catalog.policies.session_seconds),
)
app = Pages(
    stage,
    sessions,
    Views(FOLDER),
    PageHeaders(frame_ancestors=settings.frame_ancestors, payment_origins=settings.payment_origins),
    data=frozenset({"/usage/balance", "/usage/badge.js"}),
)

BADGE_CACHED = "public, max-age=300"
"""Its address is written in the product's own pages and cannot change with its content."""


@app.get("/usage", include_in_schema=False)
def show_usage() -> Response[str]:
    session, now = app.session(), clock.now()
    reader = app.reader(session)
    account = account_now(stage.ledger, stage.catalog, session.account_id, now)
    selection = selection_of(app.query, account, stage.catalog, reader, now=now)
    made_of = readings(stage.ledger, rollups, stage.catalog, account, selection, reader, now=now)
    view = view_of(made_of, selection, app.address(session), stage.catalog, reader, now=now)
    return app.show(
        "usage.html",
        view=view,
        token=session.token,
        key=f"page-{uuid4().hex}",
        zone_given=app.zone_of(session) is not None,
        checkout=May.CHECKOUT in session.may,
        portal=May.PORTAL in session.may and account.subscription_id is not None,
    )


@app.get("/usage/history.csv", include_in_schema=False)
def download_history() -> Response[str]:
    session, now = app.session(), clock.now()
    account = account_now(stage.ledger, stage.catalog, session.account_id, now)
    selection = selection_of(app.query, account, stage.catalog, app.reader(session), now=now)
    name = f"credits {selection.first} to {selection.last}.csv"
    headers: dict[str, str | list[str]] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(HTTPStatus.OK, CSV, csv_page(history(stage.ledger, account, selection)), headers)


@app.get("/usage/assets/<name>", include_in_schema=False)
def read_asset(name: str) -> Response[str]:
    return asset_response(app.views.asset(name))


@app.get("/usage/badge.js", include_in_schema=False)
def read_badge() -> Response[str]:
    return asset_response(app.views.file("badge.js"), cached=BADGE_CACHED)


@app.get("/usage/balance", include_in_schema=False)
def read_balance() -> Response[str]:
    session = app.session()
    account = account_now(stage.ledger, stage.catalog, session.account_id, clock.now())
    return answer(HTTPStatus.OK, BadgeBalance.of(account, stage.catalog))


handler = app.serve
