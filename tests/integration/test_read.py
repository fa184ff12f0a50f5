"""Readings: an account at any instant, the ledger page by page, and cursors that were made by hand."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from credits.domain.charge import Usage
from credits.domain.entry import AnyEntry, EntryKind
from credits.errors import AccountNotFound, ChargeNotFound, InvalidRequest
from credits.ledger.memory import MemoryStore
from credits.ledger.read import (
    EntryFilter,
    account_at,
    account_now,
    accounts_now,
    charge_entry,
    charge_id,
    entries,
)
from credits.ledger.store import Ledger, Place, Span
from tests.moves import CATALOG, NOON, charged, granted, messages, moved_to, opened

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALL = EntryFilter()


# An account now, and as it was


def test_an_account_is_shown_as_of_now_though_its_renewal_is_not_written(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(100))

    then = account_now(store, CATALOG, "acme", NOON + DAY)
    now = account_now(store, CATALOG, "acme", NOON + 40 * DAY)

    assert (then.remaining, then.used, then.period_number) == (200, 100, 0)
    assert (now.remaining, now.used, now.period_number) == (300, 0, 1)
    assert [entry.key for entry in entries(store, "acme", ALL, limit=1).items] == ["c#k1"]


def test_an_account_that_is_not_there_is_not_found(store: Ledger) -> None:
    with pytest.raises(AccountNotFound) as refused:
        account_now(store, CATALOG, "nobody", NOON)

    assert refused.value.detail == "There is no account nobody."


def test_a_free_month_that_nobody_wrote_down_is_told_as_it_was_told_then(store: Ledger) -> None:
    opened(store)
    moved_to(store, "up", "pro", at=NOON + DAY)
    charged(store, "k1", messages(40), at=NOON + 2 * DAY)
    moved_to(store, "down", "free", at=NOON + 3 * DAY)
    in_the_first_free_month, long_after = NOON + 50 * DAY, NOON + 100 * DAY

    then = account_now(store, CATALOG, "acme", in_the_first_free_month)
    charged(store, "k2", at=long_after)
    later = account_at(store, CATALOG, "acme", at=in_the_first_free_month, now=long_after)

    assert (then.plan, then.remaining, then.total, then.used) == ("free", 300, 300, 0)
    assert (later.plan, later.remaining, later.total, later.used) == ("free", 300, 300, 0)


def test_an_account_at_an_instant_is_what_the_last_entry_until_then_left(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(10), at=NOON + 1 * MINUTE)
    charged(store, "k2", messages(20), at=NOON + 2 * MINUTE)
    now = NOON + DAY

    def remaining(at: datetime) -> int:
        return account_at(store, CATALOG, "acme", at=at, now=now).remaining

    assert remaining(NOON) == 300
    assert remaining(NOON + MINUTE - timedelta(milliseconds=1)) == 300
    assert remaining(NOON + MINUTE) == 290
    assert remaining(NOON + MINUTE + timedelta(seconds=59, milliseconds=999)) == 290
    assert remaining(NOON + 2 * MINUTE) == 270
    assert remaining(now) == 270


def test_several_entries_of_one_instant_are_all_counted(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(1), messages(2), messages(3))

    assert account_at(store, CATALOG, "acme", at=NOON, now=NOON).remaining == 294


def test_an_instant_after_a_boundary_is_renewed_to_it_though_nobody_wrote_that_at_the_time(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(100))
    charged(store, "k2", messages(1), at=NOON + 75 * DAY)

    before = account_at(store, CATALOG, "acme", at=NOON + 29 * DAY, now=NOON + 80 * DAY)
    between = account_at(store, CATALOG, "acme", at=NOON + 45 * DAY, now=NOON + 80 * DAY)
    after = account_at(store, CATALOG, "acme", at=NOON + 76 * DAY, now=NOON + 80 * DAY)

    assert (before.remaining, before.period_number) == (200, 0)
    assert (between.remaining, between.period_number) == (300, 1)
    assert (after.remaining, after.period_number) == (299, 2)


def test_the_plan_is_the_one_of_that_time(store: Ledger) -> None:
    opened(store)
    moved_to(store, "up", "pro", at=NOON + DAY)

    assert account_at(store, CATALOG, "acme", at=NOON, now=NOON + 2 * DAY).plan == "free"
    assert account_at(store, CATALOG, "acme", at=NOON + DAY, now=NOON + 2 * DAY).plan == "pro"


def test_before_it_was_opened_there_was_no_account(store: Ledger) -> None:
    opened(store)

    with pytest.raises(AccountNotFound) as refused:
        account_at(store, CATALOG, "acme", at=NOON - timedelta(milliseconds=1), now=NOON)

    assert refused.value.detail == "There was no account acme at 2026-11-23T11:59:59.999Z."
    with pytest.raises(AccountNotFound):
        account_at(store, CATALOG, "acme", at=datetime.min.replace(tzinfo=UTC), now=NOON)


def test_the_future_cannot_be_read(store: Ledger) -> None:
    opened(store)

    with pytest.raises(InvalidRequest) as refused:
        account_at(store, CATALOG, "acme", at=NOON + timedelta(milliseconds=1), now=NOON)

    assert refused.value.fields["field"] == "at"


# Accounts by pages


def test_accounts_are_shown_as_of_now_newest_first_by_pages(store: Ledger) -> None:
    for number, name in enumerate(["one", "two", "three"]):
        opened(store, name, at=NOON + number * MINUTE)
    charged(store, "k1", messages(5), account_id="two", at=NOON + 5 * MINUTE)

    first = accounts_now(store, CATALOG, NOON + DAY, limit=2)
    second = accounts_now(store, CATALOG, NOON + DAY, limit=2, cursor=first.cursor)
    renewed = accounts_now(store, CATALOG, NOON + 40 * DAY, limit=3)

    assert [(each.account_id, each.remaining) for each in first.items] == [("three", 300), ("two", 295)]
    assert [(each.account_id, each.remaining) for each in second.items] == [("one", 300)]
    assert (first.cursor is not None, second.cursor) == (True, None)
    assert [each.remaining for each in renewed.items] == [300, 300, 300]
    assert renewed.cursor is None


def test_pages_of_accounts_show_each_once_while_others_are_opened(store: Ledger) -> None:
    for number in range(5):
        opened(store, f"old{number}", at=NOON + number * MINUTE)
    seen: list[str] = []
    cursor = None
    for turn in range(3):
        page = accounts_now(store, CATALOG, NOON + DAY, limit=2, cursor=cursor)
        seen += [each.account_id for each in page.items]
        cursor = page.cursor
        opened(store, f"new{turn}", at=NOON + DAY)

    assert seen == ["old4", "old3", "old2", "old1", "old0"]
    assert cursor is None


# Entries by pages


def test_pages_of_entries_show_each_once_while_others_are_written(store: Ledger) -> None:
    opened(store)
    for number in range(5):
        charged(store, f"k{number}", at=NOON + number * MINUTE)
    seen: list[str] = []
    cursor = None
    for turn in range(4):
        page = entries(store, "acme", ALL, limit=2, cursor=cursor)
        seen += [entry.key for entry in page.items]
        cursor = page.cursor
        charged(store, f"new{turn}", at=NOON + DAY)

    assert seen == ["c#k4", "c#k3", "c#k2", "c#k1", "c#k0", "allocation#2026-11-23T12:00:00.000Z#0", "opened"]
    assert cursor is None


def test_a_page_that_ends_with_the_last_entry_has_no_cursor(store: Ledger) -> None:
    opened(store)

    assert entries(store, "acme", ALL, limit=2).cursor is None
    assert entries(store, "acme", ALL, limit=1).cursor is not None


def test_entries_of_an_account_that_is_not_there_are_not_found(store: Ledger) -> None:
    with pytest.raises(AccountNotFound):
        entries(store, "nobody", ALL, limit=2)


def test_a_filter_that_nothing_matches_is_an_empty_page_of_an_account_that_is_there(store: Ledger) -> None:
    opened(store)

    page = entries(store, "acme", EntryFilter(conversation_id="no-such-chat"), limit=2)

    assert (page.items, page.cursor) == ((), None)


FILTERED: list[tuple[EntryFilter, list[str]]] = [
    (EntryFilter(kind=EntryKind.CHARGE), ["c#k3", "c#k2", "c#k1"]),
    (EntryFilter(kind=EntryKind.PROMOTION), ["c#gift"]),
    (EntryFilter(kind=EntryKind.EXPIRY), []),
    (EntryFilter(action="message"), ["c#k3", "c#k1"]),
    (EntryFilter(action="web_fetch"), ["c#k2"]),
    (EntryFilter(kind=EntryKind.PROMOTION, action="message"), []),
    (EntryFilter(conversation_id="chat-1"), ["c#k2", "c#k1"]),
    (EntryFilter(conversation_id="chat-1", action="message"), ["c#k1"]),
    (EntryFilter(since=NOON + 2 * MINUTE), ["c#k3", "c#gift", "c#k2"]),
    (EntryFilter(until=NOON + 1 * MINUTE), ["allocation#2026-11-23T12:00:00.000Z#0", "opened"]),
    (EntryFilter(since=NOON + 1 * MINUTE, until=NOON + 3 * MINUTE), ["c#k2", "c#k1"]),
    (EntryFilter(since=NOON + 2 * MINUTE, until=NOON + 2 * MINUTE), []),
    (EntryFilter(since=NOON + 3 * MINUTE, until=NOON + 1 * MINUTE), []),
    (EntryFilter(since=NOON + 2 * MINUTE, kind=EntryKind.CHARGE, action="message"), ["c#k3"]),
]


def test_entries_are_filtered(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", Usage(action="message", conversation_id="chat-1"), at=NOON + 1 * MINUTE)
    charged(store, "k2", Usage(action="web_fetch", conversation_id="chat-1"), at=NOON + 2 * MINUTE)
    granted(store, "gift", 10, at=NOON + 3 * MINUTE)
    charged(store, "k3", Usage(action="message", conversation_id="chat-2"), at=NOON + 4 * MINUTE)

    for wanted, expected in FILTERED:
        page = entries(store, "acme", wanted, limit=10)
        assert ([entry.key for entry in page.items], page.cursor) == (expected, None), wanted


def test_filtered_pages_of_one_show_each_entry_once() -> None:
    store = MemoryStore()
    opened(store)
    for number in range(3):
        charged(store, f"k{number}", Usage(action="message"))
        charged(store, f"other{number}", Usage(action="web_fetch"))
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = entries(store, "acme", EntryFilter(action="message"), limit=1, cursor=cursor)
        seen += [entry.key for entry in page.items]
        cursor = page.cursor

    assert seen == ["c#k2", "c#k1", "c#k0"]


def test_a_filtered_page_looks_at_500_rows_and_goes_on_from_there() -> None:
    store = MemoryStore()
    opened(store)
    granted(store, "rare", 10)
    for number in range(600):
        charged(store, f"k{number}", Usage(action="ai_response"), at=NOON + MINUTE)
    wanted = EntryFilter(kind=EntryKind.PROMOTION)

    first = entries(store, "acme", wanted, limit=10)
    second = entries(store, "acme", wanted, limit=10, cursor=first.cursor)

    assert (first.items, first.cursor is not None) == ((), True)
    assert ([entry.key for entry in second.items], second.cursor) == (["c#rare"], None)


def test_a_page_with_every_kind_reads_one_row_more_than_it_shows() -> None:
    read: list[int] = []

    class Counting(MemoryStore):
        def entries(
            self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
        ) -> Sequence[AnyEntry]:
            read.append(limit)
            return super().entries(span, limit=limit, newest_first=newest_first, beyond=beyond)

    store = Counting()
    opened(store)
    entries(store, "acme", ALL, limit=50)

    assert read == [51]


# Cursors made by hand


def cursor_of(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NOT_CURSORS = [
    "x",
    "????",
    "é",
    "e30",
    "bnVsbA",
    cursor_of([]),
    cursor_of(["2026-11-23T12:00:00.000Z#0000000001"]),
    cursor_of([1, 2, 3]),
    cursor_of({"moment": "2026-11-23T12:00:00.000Z#0000000001"}),
    cursor_of(["", "", ""]),
    cursor_of(["", ""]),
    cursor_of(["2026-11-23T12:00:00.000Z#0000000001", "", "opened"]),
    cursor_of(["\ud800", "acme", "opened"]),
    cursor_of(["\ud800", "acme"]),
    cursor_of(["a", "b", "c", "d"]),
    cursor_of([[["a"]], "b", "c"]),
    urlsafe_b64encode(b"\xff\xfe\xfd").decode(),
    "[" * 400,
]


@pytest.mark.parametrize("cursor", NOT_CURSORS)
def test_a_text_that_is_no_cursor_is_an_invalid_request(cursor: str) -> None:
    store = MemoryStore()
    opened(store)
    readings: list[Callable[[], object]] = [
        lambda: entries(store, "acme", ALL, limit=2, cursor=cursor),
        lambda: accounts_now(store, CATALOG, NOON, limit=2, cursor=cursor),
    ]

    for reading in readings:
        with pytest.raises(InvalidRequest) as refused:
            reading()
        assert refused.value.fields["field"] == "cursor"


def test_a_cursor_of_another_stretch_of_time_is_an_invalid_request(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", at=NOON + DAY)
    charged(store, "k2", at=NOON + DAY)
    cursor = entries(store, "acme", ALL, limit=1).cursor

    for wanted in (
        EntryFilter(until=NOON),
        EntryFilter(since=NOON + 2 * DAY),
        EntryFilter(since=NOON + 2 * DAY, until=NOON + 3 * DAY),
        EntryFilter(conversation_id="chat-1", until=NOON),
    ):
        with pytest.raises(InvalidRequest) as refused:
            entries(store, "acme", wanted, limit=1, cursor=cursor)
        assert refused.value.fields["field"] == "cursor"


def test_a_cursor_of_another_account_shows_nothing_of_it(store: Ledger) -> None:
    opened(store, "acme")
    opened(store, "globex", at=NOON + MINUTE)
    theirs = entries(store, "globex", ALL, limit=1).cursor

    page = entries(store, "acme", ALL, limit=10, cursor=theirs)

    assert {entry.account_id for entry in page.items} <= {"acme"}


# A charge by its id


def test_a_charge_is_found_by_its_id_and_each_line_of_a_batch_by_its_own(store: Ledger) -> None:
    opened(store)
    charged(store, "k1", messages(3))
    batch = charged(store, "k2", messages(1), messages(2))

    assert [charge_id(entry) for entry in batch.entries] == ["k2", "k2~01"]
    assert charge_entry(store, "acme", "k1").credits == -3
    assert charge_entry(store, "acme", "k2").credits == -1
    assert charge_entry(store, "acme", "k2~01").credits == -2


def test_what_is_no_charge_is_not_found_under_its_id(store: Ledger) -> None:
    opened(store)
    charged(store, "k1")
    charged(store, "k2", messages(1), messages(2))
    granted(store, "gift", 10)
    moved_to(store, "up", "pro")

    for charge in ("no", "k1~00", "k1~01", "k2~00", "k2~02", "k2~1", "k2~", "k2~x", "k2~٠١", "gift", "opened", "up"):
        with pytest.raises(ChargeNotFound) as refused:
            charge_entry(store, "acme", charge)
        assert refused.value.fields == {"account_id": "acme", "charge_id": charge}


def test_a_charge_of_another_account_is_not_found(store: Ledger) -> None:
    opened(store, "acme")
    opened(store, "globex")
    charged(store, "k1", account_id="globex")

    with pytest.raises(ChargeNotFound):
        charge_entry(store, "acme", "k1")
