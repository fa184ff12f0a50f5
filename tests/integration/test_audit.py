"""The audit: a real history holds, and whatever is done to it by hand is found and named."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pynamodb.connection import Connection

from credits.domain.account import Account
from credits.domain.appoint import appoint
from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry, EntryKind
from credits.domain.grant import Grant, GrantKind
from credits.domain.hold import Hold
from credits.domain.member import Member
from credits.domain.record import (
    account_from_record,
    chain_hash,
    entry_from_record,
    entry_to_record,
    hold_from_record,
    hold_to_record,
    member_from_record,
    member_to_record,
    state_to_record,
    to_json,
)
from credits.errors import AccountNotFound, LedgerTooLong
from credits.ledger import audit as ledger_audit
from credits.ledger.audit import Audit, audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.export import lines
from credits.ledger.memory import MemoryStore
from credits.ledger.post import post
from credits.ledger.store import AccountKey, BookKey, EntryKey, HoldKey, Ledger, MemberKey, place
from credits.ledger.trail import Problem
from tests.forging import FORGERIES, Forgery, forged_store, plant
from tests.integration.conftest import tables_of_one_test
from tests.moves import CATALOG, NOON, captured, charged, granted, held, messages, moved_to, opened, released, renewed
from tests.verifier import said_of
from tests.whole_story import history, whole_story

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


def replaced(store: MemoryStore, entry: AnyEntry, forged: AnyEntry | None) -> None:
    """What nothing but a hand in the table can do: another entry instead of this one, or none."""
    where = place(entry)
    del store._entries[entry.book_id, entry.key]
    store._places[entry.account_id].remove((where.moment, where.book_id, where.key))
    if forged:
        plant(store, forged)


@pytest.fixture
def told() -> MemoryStore:
    """The whole story."""
    return whole_story(MemoryStore())


def first_problem(verdict: Audit) -> Problem:
    assert not verdict.ok
    return verdict.problems[0]


def test_a_history_holds(store: Ledger) -> None:
    lived(store)

    assert [entry.key for entry in history(store)] == HISTORY
    assert audit(store, "acme") == Audit(16, ())


def test_a_story_in_which_everything_happens_holds(store: Ledger) -> None:
    whole_story(store)

    assert {entry.kind for entry in history(store)} == set(EntryKind)
    assert audit(store, "acme") == Audit(115, ())


def test_an_upgrade_in_the_first_millisecond_of_a_period_that_was_used_holds(store: Ledger) -> None:
    opened(store)
    reset = NOON + timedelta(days=30)
    charged(store, "k1", messages(2), at=reset)

    moved_to(store, "up", "pro", at=reset)

    assert [entry.after.used for entry in history(store) if isinstance(entry.after, Account)][-3:] == [2, 2, 2]
    assert audit(store, "acme") == Audit(7, ())
    assert said_of(lines(store, "acme")) == "holds"


def test_a_ledger_that_is_too_long_for_its_time_says_how_far_it_holds(
    store: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_story(store)
    monkeypatch.setattr(ledger_audit, "ENTRIES_AT_ONCE", 50)

    with pytest.raises(LedgerTooLong) as refused:
        audit(store, "acme", seconds=0)

    assert refused.value.fields == {"account_id": "acme", "entries": 50}
    monkeypatch.setattr(ledger_audit, "ENTRIES_AT_ONCE", 500)
    assert audit(store, "acme", seconds=0).ok


def test_what_is_wrong_before_the_time_is_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_audit, "ENTRIES_AT_ONCE", 50)
    (early,) = (each for each in FORGERIES if each.name == "a count of nobody")
    store = forged_store(whole_story(MemoryStore()), early)

    told = audit(store, "acme", seconds=0)

    assert (told.entries, told.problems[0].key, told.problems[0].problem) == (50, "c#k1", early.audit_says)


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

WORDS = {
    "kind": ("promotion", "adjustment"),
    "warning": ("low", "exhausted"),
    "alert": ("low", "exhausted"),
    "warned": ("low", "exhausted"),
    "plan": ("free", "pro"),
    "standing": ("active", "unpaid"),
    "standing_before": ("active", "unpaid"),
    "change.status": ("pending", "applied"),
    "after.status": ("closed", "expired"),
}
"""Fields that hold one of a few words: each is flipped to the first of these that it is not."""


def flipped(path: tuple[Any, ...], value: Any) -> Any:
    """Another value that the same field could hold."""
    if words := WORDS.get(str(path[-1])) or WORDS.get(".".join(map(str, path))):
        return next(word for word in words if word != value)
    if isinstance(value, bool):
        return not value
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
            yield (*path, name), _with(record, name, flipped((*path, name), value))


def _with(record: Any, name: Any, value: Any) -> Any:
    if isinstance(record, dict):
        return record | {name: value}
    return [*record[:name], value, *record[name + 1 :]]


def test_a_change_of_any_stored_field_of_any_kind_of_entry_is_found_and_the_entry_is_named(told: MemoryStore) -> None:
    changes = 0
    for entry in history(told):
        for path, record in tampered(entry_to_record(entry)):
            changes += 1
            forged = entry_from_record(record)
            replaced(told, entry, forged)
            problem = first_problem(audit(told, "acme"))
            if path in {("account_id",), ("book_id",), ("at",), ("seq",)}:
                # It is out of its place, and missed by the one after it or, if it was the last, by its book; or by its
                # other half.
                assert problem.seq in {entry.seq, entry.seq + 1} or problem.key == entry.key, (entry.key, path)
            else:
                assert (problem.seq, problem.key) == (entry.seq, forged.key), (entry.key, path)
            replaced(told, forged, entry)

    assert changes > 2_000
    assert audit(told, "acme").ok


def another(attribute: str, value: Any) -> Any:
    """Another value of an attribute in a table, in DynamoDB's notation."""
    ((kind, plain),) = value.items()
    if kind == "N":
        return {kind: str(int(plain) + 1)}
    if kind == "S" and plain[:1] in {"{", "["}:
        _, changed = next(tampered(json.loads(plain)))
        return {kind: to_json(changed)}
    return {kind: flipped((attribute,), plain)}


