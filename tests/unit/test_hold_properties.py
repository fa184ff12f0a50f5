"""What holds of accounts with holds, refunds and members, whatever is done to them: random lives, audited from outside.

A life opens holds, captures, extends and closes them, charges by itself and for a member, refunds what it did, and lets
time pass over resets; what is refused writes nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from credits.domain.appoint import appoint, remove
from credits.domain.charge import Usage, charge
from credits.domain.entry import CHARGES, AnyEntry
from credits.domain.grant import GrantKind
from credits.domain.journal import Posting, seal
from credits.domain.record import entry_from_record, entry_to_record
from credits.domain.refund import refund, refund_key, refund_to_hold, refundable
from credits.errors import CreditsError
from credits.usage.fold import Conversation, Day, fold
from tests.unit.books import CATALOG, Book, utc

EXAMPLES = settings(max_examples=150, deadline=None)


@dataclass
class Life:
    """A book, the clock, and what was done so far."""

    book: Book
    now: datetime
    refunded: set[str] = field(default_factory=set)
    number: int = 0

    def key(self) -> str:
        self.number += 1
        return f"c#x{self.number}"

    @property
    def at(self) -> str:
        return self.now.replace(tzinfo=None).isoformat(sep=" ")

    @property
    def charges(self) -> list[AnyEntry]:
        """What could be refunded, in no particular order."""
        everything: list[AnyEntry] = [*self.book.entries]
        for entries in self.book.of_hold.values():
            everything += entries
        return [entry for entry in everything if entry.kind in CHARGES]

    def post(self, posting: Posting, key: str) -> None:
        self.book.keep(seal(posting, key, None))


type Step = Callable[[Life], None]


def wait(by: timedelta) -> Step:
    def step(life: Life) -> None:
        life.now += by

    return step


def open_hold(number: int, credits: int, seconds: int | None, member: str | None) -> Step:
    def step(life: Life) -> None:
        if f"run-{number}" not in life.book.holds:
            life.book.hold(credits, at=life.at, hold_id=f"run-{number}", expires_in_seconds=seconds, member_id=member)

    return step


def on_hold(number: int, act: Callable[[Life, str], object]) -> Step:
    """On one of the holds that are open, as far as the books know; on any where there is none."""

    def step(life: Life) -> None:
        holds = life.book.holds
        if names := sorted(name for name, hold in holds.items() if hold.open) or sorted(holds):
            act(life, names[number % len(names)])

    return step


def capture(number: int, action: str, quantity: int) -> Step:
    return on_hold(number, lambda life, hold: life.book.capture(action, quantity, at=life.at, hold_id=hold))


def extend(number: int, credits: int, seconds: int | None) -> Step:
    return on_hold(
        number, lambda life, hold: life.book.extend(credits, at=life.at, hold_id=hold, expires_in_seconds=seconds)
    )


def release(number: int) -> Step:
    return on_hold(number, lambda life, hold: life.book.release(at=life.at, hold_id=hold))


def pay(action: str, quantity: int, member: str | None) -> Step:
    def step(life: Life) -> None:
        key = life.key()
        usage = Usage(action=action, quantity=quantity, member_id=member, conversation_id="chat")
        members = [life.book.members.get(member)] if member else []
        posting = charge(life.book.account, CATALOG, now=life.now, key=key, lines=[usage], members=members)
        life.post(posting, key)

    return step


def give_back(which: int, credits: int | None) -> Step:
    """Refund one of the charges, as the ledger does: to its hold while that is open, else to the account, once."""

    def step(life: Life) -> None:
        if not life.charges:
            return
        done = life.charges[which % len(life.charges)]
        key = refund_key(done)
        if key in life.refunded:
            return
        amount = refundable(done, "it", credits)
        settled = counted_by = done
        hold = life.book.holds.get(done.hold_id or "") if done.book_id != "acme" else None
        if hold and not hold.is_over(life.now):
            posting = refund_to_hold(hold, catalog=CATALOG, now=life.now, charge=done, credits=amount, reason="sorry")
        else:
            if hold and hold.open:
                life.book.release(at=life.at, hold_id=hold.hold_id)
                hold = life.book.holds[hold.hold_id]
            if hold:
                settled, counted_by = life.book.ends_of(hold.hold_id)
            posting = refund(
                life.book.account,
                life.book.members.get(done.member_id or ""),
                catalog=CATALOG,
                now=life.now,
                charge=done,
                settled=settled,
                counted_by=counted_by,
                credits=amount,
                reason="sorry",
            )
        life.post(posting, key)
        life.refunded.add(key)

    return step


def cap(member: str, credits: int | None) -> Step:
    def step(life: Life) -> None:
        key = life.key()
        found = life.book.members.get(member)
        posting = appoint(
            life.book.account, found, catalog=CATALOG, now=life.now, key=key, member_id=member, credit_cap=credits
        )
        if posting.entries:
            life.post(posting, key)

    return step


def dismiss(member: str) -> Step:
    def step(life: Life) -> None:
        key = life.key()
        found = life.book.members.get(member)
        life.post(remove(life.book.account, found, catalog=CATALOG, now=life.now, key=key, member_id=member), key)

    return step


def gift(credits: int, kind: GrantKind) -> Step:
    def step(life: Life) -> None:
        life.book.give(credits, at=life.at, kind=kind)

    return step


def move(plan: str, seats: int) -> Step:
    def step(life: Life) -> None:
        life.book.change_plan(plan, seats, at=life.at)

    return step


numbers = st.integers(1, 9)
members = st.sampled_from([None, None, "mara", "ann"])
actions = st.sampled_from(["message", "agent_step", "image_edit", "deep_research", "ai_response"])
amounts = st.sampled_from([1, 5, 20, 75, 290])
lifetimes = st.sampled_from([None, 60, 86_400])
steps = st.one_of(
    st.sampled_from([timedelta(seconds=20), timedelta(hours=2), timedelta(hours=2), timedelta(days=33)]).map(wait),
    st.builds(open_hold, numbers, amounts, lifetimes, members),
    st.builds(open_hold, numbers, amounts, st.just(86_400), members),
    st.builds(capture, numbers, actions, st.sampled_from([1, 1, 2, 20])),
    st.builds(capture, numbers, actions, st.sampled_from([1, 3])),
    st.builds(extend, numbers, st.sampled_from([0, 1, 30]), lifetimes),
    st.builds(release, numbers),
    st.builds(pay, actions, st.sampled_from([1, 2, 40]), members),
    st.builds(give_back, st.integers(0, 99), st.sampled_from([None, None, 1, 3])),
    st.builds(give_back, st.integers(0, 99), st.none()),
    st.builds(cap, st.sampled_from(["mara", "ann"]), st.sampled_from([None, 0, 25, 100])),
    st.builds(dismiss, st.sampled_from(["mara", "ann"])),
    st.builds(gift, st.sampled_from([1, 50]), st.sampled_from([GrantKind.PROMOTION, GrantKind.ADJUSTMENT])),
    st.builds(move, st.sampled_from(["pro", "max", "free"]), st.just(1)),
)
lives = st.lists(steps, min_size=8, max_size=40)
# Some of them right before their first reset.
openings = st.sampled_from([timedelta(), timedelta(days=30, hours=22)])


def lived(idle: timedelta, life: Sequence[Step]) -> Life:
    opened_at = utc("2026-01-31 12:00")
    so_far = Life(Book.opened(opened_at), opened_at + idle)
    for step in life:
        with suppress(CreditsError):
            step(so_far)
    return so_far


@EXAMPLES
@given(openings, lives)
def test_every_book_of_a_life_passes_the_audit(idle: timedelta, steps: list[Step]) -> None:
    assert lived(idle, steps).book.problems() == []


@EXAMPLES
@given(openings, lives)
def test_what_an_account_holds_is_what_its_open_holds_have_and_nothing_is_negative(
    idle: timedelta, steps: list[Step]
) -> None:
    book = lived(idle, steps).book

    held: Counter[str] = Counter()
    for hold in book.holds.values():
        assert 0 <= hold.captured <= hold.credits
        assert hold.remaining == (hold.credits - hold.captured if hold.open else 0)
        held.update({part.id: part.credits for part in hold.grants})
    assert {grant.id: grant.held for grant in book.account.grants if grant.held} == dict(held)
    for entry in book.entries:
        assert entry.remaining >= 0
        assert entry.after.used >= 0
        assert len(entry.after.grants) <= 24
        assert all(min(grant.remaining, grant.held) >= 0 for grant in entry.after.grants)
    assert sum(entry.credits for entry in book.entries) == book.account.remaining


@EXAMPLES
@given(openings, lives)
def test_credits_are_spent_by_charges_alone_and_come_back_once(idle: timedelta, steps: list[Step]) -> None:
    life = lived(idle, steps)
    book = life.book
    for hold_id in [hold.hold_id for hold in book.holds.values() if hold.open]:
        book.release(at=life.at, hold_id=hold_id)

    everything: list[AnyEntry] = [*book.entries, *(each for entries in book.of_hold.values() for each in entries)]
    charged = -sum(entry.credits for entry in everything if entry.kind in CHARGES)
    back = sum(entry.credits for entry in everything if entry.kind == "refund")
    given_by = {"allocation", "promotion", "adjustment"}
    given_credits = sum(entry.credits for entry in book.entries if entry.kind in given_by)
    expired = -sum(entry.credits for entry in book.entries if entry.kind == "expiry")
    assert given_credits - expired - charged + back == book.account.remaining
    assert book.account.held == 0
    of_charge: Counter[tuple[str, str]] = Counter()
    for entry in everything:
        if entry.corrects:
            of_charge[entry.corrects.book_id, entry.corrects.key] += entry.credits
    costs = {(entry.book_id, entry.key): -entry.credits for entry in everything if entry.kind in CHARGES}
    assert all(0 < credits <= costs[charge] for charge, credits in of_charge.items())


@EXAMPLES
@given(openings, lives)
def test_no_charge_takes_a_member_over_the_cap(idle: timedelta, steps: list[Step]) -> None:
    book = lived(idle, steps).book

    caps: dict[str, int | None] = {}
    for entry in book.entries:
        if entry.kind == "member" and entry.member_id:
            words = (entry.description or "").split()
            caps[entry.member_id] = int(words[1]) if words[0] == "cap" else None
        elif entry.member_used is not None and entry.credits < 0:
            limit = caps[entry.member_id or ""]
            assert limit is None or entry.member_used <= limit


@EXAMPLES
@given(openings, lives)
def test_every_entry_comes_back_from_its_record_and_usage_adds_up_net_of_refunds_in_any_order_of_books(
    idle: timedelta, steps: list[Step]
) -> None:
    book = lived(idle, steps).book
    of_holds = [entry for entries in book.of_hold.values() for entry in entries]

    one: list[AnyEntry] = [*book.entries, *of_holds]
    for entry in one:
        assert entry_from_record(entry_to_record(entry)) == entry
    rollups = fold({}, one)
    assert rollups == fold({}, [*of_holds, *book.entries])
    net = -sum(entry.credits for entry in one if entry.kind in CHARGES or entry.kind == "refund")
    days = [each for key, each in rollups.items() if key.startswith("day#") and isinstance(each, Day)]
    tallies = [tally for day in days for quarter in day.quarters.values() for tally in quarter.values()]
    assert sum(tally.credits for tally in tallies) == net
    assert all(tally.credits >= 0 for tally in tallies)
    assert all(each.credits >= 0 for each in rollups.values() if isinstance(each, Conversation))
