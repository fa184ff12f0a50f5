"""Records: the plain form (text, numbers, lists, dicts) in which a book and its entries are stored and hashed.

A field that has its usual value is left out. That keeps an ordinary account and an ordinary charge under 1 KB each,
which is what DynamoDB bills as one unit, and lets a field be added later without touching what was hashed before.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from credits.domain.account import Account, CreditWarning, PendingChange, Standing, Term
from credits.domain.entry import ChangeStatus, Entry, EntryKind, PlanChange
from credits.domain.grant import Draw, Grant, GrantKind
from credits.domain.instant import from_text, to_text

Record = dict[str, Any]


def to_json(value: Record | list[Any]) -> str:
    """The one JSON text of a record: keys sorted, no spaces, UTF-8 as it is. What is hashed, and what is stored."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chain_hash(prev_hash: str, record: Record) -> str:
    """sha256, in hex, of the previous entry's hash and this entry's record without its own two."""
    body = {name: value for name, value in record.items() if name not in ("hash", "prev_hash")}
    return sha256((prev_hash + to_json(body)).encode()).hexdigest()


def grant_to_record(grant: Grant) -> Record:
    record: Record = {
        "id": grant.id,
        "kind": grant.kind.value,
        "credits": grant.credits,
        "remaining": grant.remaining,
    }
    if grant.held:
        record["held"] = grant.held
    if grant.frozen:
        record["frozen"] = grant.frozen
    if grant.expires_at:
        record["expires_at"] = to_text(grant.expires_at)
    return record


def grant_from_record(record: Record) -> Grant:
    return Grant(
        record["id"],
        GrantKind(record["kind"]),
        record["credits"],
        record["remaining"],
        record.get("held", 0),
        record.get("frozen", 0),
        _instant(record.get("expires_at")),
    )


def state_to_record(account: Account) -> Record:
    """The account without its name and its place in the chain: the `state` of an item, the `after` of an entry."""
    record: Record = {
        "plan": account.plan,
        "anchor": to_text(account.anchor),
        "grants": [grant_to_record(grant) for grant in account.grants],
    }
    if account.seats != 1:
        record["seats"] = account.seats
    if account.standing is not Standing.ACTIVE:
        record["standing"] = account.standing.value
    if account.period_number:
        record["period_number"] = account.period_number
    if account.pending:
        pending = account.pending
        record["pending"] = {"plan": pending.plan, "seats": pending.seats, "at": to_text(pending.at)}
    if account.used:
        record["used"] = account.used
    if account.free_through >= 0:
        record["free_through"] = account.free_through
    if account.knowledge_words:
        record["knowledge_words"] = account.knowledge_words
    if account.workflows:
        record["workflows"] = account.workflows
    if account.warned:
        record["warned"] = account.warned.value
    return record | _payment_to_record(account)


def _payment_to_record(account: Account) -> Record:
    """The part of the state that Stripe decides."""
    record: Record = {}
    if account.grace_ends_at:
        record["grace_ends_at"] = to_text(account.grace_ends_at)
    if account.subscription_id:
        record["subscription_id"] = account.subscription_id
    if account.terms:
        record["terms"] = [_term_to_record(term, account.subscription_id) for term in account.terms]
    if account.paid_until:
        record["paid_until"] = to_text(account.paid_until)
    if account.owed:
        record["owed"] = account.owed
    if account.ticket:
        record["ticket"] = account.ticket
    return record


def account_from_record(
    record: Record,
    *,
    account_id: str,
    opened_at: datetime,
    at: datetime,
    seq: int,
    head: str,
    version: int = 0,
) -> Account:
    """The inverse of `state_to_record`, given the account's name and its place in the chain."""
    pending = record.get("pending")
    warned = record.get("warned")
    return Account(
        account_id=account_id,
        opened_at=opened_at,
        plan=record["plan"],
        seats=record.get("seats", 1),
        standing=Standing(record.get("standing", Standing.ACTIVE)),
        grace_ends_at=_instant(record.get("grace_ends_at")),
        subscription_id=record.get("subscription_id"),
        terms=tuple(_term_from_record(term, record.get("subscription_id")) for term in record.get("terms", ())),
        paid_until=_instant(record.get("paid_until")),
        owed=record.get("owed", 0),
        ticket=record.get("ticket", 0),
        anchor=from_text(record["anchor"]),
        period_number=record.get("period_number", 0),
        pending=PendingChange(pending["plan"], pending["seats"], from_text(pending["at"])) if pending else None,
        grants=tuple(grant_from_record(grant) for grant in record["grants"]),
        used=record.get("used", 0),
        free_through=record.get("free_through", -1),
        knowledge_words=record.get("knowledge_words", 0),
        workflows=record.get("workflows", 0),
        warned=CreditWarning(warned) if warned else None,
        at=at,
        seq=seq,
        head=head,
        version=version,
    )


OPTIONAL_TEXT = (
    "action",
    "conversation_id",
    "conversation_title",
    "member_id",
    "model",
    "tool",
    "description",
    "fingerprint",
)


