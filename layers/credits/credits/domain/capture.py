"""Capture: take what one action costs from a hold; its account is neither read nor written."""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.charge import Usage
from credits.domain.entry import EntryKind
from credits.domain.gate import priced, require_in_plan
from credits.domain.grant import take
from credits.domain.hold import Hold
from credits.domain.journal import Posting, write_hold
from credits.errors import HoldClosed, HoldExhausted, HoldNotFound


def capture(
    hold: Hold | None, *, catalog: Catalog, now: datetime, key: str, account_id: str, hold_id: str, usage: Usage
) -> Posting:
    """Capture the action, all of its price or nothing. The plan and the member are the hold's; so is the conversation,
    where the action names none.

    Raises, in this order of precedence: HoldNotFound, InvalidRequest (an action that is not in the catalog), HoldClosed
    (also where its time ran out and nobody wrote that down yet), NotInPlan, HoldExhausted.
    """
    if hold is None:
        raise HoldNotFound(account_id, hold_id)
    action = priced(catalog, usage.action, "action")
    if hold.is_over(now):
        raise HoldClosed(hold_id, status=hold.status_at(now).value)
    require_in_plan(hold.plan, catalog, action, usage.model)
    price = action.credits * usage.quantity
    if price > hold.remaining:
        raise HoldExhausted(hold_id, required=price, remaining=hold.remaining)
    grants, draws = take(hold.grants, price)
    entry = write_hold(
        hold,
        catalog,
        EntryKind.CAPTURE,
        key,
        now,
        replace(hold, grants=grants, captured=hold.captured + price),
        draws,
        action=usage.action,
        quantity=usage.quantity,
        conversation_id=usage.conversation_id or hold.conversation_id,
        conversation_title=usage.conversation_title,
        member_id=hold.member_id,
        model=usage.model,
        tool=usage.tool,
        description=usage.description,
    )
    return Posting((entry.after,), (entry,))
