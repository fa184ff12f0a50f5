"""What is to be taken back of a plan while holds have it: recalled, and then taken, forgiven or owed."""

import pytest

from credits.domain.entitle import Snapshot
from tests.unit.books import Book, grants
from tests.unit.stripe_snapshots import credited, following, line, subscribed, unpaid

PRO = line("pro", "2026-01-20", "2026-02-20")
HALF_PAID_BACK = subscribed(
    "pro",
    "2026-01-20",
    "2026-02-20",
    line("pro", "2026-01-20", "2026-02-20", stopped_at="2026-02-04 12:00"),
    credited("pro", "2026-02-04 12:00", "2026-02-20"),
    standing="canceled",
)
RENEWAL = unpaid("pro", "2026-02-20", "2026-03-20")


def renewal(standing: str) -> Snapshot:
    """The second month of Pro, which was to be paid on 20 February at 01:00."""
    paid = line("pro", "2026-02-20", "2026-03-20")
    since = None if standing == "active" else "2026-02-20 01:00"
    of_it = paid if standing == "active" else RENEWAL
    return subscribed("pro", "2026-01-20", "2026-03-20", PRO, of_it, standing=standing, unpaid_since=since)


def on_pro() -> Book:
    """On Pro since 20 January, with its 1,000 and nothing else."""
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 300, at="2026-01-11")
    following(book, subscribed("pro", "2026-01-20", "2026-02-20", PRO), "2026-01-20")
    return book


def past_due() -> Book:
    """In the second month of Pro, whose 1,000 are not paid; Free's first month is over."""
    book = on_pro()
    book.charge("message", 1000, at="2026-01-21")
    following(book, renewal("past_due"), "2026-02-20 01:00")
    return book


@pytest.mark.parametrize(
    ("captures", "left", "owed"),
    [(0, 500, 0), (10, 300, 0), (25, 0, 0), (30, 0, 100), (50, 0, 500)],
    ids=["nothing captured", "a part of what stays", "all that stays", "more than stays", "everything"],
)
def test_time_that_is_paid_back_is_taken_from_what_its_hold_gives_back_and_only_what_was_spent_is_owed(
    captures: int, left: int, owed: int
) -> None:
    book = on_pro()
    book.hold(1000, at="2026-02-04 11:59")
    following(book, HALF_PAID_BACK, "2026-02-04 12:00")
    assert (book.account.held, book.account.owed) == (1000, 0)
    for _ in range(captures):
        book.capture("deep_research", at="2026-02-04 12:01")

    book.release(at="2026-02-04 12:10")

    assert (book.account.remaining, book.account.owed, book.account.held) == (left, owed, 0)
    assert following(book, HALF_PAID_BACK, "2026-02-05") == ()
    assert book.problems() == []


def test_what_is_unspent_is_taken_at_once_and_only_the_rest_is_recalled() -> None:
    book = on_pro()
    book.hold(700, at="2026-02-04 11:59")

    following(book, HALF_PAID_BACK, "2026-02-04 12:00")

    (grant,) = (grant for grant in book.account.grants if grant.held)
    assert (grant.remaining, grant.held, grant.recalled, grant.owing) == (0, 700, 200, 200)
    assert following(book, HALF_PAID_BACK, "2026-02-04 12:01") == ()
    book.release(at="2026-02-04 12:10")
    assert (book.account.remaining, book.account.owed) == (500, 0)
    assert book.problems() == []


def test_of_two_holds_each_gives_back_what_it_has_and_the_last_settles_what_was_spent() -> None:
    book = on_pro()
    book.hold(500, at="2026-02-04 11:58", hold_id="a")
    book.hold(500, at="2026-02-04 11:59", hold_id="b")
    following(book, HALF_PAID_BACK, "2026-02-04 12:00")
    book.capture("deep_research", 20, at="2026-02-04 12:01", hold_id="a")
    book.capture("deep_research", 10, at="2026-02-04 12:01", hold_id="b")

    book.release(at="2026-02-04 12:10", hold_id="a")
    assert (book.account.remaining, book.account.owed) == (0, 0)
    book.release(at="2026-02-04 12:20", hold_id="b")

    # 400 and 200 were spent, and 500 stay.
    assert (book.account.remaining, book.account.owed) == (0, 100)
    assert book.problems() == []


def test_what_was_never_paid_goes_when_its_hold_gives_it_back_and_what_was_spent_of_it_is_forgiven() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)

    following(book, renewal("unpaid"), "2026-02-27 02:00")
    book.capture("deep_research", 10, at="2026-02-27 02:30")
    book.release(at="2026-02-27 03:00")

    assert (book.account.plan, book.account.remaining, book.account.owed) == ("free", 300, 0)
    assert grants(book.account) == [("allocation", 300, "2026-03-10 09:00")]
    assert book.problems() == []


def test_a_payment_that_comes_while_the_hold_is_open_leaves_its_credits_alone() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)
    following(book, renewal("unpaid"), "2026-02-27 02:00")

    following(book, renewal("active"), "2026-02-27 02:30")
    book.release(at="2026-02-27 03:00")

    # Free's month, which began meanwhile, stays beside it.
    assert (book.account.plan, book.account.remaining, book.account.owed) == ("pro", 1300, 0)
    assert sum(grant.recalled for grant in book.account.grants) == 0
    assert book.problems() == []


def test_a_payment_that_comes_after_the_hold_gave_them_back_brings_what_was_taken() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)
    following(book, renewal("unpaid"), "2026-02-27 02:00")
    book.capture("deep_research", 10, at="2026-02-27 02:30")
    book.release(at="2026-02-27 03:00")

    following(book, renewal("active"), "2026-02-28")

    assert (book.account.plan, book.account.remaining, book.account.owed) == ("pro", 1100, 0)
    assert book.problems() == []


def test_what_a_hold_gives_back_after_its_month_is_over_has_expired_and_nothing_is_owed_for_it() -> None:
    book = on_pro()
    book.hold(1000, at="2026-02-19 12:00", expires_in_seconds=86_400)
    following(book, HALF_PAID_BACK, "2026-02-19 13:00")

    book.release(at="2026-02-20 10:00")

    assert (book.account.remaining, book.account.owed) == (300, 0)
    assert book.problems() == []


def test_more_put_into_a_hold_after_the_recall_is_its_own() -> None:
    book = on_pro()
    book.hold(900, at="2026-02-04 11:59")
    following(book, HALF_PAID_BACK, "2026-02-04 12:00")
    book.give(100, at="2026-02-04 12:00")
    book.extend(100, at="2026-02-04 12:01")
    book.capture("deep_research", 50, at="2026-02-04 12:02")

    book.release(at="2026-02-04 12:10")

    # 900 of the plan were spent of which 500 stay, and 100 of what was given.
    assert (book.account.remaining, book.account.owed) == (0, 400)
    assert book.problems() == []


def test_a_month_of_free_that_never_was_is_taken_back_though_some_of_it_is_held() -> None:
    book = on_pro()
    ends = ("free", 1, "2026-02-20")
    following(book, subscribed("pro", "2026-01-20", "2026-02-20", PRO, pending=ends), "2026-02-19")
    book.renew("2026-02-20")
    assert (book.account.plan, book.account.remaining) == ("free", 300)
    book.hold(200, at="2026-02-20 00:01")
    book.charge("message", 40, at="2026-02-20 00:01")

    following(book, renewal("active"), "2026-02-20 00:02")
    book.release(at="2026-02-20 00:03")

    # What was spent of it was spent of the plan.
    assert (book.account.plan, book.account.remaining, book.account.owed) == ("pro", 960, 0)
    assert book.problems() == []
