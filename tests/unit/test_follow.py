"""Stripe's every transition, one row each: what the account had before it, and what it has after."""

from dataclasses import dataclass, replace

import pytest

from credits.domain.account import Account, PendingChange, Standing, Term
from credits.domain.entitle import Line, Snapshot
from credits.domain.notice import notices
from credits.domain.record import account_from_record, entry_from_record, entry_to_record, state_to_record, to_json
from credits.errors import PaymentRequired
from tests.unit.books import Book, grants, told, utc
from tests.unit.stripe_snapshots import added, credited, following, line, shuffled, subscribed, unpaid

Credits = list[tuple[str, int, str | None]]
Step = tuple[str, Snapshot | int]
"""When, and what: a snapshot that is applied, or credits that are spent."""

OPENED = "2026-01-10 09:00"
FREE_300 = ("allocation", 300, "2026-02-10 09:00")
FREE_KEPT = ("carryover", 300, "2026-02-10 09:00")

PRO = line("pro", "2026-01-20", "2026-02-20")
PRO_2 = line("pro", "2026-02-20", "2026-03-20")
ON_PRO = subscribed("pro", "2026-01-20", "2026-02-20", PRO)
TEAM = line("team", "2026-01-20", "2026-02-20", 3)
ON_TEAM = subscribed("team", "2026-01-20", "2026-02-20", TEAM, seats=3)
OPEN_2 = unpaid("pro", "2026-02-20", "2026-03-20")
RENEWING = subscribed("pro", "2026-01-20", "2026-03-20", PRO, OPEN_2)
PAST_DUE = subscribed(
    "pro", "2026-01-20", "2026-03-20", PRO, OPEN_2, standing="past_due", unpaid_since="2026-02-20 01:00"
)
YEAR = line("pro", "2026-01-20", "2027-01-20")
TRIAL = line("pro", "2026-01-20", "2026-02-03", trial=True)
ON_TRIAL = subscribed("pro", "2026-02-03", "2026-02-03", TRIAL, standing="trialing", started="2026-01-20")


@dataclass(frozen=True)
class Row:
    """One transition: the steps that lead to it, the credits there, the step itself, and the credits after."""

    name: str
    steps: tuple[Step, ...]
    before: Credits
    step: Step
    after: Credits
    plan: str
    owed: int = 0


def stopped(plan: str, start: str, end: str, at: str) -> Snapshot:
    """A subscription that was cancelled at once, without giving anything back."""
    return subscribed(plan, start, end, line(plan, start, end, stopped_at=at), standing="canceled")


