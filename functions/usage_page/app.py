"""The Usage page: what people see of their credits, behind a link of the product's."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from credits.access.sessions import Secret, Sessions
from credits.ledger.read import account_now
from credits.runtime import clock
from credits.runtime.pages import PageHeaders, Pages, Views, asset_response
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.wire.account import Account


@dataclass(frozen=True, slots=True)
class UsagePageSettings(Settings):
    """The settings of the page.

    - `session_secret_id`: the secret that signs its links, in Secrets Manager.
    - `frame_ancestors`: the origins whose pages may embed it, or 'none'.
    - `payment_origins`: the origins of checkout and the portal.
    """

    session_secret_id: str
    frame_ancestors: str
    payment_origins: str


stage = Stage.from_environment()
settings = UsagePageSettings.from_environment()
sessions = Sessions(
    Secret(settings.session_secret_id, region=settings.aws_region),
    lasts=timedelta(seconds=stage.catalog.policies.session_seconds),
)
app = Pages(
    stage,
    sessions,
    Views(Path(__file__).parent),
    PageHeaders(frame_ancestors=settings.frame_ancestors, payment_origins=settings.payment_origins),
)


@app.get("/usage", include_in_schema=False)
def show_usage() -> Response[str]:
    session = app.session()
    account = account_now(stage.ledger, stage.catalog, session.account_id, clock.now())
    return app.show("usage.html", session=session, account=Account.of(account, stage.catalog))


@app.get("/usage/assets/<name>", include_in_schema=False)
def read_asset(name: str) -> Response[str]:
    return asset_response(app.views.asset(name))


handler = app.serve
