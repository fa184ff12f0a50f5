"""Set aside: open a hold on an account, or put more into one."""

from dataclasses import replace
from datetime import datetime, timedelta

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.charge import require_balance
from credits.domain.entry import EntryKind
from credits.domain.gate import require_standing
from credits.domain.grant import Draw, Grant, set_aside
from credits.domain.hold import Hold
from credits.domain.journal import Journal, Posting, write_hold
from credits.domain.member import Member, counted
from credits.domain.renew import renew
from credits.errors import HoldClosed, HoldNotFound, IdempotencyKeyReused, InvalidRequest


def open_hold(
    account: Account,
    hold: Hold | None,
    member: Member | None = None,
    *,
    catalog: Catalog,
    now: datetime,
    key: str,
    hold_id: str,
    credits: int,
    expires_in_seconds: int | None = None,
    member_id: str | None = None,
    conversation_id: str | None = None,
    description: str | None = None,
) -> Posting:
    """Set `credits` (1 or more) aside for the policy's usual time, or for `expires_in_seconds`.

    The plan and the member are fixed here; a member's cap counts all of it now, and gets back at the close what was
    not used. Raises, in this order of precedence: InvalidRequest (a life that is too long), PaymentRequired,
    InsufficientCredits or CreditsExhausted, MemberCapReached.
    """
    if hold is not None:
        raise IdempotencyKeyReused(hold_id)  # and `post` finds what the key did
    journal = renew(account, catalog, now)
    account = journal.account
    now = max(now, account.at)
    hold = Hold(
        account_id=account.account_id,
        hold_id=hold_id,
        opened_at=now,
        expires_at=now,
        plan=account.plan,
        member_id=member_id,
        conversation_id=conversation_id,
        description=description,
        at=now,
    )
    seconds = expires_in_seconds or catalog.policies.hold_default_seconds
    expires_at = _expiry(hold, catalog, now, seconds)
    return _move(journal, catalog, now, EntryKind.HOLD, key, hold, member, credits, expires_at)


def extend_hold(
    account: Account,
    hold: Hold | None,
    member: Member | None = None,
    *,
    catalog: Catalog,
    now: datetime,
    key: str,
    hold_id: str,
    credits: int = 0,
    expires_in_seconds: int | None = None,
) -> Posting:
    """Set `credits` more aside (0 for none); let the hold live until `expires_in_seconds` from now, if that is later.

    Raises HoldNotFound, HoldClosed, and what opening it raises.
    """
    if hold is None:
        raise HoldNotFound(account.account_id, hold_id)
    journal = renew(account, catalog, now)
    now = max(now, journal.account.at, hold.at)
    if hold.is_over(now):
        raise HoldClosed(hold_id, status=hold.status_at(now).value)
    expires_at = _expiry(hold, catalog, now, expires_in_seconds) if expires_in_seconds else hold.expires_at
    expires_at = max(expires_at, hold.expires_at)
    return _move(journal, catalog, now, EntryKind.EXTENSION, key, hold, member, credits, expires_at)


def _expiry(hold: Hold, catalog: Catalog, now: datetime, seconds: int) -> datetime:
    """`seconds` from now. A hold pins the grants it draws on, so its whole life is bounded, extensions included."""
    expires_at = now + timedelta(seconds=seconds)
    longest = catalog.policies.hold_longest_seconds
    if expires_at > hold.opened_at + timedelta(seconds=longest):
        raise InvalidRequest([("expires_in", f"a hold lives {longest} seconds at most, from its opening")])
    return expires_at


def _move(
    journal: Journal,
    catalog: Catalog,
    now: datetime,
    kind: EntryKind,
    key: str,
    hold: Hold,
    member: Member | None,
    credits: int,
    expires_at: datetime,
) -> Posting:
    account = journal.account
    if credits:
        require_standing(account, now)
        require_balance(account, credits)
    member = counted(member, account, credits)
    grants, draws = set_aside(account.grants, credits)
    facts = {"member_id": hold.member_id, "conversation_id": hold.conversation_id, "description": hold.description}
    journal.write(
        kind,
        key,
        now,
        replace(account, grants=grants),
        draws,
        **facts,
        hold_id=hold.hold_id,
        member_used=member.used if member else None,
    )
    after = replace(
        hold,
        grants=_joined(hold.grants, draws),
        credits=hold.credits + credits,
        expires_at=expires_at,
    )
    if member:
        before = hold.counted if hold.counted_from == member.counted_from else 0
        after = replace(after, counted=before + credits, counted_from=member.counted_from)
    parts = tuple(Draw(draw.grant_id, draw.kind, draw.held, draw.expires_at) for draw in draws)
    entry = write_hold(hold, catalog, kind, key, now, after, parts, **facts)
    return journal.posting(entry.after, *([member] if member else []), entries=[entry])


def _joined(parts: tuple[Grant, ...], draws: tuple[Draw, ...]) -> tuple[Grant, ...]:
    """The hold's parts with what was set aside now, in the order in which the account has its grants."""
    joined = {part.id: part for part in parts}
    for draw in draws:
        part = joined.get(draw.grant_id) or Grant(draw.grant_id, draw.kind, 0, 0, expires_at=draw.expires_at)
        joined[part.id] = replace(part, credits=part.credits + draw.held, remaining=part.remaining + draw.held)
    return tuple(joined.values())
