"""What is left of a plan whose money comes, fails to and is paid back while holds have some of its credits, in whatever
order all that is heard of.

The judge keeps no books: it knows what is paid for at the end, and what was spent.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from credits.domain.entitle import Snapshot
from credits.domain.entry import CHARGES, AnyEntry, EntryKind
from credits.domain.journal import seal
from credits.domain.refund import refund, refund_key, refund_to_hold
from credits.errors import CreditsError
from tests.unit.books import CATALOG, Book, utc
from tests.unit.stripe_snapshots import added, credited, following, line, subscribed, unpaid

ENDS = utc("2026-03-20")
AT = "2026-02-21 12:00"

JANUARY = line("team", "2026-01-20", "2026-02-20", 2)
PAID, OPEN = line("team", "2026-02-20", "2026-03-20", 2), unpaid("team", "2026-02-20", "2026-03-20", 2)


def said(standing: str, seats: int) -> Snapshot:
    """Two seats were renewed, and for the second half of the period there are so many: paid for, whatever became of the
    renewal."""
    lines = [JANUARY, PAID if standing == "active" else OPEN]
    if seats != 2:
        half = "2026-03-06", "2026-03-20"
        lines += [credited("team", *half, 2), added("team", *half, seats)]
    due = None if standing == "active" else "2026-02-20 01:00"
    return subscribed("team", "2026-01-20", "2026-03-20", *lines, seats=seats, standing=standing, unpaid_since=due)


ENTITLED = {
    (standing, seats): credits if standing != "unpaid" else 0
    for standing in ("active", "past_due", "unpaid")
    for seats, credits in ((1, 6_000), (2, 8_000), (3, 10_000))
}


@dataclass
class Life:
    """A book, and what Stripe said last."""

    book: Book = field(default_factory=lambda: Book.opened("2026-01-10 09:00"))
    says: tuple[str, int] = ("active", 2)
    refunded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        following(self.book, subscribed("team", "2026-01-20", "2026-02-20", JANUARY, seats=2), "2026-01-20")
        self.book.renew("2026-02-20")

    def hear(self) -> None:
        following(self.book, said(*self.says), AT)

    @property
    def entries(self) -> list[AnyEntry]:
        return [*self.book.entries, *(entry for entries in self.book.of_hold.values() for entry in entries)]

    @property
    def spent(self) -> int:
        """Of what the plan gave for the period, refunds taken off."""
        used = [entry for entry in self.entries if entry.kind in CHARGES or entry.kind is EntryKind.REFUND]
        return -sum(draw.credits for entry in used for draw in entry.draws if draw.expires_at == ENDS)

    @property
    def left(self) -> int:
        return sum(grant.remaining for grant in self.book.account.grants if grant.expires_at == ENDS)


type Step = Callable[[Life], object]


def charge(credits: int) -> Step:
    return lambda life: life.book.charge("message", credits, at=AT)


def hold(credits: int) -> Step:
    return lambda life: life.book.hold(credits, at=AT, hold_id=f"run-{len(life.book.holds)}")


def on_a_hold(which: int, act: Callable[[Life, str], object]) -> Step:
    def step(life: Life) -> None:
        if names := [name for name, held in life.book.holds.items() if held.open]:
            act(life, names[which % len(names)])

    return step


def capture(which: int, credits: int) -> Step:
    return on_a_hold(which, lambda life, name: life.book.capture("message", credits, at=AT, hold_id=name))


def extend(which: int, credits: int) -> Step:
    return on_a_hold(which, lambda life, name: life.book.extend(credits, at=AT, hold_id=name))


def close(which: int) -> Step:
    return on_a_hold(which, lambda life, name: life.book.release(at=AT, hold_id=name))


def hear(standing: str, seats: int) -> Step:
    def step(life: Life) -> None:
        life.says = standing, seats
        life.hear()

    return step


def give_back(which: int, credits: int) -> Step:
    """A part of a charge or a capture, to its hold while that is open."""

    def step(life: Life) -> None:
        charges = [each for each in life.entries if each.kind in CHARGES and refund_key(each) not in life.refunded]
        if not charges:
            return
        what = charges[which % len(charges)]
        back = min(credits, -what.credits)
        held = life.book.holds.get(what.hold_id or "")
        if held and held.open:
            posting = refund_to_hold(held, catalog=CATALOG, now=utc(AT), charge=what, credits=back, reason="it failed")
        else:
            opened, closed = life.book.ends_of(what.hold_id) if what.hold_id else (what, what)
            posting = refund(
                life.book.account,
                catalog=CATALOG,
                now=utc(AT),
                charge=what,
                settled=closed,
                counted_by=opened,
                credits=back,
                reason="it failed",
            )
        life.book.keep(seal(posting, refund_key(what), None))
        life.refunded.add(refund_key(what))

    return step


amounts = st.one_of(st.sampled_from([1, 500, 2_000, 4_000, 8_000]), st.integers(1, 9_000))
which = st.integers(0, 3)
of_holds = st.one_of(
    amounts.map(charge),
    amounts.map(hold),
    amounts.map(hold),
    st.builds(capture, which, amounts),
    st.builds(extend, which, amounts),
    st.builds(close, which),
    st.builds(give_back, which, amounts),
)


def lives(*said_before: tuple[str, int]) -> st.SearchStrategy[list[Step]]:
    words = st.sampled_from(said_before).map(lambda word: hear(*word))
    return st.lists(st.one_of(of_holds, of_holds, words), min_size=4, max_size=20)


def lived(steps: list[Step]) -> Life:
    """The life at its end: every hold is closed, and Stripe was asked once more. What is refused did not happen."""
    life = Life()
    for step in steps:
        with suppress(CreditsError):
            step(life)
    for name, held in life.book.holds.items():
        if held.open:
            life.book.release(at=AT, hold_id=name)
    life.hear()
    assert life.book.problems() == []
    assert following(life.book, said(*life.says), AT) == ()
    return life


EXAMPLES = settings(max_examples=300, deadline=None)


@EXAMPLES
@given(lives(("active", 1), ("active", 2), ("active", 3)))
@example([hold(8_000), hear("active", 1), capture(0, 7_000), close(0)])
def test_of_what_was_paid_there_is_left_what_was_not_spent_and_the_rest_is_owed(steps: list[Step]) -> None:
    life = lived([hear("active", 2), *steps])

    assert life.left - life.book.account.owed == ENTITLED[life.says] - life.spent


@EXAMPLES
@given(lives(("past_due", 2), ("past_due", 3), ("unpaid", 2), ("unpaid", 3), ("active", 2), ("active", 3)))
@example([hold(8_000), hear("unpaid", 2), capture(0, 7_000), hear("active", 2), close(0)])
@example([hear("past_due", 3), hold(8_000), hold(2_000), hear("unpaid", 3), capture(0, 8_000), close(0)])
def test_nothing_is_left_that_is_not_paid_for_and_never_more_is_owed_than_was_spent_beyond_it(
    steps: list[Step],
) -> None:
    life = lived(steps)

    missing = ENTITLED[life.says] - life.spent
    assert missing <= life.left - life.book.account.owed <= max(missing, 0)


@EXAMPLES
@given(st.lists(st.one_of(of_holds, st.sampled_from(["past_due", "unpaid"]).map(lambda name: hear(name, 2)))))
def test_what_is_spent_ahead_of_a_payment_that_never_comes_is_owed_by_nobody(steps: list[Step]) -> None:
    life = lived([hear("past_due", 2), *steps, hear("unpaid", 2)])

    assert (life.left, life.book.account.owed) == (0, 0)
