"""The audit: a real history holds, and whatever is done to it by hand is found and named."""

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from credits.domain.appoint import appoint
from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.grant import Grant, GrantKind
from credits.domain.record import chain_hash, entry_from_record, entry_to_record
from credits.errors import AccountNotFound
from credits.ledger.audit import Audit, Problem, audit
from credits.ledger.memory import MemoryStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey, BookKey, EntryKey, HoldKey, Ledger, MemberKey, Span, place
from tests.moves import CATALOG, NOON, captured, charged, granted, held, messages, moved_to, opened, released, renewed

DAY = timedelta(days=1)

HISTORY = [
    "opened",
    "allocation#2026-11-23T12:00:00.000Z#0",
    "c#k1",
    "c#gift",
    "c#correction",
    "c#k2",
    "c#k2#01",
    "expire#g4",
    "allocation#2026-11-28T12:00:00.000Z#0",
    "c#up",
    "c#later",
    "expire#g2",
    "expire#g9",
    "change#2026-12-28T12:00:00.000Z#14",
    "allocation#2026-11-23T12:00:00.000Z#1",
    "c#last",
]


def lived[S: Ledger](store: S) -> S:
    """An account that has seen a bit of everything."""
    opened(store)
    charged(
        store,
        "k1",
        Usage(
            action="agent_step",
            quantity=2,
            conversation_id="chat-1",
            conversation_title="Search my Gmail",
            member_id="mara",
            model="gpt-5.1",
            tool="gmail.search",
            description="emails from John",
        ),
        fingerprint="f1",
    )
    granted(store, "gift", 50, expires_at=NOON + 3 * DAY)
    granted(store, "correction", 7, kind=GrantKind.ADJUSTMENT, at=NOON + DAY)
    charged(store, "k2", messages(30), Usage(action="ai_response"), at=NOON + 2 * DAY)
    moved_to(store, "up", "pro", at=NOON + 5 * DAY)
    moved_to(store, "later", "free", at=NOON + 6 * DAY)
    renewed(store, at=NOON + 36 * DAY)
    charged(store, "last", messages(307), at=NOON + 37 * DAY)
    return store


@pytest.fixture
def ledger() -> MemoryStore:
    return lived(MemoryStore())


def history(store: Ledger) -> list[AnyEntry]:
    return list(store.entries(Span("acme"), limit=1_000, newest_first=False))


def replaced(store: MemoryStore, entry: AnyEntry, forged: AnyEntry | None) -> None:
    """What nothing but a hand in the table can do: another entry instead of this one, or none."""
    where = place(entry)
    del store._entries[entry.book_id, entry.key]
    store._places[entry.account_id].remove((where.moment, where.book_id, where.key))
    if forged:
        planted(store, forged)


def planted(store: MemoryStore, entry: AnyEntry) -> None:
    """An entry where its own fields put it."""
    where = place(entry)
    store._entries[entry.book_id, entry.key] = entry
    insort(store._places.setdefault(entry.account_id, []), (where.moment, where.book_id, where.key))


def first_problem(verdict: Audit) -> Problem:
    assert not verdict.ok
    return verdict.problems[0]


def test_a_history_of_many_kinds_holds(store: Ledger) -> None:
    lived(store)

    assert [entry.key for entry in history(store)] == HISTORY
    assert audit(store, "acme") == Audit(16, ())


def test_a_new_account_holds(store: Ledger) -> None:
    opened(store)

    assert audit(store, "acme") == Audit(2, ())


def test_an_account_that_is_not_there_cannot_be_audited(store: Ledger) -> None:
    with pytest.raises(AccountNotFound):
        audit(store, "nobody")