STEERING = {
    "entries": set[str](),
    "accounts": {"account_id", "version", "listing", "due_shard", "due_at"},
    "holds": {"version", "due_shard", "due_at"},
    "members": {"account_id", "member_id", "version"},
}
"""Attributes that say nothing of credits: where an item is found, what a commit is conditional on, and when the
schedule comes by. An item under another name is another's; its own account's or member's is missed."""


def test_a_change_of_any_attribute_of_any_item_in_the_tables_is_found(moto_connection: Connection) -> None:
    client: Any = moto_connection.client
    with tables_of_one_test(moto_connection) as tables:
        store = whole_story(DynamoStore(tables))
        for table, steering in STEERING.items():
            name = getattr(tables, table).Meta.table_name
            items = client.scan(TableName=name)["Items"]
            items.sort(key=lambda item: "open_account" in item)  # of holds the open ones count: the last stays
            attributes = {attribute: item for item in items for attribute in item}
            assert set(attributes) == set(getattr(tables, table).get_attributes())
            for attribute in sorted(attributes.keys() - steering):
                item = attributes[attribute]
                key = {each: item[each] for each in keys_of(client, name)}
                client.delete_item(TableName=name, Key=key)
                changed = item | {attribute: another(attribute, item[attribute])}
                client.put_item(TableName=name, Item=changed)
                assert not audit(store, "acme").ok, (table, attribute)
                client.delete_item(TableName=name, Key={each: changed[each] for each in key})
                client.put_item(TableName=name, Item=item)
        assert audit(store, "acme").ok


def keys_of(client: Any, table: str) -> list[str]:
    """The names of a table's key attributes."""
    schema = client.describe_table(TableName=table)["Table"]["KeySchema"]
    return [each["AttributeName"] for each in schema]


def test_an_item_that_cannot_be_read_any_more_is_found(moto_connection: Connection) -> None:
    client: Any = moto_connection.client
    with tables_of_one_test(moto_connection) as tables:
        store = lived(DynamoStore(tables))
        name = tables.entries.Meta.table_name
        item = client.get_item(TableName=name, Key={"book_id": {"S": "acme"}, "key": {"S": "c#gift"}})["Item"]

        for attribute in ("kind", "after", "moment", "draws"):
            client.put_item(TableName=name, Item=item | {attribute: {"S": "nonsense"}})
            assert audit(store, "acme").problems == (Problem(0, "c#gift", "the item cannot be read any more"),)
        client.put_item(TableName=name, Item=item)

        assert audit(store, "acme").ok


