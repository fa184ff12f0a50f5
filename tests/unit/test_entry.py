"""Entries: what is stored of them, how they are chained, and which of them a key owns."""

import json
from dataclasses import replace

import pytest

from credits.domain.account import Account, CreditWarning, PendingChange, Standing
from credits.domain.charge import Usage, charge
from credits.domain.entry import ChangeStatus, Entry, EntryKind, PlanChange, line_key, owns
from credits.domain.grant import Draw, Grant, GrantKind
from credits.domain.journal import Posting, seal
from credits.domain.proof import check
from credits.domain.record import account_from_record, chain_hash, entry_from_record, entry_to_record, state_to_record
from tests.unit.books import CATALOG, Book, allocation, free_account, utc

FULL_ACCOUNT = Account(
    account_id="acme",
    opened_at=utc("2026-01-10 09:00"),
    plan="team",
    seats=3,
    standing=Standing.PAST_DUE,
    grace_ends_at=utc("2026-04-08"),
    subscription_id="sub_1",
    anchor=utc("2026-02-01"),
    period_number=2,
    pending=PendingChange("pro", 1, utc("2026-05-01")),
    grants=(
        Grant("g7", GrantKind.ALLOCATION, 12_000, 8, held=30, frozen=5, expires_at=utc("2026-05-01")),
        Grant("g9", GrantKind.PACK, 400, 2),
    ),
    used=11_957,
    free_through=0,
    knowledge_words=1_234_567,
    workflows=12,
    warned=CreditWarning.LOW,
    at=utc("2026-04-02 12:00:00.123"),
    seq=10,
    head="a" * 64,
)
FULL_ENTRY = Entry(
    book_id="acme",
    account_id="acme",
    key="c#k1",
    kind=EntryKind.CHARGE,
    at=utc("2026-04-02 12:00:00.123"),
    seq=10,
    credits=-2,
    draws=(
        Draw("g7", GrantKind.ALLOCATION, -1, utc("2026-05-01")),
        Draw("g9", GrantKind.PACK, -1),
    ),
    remaining=10,
    total=12_002,
    warning=CreditWarning.LOW,
    alert=CreditWarning.LOW,
    action="agent_step",
    quantity=1,
    conversation_id="conv-1",
    conversation_title="Grüße, 世界",
    member_id="ann",
    model="gpt-5.1",
    tool="gmail_search",
    description="search",
    change=PlanChange("team", 3, "pro", 1, utc("2026-05-01"), ChangeStatus.PENDING),
    after=FULL_ACCOUNT,
    catalog_version="2026-11-23",
    lines=3,
    fingerprint="b" * 64,
    prev_hash="c" * 64,
    hash="a" * 64,
)


def sealed_charge() -> tuple[Account, Entry]:
    """A charge of one message on a fresh account, and the account after it."""
    book = Book.opened("2026-01-10 09:00")
    (entry,) = book.charge("message", at="2026-01-11")
    return book.account, entry


def test_an_entry_with_every_field_set_comes_back_from_its_record_as_it_was() -> None:
    assert entry_from_record(entry_to_record(FULL_ENTRY)) == FULL_ENTRY


def test_an_account_with_every_field_set_comes_back_from_its_record_as_it_was() -> None:
    assert (
        account_from_record(
            state_to_record(FULL_ACCOUNT),
            account_id="acme",
            opened_at=utc("2026-01-10 09:00"),
            at=utc("2026-04-02 12:00:00.123"),
            seq=10,
            head="a" * 64,
        )
        == FULL_ACCOUNT
    )


def test_a_record_survives_json_and_gives_the_same_hash() -> None:
    record = entry_to_record(FULL_ENTRY)

    assert json.loads(json.dumps(record)) == record
    assert chain_hash("", json.loads(json.dumps(record))) == chain_hash("", record)


def test_the_record_of_an_ordinary_charge_leaves_out_what_is_usual() -> None:
    _, entry = sealed_charge()
    record = entry_to_record(entry)

    assert {name: value for name, value in record.items() if name not in ("hash", "prev_hash")} == {
        "book_id": "acme",
        "account_id": "acme",
        "key": "c#k1",
        "kind": "charge",
        "at": "2026-01-11T00:00:00.000Z",
        "seq": 3,
        "credits": -1,
        "draws": [{"grant": "g2", "kind": "allocation", "credits": -1}],
        "remaining": 299,
        "total": 300,
        "action": "message",
        "quantity": 1,
        "fingerprint": "f" * 64,
        "catalog_version": "2026-11-23",
        "after": {
            "opened_at": "2026-01-10T09:00:00.000Z",
            "plan": "free",
            "anchor": "2026-01-10T09:00:00.000Z",
            "grants": [
                {
                    "id": "g2",
                    "kind": "allocation",
                    "credits": 300,
                    "remaining": 299,
                    "expires_at": "2026-02-10T09:00:00.000Z",
                }
            ],
            "used": 1,
            "free_through": 0,
        },
    }


def test_every_entry_of_a_books_life_comes_back_from_its_record_as_it_was() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.batch(("message", 1), ("ai_response", 1), at="2026-01-11")
    book.give(50, at="2026-01-12", expires="2026-01-20")
    book.change_plan("team", 2, at="2026-01-22")
    book.change_plan("team", 3, at="2026-01-23")
    book.change_plan("free", at="2026-01-24")
    book.renew("2026-06-01")

    assert [entry_from_record(entry_to_record(entry)) for entry in book.entries] == book.entries


