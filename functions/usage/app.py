"""Usage: where the credits went, from the ledger itself."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from credits.access.caller import Scope
from credits.domain.entry import EntryKind
from credits.ledger.audit import audit
from credits.ledger.read import EntryFilter, entries
from credits.runtime.http import AccountId, Api, Cursor, Instant, Limit, answer, answers
from credits.runtime.stage import Stage
from credits.runtime.wire.audit import Audit
from credits.runtime.wire.entry import Entry, EntryPage
from credits.runtime.wire.shape import Id

stage = Stage.from_environment()
app = Api(stage)


@app.get(
    "/v1/accounts/<account_id>/entries",
    summary="List ledger entries",
    description="Newest first. A page of a rare kind or action may hold few entries, or none, and still have a cursor.",
    responses=answers(EntryPage, refuses={HTTPStatus.NOT_FOUND}),
)
def list_entries(
    account_id: AccountId,
    since: Annotated[Instant | None, Query(alias="from", description="At this instant or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Before this instant.")] = None,
    conversation: Annotated[Id | None, Query()] = None,
    kind: Annotated[EntryKind | None, Query()] = None,
    action: Annotated[Id | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[str]:
    app.allow(Scope.READ, account_id)
    wanted = EntryFilter(since, until, conversation, kind, action)
    page = entries(stage.ledger, account_id, wanted, limit=limit, cursor=cursor)
    return answer(HTTPStatus.OK, EntryPage(entries=[Entry.of(entry) for entry in page.items], cursor=page.cursor))


@app.get(
    "/v1/accounts/<account_id>/audit",
    summary="Audit an account",
    description="Checks every entry against the one before: the hash chain, the sums of every grant, the balance.",
    responses=answers(Audit, refuses={HTTPStatus.NOT_FOUND}),
)
def audit_account(account_id: AccountId) -> Response[str]:
    app.allow(Scope.READ, account_id)
    return answer(HTTPStatus.OK, Audit.of(audit(stage.ledger, account_id)))


handler = app.serve
