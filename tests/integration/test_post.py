"""The one door: exactly once under a key, whatever the store does meanwhile, and nothing charged on giving up."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, repeat

import pytest

from credits.domain.account import Account, CreditWarning
from credits.domain.charge import Usage, charge
from credits.domain.entry import EntryKind
from credits.domain.journal import Posting
from credits.domain.record import Record, entry_to_record, state_to_record
from credits.errors import (
    AccountNotFound,
    Contended,
    CreditsError,
    CreditsExhausted,
    IdempotencyKeyReused,
    InsufficientCredits,
    Unavailable,
)
from credits.ledger.audit import audit
from credits.ledger.memory import MemoryStore
from credits.ledger.post import PATIENCE, Patience, Receipt, client_key, post
from credits.ledger.store import (
    AccountKey,
    Cancelled,
    Collided,
    EntryKey,
    Ledger,
    Span,
    Store,
    StoreError,
    Throttled,
    Unanswered,
)
from tests.faults import FakeTime, Fault, FaultyStore, Reply
from tests.moves import CATALOG, NOON, charged, granted, messages, moved_to, opened, renewed

LOST = Reply.LOST


def remaining(store: Ledger, account_id: str = "acme") -> int:
    """Credits left by the account's item, and proof that its ledger says the same."""
    (account,) = store.read(AccountKey(account_id))
    assert account
    assert audit(store, account_id).ok
    return account.remaining


def records(receipt: Receipt) -> list[Record]:
    """The entries of a receipt in full, as they are stored."""
    return [entry_to_record(entry) for entry in receipt.entries]


def ledger_keys(store: Ledger, account_id: str = "acme") -> list[str]:
    return [entry.key for entry in store.entries(Span(account_id), limit=1_000, newest_first=False)]


def down_to(store: MemoryStore, credits: int) -> None:
    """An account with this many credits left."""
    opened(store)
    charged(store, "spent-before", messages(300 - credits))


# Once under a key


def test_a_charge_is_an_entry_and_a_balance_that_are_there_together(store: Ledger) -> None:
    opened(store)

    receipt = charged(store, "k1", messages(3))

    assert receipt.replayed is False
    assert [(entry.key, entry.seq, entry.credits, entry.remaining, entry.total) for entry in receipt.entries] == [
        ("c#k1", 3, -3, 297, 300)
    ]
    (stored,) = store.read(EntryKey("acme", "c#k1"))
    assert stored
    assert [entry_to_record(stored)] == records(receipt)
    assert remaining(store) == 297


def test_a_replay_hears_the_first_receipt_however_much_has_happened_since(store: Ledger) -> None:
    opened(store)
    first = charged(store, "k1", messages(3))
    charged(store, "k2", messages(100))
    moved_to(store, "up", "pro")

    again = charged(store, "k1", messages(3), at=NOON + timedelta(days=400))

    assert records(again) == records(first)
    assert state_to_record(again.book) == state_to_record(first.book)
    assert again.replayed is True
    assert remaining(store) == 1197


def test_a_key_that_comes_back_with_another_request_is_refused_and_nothing_is_written(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(3), fingerprint="three messages")

    with pytest.raises(IdempotencyKeyReused) as refused:
        charged(store, "k1", messages(4), fingerprint="four messages")

    assert refused.value.fields == {"key": "k1"}
    assert remaining(store) == 297


def test_a_key_that_comes_back_with_another_request_is_told_so_before_it_hears_that_credits_are_missing() -> None:
    store = MemoryStore()
    down_to(store, 1)
    charged(store, "k1", fingerprint="one message")

    with pytest.raises(IdempotencyKeyReused):
        charged(store, "k1", messages(500), fingerprint="five hundred")


def test_a_retry_near_zero_never_hears_that_the_credits_it_spent_are_missing(store: Ledger) -> None:
    opened(store)
    first = charged(store, "k1", messages(300))

    again = charged(store, "k1", messages(300))

    assert (first.entries[0].remaining, first.entries[0].warning) == (0, CreditWarning.EXHAUSTED)
    assert records(again) == records(first)
    assert again.replayed is True


