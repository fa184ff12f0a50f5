"""Every order in which Stripe's events may come, and how often, ends in the books of the one in which they came."""

import os
from collections import Counter
from functools import cache
from typing import Final

import pytest

from tests.simulation.stripe_faults import heard_through_faults
from tests.simulation.stripe_lives import LIVES, heard_in_any_order, heard_in_order
from tests.stripe_ledger import StripeBooks, left

PERMUTATIONS: Final = int(os.environ.get("PERMUTATIONS", "200"))
"""In all lives together; `make permutations` takes 5,000."""

OWED: Final = {"an operator's decrease while a hold is open": 580}

each_life = pytest.mark.parametrize("name", LIVES)


def ends(books: StripeBooks) -> tuple[object, ...]:
    """What an account has at the end."""
    account = books.account
    return (
        account.plan,
        account.seats,
        account.standing,
        account.anchor,
        account.period,
        account.pending,
        account.remaining,
        account.frozen,
        account.owed,
        _left_of_the_plan(books),
    )


def _left_of_the_plan(books: StripeBooks) -> dict[tuple[bool, str | None], int]:
    """What is left, by its expiry and whether it is of the present cycle: that the plan gave it in one piece, or in
    several, only tells how it was heard of."""
    sums: dict[tuple[bool, str | None], int] = {}
    for kind, remaining, expires in left(books.account):
        name = kind in {"allocation", "proration"}, expires
        sums[name] = sums.get(name, 0) + remaining
    return {name: remaining for name, remaining in sums.items() if remaining}


@cache
def in_order(name: str) -> tuple[object, ...]:
    books = heard_in_order(name)
    assert books.balanced()
    return ends(books)


ENDS: Final[dict[str, tuple[str, int, list[tuple[str, int, str | None]]]]] = {
    "subscribed and renewed": ("pro", 1, [("allocation", 1000, "2027-04-16 12:00")]),
    "upgraded twice": (
        "team",
        2,
        [
            ("allocation", 8000, "2027-02-27 12:00"),
            ("carryover", 300, "2027-02-15 12:00"),
            ("carryover", 1000, "2027-02-16 12:00"),
            ("carryover", 3000, "2027-02-22 12:00"),
        ],
    ),
    "seats up and down": ("team", 3, [("allocation", 12000, "2027-03-16 12:00")]),
    # Of 31 days, 4 seats for 10, 1 for 5 more, 2 for the 16 that are left: (16000 × 10 + 4000 × 5 + 8000 × 16) / 31
    "an operator's prorated decrease": (
        "team",
        2,
        [
            ("allocation", 7871, "2027-02-16 12:00"),
            ("carryover", 300, "2027-02-15 12:00"),
            ("proration", 2065, "2027-02-16 12:00"),
        ],
    ),
    # 4 seats for 10 days and 3 hours, 1 for the rest of 31 days: of the 8,500 that were captured, 7,920 were paid for.
    "an operator's decrease while a hold is open": ("team", 1, []),
    "cancelled, kept, cancelled again": ("free", 1, [("allocation", 300, "2027-03-15 12:00")]),
    "cancelled at once and subscribed again": (
        "pro",
        1,
        [
            ("allocation", 1000, "2027-03-01 12:00"),
            ("carryover", 1000, "2027-02-16 12:00"),
            ("carryover", 300, "2027-02-15 12:00"),
            ("carryover", 3000, "2027-02-24 12:00"),
        ],
    ),
    "past due and recovered": ("pro", 1, [("allocation", 1000, "2027-03-16 12:00")]),
    "past due and lost": ("free", 1, [("allocation", 300, "2027-03-15 12:00")]),
    "a trial, and a month that is paid": (
        "max",
        1,
        [
            ("allocation", 3000, "2027-03-04 14:00"),
            ("carryover", 1000, "2027-02-26 12:00"),
            ("carryover", 300, "2027-02-15 12:00"),
        ],
    ),
    # 400 × 433/999 = 173 went back with the refunds, 400 × 400/999 = 160 with the dispute that was lost: of 1,200.
    "packs, refunds and disputes": (
        "pro",
        1,
        [
            ("allocation", 1000, "2027-02-19 12:00"),
            ("carryover", 300, "2027-02-15 12:00"),
            ("pack", 867, None),
        ],
    ),
}


@each_life
def test_a_life_that_is_heard_of_in_order_ends_as_it_was_paid(name: str) -> None:
    books = heard_in_order(name)

    plan, seats, credits = ENDS[name]
    assert (books.account.plan, books.account.seats) == (plan, seats)
    assert sorted(left(books.account), key=str) == sorted(credits, key=str)
    assert books.account.owed == OWED.get(name, 0)
    assert books.balanced()


@each_life
def test_any_order_with_repetitions_ends_the_same(name: str) -> None:
    for seed in range(-(-PERMUTATIONS // len(LIVES))):
        books = heard_in_any_order(name, seed)

        assert ends(books) == in_order(name), f"seed {seed}"
        assert books.balanced(), f"seed {seed}"


def test_any_order_heard_of_by_processes_that_fail_ends_the_same() -> None:
    met: Counter[str] = Counter()
    for name in LIVES:
        for seed in range(-(-PERMUTATIONS // len(LIVES))):
            books, befell = heard_through_faults(name, seed)
            met += befell

            assert ends(books) == in_order(name), f"{name}, seed {seed}"
            assert books.balanced(), f"{name}, seed {seed}"

    assert met.keys() >= {
        *("meanwhile", "lost", "collided", "late", "throttled", "unanswered", "crash before", "crash after"),
        *("failed: Crash", "failed: Contended", "failed: Unavailable", "landed late", "landed too late"),
    }
