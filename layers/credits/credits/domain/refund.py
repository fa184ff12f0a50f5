"""Refund: give back what a charge took, in whole or in part, to where it came from. Payment never stands in its way."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import CHARGES, AnyEntry, Corrected, EntryKind
from credits.domain.give import BY_HAND, has_room
from credits.domain.grant import NEVER, Draw, Grant, GrantKind, burn_order
from credits.domain.hold import Hold
from credits.domain.journal import Posting, write_hold
from credits.domain.member import Member, counted
from credits.domain.renew import renew
from credits.errors import HoldClosed, HoldNotFound, InvalidRequest, NotRefundable


def refund_key(charge: AnyEntry) -> str:
    """What a charge is refunded under: once, whoever asks, and under whatever key of theirs."""
    book = f"{charge.hold_id}#" if charge.book_id != charge.account_id else ""
    return f"refund#{book}{charge.key}"


def refundable(charge: AnyEntry, charge_id: str, credits: int | None) -> int:
    """How many credits to give back: those that are asked for, or all that the charge took.

    Raises NotRefundable for a refund and for what was free, InvalidRequest for more than was charged.
    """
    if charge.kind not in CHARGES:
        raise NotRefundable(charge_id, "is itself a refund")
    if not charge.credits:
        raise NotRefundable(charge_id, "was free")
    if credits is not None and credits > -charge.credits:
        raise InvalidRequest([("credits", f"is more than the {-charge.credits} that were charged")])
    return credits or -charge.credits


def refund(
    account: Account,
    *members: Member | None,
    catalog: Catalog,
    now: datetime,
    charge: AnyEntry,
    settled: AnyEntry,
    counted_by: AnyEntry,
    credits: int,
    reason: str,
) -> Posting:
    """Return `credits` of the charge to the account's grants that it drew on, the last drawn first: as if it had cost
    so much less.

    A grant that is gone comes back. What belongs to one that has expired comes as a promotion until the period ends.
    `settled` is the account's entry by which the charge counts as used, `counted_by` the one by which it counts with
    its member: the charge itself; of a capture, what closed its hold and what opened it. Only what is in the current
    count is taken off.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    now = max(now, account.at)
    draws: list[Draw] = []
    late = 0
    for draw, part in _returned(charge, credits):
        if draw.expires_at and draw.expires_at <= now:
            late += part
        else:
            account, back = _into(account, catalog, draw, part)
            draws.append(back)
    if late:
        promotion = Draw(f"g{account.seq + 1}", GrantKind.PROMOTION, late, account.period.end)
        account, back = _into(account, catalog, promotion, late)
        draws.append(back)
    if _in_count(account, settled):
        account = replace(account, used=max(account.used - credits, 0))
    (member,) = members or (None,)
    with_member = counted_by.member_used is not None and _in_count(account, counted_by)
    member = counted(member, account, -credits if with_member else 0)
    journal.write(
        EntryKind.REFUND,
        refund_key(charge),
        now,
        account,
        _merged(draws),
        **_facts(charge, reason),
        member_used=member.used if member else None,
    )
    return journal.posting(*([member] if member else []))


def _in_count(account: Account, entry: AnyEntry) -> bool:
    """Whether what the entry counted is in the account's current count."""
    return isinstance(entry.after, Account) and entry.after.counts_from == account.counts_from


def refund_to_hold(
    hold: Hold | None, *, catalog: Catalog, now: datetime, charge: AnyEntry, credits: int, reason: str
) -> Posting:
    """Return `credits` of a capture to its hold, while that is open. Raises HoldClosed once it is over: then they go to
    the account."""
    if hold is None:
        raise HoldNotFound(charge.account_id, charge.hold_id or "")
    if hold.is_over(now):
        raise HoldClosed(hold.hold_id, status=hold.status_at(now).value)
    back = {draw.grant_id: part for draw, part in _returned(charge, credits)}
    parts = tuple(replace(part, remaining=part.remaining + back.get(part.id, 0)) for part in hold.grants)
    draws = tuple(Draw(part.id, part.kind, back[part.id], part.expires_at) for part in hold.grants if part.id in back)
    after = replace(hold, grants=parts, captured=hold.captured - credits)
    facts = _facts(charge, reason)
    entry = write_hold(hold, catalog, EntryKind.REFUND, refund_key(charge), now, after, draws, **facts)
    return Posting((entry.after,), (entry,))


def _returned(charge: AnyEntry, credits: int) -> list[tuple[Draw, int]]:
    """The charge's draws of which something comes back, and how much, the last drawn first."""
    returned: list[tuple[Draw, int]] = []
    for draw in reversed(charge.draws):
        part = min(credits, -draw.credits)
        if part:
            returned.append((draw, part))
            credits -= part
    return returned


def _into(account: Account, catalog: Catalog, draw: Draw, part: int) -> tuple[Account, Draw]:
    """The account with `part` more in the grant that the draw names, and the draw that says so.

    A grant that had left the book comes back with what comes back of it. Where the book has no room for one more that
    was given by hand, the credits join another such grant.
    """
    there = next((grant for grant in account.grants if grant.id == draw.grant_id), None)
    if there is None and not has_room(account, catalog, draw.kind):
        there = _like(account.grants, draw)
    if there is None:
        grant = Grant(draw.grant_id, draw.kind, part, part, expires_at=draw.expires_at)
        return account.put(grant), replace(draw, credits=part, held=0, frozen=0)
    grown = replace(there, remaining=there.remaining + part)
    grown = replace(grown, credits=max(grown.credits, grown.remaining + grown.held + grown.frozen))
    return account.put(grown), Draw(there.id, there.kind, part, there.expires_at)


def _like(grants: Sequence[Grant], draw: Draw) -> Grant:
    """The grant by hand that comes next to what the draw names: of its kind, if there is one, the first to expire of
    those that live as long; or else the last to expire."""
    by_hand = burn_order([grant for grant in grants if grant.kind in BY_HAND])
    kin = [grant for grant in by_hand if grant.kind is draw.kind] or by_hand
    lasting = (grant for grant in kin if (grant.expires_at or NEVER) >= (draw.expires_at or NEVER))
    return next(lasting, kin[-1])


def _merged(draws: Sequence[Draw]) -> tuple[Draw, ...]:
    """One draw for each grant."""
    merged: dict[str, Draw] = {}
    for draw in draws:
        before = merged.get(draw.grant_id)
        merged[draw.grant_id] = replace(draw, credits=draw.credits + before.credits) if before else draw
    return tuple(merged.values())


def _facts(charge: AnyEntry, reason: str) -> dict[str, Any]:
    """What the refund says of the charge: where it happened, and that it is corrected."""
    return {
        "action": charge.action,
        "conversation_id": charge.conversation_id,
        "member_id": charge.member_id,
        "model": charge.model,
        "tool": charge.tool,
        "description": reason,
        "corrects": Corrected(charge.book_id, charge.key, charge.at),
    }
