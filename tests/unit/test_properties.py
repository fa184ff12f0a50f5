"""What holds of every book whatever is done to it: random lives of an account, through the pure decisions.

A life is opened at a random instant and then charged, given to, moved between plans and left alone, by a clock that
also steps back. Each commit is checked against the one before it, from the outside: from what its entries say.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from credits.domain.account import Account
from credits.domain.charge import Usage, charge
from credits.domain.cycle import period, period_at
from credits.domain.entry import Entry
from credits.domain.give import give
from credits.domain.grant import Grant, GrantKind, burn
from credits.domain.proof import check, check_item
from credits.domain.record import entry_from_record, entry_to_record
from credits.domain.renew import as_of, renewal
from credits.domain.subscribe import change_plan
from credits.errors import CreditsError
from tests.unit.books import CATALOG, Book, utc

EXAMPLES = settings(max_examples=200, deadline=None)

MINUTE = timedelta(minutes=1)
FROM_THE_PLAN = {GrantKind.ALLOCATION, GrantKind.PRORATION, GrantKind.CARRYOVER}
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

# Half of them on a day that the next month does not have, where the cycles of two plans cross.
openings = st.one_of(
    st.sampled_from([utc("2026-01-31"), utc("2026-08-31 23:59"), utc("2027-12-31 12:00"), utc("2028-01-30")]),
    st.integers(0, 3 * 365 * 24 * 60).map(lambda count: utc("2026-01-01") + count * MINUTE),
)


@dataclass(frozen=True)
class Wait:
    """The clock moves, mostly on; sometimes to the very instant at which the book is due."""

    by: timedelta | None

    def __call__(self, book: Book, now: datetime) -> datetime:
        return book.account.due_at() if self.by is None else now + self.by


@dataclass(frozen=True)
class Charge:
    """One line, or a batch."""

    lines: tuple[tuple[str, int], ...]

    def __call__(self, book: Book, now: datetime) -> datetime:
        usage = [Usage(action=action, quantity=quantity) for action, quantity in self.lines]
        book.post(lambda account, key: charge(account, CATALOG, now=now, key=key, lines=usage))
        return now


@dataclass(frozen=True)
class Spend:
    """One charge that leaves just so many credits, if there are more."""

    leaving: int

    def __call__(self, book: Book, now: datetime) -> datetime:
        count = as_of(book.account, CATALOG, now).remaining - self.leaving
        return Charge((("message", count),))(book, now) if count > 0 else now


@dataclass(frozen=True)
class Give:
    """A gift, for ever or for a while."""

    kind: GrantKind
    credits: int
    lasts: timedelta | None

    def __call__(self, book: Book, now: datetime) -> datetime:
        expires_at = now + self.lasts if self.lasts else None
        book.post(
            lambda account, key: give(
                account,
                CATALOG,
                now=now,
                key=key,
                kind=self.kind,
                credits=self.credits,
                reason="welcome",
                expires_at=expires_at,
            )
        )
        return now


@dataclass(frozen=True)
class Move:
    """A change of plan or seats."""

    plan: str
    seats: int

    def __call__(self, book: Book, now: datetime) -> datetime:
        book.post(
            lambda account, key: change_plan(account, CATALOG, now=now, key=key, plan=self.plan, seats=self.seats)
        )
        return now


@dataclass(frozen=True)
class Renew:
    """The schedule comes by."""

    def __call__(self, book: Book, now: datetime) -> datetime:
        book.post(lambda account, _: renewal(account, CATALOG, now=now))
        return now


minutes = st.integers(1, 60 * 24 * 40).map(lambda count: count * MINUTE)
waits = st.one_of(
    minutes,
    st.none(),
    st.integers(1, 400).map(lambda days: timedelta(days=days)),
    st.integers(1, 60 * 24 * 3).map(lambda count: -count * MINUTE),
).map(Wait)
lines = st.tuples(st.sampled_from(sorted(CATALOG.actions)), st.sampled_from([1, 1, 2, 7, 50, 290, 999]))
charges = st.lists(lines, min_size=1, max_size=3).map(tuple).map(Charge)
spends = st.sampled_from([0, 0, 1, 10, 11]).map(Spend)
gifts = st.builds(
    Give,
    st.sampled_from([GrantKind.PROMOTION, GrantKind.ADJUSTMENT]),
    st.one_of(st.integers(1, 12), st.integers(1, 400)),
    st.one_of(st.none(), minutes),
)
moves = st.sampled_from(
    [("free", 1), ("pro", 1), ("max", 1), ("team", 1), ("team", 2), ("team", 5), ("free", 1), ("pro", 1)]
).map(lambda choice: Move(*choice))
back_and_forth = st.sampled_from(
    [(Move("pro", 1), Move("free", 1)), (Wait(None), Move("pro", 1), Move("free", 1), Wait(None))]
)
# The first is what a failing life shrinks to: it does nothing where nothing is due.
steps = st.one_of(st.just(Renew()), waits, waits, charges, spends, gifts, moves).map(lambda step: (step,))
lives = st.lists(st.one_of(steps, steps, steps, back_and_forth), min_size=8, max_size=30).map(
    lambda parts: [step for part in parts for step in part]
)

type Step = Wait | Charge | Spend | Give | Move | Renew


def lived(opened_at: datetime, life: Sequence[Step]) -> tuple[Book, list[tuple[Entry, ...]]]:
    """The book after such a life, and the commits it was made of. What is refused writes nothing."""
    book = Book.opened(opened_at)
    commits = [tuple(book.entries)]
    now = opened_at
    for step in life:
        written = len(book.entries)
        with suppress(CreditsError):
            now = step(book, now)
        if commit := tuple(book.entries[written:]):
            commits.append(commit)
    return book, commits


def pairs(entries: Sequence[Entry]) -> Iterator[tuple[Entry | None, Entry]]:
    return zip([None, *entries[:-1]], entries, strict=True)


@EXAMPLES
@given(openings, lives)
def test_credits_are_neither_made_nor_lost(opened_at: datetime, life: list[Step]) -> None:
    book, _ = lived(opened_at, life)

    moved: Counter[str] = Counter()
    given_of: dict[str, int] = {}
    for entry in book.entries:
        assert entry.credits == sum(draw.credits for draw in entry.draws)
        for draw in entry.draws:
            moved[draw.grant_id] += draw.credits
            if draw.credits > 0:
                given_of[draw.grant_id] = given_of.get(draw.grant_id, 0) + draw.credits
    assert sum(entry.credits for entry in book.entries) == book.account.remaining
    assert {grant.id: grant.remaining for grant in book.account.grants} == {
        grant_id: credits for grant_id, credits in moved.items() if credits
    }
    assert all(grant.credits == given_of[grant.id] for grant in book.account.grants)


@EXAMPLES
@given(openings, lives)
def test_no_balance_is_ever_negative_no_charge_partial_and_no_book_over_20_grants(
    opened_at: datetime, life: list[Step]
) -> None:
    book, _ = lived(opened_at, life)

    for entry in book.entries:
        assert entry.remaining >= 0
        assert all(0 < grant.remaining <= grant.credits for grant in entry.after.grants)
        assert len(entry.after.grants) <= 20
        assert sum(grant.kind in FROM_THE_PLAN for grant in entry.after.grants) <= 5
        if entry.kind == "charge":
            assert entry.action is not None
            assert entry.quantity is not None
            assert entry.credits == -CATALOG.actions[entry.action].credits * entry.quantity
        assert entry.total == entry.remaining + entry.after.used


@EXAMPLES
@given(openings, lives)
def test_no_charge_draws_on_a_grant_while_one_that_expires_sooner_has_credits(
    opened_at: datetime, life: list[Step]
) -> None:
    book, _ = lived(opened_at, life)

    for entry in book.entries:
        if entry.kind == "charge" and entry.draws:
            latest = max(draw.expires_at or NEVER for draw in entry.draws)
            assert not [grant.id for grant in entry.after.grants if (grant.expires_at or NEVER) < latest]
            assert all((draw.expires_at or NEVER) > entry.at for draw in entry.draws)


@EXAMPLES
@given(openings, lives)
def test_a_periods_allocation_happens_once_and_free_gives_one_in_each_free_month(
    opened_at: datetime, life: list[Step]
) -> None:
    book, _ = lived(opened_at, life)

    allocations = [entry for entry in book.entries if entry.kind == "allocation"]
    cycles = [(entry.after.anchor, entry.after.period_number) for entry in allocations]
    assert len(set(cycles)) == len(cycles)
    of_free = [entry for entry in allocations if entry.after.plan == "free"]
    months = [period_at(opened_at, entry.at).number for entry in of_free]
    assert len(set(months)) == len(months)
    assert all(entry.credits == 300 for entry in of_free)
    # And the other plans: no more than one for each start of a cycle and each month that began in it.
    for entry in allocations:
        assert period(entry.after.anchor, entry.after.period_number) == period_at(
            entry.after.anchor, max(entry.at, entry.after.anchor)
        )


@EXAMPLES
@given(openings, lives)
def test_a_commit_leaves_the_book_in_the_period_of_its_instant_and_used_is_what_was_charged_in_it(
    opened_at: datetime, life: list[Step]
) -> None:
    _, commits = lived(opened_at, life)

    used, since = 0, opened_at
    for commit in commits:
        for entry in commit:
            if entry.kind in {"allocation", "period"} and entry.after.counts_from != since:
                used, since = 0, entry.after.counts_from
            if entry.kind == "charge":
                used -= entry.credits
            assert entry.after.used == used
        after = commit[-1].after
        assert after.period == period_at(after.anchor, after.at)
        assert after.plan != "free" or after.anchor == opened_at
        assert after.due_at() > after.at


@EXAMPLES
@given(openings, lives)
def test_the_chain_verifies_time_only_moves_on_and_keys_are_unique(opened_at: datetime, life: list[Step]) -> None:
    book, _ = lived(opened_at, life)

    assert [problem for last, entry in pairs(book.entries) for problem in check(last, entry)] == []
    assert list(check_item(book.entries[-1], book.account)) == []
    assert [entry.seq for entry in book.entries] == list(range(1, len(book.entries) + 1))
    assert all(last.at <= entry.at for last, entry in pairs(book.entries) if last)
    assert len({entry.key for entry in book.entries}) == len(book.entries)


@EXAMPLES
@given(openings, lives)
def test_every_entry_comes_back_from_its_record_as_it_was(opened_at: datetime, life: list[Step]) -> None:
    book, _ = lived(opened_at, life)

    for entry in book.entries:
        assert entry_from_record(entry_to_record(entry)) == entry


@EXAMPLES
@given(openings, lives)
def test_an_alert_is_told_once_for_each_crossing_on_the_last_entry_of_its_commit(
    opened_at: datetime, life: list[Step]
) -> None:
    _, commits = lived(opened_at, life)

    low_told = exhausted_told = False
    for commit in commits:
        for entry in commit:
            low_told = low_told and entry.remaining <= 10
            exhausted_told = exhausted_told and entry.remaining == 0
        expected = None
        if commit[-1].remaining == 0 and not exhausted_told:
            expected, low_told, exhausted_told = "exhausted", True, True
        elif commit[-1].remaining <= 10 and not low_told:
            expected, low_told = "low", True
        assert [entry.alert and entry.alert.value for entry in commit] == [None] * (len(commit) - 1) + [expected]


@EXAMPLES
@given(openings, lives, st.lists(minutes, max_size=4), minutes)
def test_however_often_somebody_looks_the_balance_comes_out_the_same(
    opened_at: datetime, life: list[Step], looks: list[timedelta], wait: timedelta
) -> None:
    book, _ = lived(opened_at, life)
    end = book.account.at + sum(looks, wait)

    looked = book.account
    for look in looks:
        looked = as_of(looked, CATALOG, looked.at + look)
    looked = as_of(looked, CATALOG, end)
    at_once = as_of(book.account, CATALOG, end)

    assert figures(looked) == figures(at_once)
    assert looked.period == at_once.period
    assert at_once.period.end > end
    assert all(grant.expires_at is None or grant.expires_at > end for grant in at_once.grants)


def figures(account: Account) -> object:
    return (
        (account.plan, account.seats, account.pending, account.remaining, account.total, account.used),
        [(grant.kind, grant.credits, grant.remaining, grant.expires_at) for grant in account.grants],
    )


@EXAMPLES
@given(st.lists(st.tuples(minutes, st.integers(1, 9)), max_size=20))
def test_seats_up_and_down_bring_no_more_than_the_most_seats_there_were(changes: list[tuple[timedelta, int]]) -> None:
    book = Book.opened("2026-03-10 09:00")
    book.charge("message", 300, at="2026-03-10 09:00")
    book.change_plan("team", 1, at="2026-04-01")
    month, most = timedelta(days=30), 1
    for after, seats in changes:
        Move("team", seats)(book, utc("2026-04-01") + after % month)
        most = max(most, book.account.seats)

    given_for_team = [entry for entry in book.entries if entry.after.plan == "team" and entry.credits > 0]
    assert sum(entry.credits for entry in given_for_team) <= 4_000 * most


expiries = st.one_of(st.none(), st.sampled_from([datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5)]))
purses = st.lists(
    st.tuples(st.sampled_from(GrantKind), st.integers(0, 50), expiries, st.integers(0, 5)), min_size=1, max_size=8
).map(
    lambda parts: [
        Grant(f"g{number}", kind, 100, remaining, held=held, expires_at=expires_at)
        for number, (kind, remaining, expires_at, held) in enumerate(parts)
    ]
)


@EXAMPLES
@given(purses, st.data())
def test_a_burn_takes_exactly_what_it_is_asked_and_in_order_free_before_bought(
    purse: list[Grant], data: st.DataObject
) -> None:
    credits = data.draw(st.integers(0, sum(grant.remaining for grant in purse)))

    after, draws = burn(purse, credits)

    left = {grant.id: grant.remaining for grant in after}
    assert sum(draw.credits for draw in draws) == -credits
    assert sum(left.values()) == sum(grant.remaining for grant in purse) - credits
    drawn = {draw.grant_id for draw in draws}
    for early in purse:
        for late in purse:
            early_rank = (early.expires_at or NEVER, early.kind is GrantKind.PACK, int(early.id[1:]))
            late_rank = (late.expires_at or NEVER, late.kind is GrantKind.PACK, int(late.id[1:]))
            if early_rank < late_rank and late.id in drawn:
                assert left.get(early.id, 0) == 0
    assert [grant.id for grant in after] == [grant.id for grant in purse if grant.id in left]
