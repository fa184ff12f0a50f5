"""What is to be taken back of a plan while holds have it: recalled, and then taken, forgiven or owed."""

from functools import partial
from typing import Any

import pytest

from credits.domain.account import Account, Term
from credits.domain.entitle import Snapshot
from credits.domain.entry import AnyEntry
from credits.domain.journal import seal
from credits.domain.record import account_from_record, state_to_record
from credits.domain.refund import refund, refund_key, refund_to_hold
from tests.unit.books import Book, grants, utc
from tests.unit.stripe_snapshots import added, credited, following, line, subscribed, unpaid

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


def given_back(book: Book, capture: AnyEntry, credits: int, at: str) -> None:
    """The capture refunded: to its hold while that is open, or to the account."""
    hold_id = capture.hold_id or ""
    facts: dict[str, Any] = {"catalog": book.catalog, "now": utc(at), "charge": capture, "credits": credits}
    if book.holds[hold_id].open:
        posting = refund_to_hold(book.holds[hold_id], **facts, reason="it failed")
    else:
        closed, opened = book.ends_of(hold_id)
        posting = refund(book.account, **facts, settled=closed, counted_by=opened, reason="it failed")
    book.keep(seal(posting, refund_key(capture), None))


def recalled(account: Account) -> list[tuple[int, int]]:
    """What is recalled of each grant that a hold has some of, and what of that will be owed where it is spent."""
    return [(grant.recalled, grant.owing) for grant in account.grants if grant.held]


def moved(book: Book, entries: int) -> list[tuple[str, int]]:
    """The kinds and the credits of the account's last entries."""
    return [(entry.kind.value, entry.credits) for entry in book.entries[-entries:]]


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


def test_a_payment_that_comes_between_two_closes_brings_back_what_the_first_lost() -> None:
    book = past_due()
    book.hold(600, at="2026-02-26 22:00", expires_in_seconds=86_400)
    book.hold(400, at="2026-02-26 23:00", hold_id="run-2", expires_in_seconds=86_400)
    following(book, renewal("unpaid"), "2026-02-27 02:00")
    book.release(at="2026-02-27 03:00")

    following(book, renewal("active"), "2026-02-27 04:00")
    assert recalled(book.account) == [(0, 0)]
    book.release(at="2026-02-27 05:00", hold_id="run-2")

    assert grants(book.account) == [
        ("carryover", 400, "2026-03-20 00:00"),
        ("carryover", 300, "2026-03-10 09:00"),
        ("proration", 600, "2026-03-20 00:00"),
    ]
    assert book.problems() == []


def test_the_same_word_of_stripe_changes_nothing_however_far_the_holds_have_come() -> None:
    book = past_due()
    book.hold(600, at="2026-02-26 22:00", expires_in_seconds=86_400)
    book.hold(400, at="2026-02-26 23:00", hold_id="run-2", expires_in_seconds=86_400)
    following(book, renewal("unpaid"), "2026-02-27 02:00")

    assert following(book, renewal("unpaid"), "2026-02-27 02:01") == ()
    book.capture(quantity=70, at="2026-02-27 02:30")
    assert following(book, renewal("unpaid"), "2026-02-27 02:31") == ()
    book.release(at="2026-02-27 03:00")
    assert following(book, renewal("unpaid"), "2026-02-27 03:01") == ()
    book.release(at="2026-02-27 04:00", hold_id="run-2")
    assert following(book, renewal("unpaid"), "2026-02-27 04:01") == ()

    assert (book.account.remaining, book.problems()) == (300, [])


def test_a_capture_that_is_given_back_to_its_open_hold_is_taken_with_the_rest() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)
    step = book.capture(quantity=40, at="2026-02-26 23:30")
    following(book, renewal("unpaid"), "2026-02-27 02:00")

    given_back(book, step, 30, "2026-02-27 02:30")
    book.release(at="2026-02-27 03:00")

    assert moved(book, 2) == [("release", 990), ("revocation", -990)]
    assert book.account.terms == (Term("sub_1", utc("2026-03-20"), 10, 10),)
    assert (book.account.remaining, book.problems()) == (300, [])


