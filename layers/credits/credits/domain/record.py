"""Records: the plain form (text, numbers, lists, dicts) in which a book and its entries are stored and hashed.

A field that has its usual value is left out. That keeps an ordinary account and an ordinary charge under 1 KB each,
which is what DynamoDB bills as one unit, and lets a field be added later without touching what was hashed before.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from credits.domain.account import Account, CreditWarning, PendingChange, Standing, Term
from credits.domain.entry import AnyEntry, ChangeStatus, Corrected, Entry, EntryKind, PlanChange
from credits.domain.grant import Draw, Grant, GrantKind
from credits.domain.hold import HOLD_MARK, Hold, HoldStatus
from credits.domain.instant import from_text, to_text
from credits.domain.member import Member

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
    if grant.recalled:
        record["recalled"] = grant.recalled
    if grant.owing:
        record["owing"] = grant.owing
    if grant.missing:
        record["missing"] = grant.missing
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
        record.get("recalled", 0),
        record.get("owing", 0),
        record.get("missing", 0),
    )


USUAL: Final[Mapping[str, int | str | None]] = {
    "seats": 1,
    "subscription_id": None,
    "period_number": 0,
    "used": 0,
    "free_through": -1,
    "free_returned": False,
    "knowledge_words": 0,
    "workflows": 0,
    "members": 0,
    "owed": 0,
    "ticket": 0,
}
"""The plain fields of an account that are left out at these values."""


def state_to_record(account: Account) -> Record:
    """The account without its name and its place in the chain: the `state` of an item, the `after` of an entry."""
    record: Record = {
        "plan": account.plan,
        "anchor": to_text(account.anchor),
        "grants": [grant_to_record(grant) for grant in account.grants],
    }
    record |= {name: value for name, usual in USUAL.items() if (value := getattr(account, name)) != usual}
    if account.counted_from:
        record["counted_from"] = to_text(account.counted_from)
    if account.standing is not Standing.ACTIVE:
        record["standing"] = account.standing.value
    if account.pending:
        pending = account.pending
        record["pending"] = {"plan": pending.plan, "seats": pending.seats, "at": to_text(pending.at)}
    if account.warned:
        record["warned"] = account.warned.value
    return record | _payment_to_record(account) | _top_up_to_record(account)


def _top_up_to_record(account: Account) -> Record:
    """The part of the state that an automatic top-up goes by."""
    if account.top_up_below is None:
        return {}
    return {"top_up_below": account.top_up_below} | ({"top_up_due": True} if account.top_up_due else {})


def _payment_to_record(account: Account) -> Record:
    """The part of the state that Stripe decides."""
    record: Record = {}
    if account.grace_ends_at:
        record["grace_ends_at"] = to_text(account.grace_ends_at)
    if account.terms:
        record["terms"] = [_term_to_record(term, account.subscription_id) for term in account.terms]
    if account.paid_until:
        record["paid_until"] = to_text(account.paid_until)
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
        counted_from=_instant(record.get("counted_from")),
        free_through=record.get("free_through", -1),
        free_returned=record.get("free_returned", False),
        knowledge_words=record.get("knowledge_words", 0),
        workflows=record.get("workflows", 0),
        members=record.get("members", 0),
        warned=CreditWarning(warned) if warned else None,
        top_up_below=record.get("top_up_below"),
        top_up_due=record.get("top_up_due", False),
        at=at,
        seq=seq,
        head=head,
        version=version,
    )


def hold_to_record(hold: Hold) -> Record:
    """The hold without its name and its place in the chain: the `state` of an item, the `after` of an entry."""
    record: Record = {
        "plan": hold.plan,
        "expires_at": to_text(hold.expires_at),
        "credits": hold.credits,
        "captured": hold.captured,
    }
    if hold.status is not HoldStatus.OPEN:
        record["status"] = hold.status.value
    if hold.grants:
        record["grants"] = [grant_to_record(part) for part in hold.grants]
    if hold.counted_from:
        record["counted"] = hold.counted
        record["counted_from"] = to_text(hold.counted_from)
    for name in ("member_id", "conversation_id", "description"):
        if (text := getattr(hold, name)) is not None:
            record[name] = text
    return record


def hold_from_record(
    record: Record,
    *,
    account_id: str,
    hold_id: str,
    opened_at: datetime,
    at: datetime,
    seq: int,
    head: str,
    version: int = 0,
) -> Hold:
    """The inverse of `hold_to_record`, given the hold's name and its place in the chain."""
    return Hold(
        account_id=account_id,
        hold_id=hold_id,
        opened_at=opened_at,
        expires_at=from_text(record["expires_at"]),
        plan=record["plan"],
        member_id=record.get("member_id"),
        conversation_id=record.get("conversation_id"),
        description=record.get("description"),
        status=HoldStatus(record.get("status", HoldStatus.OPEN)),
        grants=tuple(grant_from_record(part) for part in record.get("grants", ())),
        credits=record["credits"],
        captured=record["captured"],
        counted=record.get("counted", 0),
        counted_from=_instant(record.get("counted_from")),
        at=at,
        seq=seq,
        head=head,
        version=version,
    )


