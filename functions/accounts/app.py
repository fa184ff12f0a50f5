"""Accounts: opening and reading them, their plans and grants; and the catalog and the documents of the API."""

import json
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from credits.access.caller import Scope
from credits.domain.give import give
from credits.domain.grant import GrantKind
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.subscribe import change_plan
from credits.ledger.post import client_key
from credits.ledger.read import account_at, account_now, accounts_now
from credits.runtime import clock
from credits.runtime.docs import HTML, docs_page
from credits.runtime.http import (
    JSON,
    AccountId,
    Api,
    Cursor,
    IdempotencyKey,
    Instant,
    Limit,
    OptionalIdempotencyKey,
    answer,
    answers,
    created,
    fingerprint,
)
from credits.runtime.stage import Stage
from credits.runtime.wire.account import Account, AccountPage, ChangePlan, OpenAccount
from credits.runtime.wire.grant import Grant, GrantRequest

stage = Stage.from_environment()
app = Api(stage, public={"/v1/catalog", "/openapi.json", "/docs"})

CATALOG = {
    "type": "object",
    "required": ["version", "actions", "models", "plans", "packs", "policies"],
    "properties": {
        "version": {"type": "string", "description": "Every ledger entry names the one it was priced by."},
        **{
            name: {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "name"],
                    "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
                },
            }
            for name in ("actions", "models", "plans", "packs")
        },
        "policies": {"type": "object"},
    },
}
"""The catalog as it is described: what a reader can count on. It has more, which is for people."""

OPENAPI = Path(__file__).with_name("openapi.json")
"""The document of the whole API, made from the routes of all functions by `make openapi`."""


@app.post(
    "/v1/accounts",
    summary="Open an account",
    description="Opens it on Free, with its first allocation; today is its billing date. An open one is answered.",
    responses=answers(Account, HTTPStatus.CREATED, HTTPStatus.OK, refuses={HTTPStatus.TOO_MANY_REQUESTS}),
)
def create_account(body: OpenAccount) -> Response[str]:
    app.allow(Scope.CHARGE, body.account_id)
    rule = partial(open_account, account_id=body.account_id)
    receipt = stage.post(OPENED_KEY, body.account_id, rule, opens=True)
    opened = bool(receipt.entries) and not receipt.replayed
    if opened:
        return answer(HTTPStatus.CREATED, Account.of(receipt.book, stage.catalog))
    account = account_now(stage.ledger, stage.catalog, body.account_id, clock.now())
    return answer(HTTPStatus.OK, Account.of(account, stage.catalog))


@app.get(
    "/v1/accounts",
    summary="List accounts",
    description="The last opened first. Needs a key that is not bound to an account.",
    responses=answers(AccountPage),
)
def list_accounts(limit: Limit = 50, cursor: Cursor = None) -> Response[str]:
    app.allow(Scope.READ)
    page = accounts_now(stage.ledger, stage.catalog, clock.now(), limit=limit, cursor=cursor)
    return answer(
        HTTPStatus.OK,
        AccountPage(accounts=[Account.of(each, stage.catalog) for each in page.items], cursor=page.cursor),
    )


@app.get(
    "/v1/accounts/<account_id>",
    summary="Read an account",
    description="The account as of now, or of the earlier instant `at`.",
    responses=answers(Account, refuses={HTTPStatus.NOT_FOUND}),
)
def read_account(account_id: AccountId, at: Annotated[Instant | None, Query()] = None) -> Response[str]:
    app.allow(Scope.READ, account_id)
    now = clock.now()
    if at is None:
        account = account_now(stage.ledger, stage.catalog, account_id, now)
    else:
        account = account_at(stage.ledger, stage.catalog, account_id, at=at, now=now)
    return answer(HTTPStatus.OK, Account.of(account, stage.catalog))


@app.put(
    "/v1/accounts/<account_id>/plan",
    summary="Change plan or seats",
    description="For accounts that Stripe does not manage. More credits come at once; fewer wait for the period's end.",
    responses=answers(Account, refuses={HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}),
)
def put_plan(account_id: AccountId, body: ChangePlan, idempotency_key: OptionalIdempotencyKey = None) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    # Asking twice for the same plan changes it once, so a caller needs no key; a retry of ours needs one all the same.
    key = client_key(idempotency_key) if idempotency_key else f"plan#{uuid4()}"
    rule = partial(change_plan, key=key, plan=body.plan, seats=body.seats)
    receipt = stage.post(key, account_id, rule, fingerprint=fingerprint("plan", body))
    return answer(HTTPStatus.OK, Account.of(receipt.book, stage.catalog), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/grants",
    summary="Grant credits",
    description="Credits given by hand, with a reason, for ever or until a date.",
    responses=answers(
        Grant,
        HTTPStatus.CREATED,
        HTTPStatus.OK,
        refuses={HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS},
    ),
)
def create_grant(account_id: AccountId, body: GrantRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    key = client_key(idempotency_key)
    rule = partial(
        give,
        key=key,
        kind=GrantKind(body.kind),
        credits=body.credits,
        reason=body.reason,
        expires_at=body.expires_at,
    )
    receipt = stage.post(key, account_id, rule, fingerprint=fingerprint("grants", body))
    return created(Grant.of(receipt.entries[0]), replayed=receipt.replayed)


@app.get(
    "/v1/catalog",
    summary="Read the catalog",
    description="Every action, plan, model and pack with its price.",
    responses={HTTPStatus.OK.value: {"description": "OK", "content": {JSON: {"schema": CATALOG}}}},
)
def read_catalog() -> Response[str]:
    return Response(HTTPStatus.OK, JSON, json.dumps(stage.catalog.to_json_dict(), separators=(",", ":")))


@app.get("/openapi.json", include_in_schema=False)
def read_openapi() -> Response[str]:
    return Response(HTTPStatus.OK, JSON, OPENAPI.read_text(encoding="utf-8"))


@app.get("/docs", include_in_schema=False)
def read_docs() -> Response[str]:
    return Response(HTTPStatus.OK, HTML, docs_page(OPENAPI.read_text(encoding="utf-8")))


handler = app.serve