ITS_OWN = {("joined_at",), ("credit_cap",), ("removed",)}
"""Of a member: what an operator set, which moves no credits, and which the ledger's entries tell in words alone."""


def test_a_change_of_any_field_of_a_book_s_item_is_found(told: MemoryStore) -> None:
    (account,) = told.read(AccountKey("acme"))
    (hold,) = told.read(HoldKey("acme", "run-4"))
    members = told.read(MemberKey("acme", "mara"), MemberKey("acme", "zoe"))
    assert account
    assert hold
    others: list[tuple[Account | Hold, Account | Hold]] = [*other_accounts(account), *other_holds(hold)]
    for book, other in others:
        told._books[book.book_id] = other
        assert not audit(told, "acme").ok, other
        told._books[book.book_id] = book
    for member in members:
        assert member
        for path, record in tampered(member_to_record(member)):
            changed = member_from_record(record, **place_of(member), member_id=member.member_id)
            told._books[member.book_id] = changed
            assert audit(told, "acme").ok == (path in ITS_OWN), path
            told._books[member.book_id] = member

    assert len(others) > 30
    assert audit(told, "acme").ok


def other_accounts(account: Account) -> Iterator[tuple[Account, Account]]:
    for _, record in tampered(state_to_record(account)):
        yield account, account_from_record(record, **place_of(account), opened_at=account.opened_at)
    yield account, replace(account, opened_at=account.opened_at + DAY)


def other_holds(hold: Hold) -> Iterator[tuple[Hold, Hold]]:
    for _, record in tampered(hold_to_record(hold)):
        yield hold, hold_from_record(record, **place_of(hold), hold_id=hold.hold_id, opened_at=hold.opened_at)
    yield hold, replace(hold, opened_at=hold.opened_at + DAY)


def place_of(book: Account | Hold | Member) -> dict[str, Any]:
    return {"account_id": book.account_id, "at": book.at, "seq": book.seq, "head": book.head, "version": book.version}


def test_an_open_hold_whose_item_is_gone_or_not_listed_is_found(told: MemoryStore) -> None:
    waiting = told._due.pop((Hold, "of acme"))
    assert audit(told, "acme").problems == (
        Problem(2, None, "the open hold's item is not in the list of open holds", hold_id="run-4"),
    )
    told._due[Hold, "of acme"] = waiting
    del told._books["acme#hold#run-4"]

    assert audit(told, "acme").problems == (Problem(0, None, "the open hold's item is not there", hold_id="run-4"),)


def test_a_hold_that_the_list_of_open_ones_does_not_have_yet_is_no_problem() -> None:
    class Lagging(MemoryStore):
        """Its list of open holds is behind, the first time it is asked."""

        behind = True

        def open_holds(self, *asked: Any, **options: Any) -> Sequence[Any]:
            if self.behind:
                self.behind = False
                return []
            return super().open_holds(*asked, **options)

    ledger = whole_story(Lagging())
    ledger.behind = True

    assert audit(ledger, "acme") == Audit(115, ())
    assert not ledger.behind


def test_what_is_held_for_no_hold_is_found(told: MemoryStore) -> None:
    (account,) = told.read(AccountKey("acme"))
    assert account
    plan, pack = account.grants
    plan = replace(plan, held=plan.held + 5, remaining=plan.remaining - 5)
    told._books["acme"] = replace(account, grants=(plan, pack))

    assert [each.problem for each in audit(told, "acme").problems] == [
        "the account's item is not what its last entry left",
        "grant g59 has 10 held, its open holds 5",
    ]


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
    plant(ledger, extra)

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


# Whole ledgers, written anew


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_chain_that_was_written_anew_still_has_to_add_up(told: MemoryStore, forgery: Forgery) -> None:
    assert first_problem(audit(forged_store(told, forgery), "acme")).problem == forgery.audit_says


def test_a_chain_that_was_written_anew_as_it_was_holds(told: MemoryStore) -> None:
    assert audit(forged_store(told, None), "acme") == Audit(115, ())


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