def test_the_account_that_an_entry_leaves_stands_at_that_entry() -> None:
    account, entry = sealed_charge()

    assert (entry.after.seq, entry.after.at) == (entry.seq, entry.at)
    assert entry.after.head == entry.hash
    assert entry.after == account


def test_a_hash_is_the_sha256_of_the_one_before_and_the_sorted_json_without_the_two_hashes() -> None:
    # printf '%s' '00ff{"a":"é","b":[1,{"c":-2}]}' | sha256sum
    expected = "56c79c9478c381136953621d724b2141dd6457279e655e7e55d55372d63a984e"

    assert chain_hash("00ff", {"b": [1, {"c": -2}], "a": "é"}) == expected
    assert chain_hash("00ff", {"b": [1, {"c": -2}], "a": "é", "hash": "x", "prev_hash": "y"}) == expected


def test_the_chain_starts_from_nothing_and_each_entry_stands_on_the_one_before() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.batch(("message", 1), ("message", 1), at="2026-02-10 09:00")
    hashes = [entry.hash for entry in book.entries]

    assert [entry.prev_hash for entry in book.entries] == ["", *hashes[:-1]]
    assert book.account.head == hashes[-1]
    assert len(set(hashes)) == 6
    assert all(len(each) == 64 for each in hashes)


@pytest.mark.parametrize(
    "touched",
    [
        {"credits": -3},
        {"remaining": 11},
        {"at": utc("2026-04-02 12:00:00.124")},
        {"key": "c#k2"},
        {"warning": None},
        {"alert": None},
        {"model": None},
        {"description": "searched"},
        {"fingerprint": None},
        {"lines": 1},
        {"change": None},
        {"change": PlanChange("team", 3, "pro", 1, utc("2026-05-01"))},
        {"catalog_version": "2026-11-24"},
        {"after": replace(FULL_ACCOUNT, used=11_956)},
        {"after": replace(FULL_ACCOUNT, opened_at=utc("2026-01-10 09:01"))},
        {"draws": FULL_ENTRY.draws[:1]},
    ],
    ids="-".join,
)
def test_no_field_of_an_entry_can_be_touched_without_the_hash_telling(touched: dict[str, object]) -> None:
    before = chain_hash("", entry_to_record(FULL_ENTRY))

    assert chain_hash("", entry_to_record(replace(FULL_ENTRY, **touched))) != before  # type: ignore[arg-type]


def test_the_check_of_an_entry_finds_a_touched_one() -> None:
    book = Book.opened("2026-01-10 09:00")
    (entry,) = book.charge("message", at="2026-01-11")

    assert list(check(book.entries[1], entry)) == []
    assert list(check(book.entries[1], replace(entry, description="nothing to see"))) == [
        "hash is not that of the entry's fields"
    ]


def test_the_check_of_an_entry_finds_a_missing_one_before_it() -> None:
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", at="2026-01-11")

    assert list(check(book.entries[0], book.entries[2])) == [
        "seq 3 follows 1",
        "prev_hash is not the hash of the entry before",
        "grant g2 has 299 remaining, the entries leave -1",
        "grant g2 is of 300 credits, the entries gave 0",
    ]


def test_only_what_the_key_wrote_carries_the_requests_fingerprint() -> None:
    book = Book.opened("2026-01-10 09:00")

    entries = book.batch(("message", 1), ("ai_response", 1), at="2026-02-10 09:00")

    assert [(entry.key, entry.fingerprint) for entry in entries] == [
        ("expire#g2", None),
        ("allocation#2026-01-10T09:00:00.000Z#1", None),
        ("c#k1", "f" * 64),
        ("c#k1#01", "f" * 64),
    ]


def test_a_posting_without_entries_is_sealed_as_it_is() -> None:
    account, _ = sealed_charge()

    assert seal(Posting((account,), ()), "c#k2", "f" * 64) == Posting((account,), ())


def test_the_first_line_has_the_key_itself_and_the_others_its_number_in_two_digits() -> None:
    assert [line_key("c#k1", index) for index in (0, 1, 9, 10, 49)] == [
        "c#k1",
        "c#k1#01",
        "c#k1#09",
        "c#k1#10",
        "c#k1#49",
    ]


@pytest.mark.parametrize(
    ("key", "owned"),
    [
        ("c#k1", True),
        ("c#k1#01", True),
        ("c#k1#49", True),
        ("c#k10", False),
        ("c#k1.01", False),
        ("c#k", False),
        ("k1", False),
        ("expire#g2", False),
    ],
)
def test_a_key_owns_its_own_lines_and_no_longer_key_that_begins_like_it(key: str, owned: bool) -> None:
    assert owns("c#k1", replace(FULL_ENTRY, key=key)) is owned


def test_50_lines_of_a_batch_have_50_keys_and_one_owner() -> None:
    lines = [Usage(action="ai_response") for _ in range(50)]

    entries = charge(free_account(allocation(300)), CATALOG, now=utc("2026-01-15"), key="c#k1", lines=lines).entries

    assert len({entry.key for entry in entries}) == 50
    assert all(owns("c#k1", entry) for entry in entries)