def test_a_history_longer_than_what_is_read_at_once_holds(ledger: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credits.ledger.audit.ENTRIES_AT_ONCE", 3)

    assert audit(ledger, "acme") == Audit(16, ())


# Each stored field of each entry

OTHER = {
    "kind": ("promotion", "adjustment"),
    "warning": ("low", "exhausted"),
    "alert": ("low", "exhausted"),
    "warned": ("low", "exhausted"),
    "plan": ("free", "pro"),
    "status": ("pending", "applied"),
}
"""Fields that hold one of a few words: each is flipped to the first of these that it is not."""


def flipped(name: str, value: Any) -> Any:
    """Another value that the same field could hold."""
    if name in OTHER:
        return next(word for word in OTHER[name] if word != value)
    if isinstance(value, int):
        return value + 1
    if value.endswith("Z") and "T" in value and "#" not in value:
        return value.replace("Z", "").replace(".000", ".001") + "Z"
    return f"{value[:-1]}{'x' if value[-1:] != 'x' else 'y'}"


def tampered(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The record once for each of its leaves, with that leaf flipped, and where it is."""
    inside = record.items() if isinstance(record, dict) else enumerate(record)
    for name, value in inside:
        if isinstance(value, (dict, list)):
            for where, changed in tampered(value, (*path, name)):
                yield where, _with(record, name, changed)
        else:
            yield (*path, name), _with(record, name, flipped(str(name), value))


def _with(record: Any, name: Any, value: Any) -> Any:
    if isinstance(record, dict):
        return record | {name: value}
    return [*record[:name], value, *record[name + 1 :]]


def test_a_change_of_any_stored_field_of_any_entry_is_found_and_the_entry_is_named(ledger: MemoryStore) -> None:
    changes = 0
    for entry in history(ledger):
        for path, record in tampered(entry_to_record(entry)):
            changes += 1
            forged = entry_from_record(record)
            replaced(ledger, entry, forged)
            problem = first_problem(audit(ledger, "acme"))
            if path in {("account_id",), ("book_id",), ("at",), ("seq",)}:
                # It is out of its place, and missed by the one after it or, if it was the last, by the account.
                assert problem.seq in {entry.seq, entry.seq + 1}, (entry.key, path)
            else:
                assert (problem.seq, problem.key) == (entry.seq, forged.key), (entry.key, path)
            replaced(ledger, forged, entry)

    assert changes > 400
    assert audit(ledger, "acme").ok


# Holds and members


def lived_with_holds(store: MemoryStore) -> MemoryStore:
    """An account with a member, a hold that is over and one that is open."""
    opened(store)
    member = partial(appoint, catalog=CATALOG, key="m1", member_id="mara", credit_cap=100)
    post(store, "m1", [AccountKey("acme"), MemberKey("acme", "mara")], member, now=NOON)
    held(store, "run-1", 20, member_id="mara")
    captured(store, "run-1", "k1")
    released(store, "run-1", at=NOON + timedelta(minutes=1))
    held(store, "run-2", 30, at=NOON + timedelta(minutes=2))
    captured(store, "run-2", "k2", at=NOON + timedelta(minutes=3))
    return store


@pytest.fixture
def with_holds() -> MemoryStore:
    return lived_with_holds(MemoryStore())


def test_an_account_with_holds_and_members_holds(with_holds: MemoryStore) -> None:
    assert audit(with_holds, "acme") == Audit(11, ())


def test_a_change_of_any_stored_field_of_any_entry_of_a_hold_is_found(with_holds: MemoryStore) -> None:
    of_holds = [entry for entry in history(with_holds) if entry.book_id != "acme"]
    changes = 0
    for entry in of_holds:
        for path, record in tampered(entry_to_record(entry)):
            if path == ("after", "status"):
                record["after"]["status"] = "expired"  # the words of a change of plan are others
            changes += 1
            forged = entry_from_record(record)
            replaced(with_holds, entry, forged)
            assert not audit(with_holds, "acme").ok, (entry.key, path)
            replaced(with_holds, forged, entry)

    assert (len(of_holds), changes > 100) == (5, True)
    assert audit(with_holds, "acme").ok


def test_a_hold_whose_half_is_missing_is_found(with_holds: MemoryStore) -> None:
    half = next(entry for entry in history(with_holds) if entry.book_id == "acme#hold#run-2" and entry.seq == 1)

    replaced(with_holds, half, None)

    assert any("its other half" in each.problem for each in audit(with_holds, "acme").problems)


def test_a_hold_s_item_and_a_member_s_that_were_set_are_found(with_holds: MemoryStore) -> None:
    (hold,) = with_holds.read(HoldKey("acme", "run-2"))
    (member,) = with_holds.read(MemberKey("acme", "mara"))
    assert hold
    assert member
    with_holds._books[hold.book_id] = replace(hold, captured=0)
    assert audit(with_holds, "acme").problems == (
        Problem(2, None, "the hold's item is not what its last entry left", hold_id="run-2"),
    )
    with_holds._books[hold.book_id] = hold
    with_holds._books[member.book_id] = replace(member, used=0)

    assert audit(with_holds, "acme").problems == (
        Problem(5, None, "the member's count is 0, the last entry left 1", member_id="mara"),
    )


@pytest.mark.parametrize(
    "name", ["action", "quantity", "conversation_id", "tool", "description", "fingerprint", "draws"]
)
def test_a_field_that_is_taken_away_is_found(ledger: MemoryStore, name: str) -> None:
    entry = history(ledger)[2]
    record = entry_to_record(entry)
    del record[name]

    replaced(ledger, entry, entry_from_record(record))

    assert (first_problem(audit(ledger, "acme")).seq, first_problem(audit(ledger, "acme")).key) == (3, "c#k1")


@pytest.mark.parametrize(("name", "value"), [("alert", "low"), ("warning", "low"), ("member_id", "eve"), ("lines", 2)])
def test_a_field_that_is_added_is_found(ledger: MemoryStore, name: str, value: Any) -> None:
    entry = history(ledger)[3]

    replaced(ledger, entry, entry_from_record(entry_to_record(entry) | {name: value}))

    assert first_problem(audit(ledger, "acme")).key == "c#gift"


# Entries as a whole


@pytest.mark.parametrize("number", range(15))
def test_a_deleted_entry_is_missed_by_the_one_after_it(ledger: MemoryStore, number: int) -> None:
    replaced(ledger, history(ledger)[number], None)

    problem = first_problem(audit(ledger, "acme"))

    assert (problem.seq, problem.key) == (number + 2, HISTORY[number + 1])
    assert problem.problem == f"seq {number + 2} follows {number}"


def test_a_deleted_last_entry_is_missed_by_the_account(ledger: MemoryStore) -> None:
    replaced(ledger, history(ledger)[15], None)

    assert audit(ledger, "acme") == Audit(
        15, (Problem(16, None, "the account stands at entry 16, the entries end at 15"),)
    )


def test_two_entries_in_each_others_place_are_found(ledger: MemoryStore) -> None:
    fourth, fifth = history(ledger)[3:5]
    replaced(ledger, fourth, replace(fourth, at=fifth.at, seq=5))
    replaced(ledger, fifth, replace(fifth, at=fourth.at, seq=4))

    problem = first_problem(audit(ledger, "acme"))

    assert [entry.key for entry in history(ledger)[3:5]] == ["c#correction", "c#gift"]
    assert (problem.seq, problem.key) == (4, "c#correction")


def rehashed(entry: AnyEntry) -> AnyEntry:
    """The entry with the hash that its fields ask for: what a forger who knows the rule would write."""
    return replace(entry, hash=chain_hash(entry.prev_hash, entry_to_record(entry)))


def test_a_forged_entry_with_a_hash_of_its_own_is_found_by_the_chain(ledger: MemoryStore) -> None:
    entry = history(ledger)[2]
    replaced(ledger, entry, rehashed(replace(entry, description="something else")))

    assert first_problem(audit(ledger, "acme")) == Problem(4, "c#gift", "prev_hash is not the hash of the entry before")


def test_a_last_entry_that_was_forged_with_a_hash_of_its_own_is_found_by_the_account(ledger: MemoryStore) -> None:
    entry = history(ledger)[15]
    replaced(ledger, entry, rehashed(replace(entry, description="something else")))

    assert first_problem(audit(ledger, "acme")) == Problem(
        16, None, "the account stands at entry 16, the entries end at 16"
    )


def test_credits_that_a_forged_entry_gives_are_not_covered_by_its_draws(ledger: MemoryStore) -> None:
    entry = history(ledger)[15]
    after = replace(entry.after, grants=tuple(replace(each, remaining=200) for each in entry.after.grants))
    replaced(ledger, entry, rehashed(replace(entry, credits=-100, remaining=200, after=after)))

    problems = [problem.problem for problem in audit(ledger, "acme").problems]

    assert "credits are -100, the draws -307" in problems


def test_an_entry_that_was_written_past_the_account_is_found(ledger: MemoryStore) -> None:
    last = history(ledger)[15]
    extra = rehashed(replace(last, key="c#free-money", kind=EntryKind.PROMOTION, seq=16, prev_hash=last.hash))
    planted(ledger, extra)

    assert not audit(ledger, "acme").ok


# The account's item


@pytest.mark.parametrize(
    "changes",
    [
        {"used": 1},
        {"plan": "max"},
        {"seats": 2},
        {"workflows": 1},
        {"grants": (Grant("g99", GrantKind.PACK, 400, 400),)},
        {"subscription_id": "sub_1"},
        {"period_number": 12},
        {"free_through": 0},
        {"warned": None},
    ],
)
def test_an_account_that_was_changed_by_hand_is_found(changes: dict[str, Any]) -> None:
    ledger = lived(MemoryStore())
    ledger._books["acme"] = replace(ledger._books["acme"], **changes)

    assert audit(ledger, "acme") == Audit(
        16, (Problem(16, None, "the account's item is not what its last entry left"),)
    )


@pytest.mark.parametrize(("seq", "says"), [(15, 15), (17, 17)])
def test_an_account_that_was_set_back_or_forward_is_found(ledger: MemoryStore, seq: int, says: int) -> None:
    ledger._books["acme"] = replace(ledger._books["acme"], seq=seq)

    problem = first_problem(audit(ledger, "acme"))

    assert (problem.seq, problem.key) == (says, None)
    assert problem.problem.startswith(f"the account stands at entry {says}, the entries end at ")


def test_of_a_chain_that_is_broken_everywhere_a_hundred_problems_are_told(ledger: MemoryStore) -> None:
    for number in range(120):
        charged(ledger, f"more{number}", Usage(action="ai_response"), at=NOON + 38 * DAY)
    for entry in history(ledger):
        replaced(ledger, entry, replace(entry, hash=f"{entry.hash[:-1]}x"))

    assert len(audit(ledger, "acme").problems) == 100


def test_an_entry_that_came_after_the_account_was_read_is_left_for_the_next_audit() -> None:
    class Overtaken(MemoryStore):
        """A grant is made just after the audit has read the account."""

        overtaken = True

        def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
            found = super().read(*keys)
            if not self.overtaken:
                self.overtaken = True
                granted(self, "meanwhile", 5, at=NOON + 38 * DAY)
            return found

    ledger = lived(Overtaken())
    ledger.overtaken = False

    assert audit(ledger, "acme") == Audit(16, ())
    assert audit(ledger, "acme") == Audit(17, ())


def test_an_account_that_was_set_back_to_what_it_once_was_is_found(ledger: MemoryStore) -> None:
    (before,) = ledger.read(AccountKey("acme"))
    granted(ledger, "later-than-that", 5, at=NOON + 38 * DAY)
    assert before
    ledger._books["acme"] = before

    assert audit(ledger, "acme").problems == (Problem(17, None, "entry 17 is in the ledger and not in the account"),)