def test_a_capture_that_is_given_back_after_the_close_is_taken_by_the_next_word_of_stripe() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)
    step = book.capture(quantity=40, at="2026-02-26 23:30")
    following(book, renewal("unpaid"), "2026-02-27 02:00")
    book.release(at="2026-02-27 03:00")

    given_back(book, step, 40, "2026-02-27 04:00")
    assert book.account.remaining == 340
    following(book, renewal("unpaid"), "2026-02-27 05:00")

    assert (moved(book, 1), book.account.remaining) == ([("revocation", -40)], 300)
    assert (book.account.terms, book.problems()) == ((), [])


def test_a_capture_that_is_given_back_after_the_close_comes_to_who_owes_it() -> None:
    book = on_pro()
    book.hold(1000, at="2026-02-04 11:00", expires_in_seconds=86_400)
    step = book.capture(quantity=700, at="2026-02-04 11:30")
    following(book, HALF_PAID_BACK, "2026-02-04 12:00")
    book.release(at="2026-02-04 12:10")

    given_back(book, step, 200, "2026-02-04 13:00")
    assert following(book, HALF_PAID_BACK, "2026-02-04 14:00") == ()
    assert (book.account.remaining, book.account.owed) == (200, 200)
    book.renew("2026-02-10 09:00")

    assert (book.account.remaining, book.account.owed, book.problems()) == (300, 0, [])


def test_a_hold_that_is_closed_after_the_period_forgives_what_it_spent_and_the_rest_expires() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)
    following(book, renewal("unpaid"), "2026-02-27 02:00")
    book.capture(quantity=40, at="2026-02-27 02:30")

    book.release(at="2026-03-21")

    assert moved(book, 2) == [("release", 960), ("expiry", -960)]
    assert (book.account.remaining, book.account.owed, book.problems()) == (300, 0, [])


def test_a_hold_that_is_closed_after_the_period_owes_what_it_spent_and_the_rest_expires() -> None:
    book = on_pro()
    book.hold(1000, at="2026-02-19 20:00", expires_in_seconds=86_400)
    book.capture(quantity=700, at="2026-02-19 21:00")
    following(book, HALF_PAID_BACK, "2026-02-19 22:00")

    book.release(at="2026-02-20 10:00")

    assert moved(book, 2) == [("release", 300), ("expiry", -300)]
    # Free's 300 of 10 February came when the plan was left.
    assert (book.account.remaining, book.account.owed, book.problems()) == (300, 200, [])


def test_a_customer_that_is_deleted_leaves_a_hold_nothing_that_was_not_paid_for() -> None:
    book = past_due()
    book.hold(1000, at="2026-02-26 23:00", expires_in_seconds=86_400)

    following(book, Snapshot(None, None), "2026-02-27 02:00")
    book.release(at="2026-02-27 03:00")

    assert (book.account.remaining, book.account.owed, book.problems()) == (300, 0, [])


def test_it_does_not_matter_of_which_of_the_plan_s_grants_a_hold_spent() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 300, at="2026-01-11")
    team = line("team", "2026-01-20", "2026-02-20", 1)
    more = (
        credited("team", "2026-02-04 12:00", "2026-02-20", 1),
        added("team", "2026-02-04 12:00", "2026-02-20", 2),
    )
    fewer = (
        credited("team", "2026-02-04 12:00", "2026-02-20", 2),
        added("team", "2026-02-04 12:00", "2026-02-20", 1),
    )
    following(book, subscribed("team", "2026-01-20", "2026-02-20", team), "2026-01-20")
    following(book, subscribed("team", "2026-01-20", "2026-02-20", team, *more, seats=2), "2026-02-04 12:00")
    book.hold(4000, at="2026-02-04 13:00", expires_in_seconds=86_400)
    book.hold(2000, at="2026-02-04 13:00", hold_id="run-2", expires_in_seconds=86_400)
    assert [(grant.kind.value, grant.held) for grant in book.account.grants] == [
        ("allocation", 4000),
        ("proration", 2000),
    ]
    following(book, subscribed("team", "2026-01-20", "2026-02-20", team, *more, *fewer), "2026-02-04 14:00")
    book.capture("deep_research", 200, at="2026-02-04 14:10")

    book.release(at="2026-02-04 14:20")
    assert (book.account.owed, recalled(book.account)) == (0, [(2000, 2000)])
    book.release(at="2026-02-04 14:20", hold_id="run-2")

    assert (book.account.remaining, book.account.owed, book.problems()) == (0, 0, [])


