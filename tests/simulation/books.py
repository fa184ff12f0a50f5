"""What the ledger has, told in the oracle's words, and where the two differ."""

from collections.abc import Iterable
from typing import Any

from credits.domain.entry import AnyEntry
from credits.ledger.store import AccountKey, HoldKey, MemberKey, Store
from tests.simulation.model import Line, Plain


def line(entry: AnyEntry) -> Line:
    """An entry as the oracle writes it down."""
    alert = entry.alert and entry.alert.value
    hold_id = entry.hold_id or "" if entry.book_id != entry.account_id else ""
    return Line(entry.at, entry.seq, hold_id, entry.kind.value, entry.credits, entry.remaining, entry.total, alert)


def differences(store: Store, account_id: str, book: Plain, hold_ids: Iterable[str]) -> dict[str, Any]:
    """What the items of the account, of its members and of these holds have, and what the oracle's book says that they
    should have, where that is not the same."""
    members = [MemberKey(account_id, name) for name in book.people]
    holds = [HoldKey(account_id, hold_id) for hold_id in hold_ids]
    account, *items = store.read(AccountKey(account_id), *members, *holds)
    has: dict[str, Any] = {
        "plan": (account.plan, account.seats),
        "pending": account.pending and (account.pending.plan, account.pending.seats, account.pending.at),
        "figures": (account.remaining, account.total, account.used),
        "period": (account.anchor, account.period_number, account.period.end),
        "grants": [
            (each.kind.value, each.credits, each.remaining, each.held, each.frozen, each.expires_at)
            for each in account.grants
        ],
        "to go": [(each.recalled, each.missing) for each in account.grants],
        "owed": account.owed,
        "meters": (account.knowledge_words, account.workflows),
        "at": account.at,
        "seq": account.seq,
    }
    should: dict[str, Any] = {
        "plan": (book.plan, book.seats),
        "pending": book.pending,
        "figures": (book.remaining, book.total, book.used),
        "period": (book.anchor, book.number, book.ends),
        "grants": [(lot.kind, lot.given, lot.left, lot.held, lot.frozen, lot.until) for lot in book.lots],
        "to go": [(lot.recalled, lot.missing) for lot in book.lots],
        "owed": book.owed,
        "meters": (book.words, book.workflows),
        "at": book.at,
        "seq": book.entries,
    }
    for member, item in zip(members, items, strict=False):
        name = f"member {member.member_id}"
        person = book.people[member.member_id]
        has[name] = item and (item.credit_cap, item.used, item.counted_from, item.removed)
        should[name] = (person.cap, person.used, person.counted_from, person.removed)
    for hold, item in zip(holds, items[len(members) :], strict=True):
        name = f"hold {hold.hold_id}"
        aside = book.holds[hold.hold_id]
        has[name] = item and (
            item.status.value,
            (item.credits, item.captured, item.remaining),
            item.expires_at,
            item.at,
            item.seq,
        )
        should[name] = (aside.status, (aside.credits, aside.captured, aside.left), aside.until, aside.at, aside.lines)
    return {name: (has[name], should[name]) for name in has if has[name] != should[name]}