def test_a_batch_comes_back_with_all_its_lines_in_their_order(store: Ledger) -> None:
    opened(store)
    lines = [Usage(action="message"), Usage(action="deep_research"), *[Usage(action="web_fetch")] * 10]

    first = charged(store, "k1", *lines)
    charged(store, "k2")
    again = charged(store, "k1", *lines)

    assert [entry.key for entry in first.entries] == [
        "c#k1",
        *(f"c#k1#{number:02d}" for number in range(1, 12)),
    ]
    assert [-entry.credits for entry in first.entries] == [1, 20, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert records(again) == records(first)
    assert again.book.remaining == first.book.remaining == 269
    assert again.replayed is True


def test_a_charge_that_comes_after_a_renewal_hands_back_its_own_entry_alone(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(100))

    in_january = NOON + timedelta(days=45)
    receipt = charged(store, "k2", at=in_january)
    again = charged(store, "k2", at=in_january)

    assert [entry.key for entry in receipt.entries] == ["c#k2"]
    assert records(again) == records(receipt)
    assert ledger_keys(store) == [
        "opened",
        "allocation#2026-11-23T12:00:00.000Z#0",
        "c#k1",
        "expire#g2",
        "allocation#2026-11-23T12:00:00.000Z#1",
        "c#k2",
    ]
    assert remaining(store) == 299


def test_a_decision_without_entries_commits_nothing(store: Ledger) -> None:
    opened(store)
    faulty = FaultyStore(store, commits=repeat(Unanswered))

    receipt = renewed(faulty, at=NOON + timedelta(days=1))

    assert receipt.entries == ()
    assert receipt.book.remaining == 300
    assert faulty.commits == 0
    assert ledger_keys(store) == ["opened", "allocation#2026-11-23T12:00:00.000Z#0"]


def test_a_key_that_acted_is_replayed_even_where_its_decision_would_change_nothing_now(store: Ledger) -> None:
    opened(store)
    first = moved_to(store, "up", "pro")

    again = moved_to(store, "up", "pro", at=NOON + timedelta(days=1))

    assert [entry.key for entry in first.entries] == ["c#up"]
    assert records(again) == records(first)
    assert again.replayed is True


def test_opening_twice_gives_one_allocation_and_only_the_first_hears_that_it_opened(store: Ledger) -> None:
    first = opened(store)
    second = opened(store, at=NOON + timedelta(hours=1))

    assert [entry.kind for entry in first.entries] == [EntryKind.OPENED]
    assert first.replayed is False
    assert second.replayed or not second.entries
    assert remaining(store) == 300
    assert ledger_keys(store) == ["opened", "allocation#2026-11-23T12:00:00.000Z#0"]


def test_of_two_that_open_an_account_at_once_the_second_hears_what_the_first_did() -> None:
    store = MemoryStore()
    faulty = FaultyStore(store, commits=[partial(opened, store)])

    second = opened(faulty, at=NOON + timedelta(seconds=1), patience=FakeTime().patience)

    assert second.replayed is True
    assert [entry.at for entry in second.entries] == [NOON]
    assert remaining(store) == 300


def test_an_account_that_is_not_there_cannot_be_charged(store: Ledger) -> None:
    with pytest.raises(AccountNotFound) as refused:
        charged(store, "k1", account_id="nobody")

    assert refused.value.fields == {"account_id": "nobody"}
    assert list(store.read(EntryKey("nobody", "c#k1"))) == [None]


def test_a_refusal_is_not_stored_so_that_the_key_succeeds_once_there_are_credits(store: Ledger) -> None:
    opened(store)
    with pytest.raises(InsufficientCredits) as refused:
        charged(store, "k1", messages(301))
    granted(store, "gift", 1)

    receipt = charged(store, "k1", messages(301))

    assert (refused.value.code, refused.value.fields["required"], refused.value.fields["remaining"]) == (
        "insufficient_credits",
        301,
        300,
    )
    assert receipt.replayed is False
    assert receipt.entries[0].remaining == 0
    assert remaining(store) == 0


def test_a_key_that_acted_is_replayed_where_only_time_has_something_to_write_now(store: Ledger) -> None:
    opened(store)
    granted(store, "gift", 20, expires_at=NOON + timedelta(hours=1))
    first = moved_to(store, "up", "pro", fingerprint="f1")
    later = NOON + timedelta(hours=2)

    again = moved_to(store, "up", "pro", at=later, fingerprint="f1")

    assert (records(again), again.replayed) == (records(first), True)
    with pytest.raises(IdempotencyKeyReused):
        moved_to(store, "up", "pro", at=later, fingerprint="f2")
    assert "expire#g3" not in ledger_keys(store)


def test_at_zero_a_charge_is_refused_and_writes_nothing_and_what_is_free_passes(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(300))

    with pytest.raises(CreditsExhausted):
        charged(store, "k2")
    receipt = charged(store, "k3", Usage(action="ai_response"))

    assert (receipt.entries[0].credits, receipt.entries[0].remaining) == (0, 0)
    assert list(store.read(EntryKey("acme", "c#k2"))) == [None]


def test_a_charge_without_contention_is_one_read_and_one_commit() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store)

    charged(faulty, "k1")

    assert (faulty.reads, faulty.commits) == (1, 1)


