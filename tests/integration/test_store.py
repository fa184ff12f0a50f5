"""The contract of the store: one suite for the store in memory, for DynamoDB as moto has it, and for DynamoDB Local."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from credits.domain.account import Account, CreditWarning, PendingChange, Standing, Term
from credits.domain.entry import ChangeStatus, Corrected, Entry, EntryKind, PlanChange
from credits.domain.grant import Draw, Grant, GrantKind
from credits.domain.hold import Hold, HoldStatus
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.ledger.store import (
    AccountKey,
    Cancelled,
    Due,
    EntryKey,
    HoldKey,
    Ledger,
    MemberKey,
    Span,
    due_shard,
    place,
)
from tests.moves import NOON

PLAIN = Account(account_id="acme", opened_at=NOON, plan="free", anchor=NOON, at=NOON, seq=1, head="h1")

FULL = Account(
    account_id="acme",
    opened_at=datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
    plan="team",
    seats=3,
    standing=Standing.PAST_DUE,
    grace_ends_at=datetime(2026, 12, 1, tzinfo=UTC),
    subscription_id="sub_1",
    terms=(Term("sub_1", datetime(2026, 11, 30, 8, 30, tzinfo=UTC), 12_000, 4_000),),
    paid_until=datetime(2027, 1, 31, 8, 30, tzinfo=UTC),
    owed=12,
    ticket=1_795_586_827_803,
    anchor=datetime(2025, 1, 31, 8, 30, tzinfo=UTC),
    period_number=21,
    pending=PendingChange("pro", 1, datetime(2026, 12, 31, 8, 30, tzinfo=UTC)),
    grants=(
        Grant("g2", GrantKind.ALLOCATION, 12_000, 7, 2, 1, datetime(2026, 11, 30, 8, 30, tzinfo=UTC)),
        Grant("g5", GrantKind.PACK, 400, 0, 30, 0, None, 30, 250),
    ),
    used=11_990,
    counted_from=datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
    free_through=4,
    free_returned=True,
    knowledge_words=123_456,
    workflows=9,
    members=2,
    warned=CreditWarning.LOW,
    top_up_below=50,
    top_up_due=True,
    at=NOON,
    seq=17,
    head="0123abcd",
)


HOLD = Hold(
    account_id="acme",
    hold_id="run-1",
    opened_at=NOON - timedelta(minutes=5),
    expires_at=NOON + timedelta(hours=1),
    plan="pro",
    member_id="ann",
    conversation_id="chat",
    description="research",
    status=HoldStatus.CLOSED,
    grants=(Grant("g2", GrantKind.ALLOCATION, 20, 13, expires_at=NOON),),
    credits=20,
    captured=7,
    counted=20,
    counted_from=NOON - timedelta(days=3),
    at=NOON,
    seq=2,
    head="h2",
)

MEMBER = Member(
    account_id="acme",
    member_id="ann",
    joined_at=NOON - timedelta(days=9),
    credit_cap=100,
    used=20,
    counted_from=NOON - timedelta(days=3),
    removed=True,
    at=NOON,
    seq=1,
    head="h1",
)


def entry(seq: int = 1, key: str | None = None, *, account: Account = PLAIN, minutes: int = 0) -> Entry:
    """A charge of 2 credits: what the ledger holds most of."""
    at = NOON + timedelta(minutes=minutes)
    return Entry(
        book_id=account.account_id,
        account_id=account.account_id,
        key=key or f"c#k{seq}",
        kind=EntryKind.CHARGE,
        at=at,
        seq=seq,
        credits=-2,
        draws=(Draw("g2", GrantKind.ALLOCATION, -2, NOON),),
        remaining=298,
        total=300,
        after=replace(account, at=at, seq=seq, head=f"h{seq}"),
        catalog_version="2026-11-23",
        prev_hash=f"h{seq - 1}",
        hash=f"h{seq}",
    )


def in_conversation(conversation: str, seq: int, minutes: int) -> Entry:
    return replace(entry(seq, minutes=minutes), conversation_id=conversation)


def written(store: Ledger, *entries: Entry, account: Account = PLAIN) -> Account:
    """Commits the entries with the book, and returns the book as the store has it now."""
    store.commit(Posting((account,), entries))
    (stored,) = store.read(AccountKey(account.account_id))
    assert stored
    return stored


def keys(entries: object) -> list[str]:
    assert isinstance(entries, list)
    return [each.key for each in entries]


# Reading


def test_an_account_that_was_never_written_is_none(store: Ledger) -> None:
    assert list(store.read(AccountKey("nobody"))) == [None]


def test_an_entry_that_was_never_written_is_none(store: Ledger) -> None:
    assert list(store.read(EntryKey("acme", "c#k1"))) == [None]


def test_what_was_committed_is_read_at_once(store: Ledger) -> None:
    store.commit(Posting((PLAIN,), (entry(),)))

    assert list(store.read(AccountKey("acme"))) == [replace(PLAIN, version=1)]
    assert list(store.read(EntryKey("acme", "c#k1"))) == [entry()]


def test_several_accounts_are_read_in_the_order_they_were_asked_for(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")
    store.commit(Posting((PLAIN, globex), ()))

    found = store.read(AccountKey("globex"), AccountKey("nobody"), AccountKey("acme"))

    assert list(found) == [replace(globex, version=1), None, replace(PLAIN, version=1)]


def test_several_entries_are_read_in_the_order_they_were_asked_for(store: Ledger) -> None:
    written(store, entry(1), entry(2))

    found = store.read(EntryKey("acme", "c#k2"), EntryKey("acme", "c#k3"), EntryKey("acme", "c#k1"))

    assert list(found) == [entry(2), None, entry(1)]


def test_every_field_of_an_account_comes_back_as_it_was(store: Ledger) -> None:
    for each in fields(Account):
        if each.name not in {"account_id", "opened_at", "anchor", "plan", "at", "version"}:
            assert getattr(FULL, each.name) != each.default, f"{each.name} needs a value here that is not its usual one"

    stored = written(store, account=FULL)

    assert stored == replace(FULL, version=1)


def test_every_field_of_an_entry_comes_back_as_it_was(store: Ledger) -> None:
    full = Entry(
        book_id="acme",
        account_id="acme",
        key="c#k1#49",
        kind=EntryKind.CHARGE,
        at=NOON,
        seq=17,
        credits=-5,
        draws=(
            Draw("g2", GrantKind.ALLOCATION, -3, datetime(2026, 11, 30, 8, 30, tzinfo=UTC)),
            Draw("g5", GrantKind.PACK, -2),
        ),
        remaining=407,
        total=12_400,
        warning=CreditWarning.LOW,
        alert=CreditWarning.EXHAUSTED,
        action="message",
        quantity=5,
        conversation_id="chat@1:2",
        conversation_title="Заметки 📒",
        member_id="m-1",
        hold_id="run-1",
        model="gpt-5.1",
        tool="gmail.search",
        description="naïve “quotes” #1",
        change=PlanChange("team", 3, "pro", 1, datetime(2026, 12, 31, 8, 30, tzinfo=UTC), ChangeStatus.PENDING),
        standing_before=Standing.ACTIVE,
        shortfall=3,
        calls_for="top_up",
        corrects=Corrected("acme#hold#run-0", "c#k0", datetime(2026, 11, 22, 8, 30, tzinfo=UTC)),
        member_used=17,
        by="ops@infuseos",
        forced=True,
        after=replace(FULL, head="h17"),
        catalog_version="2026-11-23",
        lines=50,
        fingerprint="f" * 32,
        prev_hash="h16",
        hash="h17",
    )
    for each in fields(Entry):
        assert getattr(full, each.name) != each.default, f"{each.name} needs a value here that is not its usual one"

    written(store, full, account=FULL)

    assert list(store.read(EntryKey("acme", "c#k1#49"))) == [full]
    assert list(store.entries(Span("acme"), limit=1)) == [full]
    assert list(store.entries(Span("acme", "chat@1:2"), limit=1)) == [full]


def test_every_field_of_a_hold_comes_back_as_it_was(store: Ledger) -> None:
    for each in fields(Hold):
        if each.default is not MISSING and each.name != "version":
            assert getattr(HOLD, each.name) != each.default, f"{each.name} needs a value here that is not its usual one"

    store.commit(Posting((PLAIN, HOLD), ()))

    assert list(store.read(HoldKey("acme", "run-1"))) == [replace(HOLD, version=1)]


def test_every_field_of_a_member_comes_back_as_it_was(store: Ledger) -> None:
    for each in fields(Member):
        if each.default is not MISSING and each.name != "version":
            assert getattr(MEMBER, each.name) != each.default, f"{each.name} needs a value that is not its usual one"

    store.commit(Posting((PLAIN, MEMBER), ()))

    assert list(store.read(MemberKey("acme", "ann"))) == [replace(MEMBER, version=1)]


def test_an_entry_of_a_hold_comes_back_with_the_hold_as_it_left_it(store: Ledger) -> None:
    after = replace(HOLD, head="h3", at=NOON, seq=3)
    captured = replace(in_conversation("chat", 3, 0), book_id="acme#hold#run-1", hold_id="run-1")
    captured = replace(captured, kind=EntryKind.CAPTURE, after=after, hash="h3")  # type: ignore[arg-type]

    store.commit(Posting((HOLD,), (captured,)))

    assert list(store.read(EntryKey("acme#hold#run-1", "c#k3"))) == [captured]
    assert list(store.entries(Span("acme", "chat"), limit=10)) == [captured]
    assert list(store.read(EntryKey("acme", "c#k3"))) == [None]


def test_books_and_entries_of_every_kind_are_read_at_once_in_the_order_they_were_asked_for(store: Ledger) -> None:
    store.commit(Posting((PLAIN, HOLD, MEMBER), (entry(),)))

    found = store.read(
        MemberKey("acme", "ann"),
        HoldKey("acme", "nobody"),
        EntryKey("acme", "c#k1"),
        AccountKey("acme"),
        MemberKey("acme", "bob"),
        HoldKey("acme", "run-1"),
    )

    assert list(found) == [
        replace(MEMBER, version=1),
        None,
        entry(),
        replace(PLAIN, version=1),
        None,
        replace(HOLD, version=1),
    ]


def test_a_hold_or_a_member_that_has_moved_cancels_the_commit_and_is_handed_back(store: Ledger) -> None:
    store.commit(Posting((PLAIN, HOLD, MEMBER), ()))

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((replace(PLAIN, version=1), HOLD, replace(MEMBER, version=7)), (entry(),)))

    assert cancelled.value.books == {
        "acme#hold#run-1": replace(HOLD, version=1),
        "acme#member#ann": replace(MEMBER, version=1),
    }
    assert list(store.read(EntryKey("acme", "c#k1"))) == [None]


# Holds and members of an account


def hold(hold_id: str, minutes: int, account_id: str = "acme") -> Hold:
    return replace(
        HOLD,
        account_id=account_id,
        hold_id=hold_id,
        status=HoldStatus.OPEN,
        expires_at=NOON + timedelta(minutes=minutes),
    )


def test_the_open_holds_of_an_account_are_found_by_pages_the_soonest_to_expire_first(store: Ledger) -> None:
    store.commit(Posting((hold("c", 3), hold("a", 1), hold("b", 2), hold("other", 1, "globex")), ()))

    first = store.open_holds("acme", limit=2)
    second = store.open_holds("acme", limit=2, beyond=first[-1])

    assert ids(first) == ["acme#hold#a", "acme#hold#b"]
    assert ids(second) == ["acme#hold#c"]
    assert ids(store.open_holds("acme", limit=9, until=NOON + timedelta(minutes=2))) == ["acme#hold#a", "acme#hold#b"]


def test_a_hold_that_is_over_waits_nowhere(store: Ledger) -> None:
    store.commit(Posting((hold("a", 1),), ()))
    shard = due_shard("acme#hold#a")
    assert ids(store.due_holds(shard, until=NOON + timedelta(minutes=1), limit=9)) == ["acme#hold#a"]
    assert ids(store.due_holds(shard, until=NOON + timedelta(seconds=59), limit=9)) == []

    store.commit(Posting((replace(hold("a", 1), version=1, status=HoldStatus.CLOSED),), ()))

    assert ids(store.open_holds("acme", limit=9)) == []
    assert ids(store.due_holds(shard, until=NOON + timedelta(days=1), limit=9)) == []


def test_due_holds_and_due_accounts_are_not_mixed(store: Ledger) -> None:
    written(store, account=waiting("a6", 1))

    assert ids(store.due_holds("00", until=NOON + timedelta(days=1), limit=10)) == []


def test_the_members_of_an_account_are_found_by_pages_in_the_order_of_their_ids(store: Ledger) -> None:
    members = [replace(MEMBER, member_id=name) for name in ("cem", "ann", "bob")]
    store.commit(Posting((*members, replace(MEMBER, account_id="globex")), ()))

    first = store.members("acme", limit=2)
    second = store.members("acme", limit=2, beyond=first[-1].member_id)

    assert [member.member_id for member in (*first, *second)] == ["ann", "bob", "cem"]
    assert list(first) == [replace(MEMBER, member_id="ann", version=1), replace(MEMBER, member_id="bob", version=1)]


def test_an_entry_without_its_optional_fields_comes_back_without_them(store: Ledger) -> None:
    bare = replace(entry(), draws=(), credits=0)

    written(store, bare)

    (found,) = store.read(EntryKey("acme", "c#k1"))
    assert found is not None
    assert found == bare
    assert (found.conversation_id, found.warning, found.alert, found.quantity, found.lines) == (
        None,
        None,
        None,
        None,
        1,
    )


# Committing


def test_each_commit_moves_the_version_of_a_book_by_one(store: Ledger) -> None:
    first = written(store)
    second = written(store, account=first)
    third = written(store, account=second)

    assert (first.version, second.version, third.version) == (1, 2, 3)


def test_a_taken_key_cancels_the_commit_and_hands_back_the_entry_that_has_it(store: Ledger) -> None:
    book = written(store, entry(1, "c#k1"))
    again = replace(entry(2, "c#k1"), remaining=296)

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((replace(book, used=4),), (again, entry(3))))

    assert list(cancelled.value.entries.values()) == [entry(1, "c#k1")]
    assert cancelled.value.books == {}
    assert list(store.read(AccountKey("acme"))) == [book]
    assert list(store.read(EntryKey("acme", "c#k3"))) == [None]
    assert list(store.entries(Span("acme"), limit=10)) == [entry(1, "c#k1")]


def test_a_moved_version_cancels_the_commit_and_hands_back_the_book_as_it_is(store: Ledger) -> None:
    before = written(store, entry(1))
    after = written(store, entry(2), account=replace(before, used=4, seq=2, head="h2"))

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((replace(before, used=6),), (entry(3),)))

    assert not cancelled.value.entries
    assert cancelled.value.books == {"acme": after}
    assert after == replace(PLAIN, used=4, seq=2, head="h2", version=2)
    assert list(store.read(EntryKey("acme", "c#k3"))) == [None]


def test_a_book_that_is_new_only_to_the_caller_cancels_the_commit(store: Ledger) -> None:
    book = written(store)

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((replace(PLAIN, used=1),), ()))

    assert cancelled.value.books == {"acme": book}
    assert list(store.read(AccountKey("acme"))) == [book]


def test_a_taken_key_and_a_moved_version_are_told_together(store: Ledger) -> None:
    before = written(store, entry(1))
    after = written(store, entry(2), account=before)

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((before,), (entry(2), entry(3))))

    assert list(cancelled.value.entries.values()) == [entry(2)]
    assert cancelled.value.books == {"acme": after}


def test_a_posting_over_two_books_of_which_one_has_moved_writes_neither(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")
    acme_before = written(store)
    globex_now = written(store, account=globex)
    acme_now = written(store, account=replace(acme_before, used=1))

    with pytest.raises(Cancelled) as cancelled:
        store.commit(
            Posting(
                (replace(globex_now, used=7), replace(acme_before, used=7)),
                (entry(1, account=globex), entry(1)),
            )
        )

    assert cancelled.value.books == {"acme": acme_now}
    assert list(store.read(AccountKey("acme"), AccountKey("globex"))) == [acme_now, globex_now]
    assert list(store.read(EntryKey("acme", "c#k1"), EntryKey("globex", "c#k1"))) == [None, None]


def test_one_key_that_is_taken_in_two_books_is_told_of_each(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")
    acme_now = written(store, entry(1))
    globex_now = written(store, entry(1, account=globex), account=globex)

    with pytest.raises(Cancelled) as cancelled:
        store.commit(Posting((acme_now, globex_now), (entry(1), entry(1, account=globex))))

    assert list(cancelled.value.entries.values()) == [entry(1), entry(1, account=globex)]


def test_a_posting_over_two_books_writes_both(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")

    store.commit(Posting((PLAIN, globex), (entry(1), entry(1, account=globex))))

    assert list(store.read(AccountKey("acme"), AccountKey("globex"))) == [
        replace(PLAIN, version=1),
        replace(globex, version=1),
    ]
    assert list(store.read(EntryKey("acme", "c#k1"), EntryKey("globex", "c#k1"))) == [
        entry(1),
        entry(1, account=globex),
    ]


def test_the_longest_batch_with_a_renewal_before_it_fits_in_one_commit(store: Ledger) -> None:
    entries = tuple(entry(seq) for seq in range(1, 76))

    written(store, *entries)

    assert keys(list(store.entries(Span("acme"), limit=100, newest_first=False))) == [f"c#k{n}" for n in range(1, 76)]


# Entries in time


def test_entries_are_listed_newest_first_and_the_other_way_round(store: Ledger) -> None:
    written(store, entry(1), entry(2, minutes=1), entry(3, minutes=1))

    assert keys(list(store.entries(Span("acme"), limit=10))) == ["c#k3", "c#k2", "c#k1"]
    assert keys(list(store.entries(Span("acme"), limit=10, newest_first=False))) == ["c#k1", "c#k2", "c#k3"]


def test_entries_of_one_instant_are_in_the_order_of_their_book(store: Ledger) -> None:
    written(store, *(entry(seq) for seq in (9, 10, 11, 99, 100)))

    assert keys(list(store.entries(Span("acme"), limit=10, newest_first=False))) == [
        "c#k9",
        "c#k10",
        "c#k11",
        "c#k99",
        "c#k100",
    ]


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_of_two_that_begin_where_the_last_one_ended_show_each_entry_once(
    store: Ledger, *, newest_first: bool
) -> None:
    written(store, *(entry(seq, minutes=seq // 2) for seq in range(1, 6)))

    first = store.entries(Span("acme"), limit=2, newest_first=newest_first)
    second = store.entries(Span("acme"), limit=2, newest_first=newest_first, beyond=place(first[-1]))
    third = store.entries(Span("acme"), limit=2, newest_first=newest_first, beyond=place(second[-1]))
    fourth = store.entries(Span("acme"), limit=2, newest_first=newest_first, beyond=place(third[-1]))

    shown = [*keys(list(first)), *keys(list(second)), *keys(list(third)), *keys(list(fourth))]
    in_time = ["c#k1", "c#k2", "c#k3", "c#k4", "c#k5"]
    assert shown == (in_time[::-1] if newest_first else in_time)
    assert [len(page) for page in (first, second, third, fourth)] == [2, 2, 1, 0]


SPANS: list[tuple[int | None, int | None, list[str]]] = [
    (None, None, ["c#k1", "c#k2", "c#k3"]),
    (1, None, ["c#k2", "c#k3"]),
    (None, 2, ["c#k1", "c#k2"]),
    (1, 2, ["c#k2"]),
    (1, 3, ["c#k2", "c#k3"]),
    (3, None, []),
    (None, 0, []),
    (1, 1, []),
    (2, 1, []),
]
"""The minutes at which a span begins and ends, and what of the three entries it holds."""


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_span_begins_at_since_and_ends_before_until(store: Ledger, *, newest_first: bool) -> None:
    written(store, entry(1), entry(2, minutes=1), entry(3, minutes=2))

    def instant(minutes: int | None) -> datetime | None:
        return None if minutes is None else NOON + timedelta(minutes=minutes)

    for since, until, expected in SPANS:
        span = Span("acme", since=instant(since), until=instant(until))
        found = keys(list(store.entries(span, limit=10, newest_first=newest_first)))
        assert found == (expected[::-1] if newest_first else expected), (since, until)


def test_a_span_is_exact_to_the_millisecond(store: Ledger) -> None:
    late = replace(entry(2), at=NOON + timedelta(milliseconds=1))
    written(store, entry(1), replace(late, after=replace(late.after, at=late.at)))

    just_after = NOON + timedelta(milliseconds=1)
    assert keys(list(store.entries(Span("acme", until=just_after), limit=10))) == ["c#k1"]
    assert keys(list(store.entries(Span("acme", since=just_after), limit=10))) == ["c#k2"]


def test_entries_of_other_accounts_are_not_listed(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")
    written(store, entry(1))
    written(store, entry(1, "c#other", account=globex), account=globex)

    assert keys(list(store.entries(Span("acme"), limit=10))) == ["c#k1"]
    assert list(store.entries(Span("nobody"), limit=10)) == []


def test_a_conversation_is_listed_apart_in_both_directions_and_by_pages(store: Ledger) -> None:
    written(
        store,
        in_conversation("chat-1", 1, 0),
        in_conversation("chat-2", 2, 1),
        in_conversation("chat-1", 3, 2),
        entry(4, minutes=3),
        in_conversation("chat-1", 5, 4),
    )
    chat = Span("acme", "chat-1")

    assert keys(list(store.entries(chat, limit=10))) == ["c#k5", "c#k3", "c#k1"]
    assert keys(list(store.entries(chat, limit=10, newest_first=False))) == ["c#k1", "c#k3", "c#k5"]
    first = store.entries(chat, limit=2)
    assert keys(list(first)) == ["c#k5", "c#k3"]
    assert keys(list(store.entries(chat, limit=2, beyond=place(first[-1])))) == ["c#k1"]
    later = replace(chat, since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=4))
    assert keys(list(store.entries(later, limit=10))) == ["c#k3"]


def test_a_conversation_belongs_to_one_account(store: Ledger) -> None:
    globex = replace(PLAIN, account_id="globex")
    written(store, in_conversation("chat-1", 1, 0))
    written(store, replace(entry(1, "c#other", account=globex), conversation_id="chat-1"), account=globex)

    assert keys(list(store.entries(Span("acme", "chat-1"), limit=10))) == ["c#k1"]
    assert keys(list(store.entries(Span("globex", "chat-1"), limit=10))) == ["c#other"]


# Accounts


def test_accounts_are_listed_newest_first_by_pages(store: Ledger) -> None:
    for minutes, name in enumerate(["one", "two", "three", "four", "five"]):
        opened = NOON + timedelta(minutes=minutes)
        written(store, account=replace(PLAIN, account_id=name, opened_at=opened, anchor=opened))

    first = store.accounts(limit=2)
    second = store.accounts(limit=2, beyond=("2026-11-23T12:03:00.000Z", "four"))
    third = store.accounts(limit=2, beyond=("2026-11-23T12:01:00.000Z", "two"))

    assert [each.account_id for each in first] == ["five", "four"]
    assert [each.account_id for each in second] == ["three", "two"]
    assert [each.account_id for each in third] == ["one"]
    assert [each.account_id for each in store.accounts(limit=10)] == ["five", "four", "three", "two", "one"]


def test_accounts_opened_at_one_instant_are_each_listed_once(store: Ledger) -> None:
    for name in ("b", "a", "c"):
        written(store, account=replace(PLAIN, account_id=name))

    first = store.accounts(limit=2)
    rest = store.accounts(limit=2, beyond=("2026-11-23T12:00:00.000Z", first[-1].account_id))

    assert sorted(each.account_id for each in [*first, *rest]) == ["a", "b", "c"]


def test_a_store_without_accounts_lists_none(store: Ledger) -> None:
    assert list(store.accounts(limit=10)) == []


def test_a_listed_account_is_as_it_stands_now(store: Ledger) -> None:
    book = written(store)
    now = written(store, account=replace(book, used=42))

    assert list(store.accounts(limit=1)) == [now]


# Due


def waiting(account_id: str, minutes: int) -> Account:
    """An account of shard 00 whose grant expires so long after noon, before its period ends."""
    expiring = Grant("g2", GrantKind.PROMOTION, 5, 5, expires_at=NOON + timedelta(minutes=minutes))
    return replace(PLAIN, account_id=account_id, grants=(expiring,))


IN_SHARD_00 = ("a6", "a34", "a55", "a62", "a88")


def ids(found: Sequence[Due]) -> list[str]:
    return [each.book_id for each in found]


def test_ids_fall_into_16_shards_and_always_into_the_same() -> None:
    assert [due_shard(name) for name in IN_SHARD_00] == ["00"] * 5
    assert [due_shard("acme"), due_shard("globex")] == ["14", "10"]
    assert len({due_shard(f"account-{number}") for number in range(1_000)}) == 16


def test_accounts_that_are_due_are_found_the_longest_waiting_first(store: Ledger) -> None:
    for minutes, name in [(3, "a6"), (1, "a34"), (2, "a55")]:
        written(store, account=waiting(name, minutes))

    found = store.due("00", until=NOON + timedelta(minutes=10), limit=10)

    assert list(found) == [
        Due(datetime(2026, 11, 23, 12, 1, tzinfo=UTC), "a34"),
        Due(datetime(2026, 11, 23, 12, 2, tzinfo=UTC), "a55"),
        Due(datetime(2026, 11, 23, 12, 3, tzinfo=UTC), "a6"),
    ]


def test_an_account_is_due_from_its_very_instant_on(store: Ledger) -> None:
    written(store, account=waiting("a6", 5))

    assert ids(store.due("00", until=datetime(2026, 11, 23, 12, 4, 59, 999_000, tzinfo=UTC), limit=10)) == []
    assert ids(store.due("00", until=datetime(2026, 11, 23, 12, 5, tzinfo=UTC), limit=10)) == ["a6"]


def test_accounts_that_are_due_are_found_by_pages_also_those_of_one_instant(store: Ledger) -> None:
    for minutes, name in zip([1, 1, 1, 2, 3], IN_SHARD_00, strict=True):
        written(store, account=waiting(name, minutes))
    until = NOON + timedelta(minutes=2)

    first = store.due("00", until=until, limit=2)
    second = store.due("00", until=until, limit=2, beyond=first[-1])
    third = store.due("00", until=until, limit=2, beyond=second[-1])

    assert sorted(ids([*first, *second])[:3]) == ["a34", "a55", "a6"]
    assert ids(second)[1:] == ["a62"]
    assert list(third) == []


def test_an_account_is_due_in_its_own_shard_alone(store: Ledger) -> None:
    written(store, account=waiting("acme", 1))

    assert ids(store.due("00", until=NOON + timedelta(days=1), limit=10)) == []
    assert ids(store.due("14", until=NOON + timedelta(days=1), limit=10)) == ["acme"]


def test_a_commit_that_moves_the_instant_moves_the_account(store: Ledger) -> None:
    book = written(store, account=waiting("a6", 1))
    written(store, account=replace(book, grants=()))
    (period_end,) = store.due("00", until=NOON + timedelta(days=60), limit=10)

    assert period_end == Due(datetime(2026, 12, 23, 12, tzinfo=UTC), "a6")
    assert ids(store.due("00", until=NOON + timedelta(days=1), limit=10)) == []


def test_a_page_can_begin_after_an_account_that_is_no_longer_due(store: Ledger) -> None:
    for minutes, name in enumerate(IN_SHARD_00):
        written(store, account=waiting(name, minutes + 1))
    (book,) = store.read(AccountKey("a34"))
    assert book
    gone = Due(datetime(2026, 11, 23, 12, 2, tzinfo=UTC), "a34")
    written(store, account=replace(book, grants=()))

    found = store.due("00", until=NOON + timedelta(days=1), limit=10, beyond=gone)

    assert ids(found) == ["a55", "a62", "a88"]
