"""Release: close a hold, whoever does it and whenever: what was not captured goes back where it came from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind, line_key
from credits.domain.grant import Draw, Grant, without
from credits.domain.hold import Hold, HoldStatus
from credits.domain.journal import Posting, write_hold
from credits.domain.member import Member, counted
from credits.domain.recall import come_back, recall
from credits.domain.renew import renew
from credits.errors import HoldClosed, HoldNotFound


def release_key(hold_id: str) -> str:
    """What a hold is closed under, in its account's book and in its own: once, whoever closes it."""
    return f"close#{hold_id}"


def release(
    account: Account,
    hold: Hold | None,
    member: Member | None = None,
    *,
    catalog: Catalog,
    now: datetime,
    hold_id: str,
    expired_only: bool = False,
) -> Posting:
    """Close the hold: its captures become spent credits of the account, the rest goes back to the grants it came from.
    What goes back into a grant that has expired since expires at once, and what was recalled meanwhile is taken at
    once, as further lines. What was captured of that is owed, or forgiven. It is never refused for want of payment.

    A hold whose time has run out is `expired`, and no longer `closed`; with `expired_only`, one whose time has not is
    left as it is. Raises HoldNotFound, or HoldClosed where it was closed before (and `post` finds that).
    """
    if hold is None:
        raise HoldNotFound(account.account_id, hold_id)
    if not hold.open:
        raise HoldClosed(hold_id, status=hold.status.value)
    status = HoldStatus.EXPIRED if hold.is_over(now) else HoldStatus.CLOSED
    if expired_only and status is HoldStatus.CLOSED:
        return Posting((account,), ())
    key = release_key(hold_id)
    journal = renew(account, catalog, now)
    account = journal.account
    now = max(now, account.at, hold.at)
    parts = {part.id: part for part in hold.grants}
    draws = tuple(
        Draw(grant.id, grant.kind, parts[grant.id].remaining, grant.expires_at, held=-parts[grant.id].credits)
        for grant in account.grants
        if grant.id in parts
    )
    rest = hold.remaining
    member = counted(member, account, -_given_back(hold, member.as_of(account), rest)) if member else None
    late = tuple(
        Draw(draw.grant_id, draw.kind, -draw.credits, draw.expires_at)
        for draw in draws
        if draw.credits and draw.expires_at and draw.expires_at <= now
    )
    account, recalled, owed = _given_up(account, draws, now)
    further = [
        (EntryKind.EXPIRY, late, None),
        (EntryKind.REVOCATION, recalled, "recalled while it was held"),
    ]
    further = [each for each in further if each[1]]
    facts = {"member_id": hold.member_id, "conversation_id": hold.conversation_id, "description": hold.description}
    journal.write(
        EntryKind.RELEASE,
        key,
        now,
        replace(account, used=account.used + hold.captured),
        draws,
        **facts,
        hold_id=hold_id,
        member_used=member.used if member else None,
        shortfall=owed,
        lines=1 + len(further),
    )
    for line, (kind, moved, words) in enumerate(further, 1):
        gone = {draw.grant_id: -draw.credits for draw in moved}
        left = (_without(grant, gone.get(grant.id, 0)) for grant in journal.account.grants)
        after = replace(journal.account, grants=tuple(grant for grant in left if not grant.empty))
        journal.write(kind, line_key(key, line), now, after, moved, hold_id=hold_id, description=words)
    back = tuple(Draw(part.id, part.kind, -part.remaining, part.expires_at) for part in hold.grants if part.remaining)
    closed = replace(hold, status=status, grants=(), counted=0, counted_from=None)
    entry = write_hold(hold, catalog, EntryKind.RELEASE, key, now, closed, back, **facts)
    return journal.posting(entry.after, *([member] if member else []), entries=[entry])


def _given_up(account: Account, draws: Sequence[Draw], now: datetime) -> tuple[Account, tuple[Draw, ...], int]:
    """The account with what comes back to it, without what the hold had of it; the draws that take what was recalled of
    that, unless it has expired and goes by itself; and how much was spent of what was recalled, and is owed now."""
    drawn = {draw.grant_id: draw for draw in draws}
    grants = tuple(_moved(grant, drawn[grant.id]) if grant.id in drawn else grant for grant in account.grants)
    recalled: list[Draw] = []
    owed = 0
    for pool in come_back(account.grants, draws):
        grants = recall(grants, pool.among, pool.recalled, pool.owing)
        if pool.expires_at is None or pool.expires_at > now:
            recalled += without(grants, pool.taken, *pool.among)[1]
        if term := next((term for term in account.terms if term.ends_at == pool.expires_at), None):
            given = term.given - pool.taken - pool.owed
            account = account.with_term(replace(term, given=given, provisional=term.provisional - pool.unpaid))
        owed += pool.owed
    grants = tuple(grant for grant in grants if not grant.empty)
    return replace(account, grants=grants, owed=account.owed + owed), tuple(recalled), owed


def _moved(grant: Grant, draw: Draw) -> Grant:
    return replace(grant, held=grant.held + draw.held, remaining=grant.remaining + draw.credits)


def _without(grant: Grant, gone: int) -> Grant:
    """The grant without what is gone of it at once: where that was missing of a pack, it is no longer."""
    return replace(grant, remaining=grant.remaining - gone, missing=max(grant.missing - gone, 0))


def _given_back(hold: Hold, member: Member, rest: int) -> int:
    """What the member's count gets back: of what the hold counted in this very period, the part that was not used."""
    return min(rest, hold.counted) if hold.counted_from == member.counted_from else 0
