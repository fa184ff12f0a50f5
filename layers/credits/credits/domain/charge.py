"""Charge: take what one or several actions cost, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind, line_key
from credits.domain.gate import priced, require_in_plan, require_standing
from credits.domain.grant import burn
from credits.domain.journal import Posting
from credits.domain.member import Member, counted
from credits.domain.renew import renew
from credits.errors import CreditsExhausted, InsufficientCredits


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was done, as the caller tells it: one action, `quantity` times, and where it happened."""

    action: str
    quantity: int = 1
    conversation_id: str | None = None
    conversation_title: str | None = None
    member_id: str | None = None
    model: str | None = None
    tool: str | None = None
    description: str | None = None


def charge(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    key: str,
    lines: Sequence[Usage],
    members: Sequence[Member | None] = (),
) -> Posting:
    """Charge every line, in order, or raise and charge none. What a line costs counts with its member, where `members`
    has that member's book.

    Raises, in this order of precedence: InvalidRequest (an action that is not in the catalog), NotInPlan,
    PaymentRequired, InsufficientCredits or CreditsExhausted, MemberCapReached. What costs nothing needs neither a
    balance nor a paid invoice.
    """
    journal = renew(account, catalog, now)
    account = journal.account
    actions = [priced(catalog, line.action, _field(lines, index)) for index, line in enumerate(lines)]
    prices = [action.credits * line.quantity for action, line in zip(actions, lines, strict=True)]
    for action, line in zip(actions, lines, strict=True):
        require_in_plan(account.plan, catalog, action, line.model)
    if required := sum(prices):
        require_standing(account, now)
        require_balance(account, required)
    counting = {member.member_id: member for member in members if member}
    for index, (line, price) in enumerate(zip(lines, prices, strict=True)):
        account = journal.account
        grants, draws = burn(account.grants, price)
        member = counted(counting.get(line.member_id), account, price) if line.member_id else None
        if member:
            counting[member.member_id] = member
        journal.write(
            EntryKind.CHARGE,
            line_key(key, index),
            now,
            replace(account, grants=grants, used=account.used + price),
            draws,
            action=line.action,
            quantity=line.quantity,
            conversation_id=line.conversation_id,
            conversation_title=line.conversation_title,
            member_id=line.member_id,
            model=line.model,
            tool=line.tool,
            description=line.description,
            member_used=member.used if member else None,
            lines=len(lines) if index == 0 else 1,
        )
    return journal.posting(*(member for member in counting.values() if not member.removed))


def require_balance(account: Account, required: int) -> None:
    """CreditsExhausted at 0, InsufficientCredits above it, where `required` credits are not there."""
    if required <= account.remaining:
        return
    refusal = InsufficientCredits if account.remaining else CreditsExhausted
    raise refusal(
        required=required, remaining=account.remaining, held=account.held or None, resets_at=account.period.end
    )


def _field(lines: Sequence[Usage], index: int) -> str:
    return "action" if len(lines) == 1 else f"charges.{index}.action"
