"""What the buttons of the Usage page lead to: an order as it would come out, Stripe's pages, and the way back.

It is a function of its own so that the page itself neither waits for Stripe's SDK nor may speak to Stripe.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response

from credits.access.sessions import May, Secret, Session, Sessions
from credits.catalog import MOST_SEATS
from credits.ledger.read import account_now
from credits.page import FOLDER
from credits.page.order import order_view
from credits.payments.checkout import open_desk, open_portal, order_pack, order_plan
from credits.payments.preview import preview_order
from credits.runtime import clock
from credits.runtime.pages import PageHeaders, Pages, Views, see_other
from credits.runtime.settings import StripeSettings
from credits.runtime.stage import Stage
from credits.runtime.wire.order import order_key, ordered_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCheckoutSettings(StripeSettings):
    """The settings of the page's buttons.

    - `session_secret_id`: the secret that signs the page's links, in Secrets Manager.
    - `frame_ancestors`: the origins whose pages may embed it, or 'none'.
    - `payment_origins`: the origins of checkout and the portal.
    """

    session_secret_id: str
    frame_ancestors: str
    payment_origins: str


stage = Stage.from_environment()
settings = UsageCheckoutSettings.from_environment()
desk = open_desk(
    stage.catalog,
    stage.ledger.connection,
    events_table=settings.stripe_events_table,
    secret_id=settings.stripe_secret_id,
    region=settings.aws_region,
    api_base=settings.stripe_api_base,
)
app = Pages(
    stage,
    Sessions(
        Secret(settings.session_secret_id, region=settings.aws_region),
        lasts=timedelta(seconds=stage.catalog.policies.session_seconds),
    ),
    Views(FOLDER),
    PageHeaders(frame_ancestors=settings.frame_ancestors, payment_origins=settings.payment_origins),
)


@app.get("/usage/order", include_in_schema=False)
def show_order() -> Response[str]:
    session, now = app.session(), clock.now()
    session.require(May.CHECKOUT)
    account = account_now(stage.ledger, stage.catalog, session.account_id, now)
    order = ordered_plan(app.query)
    preview = preview_order(desk, account, order, now=now)
    return app.show(
        "order.html",
        order=order_view(preview, order, account, stage.catalog, app.reader(session)),
        token=session.token,
        key=f"page-{uuid4().hex}",
        carried=tuple(app.address(session).carried.items()),
        back=app.address(session).to({}, "plans"),
        portal=May.PORTAL in session.may,
        most_seats=MOST_SEATS,
    )


@app.post("/usage/checkout", include_in_schema=False)
def start_checkout() -> Response[str]:
    session, form, now = app.session(), app.form(), clock.now()
    session.require(May.CHECKOUT)
    account = account_now(stage.ledger, stage.catalog, session.account_id, now)
    account_id, key, back = session.account_id, order_key(form), came_from(session)
    if "pack" in form:
        ordered = order_pack(desk, account, form["pack"], key=key, return_url=back, now=now)
    else:
        confirmed = form.get("confirmed") == "yes"
        order = ordered_plan(form)
        ordered = order_plan(desk, account_id, order, key=key, return_url=back, now=now, confirmed=confirmed)
    # What is done already needs no page of Stripe's: the product is in the window, or else the page is.
    return see_other(ordered.url or session.return_url or app.address(session).to({}))


@app.post("/usage/portal", include_in_schema=False)
def show_portal() -> Response[str]:
    session, now = app.session(), clock.now()
    session.require(May.PORTAL)
    account_now(stage.ledger, stage.catalog, session.account_id, now)
    return see_other(open_portal(desk, session.account_id, None, return_url=came_from(session), now=now))


def came_from(session: Session) -> str:
    """Where people come back to from Stripe: where the product has its page, or else where they upgrade. Never our own
    address, which has the session in it and is nobody else's to know."""
    return session.return_url or settings.upgrade_url


handler = app.serve
