"""What is left of packs whose money goes back, in whatever order that, its failing, disputes and holds come about."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from credits.domain.entry import CHARGES, AnyEntry, Entry
from credits.domain.journal import seal
from credits.domain.pack import bring_back, freeze, give_pack, lose, take_back, thaw, undone_key
from credits.errors import CreditsError
from tests.unit.books import CATALOG, Book, utc

NOON = "2026-01-15 12:00"

EXAMPLES = settings(max_examples=300, deadline=None)


@dataclass
class Bought:
    """A book with two packs of 400; what of their money went back, and what is fought over."""

    book: Book = field(default_factory=lambda: Book.opened("2026-01-10 09:00"))
    packs: list[str] = field(default_factory=list)
    refunds: list[tuple[str, Entry]] = field(default_factory=list)
    lost: list[tuple[str, int]] = field(default_factory=list)
    disputes: list[tuple[str, Entry]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for _ in range(2):
            given = self.step(give_pack, pack=CATALOG.packs["small"])
            self.packs.append(given.draws[0].grant_id)

    def step(self, rule: Any, **facts: Any) -> Entry:
        decide = partial(rule, catalog=CATALOG, now=utc(NOON), **facts)
        return self.book.post(lambda account, key: decide(account, key=key))[-1]

    def went_back(self, pack: str) -> int:
        """For how many of the pack's credits the money went back, and stayed there."""
        refunded = sum(taken.shortfall - _drawn(taken) for name, taken in self.refunds if name == pack)
        return refunded + sum(credits for name, credits in self.lost if name == pack)

    def spent(self, pack: str) -> int:
        captures = [entry for entries in self.book.of_hold.values() for entry in entries]
        charges: list[AnyEntry] = [*self.book.entries, *captures]
        draws = [draw for entry in charges if entry.kind in CHARGES for draw in entry.draws]
        return -sum(draw.credits for draw in draws if draw.grant_id == pack)


def _drawn(entry: Entry) -> int:
    return sum(draw.credits + draw.frozen for draw in entry.draws)


type Step = Callable[[Bought], object]


def pay(credits: int) -> Step:
    return lambda life: life.book.charge("message", credits, at=NOON)


def hold(credits: int) -> Step:
    return lambda life: life.book.hold(credits, at=NOON, hold_id=f"run-{len(life.book.holds)}")


def on_a_hold(which: int, act: Callable[[Bought, str], object]) -> Step:
    def step(life: Bought) -> None:
        if names := [name for name, hold in life.book.holds.items() if hold.open]:
            act(life, names[which % len(names)])

    return step


def capture(which: int, credits: int) -> Step:
    return on_a_hold(which, lambda life, name: life.book.capture("message", credits, at=NOON, hold_id=name))


def close(which: int) -> Step:
    return on_a_hold(which, lambda life, name: life.book.release(at=NOON, hold_id=name))


def pay_back(which: int, credits: int) -> Step:
    def step(life: Bought) -> None:
        pack = life.packs[which % 2]
        life.refunds.append((pack, life.step(take_back, grant_id=pack, credits=credits, reason="refund")))

    return step


def fail(which: int) -> Step:
    def step(life: Bought) -> None:
        if life.refunds:
            pack, taken = life.refunds.pop(which % len(life.refunds))
            posting = bring_back(
                life.book.account, CATALOG, now=utc(NOON), grant_id=pack, taken=taken, reason="refund failed"
            )
            life.book.keep(seal(posting, undone_key(taken), None))

    return step


def dispute(which: int, credits: int) -> Step:
    def step(life: Bought) -> None:
        pack = life.packs[which % 2]
        life.disputes.append((pack, life.step(freeze, grant_id=pack, credits=credits, reason="disputed")))

    return step


def decide(which: int, *, won: bool) -> Step:
    def step(life: Bought) -> None:
        if not life.disputes:
            return
        pack, opened = life.disputes.pop(which % len(life.disputes))
        froze = sum(draw.frozen for draw in opened.draws)
        if won:
            life.step(thaw, grant_id=pack, credits=froze, reason="won")
        else:
            life.step(lose, grant_id=pack, credits=froze, missing=opened.shortfall, reason="lost")
            life.lost.append((pack, froze + opened.shortfall))

    return step


which = st.integers(0, 5)
credits = st.integers(1, 400)
steps = st.lists(
    st.one_of(
        st.builds(pay, credits),
        st.builds(hold, st.integers(1, 1_100)),
        st.builds(capture, which, credits),
        st.builds(close, which),
        st.builds(pay_back, which, credits),
        st.builds(fail, which),
        st.builds(dispute, which, credits),
        st.builds(decide, which, won=st.booleans()),
    ),
    max_size=25,
)


@EXAMPLES
@given(steps)
def test_in_the_end_there_is_left_of_a_pack_what_was_neither_spent_nor_paid_back(doings: list[Step]) -> None:
    life = Bought()
    for doing in doings:
        with suppress(CreditsError):
            doing(life)
    while life.disputes:
        decide(0, won=len(life.disputes) % 2 == 0)(life)
    while any(each.open for each in life.book.holds.values()):
        close(0)(life)

    left = {grant.id: (grant.remaining, grant.held, grant.frozen) for grant in life.book.account.grants}
    for pack in life.packs:
        assert left.get(pack, (0, 0, 0)) == (max(400 - life.spent(pack) - life.went_back(pack), 0), 0, 0)
    assert life.book.problems() == []
