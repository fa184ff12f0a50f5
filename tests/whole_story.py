"""A story in which everything happens that can happen to a balance: each kind of entry is written at least once.

What proves the ledger (the audit, the export's verifier) is shown on it, so that no kind of entry escapes them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from credits.domain.appoint import appoint, remove
from credits.domain.charge import Usage
from credits.domain.entitle import Snapshot
from credits.domain.entry import AnyEntry
from credits.domain.follow import follow
from credits.domain.give import adjust
from credits.domain.journal import Posting
from credits.domain.meter import Meter, change_meter, set_meter
from credits.domain.pack import bring_back, freeze, give_pack, lose, take_back, thaw, undone_key
from credits.domain.top_up import draw_line
from credits.ledger.post import client_key, post
from credits.ledger.spend import capture_from, extend, refund_charge, set_aside, settle, spend
from credits.ledger.store import AccountKey, BookKey, EntryKey, Ledger, MemberKey, Span
from tests.moves import CATALOG, NOON, granted, messages, moved_to, opened, renewed
from tests.unit.books import utc
from tests.unit.stripe_snapshots import credited, line, subscribed, unpaid

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

TOLD: dict[str, Any] = {
    "conversation_id": "chat-1",
    "conversation_title": "Search my Gmail",
    "model": "gpt-5.1",
    "tool": "gmail.search",
    "description": "emails from John",
}
"""All that a charge may say of itself."""

AT_STRIPE = (
    line("pro", "2027-01-01", "2027-02-01", stopped_at="2027-01-10"),
    *(line("max", f"2027-0{month}-10", f"2027-0{month + 1}-10") for month in (1, 3, 4)),
    credited("max", "2027-04-25", "2027-05-10"),
)
"""What is paid there in the end: Pro, and Max but for February; of April, half is paid back."""


def whole_story[S: Ledger](store: S) -> S:
    """The account `acme` from its opening on, for five months; its holds `run-1` to `run-8`; its members `mara` and
    `zoe`. At the end `run-4` is open, and `mara` has a cap."""
    _a_day_on_free(store)
    _packs(store)
    _on_a_team(store)
    _at_stripe(store)
    _recalled(store)
    _paid_back_while_held(store)
    return store


def _a_day_on_free(store: Ledger) -> None:
    post_ = partial(_posted, store)
    opened(store)
    post_("m1", partial(appoint, member_id="mara", credit_cap=200), NOON, MemberKey("acme", "mara"))
    post_("m2", partial(appoint, member_id="zoe", credit_cap=None), NOON, MemberKey("acme", "zoe"))
    post_("m3", partial(remove, member_id="zoe"), NOON + HOUR, MemberKey("acme", "zoe"))
    _spent(store, "k1", Usage(action="agent_step", quantity=2, member_id="mara", **TOLD), at=NOON + HOUR)
    granted(store, "gift", 50, at=NOON + HOUR, expires_at=NOON + 3 * DAY)
    _spent(store, "k2", messages(30), Usage(action="ai_response"), at=NOON + 2 * HOUR)
    _given_back(store, "k1", 1, at=NOON + 3 * HOUR)
    post_("put-right", partial(adjust, credits=7, reason="counted twice", by="ops", force=False), NOON + 3 * HOUR)
    post_("words", partial(set_meter, meter=Meter.KNOWLEDGE_WORDS, value=500), NOON + 3 * HOUR)
    post_("flows", partial(change_meter, meter=Meter.WORKFLOWS, change=1), NOON + 3 * HOUR)
    _a_hold(store, "run-1", NOON + 4 * HOUR)
    settle(store, CATALOG, "acme", "run-1", now=NOON + 5 * HOUR)
    _given_back(store, "run-1!step-2", None, at=NOON + 6 * HOUR)
    # The gift runs out while some of it is set aside: what is not captured of that is gone at the close.
    _a_hold(store, "run-2", NOON + 3 * DAY - HOUR)
    settle(store, CATALOG, "acme", "run-2", now=NOON + 3 * DAY + HOUR)


def _a_hold(store: Ledger, hold_id: str, at: datetime) -> None:
    """A hold of the member's, with more put into it, two captures and one of them given back in part."""
    set_aside(store, CATALOG, "acme", hold_id, 20, now=at, member_id="mara", conversation_id="chat-2")
    extend(store, CATALOG, "acme", hold_id, f"{hold_id}-more", now=at, credits=10, expires_in_seconds=4 * 3_600)
    for step in ("step-1", "step-2"):
        usage = Usage(action="agent_step", quantity=2, **TOLD)
        capture_from(store, CATALOG, "acme", hold_id, step, usage, now=at, fingerprint="f" * 64)
    _given_back(store, f"{hold_id}!step-1", 1, at=at)


