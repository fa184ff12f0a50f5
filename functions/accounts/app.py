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
from credits.domain.appoint import appoint, remove
from credits.domain.give import give
from credits.domain.grant import GrantKind
from credits.domain.meter import Meter, change_meter, set_meter
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.subscribe import change_plan
from credits.ledger.post import client_key
from credits.ledger.read import account_at, account_now, accounts_now, joined_at, member_now, members_now
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
    MemberId,
    OptionalIdempotencyKey,
    answer,
    answers,
    created,
    fingerprint,
)
from credits.runtime.stage import Stage
from credits.runtime.wire.account import Account, AccountPage, ChangePlan, OpenAccount
from credits.runtime.wire.grant import Grant, GrantRequest
from credits.runtime.wire.member import Member, MemberPage, MemberRequest
from credits.runtime.wire.meter import KnowledgeWordsRequest, WorkflowsRequest

stage = Stage.from_environment()
app = Api(stage, public={"/v1/catalog", "/openapi.json", "/docs"})

MADE = (HTTPStatus.CREATED, HTTPStatus.OK)
CHANGES = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
"""What any change of an account may be refused with."""

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
    key = own_key("plan", idempotency_key)
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


@app.put(
    "/v1/accounts/<account_id>/meters/knowledge_words",
    summary="Set the knowledge words",
    description="How many words of knowledge there are now. More than the plan allows is refused; less never is.",
    responses=answers(Account, refuses=CHANGES),
)
def put_knowledge_words(
    account_id: AccountId, body: KnowledgeWordsRequest, idempotency_key: OptionalIdempotencyKey = None
) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    key = own_key("meter", idempotency_key)
    rule = partial(set_meter, key=key, meter=Meter.KNOWLEDGE_WORDS, value=body.value)
    receipt = stage.post(key, account_id, rule, fingerprint=fingerprint("knowledge_words", body))
    return answer(HTTPStatus.OK, Account.of(receipt.book, stage.catalog), replayed=receipt.replayed)


@app.post(
    "/v1/accounts/<account_id>/meters/workflows/changes",
    summary="Count workflows",
    description="Workflows that were started, or stopped. More than the plan allows are refused; fewer never are.",
    responses=answers(Account, refuses=CHANGES),
)
def change_workflows(account_id: AccountId, body: WorkflowsRequest, idempotency_key: IdempotencyKey) -> Response[str]:
    app.allow(Scope.CHARGE, account_id)
    key = client_key(idempotency_key)
    rule = partial(change_meter, key=key, meter=Meter.WORKFLOWS, change=body.change)
    receipt = stage.post(key, account_id, rule, fingerprint=fingerprint("workflows", body))
    return answer(HTTPStatus.OK, Account.of(receipt.book, stage.catalog), replayed=receipt.replayed)


@app.put(
    "/v1/accounts/<account_id>/members/<member_id>",
    summary="Set a member",
    description="Makes somebody a member, or changes the cap on what they may spend in a period. From then on their "
    "charges and holds are counted.",
    responses=answers(Member, refuses=CHANGES),
)
def put_member(
    account_id: AccountId, member_id: MemberId, body: MemberRequest, idempotency_key: OptionalIdempotencyKey = None
) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    key = own_key("member", idempotency_key)
    rule = partial(appoint, member_id=member_id, credit_cap=body.credit_cap)
    receipt = stage.post_member(key, account_id, member_id, rule, fingerprint=fingerprint(f"member {member_id}", body))
    if not receipt.entries:
        found = member_now(stage.ledger, stage.catalog, account_id, member_id, clock.now())
        return answer(HTTPStatus.OK, Member.of(found))
    since = joined_at(stage.ledger, account_id, member_id)
    made = Member.made(receipt.entries[0], credit_cap=body.credit_cap, joined_at=since)
    return answer(HTTPStatus.OK, made, replayed=receipt.replayed)


@app.get(
    "/v1/accounts/<account_id>/members",
    summary="List members",
    description="In the order of their ids, each with what they spent in the current period.",
    responses=answers(MemberPage, refuses={HTTPStatus.NOT_FOUND}),
)
def list_members(account_id: AccountId, limit: Limit = 50, cursor: Cursor = None) -> Response[str]:
    app.allow(Scope.READ, account_id)
    page = members_now(stage.ledger, stage.catalog, account_id, clock.now(), limit=limit, cursor=cursor)
    return answer(HTTPStatus.OK, MemberPage(members=[Member.of(each) for each in page.items], cursor=page.cursor))


@app.get(
    "/v1/accounts/<account_id>/members/<member_id>",
    summary="Read a member",
    description="The cap, and what the member spent in the current period.",
    responses=answers(Member, refuses={HTTPStatus.NOT_FOUND}),
)
def read_member(account_id: AccountId, member_id: MemberId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    found = member_now(stage.ledger, stage.catalog, account_id, member_id, clock.now())
    return answer(HTTPStatus.OK, Member.of(found))


@app.delete(
    "/v1/accounts/<account_id>/members/<member_id>",
    summary="Remove a member",
    description="Answers the member as they were. What they did stays in the ledger.",
    responses=answers(Member, refuses=CHANGES),
)
def delete_member(account_id: AccountId, member_id: MemberId) -> Response[str]:
    app.allow(Scope.ADMIN, account_id)
    found = member_now(stage.ledger, stage.catalog, account_id, member_id, clock.now())
    rule = partial(remove, member_id=member_id)
    stage.post_member(own_key("member", None), account_id, member_id, rule)
    return answer(HTTPStatus.OK, Member.of(found))


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


def own_key(what: str, idempotency_key: str | None) -> str:
    """The caller's key. Asking twice to set the same sets it once, so a caller needs none; a retry of ours does."""
    return client_key(idempotency_key) if idempotency_key else f"{what}#{uuid4()}"


handler = app.serve