# Two books


def charged_together(store: Store, key: str, *books: str, patience: Patience = PATIENCE) -> Receipt:
    """One decision over several books: a message charged on each."""

    def decide(*accounts: Account, now: datetime) -> Posting:
        each = [charge(account, CATALOG, now=now, key=client_key(key), lines=[messages(1)]) for account in accounts]
        return Posting(
            tuple(posting.books[0] for posting in each), tuple(entry for posting in each for entry in posting.entries)
        )

    return post(store, client_key(key), [AccountKey(book) for book in books], decide, now=NOON, patience=patience)


def test_a_decision_over_two_books_of_which_one_moves_meanwhile_changes_each_once() -> None:
    store = MemoryStore()
    opened(store, "acme")
    opened(store, "globex")
    faulty = FaultyStore(store, commits=[partial(charged, store, "other", messages(100), account_id="globex"), LOST])

    receipt = charged_together(faulty, "k1", "acme", "globex", patience=FakeTime().patience)

    assert receipt.replayed is False
    assert receipt.book.account_id == "acme"
    assert (remaining(store, "acme"), remaining(store, "globex")) == (299, 199)


def test_the_first_of_two_books_owns_the_key_and_a_replay_hears_the_first_receipt(store: Ledger) -> None:
    opened(store, "acme")
    opened(store, "globex")

    first = charged_together(store, "k1", "acme", "globex")
    again = charged_together(store, "k1", "acme", "globex")

    assert [entry.book_id for entry in first.entries] == ["acme"]
    assert records(again) == records(first)
    assert again.replayed is True
    assert (remaining(store, "acme"), remaining(store, "globex")) == (299, 299)


# Races that are lost


def test_who_loses_a_race_decides_again_on_the_book_as_it_is_now() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[partial(charged, store, "other", messages(100))])

    receipt = charged(faulty, "k1", messages(50), patience=FakeTime().patience)

    assert [entry.remaining for entry in receipt.entries] == [150]
    assert faulty.commits == 2
    assert remaining(store) == 150


def test_who_loses_the_last_credit_hears_that_there_is_none() -> None:
    store = MemoryStore()
    down_to(store, 1)
    faulty = FaultyStore(store, commits=[partial(charged, store, "other")])

    with pytest.raises(CreditsExhausted):
        charged(faulty, "k1", patience=FakeTime().patience)

    assert list(store.read(EntryKey("acme", "c#k1"))) == [None]


def test_who_loses_against_its_own_key_hears_what_that_did() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[partial(charged, store, "k1", messages(5))])

    receipt = charged(faulty, "k1", messages(5), patience=FakeTime().patience)

    assert receipt.replayed is True
    assert [entry.remaining for entry in receipt.entries] == [295]
    assert remaining(store) == 295