def _packs(store: Ledger) -> None:
    post_ = partial(_posted, store)
    at = NOON + 4 * DAY
    post_("bought", partial(give_pack, pack=CATALOG.packs["small"]), at)
    (account,) = store.read(AccountKey("acme"))
    assert account
    of_it: dict[str, Any] = {"grant_id": account.grants[-1].id, "reason": "as Stripe says"}
    post_("disputed", partial(freeze, credits=400, **of_it), at + HOUR)
    post_("won", partial(thaw, credits=400, **of_it), at + 2 * HOUR)
    post_("half", partial(take_back, credits=200, **of_it), at + 3 * HOUR)
    _not_after_all(store, "half", of_it["grant_id"], at + 4 * HOUR)
    post_("again", partial(freeze, credits=190, **of_it), at + 5 * HOUR)
    post_("lost", partial(lose, credits=190, **of_it), at + 6 * HOUR)
    post_("line", partial(draw_line, below=100, description="buys Small below 100"), at + 6 * HOUR)


def _on_a_team(store: Ledger) -> None:
    at = NOON + 5 * DAY
    moved_to(store, "team", "team", seats=2, at=at, fingerprint="f" * 64)
    moved_to(store, "seat", "team", seats=3, at=at + DAY)
    moved_to(store, "fewer", "team", seats=1, at=at + 2 * DAY)
    moved_to(store, "after-all", "team", seats=3, at=at + 3 * DAY)
    moved_to(store, "free", "free", at=at + 4 * DAY)
    set_aside(store, CATALOG, "acme", "run-3", 30, now=at + 5 * DAY, expires_in_seconds=60)
    # Nobody closed the hold, and its credits have run out.
    renewed(store, at=NOON + 36 * DAY)
    settle(store, CATALOG, "acme", "run-3", now=NOON + 36 * DAY, expired_only=True)
    everything = partial(adjust, credits=-700, reason="paid back at the bank", by="ops", force=True)
    _posted(store, "forced", everything, NOON + 37 * DAY)


def _at_stripe(store: Ledger) -> None:
    """Pro from New Year's Day on, Max from the 10th. February is never paid, March is, when it has begun; of April,
    half is paid back."""
    heard = partial(_heard, store)
    on_max = partial(subscribed, "max", "2027-01-10")
    pro, january, march, april, _ = AT_STRIPE
    february = unpaid("max", "2027-02-10", "2027-03-10")
    heard("2027-01-10 12:00", on_max("2027-02-10", pro, january))
    renewed(store, at=utc("2027-02-10 00:01"))
    late: dict[str, Any] = {"standing": "past_due", "unpaid_since": "2027-02-10"}
    heard("2027-02-10 01:00", on_max("2027-03-10", pro, january, february, **late))
    renewed(store, at=utc("2027-02-18"))
    renewed(store, at=utc("2027-03-10"))
    heard("2027-03-12", on_max("2027-04-10", pro, january, march))
    renewed(store, at=utc("2027-04-10"))
    heard("2027-04-11", on_max("2027-05-10", pro, january, march, april))
    heard("2027-04-25", on_max("2027-05-10", *AT_STRIPE, pending=("free", 1, "2027-05-10")))
    for hold_id in ("run-4", "run-5"):
        set_aside(store, CATALOG, "acme", hold_id, 5, now=utc("2027-04-26"), member_id="mara")
        capture_from(store, CATALOG, "acme", hold_id, "step-1", Usage(action="message"), now=utc("2027-04-26"))
    settle(store, CATALOG, "acme", "run-5", now=utc("2027-04-26"))


