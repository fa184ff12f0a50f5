"""Billing: what people pay for. Links to Stripe's pages, changes of plan and seats, and what they would cost."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from credits.access.caller import Scope
from credits.catalog import MOST_SEATS
from credits.ledger.read import account_now
from credits.payments.checkout import open_desk, open_portal, order_pack, order_plan, order_seats
from credits.payments.order import Order as Wanted
from credits.payments.preview import preview_order
from credits.payments.top_up import read_top_up, remove_top_up, set_top_up
from credits.runtime import clock
from credits.runtime.http import AccountId, Api, IdempotencyKey, answer, answers, created
from credits.runtime.settings import StripeSettings
from credits.runtime.stage import Stage
from credits.runtime.wire.billing import (
    CheckoutRequest,
    Order,
    PortalRequest,
    PortalSession,
    Preview,
    SeatsRequest,
    TopUp,
    TopUpRequest,
)
from credits.runtime.wire.shape import Id

stage = Stage.from_environment()
settings = StripeSettings.from_environment()
desk = open_desk(
    stage.catalog,
    stage.ledger.connection,
    events_table=settings.stripe_events_table,
    secret_id=settings.stripe_secret_id,
    region=settings.aws_region,
    api_base=settings.stripe_api_base,
)
app = Api(stage)

REFUSES = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}


@app.post(
    "/v1/accounts/<account_id>/checkout-sessions",
    summary="Order a plan or a pack",
    description="A link to Stripe Checkout. An account that is subscribed already gets a link to the page where the "
    "change is agreed to; with `confirmed`, more credits are paid at once, and fewer wait for the period's end. What "
    "Stripe's page would do at another time than the preview says is 409 `not_in_portal`: show the person the preview, "
    "and send it again `confirmed`.",
    responses=answers(Order, HTTPStatus.CREATED, HTTPStatus.OK, refuses=REFUSES | {HTTPStatus.PAYMENT_REQUIRED}),
)
def create_checkout_session(
    account_id: AccountId, body: CheckoutRequest, idempotency_key: IdempotencyKey
) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    now = clock.now()
    account = account_now(stage.ledger, stage.catalog, account_id, now)
    back = body.return_url or settings.upgrade_url
    if body.pack is not None:
        ordered = order_pack(desk, account, body.pack, key=idempotency_key, return_url=back, now=now)
    else:
        wanted = Wanted(body.plan or "", body.seats)
        ordered = order_plan(
            desk, account_id, wanted, key=idempotency_key, return_url=back, now=now, confirmed=body.confirmed
        )
    return created(Order.of(ordered), replayed=ordered.replayed)


@app.post(
    "/v1/accounts/<account_id>/portal-sessions",
    summary="Open the customer portal",
    description="A link to Stripe's pages for cards, invoices, plan, seats and canceling. Where no other plan can be "
    "chosen there, the flow `plan` is 409 `not_in_portal`.",
    responses=answers(PortalSession, HTTPStatus.CREATED, refuses=REFUSES),
)
def create_portal_session(account_id: AccountId, body: PortalRequest) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    now = clock.now()
    account_now(stage.ledger, stage.catalog, account_id, now)
    url = open_portal(desk, account_id, body.flow, return_url=body.return_url or settings.upgrade_url, now=now)
    return answer(HTTPStatus.CREATED, PortalSession(url=url))


@app.post(
    "/v1/accounts/<account_id>/seats",
    summary="Change the seats",
    description="More seats at once, prorated and paid now; fewer at the period's end.",
    responses=answers(Order, refuses=REFUSES | {HTTPStatus.PAYMENT_REQUIRED}),
)
def change_seats(account_id: AccountId, body: SeatsRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    now = clock.now()
    account_now(stage.ledger, stage.catalog, account_id, now)
    ordered = order_seats(desk, account_id, body.seats, key=idempotency_key, now=now)
    return answer(HTTPStatus.OK, Order.of(ordered), replayed=ordered.replayed)


@app.get(
    "/v1/accounts/<account_id>/plan-changes/preview",
    summary="Preview a change of plan or seats",
    description="What it would cost, by Stripe's own preview, and the credits it would bring. Nothing is changed.",
    responses=answers(Preview, refuses={HTTPStatus.NOT_FOUND}),
)
def preview_plan_change(
    account_id: AccountId, plan: Annotated[Id, Query()], seats: Annotated[int, Query(ge=1, le=MOST_SEATS)] = 1
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    now = clock.now()
    account = account_now(stage.ledger, stage.catalog, account_id, now)
    preview = preview_order(desk, account, Wanted(plan, seats), now=now)
    return answer(HTTPStatus.OK, Preview.of(preview, account, stage.catalog, plan=plan, seats=seats))


@app.put(
    "/v1/accounts/<account_id>/top-up",
    summary="Set the automatic top-up",
    description="Below a balance, a pack is bought with the card that the customer left, so many times a month at "
    "most. Setting it again ends a pause; setting what is set already changes nothing.",
    responses=answers(TopUp, refuses=REFUSES),
)
def put_top_up(account_id: AccountId, body: TopUpRequest) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    now = clock.now()
    account_now(stage.ledger, stage.catalog, account_id, now)
    top_up = set_top_up(
        desk, account_id, below=body.below, pack=body.pack, at_most=body.at_most, post=stage.post, now=now
    )
    return answer(HTTPStatus.OK, TopUp.of(top_up, now))


@app.get(
    "/v1/accounts/<account_id>/top-up",
    summary="Read the automatic top-up",
    description="What it is set to, what it bought this month, and whether it is paused.",
    responses=answers(TopUp, refuses={HTTPStatus.NOT_FOUND}),
)
def get_top_up(account_id: AccountId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    return answer(HTTPStatus.OK, TopUp.of(read_top_up(desk, account_id), clock.now()))


@app.delete(
    "/v1/accounts/<account_id>/top-up",
    summary="Take the automatic top-up away",
    description="Nothing is bought any more. What it bought this month is answered.",
    responses=answers(TopUp, refuses=REFUSES),
)
def delete_top_up(account_id: AccountId) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    now = clock.now()
    top_up = read_top_up(desk, account_id)
    remove_top_up(desk, account_id, post=stage.post, now=now)
    return answer(HTTPStatus.OK, TopUp.of(top_up, now))


handler = app.serve