def test_of_two_that_renew_at_once_the_second_finds_the_new_period_and_gives_nothing_more() -> None:
    store = MemoryStore()
    opened(store)
    in_january = NOON + timedelta(days=45)
    faulty = FaultyStore(store, commits=[partial(renewed, store, at=in_january)])

    receipt = renewed(faulty, at=in_january, patience=FakeTime().patience)

    assert receipt.entries == ()
    assert receipt.book.remaining == 300
    assert ledger_keys(store)[-1] == "allocation#2026-11-23T12:00:00.000Z#1"
    assert remaining(store) == 300


def test_an_allocation_that_is_there_while_another_transaction_holds_the_book_is_a_lost_race() -> None:
    """DynamoDB gives each item its own reason: the entry's key is taken, and the book, which moved with it, is just
    then in the hands of a third caller."""

    class HeldBook(MemoryStore):
        def commit(self, posting: Posting) -> None:
            try:
                super().commit(posting)
            except Cancelled as cancelled:
                raise Cancelled(cancelled.entries, {}) from None

    store = HeldBook()
    opened(store)
    in_january = NOON + timedelta(days=45)
    faulty = FaultyStore(store, commits=[partial(renewed, store, at=in_january)])

    receipt = charged(faulty, "k1", at=in_january, patience=FakeTime().patience)

    assert receipt.entries[0].remaining == 299
    assert remaining(store) == 299


def test_an_entry_in_the_ledger_that_the_book_does_not_know_is_a_fault_of_ours() -> None:
    store = MemoryStore()
    opened(store)
    (stale,) = store.read(AccountKey("acme"))
    renewed(store, at=NOON + timedelta(days=45))
    assert stale
    (now,) = store.read(AccountKey("acme"))
    assert now
    store.commit(Posting((replace(stale, version=now.version),), ()))  # the book set back by hand

    with pytest.raises(CreditsError) as fault:
        charged(store, "k1", at=NOON + timedelta(days=45), patience=FakeTime().patience)

    assert fault.value.code == "internal"
    assert list(store.read(EntryKey("acme", "c#k1"))) == [None]


# Collisions and throttling


@pytest.mark.parametrize("error", [Collided, Throttled])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_commit_that_collides_or_is_throttled_a_few_times_succeeds_in_the_end(
    error: type[StoreError], times: int
) -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[error] * times)

    receipt = charged(faulty, "k1", patience=FakeTime().patience)

    assert receipt.replayed is False
    assert faulty.commits == times + 1
    assert remaining(store) == 299


def test_a_throttled_read_is_repeated() -> None:
    store = MemoryStore()
    opened(store)

    receipt = charged(FaultyStore(store, reads=[Throttled, Throttled]), "k1", patience=FakeTime().patience)

    assert receipt.entries[0].remaining == 299


def test_a_collision_for_ever_is_given_up_at_the_deadline_with_nothing_charged() -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime()
    faulty = FaultyStore(store, commits=repeat(Collided), time=time)

    with pytest.raises(Contended) as given_up:
        charged(faulty, "k1", patience=time.patience)

    assert (given_up.value.http_status, given_up.value.fields) == (429, {"retry_after": 1})
    assert time.now - 1_000 < 16
    assert faulty.commits <= 12
    assert ledger_keys(store) == ["opened", "allocation#2026-11-23T12:00:00.000Z#0"]
    assert remaining(store) == 300


def test_attempts_are_bounded_by_the_deadline_even_where_no_pause_is_ever_drawn() -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime(luck=lambda shortest, _: shortest)
    faulty = FaultyStore(store, commits=repeat(Collided), time=time)

    with pytest.raises(Contended):
        charged(faulty, "k1", patience=time.patience)

    assert time.now - 1_000 < 16.02
    assert faulty.commits <= 1_601
    assert remaining(store) == 300


def test_after_lost_races_the_pauses_double_up_to_four_seconds() -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime()

    with pytest.raises(Contended):
        charged(FaultyStore(store, commits=repeat(Collided), time=time), "k1", patience=time.patience)

    first, second, third, fourth, *_ = time.pauses
    assert (second / first, third / second, fourth / third) == pytest.approx((2, 2, 2))
    assert first < 0.1
    assert max(time.pauses) == 4