def _recalled(store: Ledger) -> None:
    """A pack whose money goes back while some of it is in a hold; and, since that fails, again: when all of it is
    there, and when some was spent."""
    at = utc("2027-04-27")
    _posted(store, "one-more", partial(give_pack, pack=CATALOG.packs["small"]), at)
    set_aside(store, CATALOG, "acme", "run-6", 1_594, now=at)
    _posted(store, "all-of-it", partial(take_back, grant_id="g66", credits=350, reason="refund"), at)
    settle(store, CATALOG, "acme", "run-6", now=at)
    _not_after_all(store, "all-of-it", "g66", at + HOUR)
    _posted(store, "again-all", partial(take_back, grant_id="g66", credits=400, reason="refund"), at + 2 * HOUR)
    _not_after_all(store, "again-all", "g66", at + 3 * HOUR)
    _spent(store, "k3", messages(1_644), at=at + 4 * HOUR)
    _posted(store, "what-is-left", partial(take_back, grant_id="g66", credits=400, reason="refund"), at + 5 * HOUR)
    _posted(store, "and-more", partial(take_back, grant_id="g66", credits=10, reason="refund"), at + 6 * HOUR)
    _not_after_all(store, "and-more", "g66", at + 7 * HOUR)
    _not_after_all(store, "what-is-left", "g66", at + 8 * HOUR)


def _not_after_all(store: Ledger, key: str, grant_id: str, at: datetime) -> None:
    """The refund failed for which credits of a pack were taken under this key."""
    (taken,) = store.read(EntryKey("acme", client_key(key)))
    assert taken
    rule = partial(bring_back, catalog=CATALOG, grant_id=grant_id, taken=taken, reason="refund failed")
    post(store, undone_key(taken), [AccountKey("acme")], rule, now=at)


def _paid_back_while_held(store: Ledger) -> None:
    """Five days more of April are paid back while holds have all that is left of it, and more is spent than stays."""
    at = utc("2027-04-28")
    _given_back(store, "k3", None, at=at)
    for hold_id in ("run-7", "run-8"):
        set_aside(store, CATALOG, "acme", hold_id, 700, now=at)
    for step in ("step-1", "step-2"):
        capture_from(store, CATALOG, "acme", "run-7", step, Usage(action="deep_research", quantity=17), now=at)
    days = credited("max", "2027-04-20", "2027-04-25")
    _heard(store, "2027-04-28", subscribed("max", "2027-01-10", "2027-05-10", *AT_STRIPE, days))
    capture_from(store, CATALOG, "acme", "run-8", "step-1", Usage(action="deep_research", quantity=17), now=at)
    for hold_id in ("run-7", "run-8"):
        settle(store, CATALOG, "acme", hold_id, now=at)


def _heard(store: Ledger, at: str, snapshot: Snapshot) -> None:
    key = f"sync#{at}"
    (account,) = store.read(AccountKey("acme"))
    assert account
    rule = partial(follow, catalog=CATALOG, key=key, snapshot=snapshot, ticket=account.ticket + 1)
    post(store, key, [AccountKey("acme")], rule, now=utc(at))


def _posted(store: Ledger, key: str, rule: Callable[..., Posting], at: datetime, *beside: BookKey) -> None:
    key = client_key(key)
    post(store, key, [AccountKey("acme"), *beside], partial(rule, catalog=CATALOG, key=key), now=at)


def _spent(store: Ledger, key: str, *lines: Usage, at: datetime) -> None:
    spend(store, CATALOG, "acme", key, lines, now=at, fingerprint="f" * 64)


def _given_back(store: Ledger, charge_id: str, credits: int | None, *, at: datetime) -> None:
    refund_charge(store, CATALOG, "acme", charge_id, credits, "it failed", now=at)


def history(store: Ledger) -> list[AnyEntry]:
    """Every entry of the account and its holds, in time."""
    return list(store.entries(Span("acme"), limit=1_000, newest_first=False))