def member_to_record(member: Member) -> Record:
    """The member without its name and its place in the ledger: the `state` of an item."""
    record: Record = {
        "joined_at": to_text(member.joined_at),
        "used": member.used,
        "counted_from": to_text(member.counted_from),
    }
    if member.credit_cap is not None:
        record["credit_cap"] = member.credit_cap
    if member.removed:
        record["removed"] = True
    return record


def member_from_record(
    record: Record, *, account_id: str, member_id: str, at: datetime, seq: int, head: str, version: int = 0
) -> Member:
    """The inverse of `member_to_record`, given the member's name and its place in the ledger."""
    return Member(
        account_id=account_id,
        member_id=member_id,
        joined_at=from_text(record["joined_at"]),
        credit_cap=record.get("credit_cap"),
        used=record["used"],
        counted_from=from_text(record["counted_from"]),
        removed=record.get("removed", False),
        at=at,
        seq=seq,
        head=head,
        version=version,
    )


OPTIONAL: Final[Mapping[str, Any]] = {
    "action": None,
    "quantity": None,
    "conversation_id": None,
    "conversation_title": None,
    "member_id": None,
    "member_used": None,
    "hold_id": None,
    "model": None,
    "tool": None,
    "description": None,
    "shortfall": 0,
    "calls_for": None,
    "by": None,
    "forced": False,
    "lines": 1,
    "fingerprint": None,
}
"""The plain fields of an entry that are left out at these values."""


def entry_to_record(entry: AnyEntry) -> Record:
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
        "after": after_to_record(entry.after),
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
    if entry.change:
        record["change"] = _change_to_record(entry.change)
    if entry.standing_before:
        record["standing_before"] = entry.standing_before.value
    if corrects := entry.corrects:
        record["corrects"] = {"book_id": corrects.book_id, "key": corrects.key, "at": to_text(corrects.at)}
    return record | {name: value for name, usual in OPTIONAL.items() if (value := getattr(entry, name)) != usual}


def entry_from_record(record: Record) -> AnyEntry:
    """The inverse of `entry_to_record`."""
    after = after_from_record(
        record["after"],
        account_id=record["account_id"],
        book_id=record["book_id"],
        at=from_text(record["at"]),
        seq=record["seq"],
        head=record["hash"],
    )
    grants = {grant.id: grant for grant in after.grants}
    standing_before = record.get("standing_before")
    warning, alert = record.get("warning"), record.get("alert")
    change, corrects = record.get("change"), record.get("corrects")
    return Entry(
        book_id=record["book_id"],
        account_id=record["account_id"],
        key=record["key"],
        kind=EntryKind(record["kind"]),
        at=after.at,
        seq=record["seq"],
        credits=record["credits"],
        draws=tuple(_draw_from_record(draw, grants) for draw in record.get("draws", ())),
        remaining=record["remaining"],
        total=record["total"],
        warning=CreditWarning(warning) if warning else None,
        alert=CreditWarning(alert) if alert else None,
        change=_change_from_record(change) if change else None,
        standing_before=Standing(standing_before) if standing_before else None,
        corrects=Corrected(corrects["book_id"], corrects["key"], from_text(corrects["at"])) if corrects else None,
        after=after,
        catalog_version=record["catalog_version"],
        prev_hash=record["prev_hash"],
        hash=record["hash"],
        **{name: record.get(name, usual) for name, usual in OPTIONAL.items()},
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


def after_to_record(book: Account | Hold) -> Record:
    """The book as one of its entries carries it: the name and the place in the chain are the entry's own."""
    state = hold_to_record(book) if isinstance(book, Hold) else state_to_record(book)
    return {"opened_at": to_text(book.opened_at)} | state


def after_from_record(
    record: Record, *, account_id: str, book_id: str, at: datetime, seq: int, head: str
) -> Account | Hold:
    """The inverse of `after_to_record`, given the name of the book and its place in the chain."""
    opened_at = from_text(record["opened_at"])
    hold_id = book_id.partition(HOLD_MARK)[2]
    if hold_id:
        return hold_from_record(
            record, account_id=account_id, hold_id=hold_id, opened_at=opened_at, at=at, seq=seq, head=head
        )
    return account_from_record(record, account_id=account_id, opened_at=opened_at, at=at, seq=seq, head=head)


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