@pytest.mark.parametrize("throttled", ["reads", "commits"])
def test_after_throttling_the_pauses_double_from_50_ms_up_to_four_seconds_and_giving_up_charges_nothing(
    throttled: str,
) -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime()
    faulty = FaultyStore(
        store,
        reads=repeat(Throttled) if throttled == "reads" else (),
        commits=repeat(Throttled) if throttled == "commits" else (),
        time=time,
    )

    with pytest.raises(Contended):
        charged(faulty, "k1", patience=time.patience)

    assert time.pauses[:5] == [0.05, 0.1, 0.2, 0.4, 0.8]
    assert max(time.pauses) == 4
    assert time.now - 1_000 < 16
    assert remaining(store) == 300
    assert list(store.read(EntryKey("acme", "c#k1"))) == [None]


def test_a_pause_is_drawn_between_nothing_and_its_bound() -> None:
    store = MemoryStore()
    opened(store)
    drawn: list[tuple[float, float]] = []

    def luck(shortest: float, longest: float) -> float:
        drawn.append((shortest, round(longest, 3)))
        return longest / 2

    time = FakeTime(luck)
    charged(FaultyStore(store, commits=[Throttled] * 3, time=time), "k1", patience=time.patience)

    assert drawn == [(0, 0.05), (0, 0.1), (0, 0.2)]
    assert [round(pause, 3) for pause in time.pauses] == [0.025, 0.05, 0.1]


# Replies that are lost


def test_a_charge_whose_reply_was_lost_is_made_once_and_its_own_caller_hears_no_replay() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[LOST])

    receipt = charged(faulty, "k1", messages(3), patience=FakeTime().patience)

    assert receipt.replayed is False
    assert [(entry.key, entry.remaining) for entry in receipt.entries] == [("c#k1", 297)]
    assert remaining(store) == 297


def test_a_charge_that_never_reached_the_store_is_made_by_the_next_try() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[Unanswered, Unanswered])

    receipt = charged(faulty, "k1", messages(3), patience=FakeTime().patience)

    assert receipt.replayed is False
    assert faulty.commits == 3
    assert remaining(store) == 297


def test_a_batch_whose_reply_was_lost_is_made_once_with_all_its_lines() -> None:
    store = MemoryStore()
    opened(store)

    receipt = charged(
        FaultyStore(store, commits=[LOST]), "k1", messages(1), messages(2), messages(3), patience=FakeTime().patience
    )

    assert receipt.replayed is False
    assert [entry.remaining for entry in receipt.entries] == [299, 297, 294]
    assert remaining(store) == 294


@pytest.mark.parametrize("passing", [Throttled, Unanswered])
def test_a_replay_whose_further_lines_cannot_be_read_at_once_is_read_again(passing: type[StoreError]) -> None:
    store = MemoryStore()
    opened(store)
    first = charged(store, "k1", messages(1), messages(2))
    faulty = FaultyStore(store, reads=[Reply.HEARD, passing])

    again = charged(faulty, "k1", messages(1), messages(2), patience=FakeTime().patience)

    assert records(again) == records(first)
    assert again.replayed is True


@pytest.mark.parametrize("passing", [Throttled, Unanswered])
def test_a_refusal_is_told_only_after_the_key_could_be_read(passing: type[StoreError]) -> None:
    store = MemoryStore()
    opened(store)
    first = charged(store, "k1", messages(300))
    faulty = FaultyStore(store, reads=[Reply.HEARD, passing])

    again = charged(faulty, "k1", messages(300), patience=FakeTime().patience)

    assert records(again) == records(first)


def test_a_charge_of_the_last_credits_whose_reply_was_lost_hears_its_own_receipt() -> None:
    store = MemoryStore()
    down_to(store, 5)
    faulty = FaultyStore(store, commits=[LOST])

    receipt = charged(faulty, "k1", messages(5), patience=FakeTime().patience)

    assert receipt.replayed is False
    assert [(entry.credits, entry.remaining) for entry in receipt.entries] == [(-5, 0)]
    assert remaining(store) == 0