ROWS = (
    Row(
        "a new subscription brings its allocation and keeps what Free had left",
        (("2026-01-12", 100),),
        [("allocation", 200, "2026-02-10 09:00")],
        ("2026-01-20", ON_PRO),
        [("carryover", 200, "2026-02-10 09:00"), ("allocation", 1000, "2026-02-20 00:00")],
        "pro",
    ),
    Row(
        "a subscription that is not paid yet changes nothing",
        (),
        [FREE_300],
        ("2026-01-20", subscribed("pro", "2026-01-20", "2026-02-20", standing="incomplete")),
        [FREE_300],
        "free",
    ),
    Row(
        "a subscription whose first invoice is still open brings the plan, and no credits until it is paid",
        (),
        [FREE_300],
        (
            "2026-01-20",
            subscribed("pro", "2026-01-20", "2026-02-20", unpaid("pro", "2026-01-20", "2026-02-20")),
        ),
        [FREE_KEPT],
        "pro",
    ),
    Row(
        "an upgrade restarts the cycle and carries over what is left",
        (("2026-01-20", ON_PRO), ("2026-01-21", 500)),
        [("allocation", 800, "2026-02-20 00:00")],
        (
            "2026-02-01",
            subscribed("max", "2026-02-01", "2026-03-01", PRO, line("max", "2026-02-01", "2026-03-01")),
        ),
        [("carryover", 800, "2026-02-20 00:00"), ("allocation", 3000, "2026-03-01 00:00")],
        "max",
    ),
    Row(
        "an upgrade that pays the old plan's rest back takes that rest from what is left",
        (("2026-01-20", ON_PRO), ("2026-01-21", 500)),
        [("allocation", 800, "2026-02-20 00:00")],
        # 15.5 of 31 days: half of the 1,000.
        (
            "2026-02-04 12:00",
            subscribed(
                "max",
                "2026-02-04 12:00",
                "2026-03-04 12:00",
                PRO,
                credited("pro", "2026-02-04 12:00", "2026-02-20"),
                line("max", "2026-02-04 12:00", "2026-03-04 12:00"),
            ),
        ),
        [("carryover", 300, "2026-02-20 00:00"), ("allocation", 3000, "2026-03-04 12:00")],
        "max",
    ),
    Row(
        "a change of plan that keeps the cycle is prorated as its money is",
        (("2026-01-20", ON_PRO),),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00")],
        # 2 February 12:00 is 13.5 of 31 days in: 17.5 are left. 1000 + 2000 × 17.5/31 = 2129.03
        (
            "2026-02-02 12:00",
            subscribed(
                "max",
                "2026-01-20",
                "2026-02-20",
                PRO,
                credited("pro", "2026-02-02 12:00", "2026-02-20"),
                added("max", "2026-02-02 12:00", "2026-02-20"),
            ),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00"), ("proration", 1130, "2026-02-20 00:00")],
        "max",
    ),
    Row(
        "seats added in the middle of a period bring the share that is left of it",
        (("2026-01-20", ON_TEAM),),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00")],
        # 4 February 12:00 is half of the 31 days: 2 seats × 4000 × 15.5/31
        (
            "2026-02-04 12:00",
            subscribed(
                "team",
                "2026-01-20",
                "2026-02-20",
                TEAM,
                credited("team", "2026-02-04 12:00", "2026-02-20", 3),
                added("team", "2026-02-04 12:00", "2026-02-20", 5),
                seats=5,
            ),
        ),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00"), ("proration", 4000, "2026-02-20 00:00")],
        "team",
    ),
    Row(
        "fewer seats at the period's end change nothing before it",
        (("2026-01-20", ON_TEAM),),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00")],
        (
            "2026-02-04",
            subscribed("team", "2026-01-20", "2026-02-20", TEAM, seats=3, pending=("team", 2, "2026-02-20")),
        ),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00")],
        "team",
    ),
    Row(
        "at the period's end the smaller plan brings its smaller allocation",
        (
            (
                "2026-02-04",
                subscribed("team", "2026-01-20", "2026-02-20", TEAM, seats=3, pending=("pro", 1, "2026-02-20")),
            ),
        ),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00")],
        (
            "2026-02-20 03:00",
            subscribed("pro", "2026-01-20", "2026-03-20", TEAM, PRO_2),
        ),
        [("allocation", 1000, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "time that an operator pays back is taken from what is unspent",
        (("2026-01-20", ON_TEAM),),
        [FREE_KEPT, ("allocation", 12000, "2026-02-20 00:00")],
        # 2 of 3 seats for half of the period: 8000 × 15.5/31
        (
            "2026-02-04 12:00",
            subscribed(
                "team",
                "2026-01-20",
                "2026-02-20",
                TEAM,
                credited("team", "2026-02-04 12:00", "2026-02-20", 3),
                added("team", "2026-02-04 12:00", "2026-02-20", 1),
            ),
        ),
        [FREE_KEPT, ("allocation", 8000, "2026-02-20 00:00")],
        "team",
    ),
    Row(
        "time that was spent before it was paid back is owed",
        (("2026-01-20", ON_TEAM), ("2026-01-21", 300), ("2026-01-22", 9000)),
        [("allocation", 3000, "2026-02-20 00:00")],
        (
            "2026-02-04 12:00",
            subscribed(
                "team",
                "2026-01-20",
                "2026-02-20",
                TEAM,
                credited("team", "2026-02-04 12:00", "2026-02-20", 3),
                added("team", "2026-02-04 12:00", "2026-02-20", 1),
            ),
        ),
        [],
        "team",
        owed=1000,
    ),
    Row(
        "a renewal is given at the boundary, ahead of its payment",
        (("2026-01-20", ON_PRO), ("2026-01-21", 600)),
        [("allocation", 700, "2026-02-20 00:00")],
        ("2026-02-20 00:10", RENEWING),
        [("allocation", 1000, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "the renewal's payment confirms what was given and brings nothing twice",
        (("2026-01-20", ON_PRO), ("2026-02-20 00:10", RENEWING), ("2026-02-20 00:30", 10)),
        [("allocation", 990, "2026-03-20 00:00")],
        ("2026-02-20 01:00", subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)),
        [("allocation", 990, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "a payment that fails leaves the credits to the days of grace",
        (("2026-01-20", ON_PRO), ("2026-02-20 00:10", RENEWING)),
        [("allocation", 1000, "2026-03-20 00:00")],
        ("2026-02-20 01:00", PAST_DUE),
        [("allocation", 1000, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "after the days of grace what was never paid is frozen",
        (("2026-01-20", ON_PRO), ("2026-02-20 01:00", PAST_DUE), ("2026-02-21", 40)),
        [("allocation", 960, "2026-03-20 00:00")],
        ("2026-02-27 01:00", PAST_DUE),
        [("allocation", 0, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "a period that begins while payment is past due brings nothing",
        (("2026-01-20", ON_PRO), ("2026-02-20 01:00", PAST_DUE)),
        [("allocation", 1000, "2026-03-20 00:00")],
        (
            "2026-03-20 01:00",
            subscribed(
                "pro",
                "2026-01-20",
                "2026-04-20",
                PRO,
                OPEN_2,
                unpaid("pro", "2026-03-20", "2026-04-20"),
                standing="past_due",
                unpaid_since="2026-02-20 01:00",
            ),
        ),
        [],
        "pro",
    ),
    Row(
        "paying restores what was frozen",
        (("2026-01-20", ON_PRO), ("2026-02-20 01:00", PAST_DUE), ("2026-02-21", 40), ("2026-02-28", PAST_DUE)),
        [("allocation", 0, "2026-03-20 00:00")],
        ("2026-03-01", subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)),
        [("allocation", 960, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "an account that stays unpaid falls to Free without what was never paid",
        (("2026-01-20", ON_PRO), ("2026-02-20 01:00", PAST_DUE), ("2026-02-21", 40)),
        [("allocation", 960, "2026-03-20 00:00")],
        ("2026-03-05", subscribed("pro", "2026-01-20", "2026-03-20", PRO, OPEN_2, standing="unpaid")),
        [("allocation", 300, "2026-03-10 09:00")],
        "free",
    ),
    Row(
        "paying after all brings back what was taken, and not what was spent",
        (
            ("2026-01-20", ON_PRO),
            ("2026-02-20 01:00", PAST_DUE),
            ("2026-02-21", 40),
            ("2026-03-05", subscribed("pro", "2026-01-20", "2026-03-20", PRO, OPEN_2, standing="unpaid")),
        ),
        [("allocation", 300, "2026-03-10 09:00")],
        ("2026-03-06", subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)),
        [("carryover", 300, "2026-03-10 09:00"), ("proration", 960, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "a cancellation at once keeps what was paid for until its period ends",
        (("2026-01-20", ON_PRO), ("2026-01-21", 500)),
        [("allocation", 800, "2026-02-20 00:00")],
        ("2026-02-01", stopped("pro", "2026-01-20", "2026-02-20", "2026-02-01")),
        [("carryover", 800, "2026-02-20 00:00")],
        "free",
    ),
    Row(
        "a cancellation at the period's end changes nothing before it",
        (("2026-01-20", ON_PRO),),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00")],
        (
            "2026-02-01",
            subscribed("pro", "2026-01-20", "2026-02-20", PRO, pending=("free", 1, "2026-02-20")),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00")],
        "pro",
    ),
    Row(
        "a cancellation that has come to its date leads to Free and its month's allocation",
        (
            (
                "2026-01-20",
                subscribed("pro", "2026-01-20", "2026-02-20", PRO, pending=("free", 1, "2026-02-20")),
            ),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00")],
        ("2026-02-20 02:00", subscribed("pro", "2026-01-20", "2026-02-20", PRO, standing="canceled")),
        [("allocation", 300, "2026-03-10 09:00")],
        "free",
    ),
    Row(
        "a cancellation that is taken back lets the plan renew",
        (
            (
                "2026-01-20",
                subscribed("pro", "2026-01-20", "2026-02-20", PRO, pending=("free", 1, "2026-02-20")),
            ),
            ("2026-02-01", ON_PRO),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-02-20 00:00")],
        ("2026-02-20 02:00", RENEWING),
        [("allocation", 1000, "2026-03-20 00:00")],
        "pro",
    ),
    Row(
        "a trial brings one allocation until it ends",
        (),
        [FREE_300],
        ("2026-01-20", ON_TRIAL),
        [("allocation", 1000, "2026-02-03 00:00"), FREE_KEPT],
        "pro",
    ),
    Row(
        "a trial that is cancelled takes its credits along",
        (("2026-01-20", ON_TRIAL), ("2026-01-21", 100)),
        [("allocation", 900, "2026-02-03 00:00"), FREE_KEPT],
        (
            "2026-01-22",
            subscribed("pro", "2026-02-03", "2026-02-03", TRIAL, standing="canceled", started="2026-01-20"),
        ),
        [FREE_KEPT],
        "free",
    ),
    Row(
        "at the end of a trial the first paid period begins",
        (("2026-01-20", ON_TRIAL), ("2026-01-21", 100)),
        [("allocation", 900, "2026-02-03 00:00"), FREE_KEPT],
        (
            "2026-02-03 02:00",
            subscribed("pro", "2026-02-03", "2026-03-03", TRIAL, line("pro", "2026-02-03", "2026-03-03")),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-03-03 00:00")],
        "pro",
    ),
    Row(
        "a paused subscription leads to Free until it is resumed",
        (("2026-01-20", ON_TRIAL),),
        [("allocation", 1000, "2026-02-03 00:00"), FREE_KEPT],
        (
            "2026-02-03 01:00",
            subscribed("pro", "2026-02-03", "2026-03-03", TRIAL, standing="paused", started="2026-01-20"),
        ),
        [FREE_KEPT],
        "free",
    ),
    Row(
        "a subscription that is resumed brings its plan back",
        (
            ("2026-01-20", ON_TRIAL),
            (
                "2026-02-03 01:00",
                subscribed("pro", "2026-02-03", "2026-03-03", TRIAL, standing="paused", started="2026-01-20"),
            ),
        ),
        [FREE_KEPT],
        (
            "2026-02-05",
            subscribed("pro", "2026-02-05", "2026-03-05", TRIAL, line("pro", "2026-02-05", "2026-03-05")),
        ),
        [FREE_KEPT, ("allocation", 1000, "2026-03-05 00:00")],
        "pro",
    ),
    Row(
        "a year that is paid brings an allocation every month, and none of them waits for a payment",
        (("2026-01-20", subscribed("pro", "2026-01-20", "2027-01-20", YEAR)), ("2026-02-21", 50)),
        [("allocation", 950, "2026-03-20 00:00")],
        ("2026-04-20 00:01", subscribed("pro", "2026-01-20", "2027-01-20", YEAR)),
        [("allocation", 1000, "2026-05-20 00:00")],
        "pro",
    ),
    Row(
        "a customer that is deleted falls to Free and keeps what was paid for",
        (("2026-01-20", ON_PRO), ("2026-01-21", 500)),
        [("allocation", 800, "2026-02-20 00:00")],
        ("2026-02-01", Snapshot(None, None)),
        [("carryover", 800, "2026-02-20 00:00")],
        "free",
    ),
    Row(
        "a customer that is deleted loses what was never paid for",
        (("2026-01-20", ON_PRO), ("2026-02-20 00:10", RENEWING), ("2026-02-20 00:20", 100)),
        [("allocation", 900, "2026-03-20 00:00")],
        ("2026-02-21", Snapshot(None, None)),
        [("allocation", 300, "2026-03-10 09:00")],
        "free",
    ),
)

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def taken(book: Book, step: Step) -> None:
    at, what = step
    if isinstance(what, int):
        book.charge("message", what, at=at)
    else:
        following(book, what, at)


def reached(row: Row) -> Book:
    """The book where the transition of a row begins."""
    book = Book.opened(OPENED)
    for step in row.steps:
        taken(book, step)
    return book


def left(account: Account) -> Credits:
    return sorted(grants(account), key=lambda each: each[2] or "~")


@each_row
def test_a_transition_leads_from_these_credits_to_those(row: Row) -> None:
    book = reached(row)
    assert left(book.account) == row.before

    taken(book, row.step)

    assert left(book.account) == row.after
    assert (book.account.plan, book.account.owed) == (row.plan, row.owed)


@each_row
def test_a_transition_that_comes_again_changes_nothing(row: Row) -> None:
    book = reached(row)
    taken(book, row.step)
    at, snapshot = row.step
    assert isinstance(snapshot, Snapshot)

    assert following(book, snapshot, at) == ()
    assert following(book, shuffled(snapshot), at) == ()


@each_row
def test_a_transition_that_was_fetched_earlier_than_the_last_is_not_applied(row: Row) -> None:
    book = reached(row)
    book.account = replace(book.account, ticket=7)
    at, snapshot = row.step
    assert isinstance(snapshot, Snapshot)

    assert following(book, snapshot, at, ticket=7) == ()
    assert following(book, snapshot, at, ticket=6) == ()


LIVED_THROUGH = ("deleted", "paying after all")
"""What Stripe no longer tells, and the month of Free that an unpaid account had."""


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not any(part in row.name for part in LIVED_THROUGH)], ids=lambda row: row.name
)
def test_an_account_that_only_hears_of_the_last_transition_comes_to_the_same_credits(row: Row) -> None:
    """Nothing was spent, and every webhook between was lost."""
    at, _ = row.step
    told_all, told_last = Book.opened(OPENED), Book.opened(OPENED)
    for step in (*row.steps, row.step):
        if not isinstance(step[1], int):
            taken(told_all, step)

    taken(told_last, row.step)

    assert summed(told_last.account, at) == summed(told_all.account, at)
    assert (told_last.account.plan, told_last.account.seats) == (told_all.account.plan, told_all.account.seats)


def summed(account: Account, at: str) -> dict[str | None, int]:
    """What is left, by its expiry."""
    assert account.at <= utc(at)
    found: dict[str | None, int] = {}
    for _, remaining, expires in grants(account):
        found[expires] = found.get(expires, 0) + remaining
    return {expires: remaining for expires, remaining in found.items() if remaining}


def heard(book: Book) -> list[str]:
    """What the product heard of payments and plans, in order."""
    told_of = [notice for entry in book.entries for notice in notices(entry)]
    return [notice.type.value for notice in told_of if notice.type.value.startswith(("payment.", "plan.", "seats."))]


def dunned() -> Book:
    """Past due since 20 February 01:00, 40 of the 1,000 spent."""
    book = Book.opened(OPENED)
    for step in (("2026-01-20", ON_PRO), ("2026-02-20 01:00", PAST_DUE), ("2026-02-21", 40)):
        taken(book, step)
    return book


def test_charges_go_on_until_grace_is_over_and_then_want_payment() -> None:
    book = dunned()
    assert book.account.grace_ends_at == utc("2026-02-27 01:00")
    book.charge("message", 1, at="2026-02-27 00:59")

    with pytest.raises(PaymentRequired):
        book.charge("message", 1, at="2026-02-27 01:00")
    book.charge("ai_response", 1, at="2026-02-27 01:00")

    assert (book.account.remaining, book.account.frozen, book.account.total) == (0, 959, 1000)


def test_the_clock_alone_freezes_at_the_end_of_grace_and_is_not_due_again_before_the_period_ends() -> None:
    book = dunned()
    assert book.account.due_at() == utc("2026-02-27 01:00")

    assert told(book.renew("2026-03-01")) == [("freeze#10", "2026-02-27 01:00", -960, 0)]

    assert book.account.due_at() == utc("2026-03-20")
    assert [entry.kind.value for entry in book.renew("2026-03-20")] == ["expiry", "period"]


def test_the_product_hears_once_that_a_payment_failed_and_once_that_it_came() -> None:
    book = dunned()
    taken(book, ("2026-02-22", PAST_DUE))
    taken(book, ("2026-02-23", subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)))

    assert heard(book) == ["plan.changed", "payment.past_due", "payment.recovered"]


def test_the_product_hears_that_an_unpaid_plan_was_lost_and_that_its_payment_came() -> None:
    book = dunned()
    taken(book, ("2026-03-05", subscribed("pro", "2026-01-20", "2026-03-20", PRO, OPEN_2, standing="unpaid")))
    taken(book, ("2026-03-06", subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)))

    assert heard(book) == ["plan.changed", "payment.past_due", "plan.changed", "plan.changed", "payment.recovered"]


def test_a_change_that_waits_is_announced_once_and_called_off_once() -> None:
    book = Book.opened(OPENED)
    waiting = subscribed("team", "2026-01-20", "2026-02-20", TEAM, seats=3, pending=("team", 2, "2026-02-20"))
    for at, snapshot in (("2026-01-20", ON_TEAM), ("2026-01-21", waiting), ("2026-01-22", waiting)):
        following(book, snapshot, at)
    assert book.account.pending == PendingChange("team", 2, utc("2026-02-20"))

    following(book, ON_TEAM, "2026-01-23")

    changes = [(entry.change.to_seats, entry.change.status.value) for entry in book.entries if entry.change]
    assert changes == [(3, "applied"), (2, "pending"), (2, "called_off")]
    assert book.account.pending is None


def test_what_is_owed_is_taken_from_the_next_grant_of_the_plan() -> None:
    row = next(row for row in ROWS if row.owed)
    book = reached(row)
    taken(book, row.step)

    entries = book.renew("2026-02-20")

    # The three seats were paid down to one, so the renewal brings 4,000.
    assert [(entry.kind.value, entry.credits) for entry in entries] == [("allocation", 4000), ("revocation", -1000)]
    assert (book.account.remaining, book.account.owed) == (3000, 0)


def test_debt_that_a_small_grant_does_not_cover_stays() -> None:
    book = Book(replace(Book.opened(OPENED).account, owed=700))

    book.renew("2026-02-10 09:00")

    assert (book.account.remaining, book.account.owed) == (0, 400)


def test_seats_that_come_back_settle_what_their_going_left_owed() -> None:
    row = next(row for row in ROWS if row.owed)
    book = reached(row)
    taken(book, row.step)
    assert isinstance(row.step[1], Snapshot)
    down = row.step[1].lines or ()
    up = (
        credited("team", "2026-02-12 06:00", "2026-02-20", 1),
        added("team", "2026-02-12 06:00", "2026-02-20", 3),
    )

    # A quarter of the period is left: 2 seats × 4000 × 7.75/31 = 2000, of which 1000 are owed.
    following(book, subscribed("team", "2026-01-20", "2026-02-20", *down, *up, seats=3), "2026-02-12 06:00")

    assert (book.account.remaining, book.account.owed) == (1000, 0)


def test_a_renewal_that_is_never_paid_is_the_last_that_is_given_ahead() -> None:
    book = Book.opened(OPENED)
    following(book, ON_PRO, "2026-01-20")

    assert [(e.kind.value, e.credits) for e in book.renew("2026-02-20")][-1] == ("allocation", 1000)
    assert [(e.kind.value, e.credits) for e in book.renew("2026-03-20")][-1] == ("period", 0)
    assert [(e.kind.value, e.credits) for e in book.renew("2026-04-20")][-1] == ("period", 0)


def test_while_stripe_has_not_come_to_the_boundary_the_renewal_stays() -> None:
    book = Book.opened(OPENED)
    following(book, ON_PRO, "2026-01-20")
    book.renew("2026-02-20")

    assert following(book, ON_PRO, "2026-02-20 00:05") == ()
    assert book.account.remaining == 1000


def test_two_cycles_that_began_in_one_instant_never_share_a_key() -> None:
    book = Book.opened("2026-01-20")
    following(book, ON_PRO, "2026-01-20")
    book.renew("2026-02-20")
    following(book, stopped("pro", "2026-02-20", "2026-03-20", "2026-02-25"), "2026-02-25")

    keys = [entry.key for entry in book.entries if entry.kind.value == "allocation"]
    assert len(keys) == len(set(keys)) == 4


def test_an_account_that_is_managed_by_hand_is_left_alone() -> None:
    book = Book.opened(OPENED)
    book.change_plan("max", at="2026-01-20")

    assert following(book, Snapshot(None, ()), "2026-01-21") == ()
    old = line("pro", "2025-11-20", "2025-12-20")
    assert following(book, subscribed("pro", "2025-11-20", "2025-12-20", old, standing="canceled"), "2026-01-22") == ()


def test_a_plan_that_is_given_by_hand_after_a_cancellation_renews() -> None:
    book = Book.opened(OPENED)
    following(book, ON_PRO, "2026-01-20")
    following(book, stopped("pro", "2026-01-20", "2026-02-20", "2026-02-01"), "2026-02-01")
    assert book.account.standing is Standing.CANCELED

    book.change_plan("max", at="2026-02-02")
    book.renew("2026-03-02")

    assert (book.account.plan, book.account.remaining) == ("max", 3000)


def test_who_opens_and_subscribes_within_a_second_keeps_what_free_gave() -> None:
    book = Book.opened("2026-01-20 09:00:00.252")
    pro = line("pro", "2026-01-20 09:00", "2026-02-20 09:00")

    following(book, subscribed("pro", "2026-01-20 09:00", "2026-02-20 09:00", pro), "2026-01-20 09:00:02")

    assert (book.account.plan, book.account.remaining) == ("pro", 1300)


def test_cancelling_and_subscribing_again_and_again_gives_free_no_second_month() -> None:
    book = Book.opened(OPENED)
    before: list[Line] = []
    for day in range(12, 28, 2):
        start, end, at = f"2026-01-{day}", f"2026-02-{day}", f"2026-01-{day + 1}"
        paid = line("pro", start, end, of=f"sub_{day}")
        following(book, subscribed("pro", start, end, *before, paid, id=f"sub_{day}"), start)
        before.append(replace(paid, stopped_at=utc(at)))
        following(book, subscribed("pro", start, end, *before, id=f"sub_{day}", standing="canceled"), at)

    free = [entry for entry in book.entries if entry.kind.value == "allocation" and entry.credits == 300]
    assert len(free) == 1
    assert sum(entry.credits for entry in book.entries) == 300 + 8 * 1000


def test_a_shortfall_is_in_the_entry_and_not_in_its_draws() -> None:
    row = next(row for row in ROWS if row.owed)
    book = reached(row)

    taken(book, row.step)

    revocation = next(entry for entry in book.entries if entry.kind.value == "revocation")
    assert (revocation.credits, revocation.shortfall) == (-3000, 1000)


def test_an_ordinary_subscriber_stays_under_a_kilobyte() -> None:
    book = Book.opened(OPENED)
    lines = (
        line("team", "2026-02-01", "2026-03-01", 3, of="sub_1TRV5aBCDEFGHIJKLMNOPQRS"),
        added("team", "2026-02-10", "2026-03-01", 2, of="sub_1TRV5aBCDEFGHIJKLMNOPQRS"),
    )
    snapshot = subscribed("team", "2026-02-01", "2026-03-01", *lines, seats=5, id="sub_1TRV5aBCDEFGHIJKLMNOPQRS")
    following(book, subscribed("pro", "2026-01-20", "2026-02-20", PRO), "2026-01-20", ticket=1_795_435_200_000)
    following(book, snapshot, "2026-02-10", ticket=1_795_435_200_001)

    assert len(to_json(state_to_record(book.account))) < 820


def test_what_stripe_decides_survives_storage() -> None:
    account = replace(
        dunned().account,
        terms=(Term("sub_1", utc("2026-03-20"), 960, 60), Term("sub_0", utc("2026-03-01"), 40)),
        paid_until=utc("2027-01-20"),
        owed=7,
        ticket=1_795_435_200_000,
    )

    stored = account_from_record(
        state_to_record(account),
        account_id=account.account_id,
        opened_at=account.opened_at,
        at=account.at,
        seq=account.seq,
        head=account.head,
    )

    assert stored == account


@each_row
def test_an_entry_of_a_transition_survives_storage(row: Row) -> None:
    book = reached(row)
    taken(book, row.step)

    assert [entry_from_record(entry_to_record(entry)) for entry in book.entries] == book.entries


LEAVING = subscribed("pro", "2026-01-20", "2026-02-20", PRO, pending=("free", 1, "2026-02-20"))
STAYING = subscribed("pro", "2026-01-20", "2026-03-20", PRO, PRO_2)


def left_by_the_clock(at: str) -> Book:
    """A cancellation that was taken back before its date, of which nobody has heard: the clock went by it."""
    book = Book.opened(OPENED)
    taken(book, ("2026-01-20", ON_PRO))
    taken(book, ("2026-02-01", LEAVING))
    book.renew(at)
    assert grants(book.account) == [("allocation", 300, "2026-03-10 09:00")]
    return book


def test_a_month_of_free_is_taken_back_where_the_cancellation_was_taken_back_before_it() -> None:
    book = left_by_the_clock("2026-02-20")

    taken(book, ("2026-02-20 00:01", STAYING))

    assert (book.account.plan, grants(book.account)) == ("pro", [("allocation", 1000, "2026-03-20 00:00")])
    assert following(book, STAYING, "2026-02-20 00:02") == ()
    assert book.problems() == []


@pytest.mark.parametrize(("spent", "remaining"), [(1, 999), (300, 700)])
def test_what_was_spent_of_a_month_of_free_that_never_was_is_spent_of_the_plan(spent: int, remaining: int) -> None:
    book = left_by_the_clock("2026-02-20")
    book.charge("message", spent, at="2026-02-20 00:00")

    taken(book, ("2026-02-20 00:01", STAYING))

    assert grants(book.account) == [("allocation", remaining, "2026-03-20 00:00")]
    assert (book.account.owed, book.problems()) == (0, [])


def test_a_hold_on_a_month_of_free_that_never_was_gives_it_back_and_owes_what_it_spent() -> None:
    book = left_by_the_clock("2026-02-20")
    book.hold(300, at="2026-02-20 00:00")
    book.capture(quantity=100, at="2026-02-20 00:00")

    taken(book, ("2026-02-20 00:01", STAYING))
    assert (book.account.remaining, book.account.owed) == (1000, 0)
    book.release(at="2026-02-20 00:10")

    assert (book.account.remaining, book.account.owed, book.problems()) == (1000, 100, [])
    assert following(book, STAYING, "2026-02-20 00:20") == ()
    book.renew("2026-03-20")
    assert (book.account.remaining, book.account.owed) == (900, 0)


def test_what_a_month_of_free_that_never_was_has_settled_is_owed_again() -> None:
    book = Book.opened(OPENED)
    taken(book, ("2026-01-20", ON_PRO))
    taken(book, ("2026-02-01", LEAVING))
    book.account = replace(book.account, owed=120)
    book.renew("2026-02-20")
    assert (book.account.remaining, book.account.owed) == (180, 0)

    taken(book, ("2026-02-20 00:01", STAYING))

    assert (book.account.remaining, book.account.owed) == (880, 0)


def test_free_owes_the_month_again_that_was_taken_back() -> None:
    book = left_by_the_clock("2026-02-20")
    book.charge("message", 100, at="2026-02-20 00:00")
    taken(book, ("2026-02-20 00:01", STAYING))

    gone = line("pro", "2026-02-20", "2026-03-20", stopped_at="2026-02-25")
    taken(book, ("2026-02-25", subscribed("pro", "2026-01-20", "2026-03-20", PRO, gone, standing="canceled")))

    assert grants(book.account) == [("carryover", 900, "2026-03-20 00:00"), ("allocation", 300, "2026-03-10 09:00")]
    assert book.problems() == []


def test_a_month_of_free_stays_where_the_cancellation_stood() -> None:
    book = left_by_the_clock("2026-02-20")
    book.charge("message", 10, at="2026-02-20 00:00")
    gone = subscribed("pro", "2026-01-20", "2026-02-20", PRO, standing="canceled")

    taken(book, ("2026-02-20 00:01", gone))
    assert (grants(book.account), book.account.terms) == (
        [("allocation", 290, "2026-03-10 09:00")],
        (Term("sub_1", utc("2026-02-20"), 1000),),
    )
    taken(
        book,
        (
            "2026-02-21",
            subscribed(
                "pro", "2026-02-21", "2026-03-21", line("pro", "2026-02-21", "2026-03-21", of="sub_2"), id="sub_2"
            ),
        ),
    )

    assert left(book.account) == [("carryover", 290, "2026-03-10 09:00"), ("allocation", 1000, "2026-03-21 00:00")]


def test_who_is_heard_of_more_than_a_month_late_has_the_present_month_of_free_taken_back() -> None:
    book = left_by_the_clock("2026-02-20")
    book.charge("message", 40, at="2026-03-01")
    book.renew("2026-03-10 09:00")
    book.charge("message", 30, at="2026-03-21")

    paid = line("pro", "2026-03-20", "2026-04-20")
    taken(book, ("2026-03-25", subscribed("pro", "2026-01-20", "2026-04-20", PRO, PRO_2, paid)))

    assert (grants(book.account), book.account.owed) == ([("allocation", 970, "2026-04-20 00:00")], 0)
    assert book.problems() == []


def test_a_month_of_free_is_taken_back_from_who_is_past_due_as_well() -> None:
    book = Book.opened(OPENED)
    taken(book, ("2026-01-20", ON_PRO))
    late = subscribed(
        "pro",
        "2026-01-20",
        "2026-02-20",
        PRO,
        standing="past_due",
        unpaid_since="2026-02-18",
        pending=("free", 1, "2026-02-20"),
    )
    taken(book, ("2026-02-18", late))
    book.renew("2026-02-20")
    assert grants(book.account) == [("allocation", 300, "2026-03-10 09:00")]

    taken(book, ("2026-02-20 00:01", PAST_DUE))

    assert grants(book.account) == [("allocation", 1000, "2026-03-20 00:00")]


def test_the_month_of_free_of_who_was_unpaid_stays_whatever_the_clock_did_before() -> None:
    book = left_by_the_clock("2026-02-20")
    unpaid_now = subscribed("pro", "2026-01-20", "2026-03-20", PRO, OPEN_2, standing="unpaid")

    taken(book, ("2026-02-20 00:01", unpaid_now))
    taken(book, ("2026-02-22", STAYING))

    assert left(book.account) == [("carryover", 300, "2026-03-10 09:00"), ("allocation", 1000, "2026-03-20 00:00")]


def test_a_trial_whose_cancellation_is_taken_back_at_its_end_brings_no_month_of_free() -> None:
    book = Book.opened(OPENED)
    taken(book, ("2026-01-20", ON_PRO))
    trial = line("pro", "2026-02-20", "2026-03-01", of="sub_2", trial=True)
    ending = subscribed(
        "pro",
        "2026-03-01",
        "2026-03-01",
        PRO,
        trial,
        standing="trialing",
        started="2026-02-20",
        id="sub_2",
        pending=("free", 1, "2026-03-01"),
    )
    taken(book, ("2026-02-20", ending))
    book.renew("2026-03-01")
    assert grants(book.account) == [("allocation", 300, "2026-03-10 09:00")]

    paid = line("pro", "2026-03-01", "2026-04-01", of="sub_2")
    taken(
        book,
        (
            "2026-03-01 00:01",
            subscribed("pro", "2026-03-01", "2026-04-01", PRO, trial, paid, started="2026-02-20", id="sub_2"),
        ),
    )

    assert grants(book.account) == [("allocation", 1000, "2026-04-01 00:00")]


def test_what_a_new_subscriber_spent_of_a_month_of_free_before_anybody_heard_is_spent_of_the_plan() -> None:
    book = Book.opened(OPENED)
    pro = line("pro", "2026-02-05", "2026-03-05")
    book.charge("message", 100, at="2026-02-12")

    taken(book, ("2026-02-13", subscribed("pro", "2026-02-05", "2026-03-05", pro)))

    assert (grants(book.account), book.account.owed) == ([("allocation", 900, "2026-03-05 00:00")], 0)
    assert book.problems() == []
