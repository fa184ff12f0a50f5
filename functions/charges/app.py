"""Charges: what actions would cost, charging them, and putting right what went wrong."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from credits.access.caller import Scope
from credits.domain.hold import Hold
from credits.ledger.read import charge_entry
from credits.ledger.spend import estimate, put_right, refund_charge
from credits.runtime import clock
from credits.runtime.http import AccountId, Api, ChargeId, IdempotencyKey, answer, answers, created, fingerprint
from credits.runtime.stage import Stage
from credits.runtime.wire.adjustment import Adjustment, AdjustmentRequest
from credits.runtime.wire.charge import Batch, BatchRequest, Charge, ChargeRequest
from credits.runtime.wire.hold import Capture, ChargeOrCapture
from credits.runtime.wire.quote import Quote, QuoteRequest
from credits.runtime.wire.refund import Refund, RefundRequest

stage = Stage.from_environment()
app = Api(stage)

MADE = (HTTPStatus.CREATED, HTTPStatus.OK)
REFUSES = frozenset(
    {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)


@app.post(
    "/v1/accounts/<account_id>/quotes",
    summary="Quote actions",
    description="What the actions would cost now, and whether the balance covers them. Writes nothing.",
    responses=answers(Quote, refuses={HTTPStatus.NOT_FOUND}),
)
def create_quote(account_id: AccountId, body: QuoteRequest) -> Response[str]:
    app.allow(Scope.READ, account_id)
    actions = [(each.action, each.quantity) for each in body.actions]
    quoted = estimate(stage.ledger, stage.catalog, account_id, actions, model=body.model, now=clock.now())
    return answer(HTTPStatus.OK, Quote.of(quoted))


@app.post(
    "/v1/accounts/<account_id>/charges",
    summary="Charge an action",
    description="Takes the action's credits, once for ever under the Idempotency-Key; a retry hears the first answer.",
    responses=answers(Charge, *MADE, refuses=REFUSES),
)
def create_charge(account_id: AccountId, body: ChargeRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    receipt = stage.spend(account_id, idempotency_key, [body.usage()], fingerprint=fingerprint("charges", body))
    return created(Charge.of(receipt.entries[0]), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/charges/batch",
    summary="Charge several actions",
    description="Takes the credits of all the actions in one commit, or of none.",
    responses=answers(Batch, *MADE, refuses=REFUSES),
)
def create_batch(account_id: AccountId, body: BatchRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    lines = [each.usage() for each in body.charges]
    receipt = stage.spend(account_id, idempotency_key, lines, fingerprint=fingerprint("charges/batch", body))
    return created(Batch.of(receipt.entries), replayed=receipt.replayed)


@app.get(
    "/v1/accounts/<account_id>/charges/<charge_id>",
    summary="Read a charge",
    description="The answer that the charge, or the capture, was made with.",
    responses=answers(ChargeOrCapture, refuses={HTTPStatus.NOT_FOUND}),
)
def read_charge(account_id: AccountId, charge_id: ChargeId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    entry = charge_entry(stage.ledger, account_id, charge_id)
    hold = entry.after
    return answer(HTTPStatus.OK, Capture.of(entry, hold) if isinstance(hold, Hold) else Charge.of(entry))


@app.post(
    "/v1/accounts/<account_id>/charges/<charge_id>/refund",
    summary="Refund a charge",
    description="Gives a charge's credits back to where they came from, in whole or in part: once, whoever asks. "
    "A capture's go back to its hold while that is open. Payment never stands in its way.",
    responses=answers(Refund, *MADE, refuses={HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}),
)
def create_refund(
    account_id: AccountId, charge_id: ChargeId, body: RefundRequest, idempotency_key: IdempotencyKey
) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    mark = fingerprint(f"refund\n{idempotency_key}", body)
    now = clock.now()
    receipt = refund_charge(
        stage.ledger, stage.catalog, account_id, charge_id, body.credits, body.reason, now=now, fingerprint=mark
    )
    return created(Refund.of(receipt.entries[0]), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/adjustments",
    summary="Adjust the balance",
    description="Credits put right by an operator, up or down, with a reason and who asked. Below zero it is refused; "
    "with `force`, what there is is taken, the entry says so, and the account owes the rest to its next plan grant.",
    responses=answers(Adjustment, *MADE, refuses=REFUSES),
)
def create_adjustment(account_id: AccountId, body: AdjustmentRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    receipt = put_right(
        stage.ledger,
        stage.catalog,
        account_id,
        idempotency_key,
        body.credits,
        reason=body.reason,
        by=body.by,
        force=body.force,
        now=clock.now(),
        fingerprint=fingerprint("adjustments", body),
    )
    return created(Adjustment.of(receipt.entries[0]), replayed=receipt.replayed)


handler = app.serve