def test_a_charge_whose_reply_was_lost_is_found_after_others_have_emptied_the_account() -> None:
    store = MemoryStore()
    down_to(store, 5)
    faulty = FaultyStore(
        store,
        commits=[LOST],
        reads=[Reply.HEARD, partial(charged, store, "other", messages(2))],
    )

    receipt = charged(faulty, "k1", messages(3), patience=FakeTime().patience)

    assert receipt.replayed is False
    assert [(entry.credits, entry.remaining) for entry in receipt.entries] == [(-3, 2)]
    assert remaining(store) == 0


def test_a_charge_that_was_lost_on_its_way_and_overtaken_is_refused_where_the_credits_are_gone() -> None:
    store = MemoryStore()
    down_to(store, 5)
    faulty = FaultyStore(
        store,
        commits=[Unanswered],
        reads=[Reply.HEARD, partial(charged, store, "other", messages(4))],
    )

    with pytest.raises(InsufficientCredits):
        charged(faulty, "k1", messages(3), patience=FakeTime().patience)

    assert remaining(store) == 1


def test_a_charge_that_another_caller_made_under_the_same_key_is_a_replay_even_after_a_silence() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[Unanswered, partial(charged, store, "k1", at=NOON + timedelta(seconds=1))])

    receipt = charged(faulty, "k1", patience=FakeTime().patience)

    assert receipt.replayed is True
    assert receipt.entries[0].at == NOON + timedelta(seconds=1)
    assert remaining(store) == 299


@pytest.mark.parametrize("first", [LOST, Unanswered])
def test_a_store_that_never_answers_a_commit_is_unavailable_and_the_same_key_finds_out(first: Fault) -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime()
    faulty = FaultyStore(store, commits=chain([first], repeat(Unanswered)), time=time)

    with pytest.raises(Unavailable) as given_up:
        charged(faulty, "k1", patience=time.patience)
    receipt = charged(store, "k1")

    assert (given_up.value.http_status, given_up.value.fields) == (503, {"retry_after": 1})
    assert time.now - 1_000 < 16
    assert faulty.commits <= 12
    assert receipt.entries[0].remaining == 299
    assert remaining(store) == 299


def test_a_store_that_never_answers_a_read_is_unavailable() -> None:
    store = MemoryStore()
    opened(store)
    time = FakeTime()

    with pytest.raises(Unavailable):
        charged(FaultyStore(store, reads=repeat(Unanswered), time=time), "k1", patience=time.patience)

    assert remaining(store) == 300


@pytest.mark.parametrize(
    ("reads", "commits"),
    [
        pytest.param([Reply.HEARD, *[Throttled] * 20], [LOST], id="throttled reads"),
        pytest.param([], [LOST, *[Throttled] * 20], id="throttled commits"),
        pytest.param([], [LOST, *[Collided] * 20], id="collisions"),
    ],
)
def test_giving_up_after_a_silence_never_says_that_nothing_was_charged(
    reads: list[Fault], commits: list[Fault]
) -> None:
    """`Contended` promises that nothing was written; after an unanswered commit that is not known."""
    store = MemoryStore()
    opened(store)
    time = FakeTime()
    faulty = FaultyStore(store, reads=reads, commits=commits, time=time)

    with pytest.raises(Unavailable):
        charged(faulty, "k1", patience=time.patience)

    assert remaining(store) == 299


def test_an_opening_whose_reply_was_lost_is_the_callers_own() -> None:
    store = MemoryStore()

    receipt = opened(FaultyStore(store, commits=[LOST]), patience=FakeTime().patience)

    assert receipt.replayed is False
    assert ledger_keys(store) == ["opened", "allocation#2026-11-23T12:00:00.000Z#0"]


def test_a_renewal_whose_reply_was_lost_is_made_once() -> None:
    store = MemoryStore()
    opened(store)
    faulty = FaultyStore(store, commits=[LOST])

    renewed(faulty, at=NOON + timedelta(days=45), patience=FakeTime().patience)

    assert ledger_keys(store)[2:] == ["expire#g2", "allocation#2026-11-23T12:00:00.000Z#1"]
    assert remaining(store) == 300