def test_time_that_is_paid_again_while_the_hold_is_open_is_recalled_no_more() -> None:
    book = on_pro()
    book.hold(1000, at="2026-02-04 11:00", expires_in_seconds=86_400)
    lines = (PRO, credited("pro", "2026-02-04 12:00", "2026-02-20"))
    following(book, subscribed("pro", "2026-01-20", "2026-02-20", *lines), "2026-02-04 12:00")

    again = added("pro", "2026-02-12 06:00", "2026-02-20")
    following(book, subscribed("pro", "2026-01-20", "2026-02-20", *lines, again), "2026-02-05 10:00")
    assert recalled(book.account) == [(250, 250)]
    book.release(at="2026-02-05 10:30")

    assert (book.account.remaining, book.account.owed, book.problems()) == (750, 0, [])


def part_unpaid_part_paid_back() -> Book:
    """A renewal of one seat that is never paid, a second seat that was paid and is paid back, all of it in a hold:
    4,000 and 2,000."""
    book = Book.opened("2026-01-10 09:00")
    first = line("team", "2026-01-20", "2026-02-20")
    renewal = unpaid("team", "2026-02-20", "2026-03-20")
    seat = (credited("team", "2026-03-06", "2026-03-20", 1), added("team", "2026-03-06", "2026-03-20", 2))
    following(book, subscribed("team", "2026-01-20", "2026-02-20", first), "2026-01-20")
    following(book, subscribed("team", "2026-01-20", "2026-03-20", first, renewal), "2026-02-20 01:00")
    two = subscribed("team", "2026-01-20", "2026-03-20", first, renewal, *seat, seats=2)
    following(book, two, "2026-03-06")
    book.hold(6000, at="2026-03-06 01:00", expires_in_seconds=86_400)
    lost = subscribed("team", "2026-01-20", "2026-03-20", first, renewal, *seat, seats=2, standing="unpaid")
    following(book, lost, "2026-03-06 02:00")
    return book


def test_what_was_never_paid_covers_what_a_hold_spent_before_anything_is_owed() -> None:
    book = part_unpaid_part_paid_back()
    assert recalled(book.account) == [(4000, 2000), (2000, 0)]

    book.capture("deep_research", 250, at="2026-03-06 03:00")
    book.release(at="2026-03-06 04:00")

    assert (book.account.remaining, book.account.owed, book.account.terms[-1].given) == (300, 1000, 4000)
    assert book.problems() == []


def test_a_customer_that_is_deleted_keeps_nothing_of_what_was_paid_back_before() -> None:
    book = part_unpaid_part_paid_back()

    following(book, Snapshot(None, None), "2026-03-06 03:00")
    book.release(at="2026-03-06 04:00")

    assert (book.account.remaining, book.account.owed, book.problems()) == (300, 0, [])


def test_what_is_recalled_and_owing_survives_storage() -> None:
    account = part_unpaid_part_paid_back().account
    restore = partial(account_from_record, account_id=account.account_id, opened_at=account.opened_at)

    stored = restore(state_to_record(account), at=account.at, seq=account.seq, head=account.head)

    assert stored == account