def entry_to_record(entry: Entry) -> Record:
    """Every field of the entry, `hash` and `prev_hash` included."""
    record: Record = {
        "book_id": entry.book_id,
        "account_id": entry.account_id,
        "key": entry.key,
        "kind": entry.kind.value,
        "at": to_text(entry.at),
        "seq": entry.seq,
        "credits": entry.credits,
        "remaining": entry.remaining,
        "total": entry.total,
        "after": {"opened_at": to_text(entry.after.opened_at)} | state_to_record(entry.after),
        "catalog_version": entry.catalog_version,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }
    if entry.draws:
        still_there = {grant.id for grant in entry.after.grants}
        record["draws"] = [_draw_to_record(draw, known=draw.grant_id in still_there) for draw in entry.draws]
    if entry.warning:
        record["warning"] = entry.warning.value
    if entry.alert:
        record["alert"] = entry.alert.value
    if entry.quantity is not None:
        record["quantity"] = entry.quantity
    if entry.lines != 1:
        record["lines"] = entry.lines
    if entry.change:
        record["change"] = _change_to_record(entry.change)
    if entry.standing_before:
        record["standing_before"] = entry.standing_before.value
    if entry.shortfall:
        record["shortfall"] = entry.shortfall
    for name in OPTIONAL_TEXT:
        if (text := getattr(entry, name)) is not None:
            record[name] = text
    return record


def entry_from_record(record: Record) -> Entry:
    """The inverse of `entry_to_record`."""
    at = from_text(record["at"])
    after = account_from_record(
        record["after"],
        account_id=record["account_id"],
        opened_at=from_text(record["after"]["opened_at"]),
        at=at,
        seq=record["seq"],
        head=record["hash"],
    )
    grants = {grant.id: grant for grant in after.grants}
    warning, alert, change = record.get("warning"), record.get("alert"), record.get("change")
    standing_before = record.get("standing_before")
    return Entry(
        book_id=record["book_id"],
        account_id=record["account_id"],
        key=record["key"],
        kind=EntryKind(record["kind"]),
        at=at,
        seq=record["seq"],
        credits=record["credits"],
        draws=tuple(_draw_from_record(draw, grants) for draw in record.get("draws", ())),
        remaining=record["remaining"],
        total=record["total"],
        warning=CreditWarning(warning) if warning else None,
        alert=CreditWarning(alert) if alert else None,
        quantity=record.get("quantity"),
        change=_change_from_record(change) if change else None,
        standing_before=Standing(standing_before) if standing_before else None,
        shortfall=record.get("shortfall", 0),
        after=after,
        catalog_version=record["catalog_version"],
        lines=record.get("lines", 1),
        prev_hash=record["prev_hash"],
        hash=record["hash"],
        **{name: record.get(name) for name in OPTIONAL_TEXT},
    )


def _term_to_record(term: Term, current: str | None) -> Record:
    """The term. That of the account's own subscription does not name it again."""
    record: Record = {"ends_at": to_text(term.ends_at), "given": term.given}
    if term.provisional:
        record["provisional"] = term.provisional
    if term.subscription_id != current:
        record["subscription_id"] = term.subscription_id
    return record


def _term_from_record(record: Record, current: str | None) -> Term:
    subscription_id = str(record.get("subscription_id", current))
    return Term(subscription_id, from_text(record["ends_at"]), record["given"], record.get("provisional", 0))


def _draw_to_record(draw: Draw, *, known: bool) -> Record:
    """The draw. Of a grant that `after` still holds, the expiry stands there and is not written twice."""
    record: Record = {"grant": draw.grant_id, "kind": draw.kind.value, "credits": draw.credits}
    if draw.expires_at and not known:
        record["expires_at"] = to_text(draw.expires_at)
    if draw.held:
        record["held"] = draw.held
    if draw.frozen:
        record["frozen"] = draw.frozen
    return record


def _draw_from_record(record: Record, grants: Mapping[str, Grant]) -> Draw:
    known = grants.get(record["grant"])
    expires_at = known.expires_at if known else _instant(record.get("expires_at"))
    kind, held, frozen = GrantKind(record["kind"]), record.get("held", 0), record.get("frozen", 0)
    return Draw(record["grant"], kind, record["credits"], expires_at, held, frozen)


def _change_to_record(change: PlanChange) -> Record:
    record: Record = {
        "from_plan": change.from_plan,
        "from_seats": change.from_seats,
        "to_plan": change.to_plan,
        "to_seats": change.to_seats,
        "at": to_text(change.at),
    }
    if change.status is not ChangeStatus.APPLIED:
        record["status"] = change.status.value
    return record


def _change_from_record(record: Record) -> PlanChange:
    return PlanChange(
        record["from_plan"],
        record["from_seats"],
        record["to_plan"],
        record["to_seats"],
        from_text(record["at"]),
        ChangeStatus(record.get("status", ChangeStatus.APPLIED)),
    )


def _instant(text: str | None) -> datetime | None:
    return from_text(text) if text else None
