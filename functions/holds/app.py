"""Holds: credits set aside for a run, captured piece by piece, and given back."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from credits.access.caller import Scope
from credits.errors import CreditsError
from credits.ledger.post import Receipt
from credits.ledger.read import hold_now, open_holds_now
from credits.ledger.spend import capture_from, extend, set_aside, settle
from credits.runtime import clock
from credits.runtime.http import (
    AccountId,
    Api,
    Cursor,
    HoldId,
    IdempotencyKey,
    Limit,
    answer,
    answers,
    created,
    fingerprint,
)
from credits.runtime.stage import Stage
from credits.runtime.wire.hold import Capture, CaptureRequest, Closed, ExtensionRequest, Hold, HoldPage, HoldRequest

stage = Stage.from_environment()
app = Api(stage)

MADE = (HTTPStatus.CREATED, HTTPStatus.OK)
REFUSES = frozenset(
    {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)


@app.post(
    "/v1/accounts/<account_id>/holds",
    summary="Open a hold",
    description="Sets credits aside, for a time that is bounded. The Idempotency-Key becomes the hold's id.",
    responses=answers(Hold, *MADE, refuses=REFUSES),
)
def create_hold(account_id: AccountId, body: HoldRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    receipt = set_aside(
        stage.ledger,
        stage.catalog,
        account_id,
        idempotency_key,
        body.credits,
        now=clock.now(),
        expires_in_seconds=body.expires_in,
        member_id=body.member_id,
        conversation_id=body.conversation_id,
        description=body.description,
        fingerprint=fingerprint("holds", body),
    )
    return created(told(receipt), replayed=receipt.replayed)


@app.get(
    "/v1/accounts/<account_id>/holds",
    summary="List open holds",
    description="Those that can still be captured, the soonest to expire first.",
    responses=answers(HoldPage, refuses={HTTPStatus.NOT_FOUND}),
)
def list_holds(account_id: AccountId, limit: Limit = 50, cursor: Cursor = None) -> Response[str]:
    app.allow(Scope.READ, account_id)
    now = clock.now()
    page, account = open_holds_now(stage.ledger, stage.catalog, account_id, now, limit=limit, cursor=cursor)
    return answer(
        HTTPStatus.OK, HoldPage(holds=[Hold.of(hold, account, now) for hold in page.items], cursor=page.cursor)
    )


@app.get(
    "/v1/accounts/<account_id>/holds/<hold_id>",
    summary="Read a hold",
    description="The hold as of now, open or not.",
    responses=answers(Hold, refuses={HTTPStatus.NOT_FOUND}),
)
def read_hold(account_id: AccountId, hold_id: HoldId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    now = clock.now()
    hold, account = hold_now(stage.ledger, stage.catalog, account_id, hold_id, now)
    return answer(HTTPStatus.OK, Hold.of(hold, account, now))


@app.post(
    "/v1/accounts/<account_id>/holds/<hold_id>/captures",
    summary="Capture from a hold",
    description="Charges an action to the hold, without touching the account: runs do not wait for each other there.",
    responses=answers(Capture, *MADE, refuses=REFUSES),
)
def create_capture(
    account_id: AccountId, hold_id: HoldId, body: CaptureRequest, idempotency_key: IdempotencyKey
) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    mark = fingerprint("captures", body)
    receipt = capture_from(
        stage.ledger,
        stage.catalog,
        account_id,
        hold_id,
        idempotency_key,
        body.usage(),
        now=clock.now(),
        fingerprint=mark,
    )
    return created(Capture.of(receipt.entries[0], receipt.entries[0].after), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/holds/<hold_id>/extensions",
    summary="Extend a hold",
    description="Sets more credits aside, lets the hold live longer, or both, in one commit.",
    responses=answers(Hold, *MADE, refuses=REFUSES),
)
def create_extension(
    account_id: AccountId, hold_id: HoldId, body: ExtensionRequest, idempotency_key: IdempotencyKey
) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    receipt = extend(
        stage.ledger,
        stage.catalog,
        account_id,
        hold_id,
        idempotency_key,
        now=clock.now(),
        credits=body.credits or 0,
        expires_in_seconds=body.expires_in,
        fingerprint=fingerprint(f"holds/{hold_id}/extensions", body),
    )
    return created(told(receipt), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/holds/<hold_id>/close",
    summary="Close a hold",
    description="Gives back what was not captured. Closing it again, or after it expired, answers what the first did.",
    responses=answers(Closed, refuses={HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}),
)
def close_hold(account_id: AccountId, hold_id: HoldId) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    receipt = settle(stage.ledger, stage.catalog, account_id, hold_id, now=clock.now())
    return answer(HTTPStatus.OK, Closed.of(receipt.entries), replayed=receipt.replayed)


def told(receipt: Receipt) -> Hold:
    """The hold as opening or extending it left it, from the stored entries alone."""
    if receipt.hold is None:
        raise CreditsError("a hold was posted without an entry of its own")
    entry = receipt.entries[0]
    return Hold.of(receipt.hold, entry, entry.at)


handler = app.serve
