"""The store on DynamoDB, through PynamoDB."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from pynamodb.exceptions import DoesNotExist, GetError, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex
from pynamodb.models import Model

from credits.domain.account import Account
from credits.domain.book import Book
from credits.domain.entry import AnyEntry, Entry
from credits.domain.hold import HOLD_MARK, Hold
from credits.domain.instant import from_text, to_text
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.domain.record import (
    Record,
    account_from_record,
    entry_from_record,
    entry_to_record,
    hold_from_record,
    hold_to_record,
    member_from_record,
    member_to_record,
    state_to_record,
    to_json,
)
from credits.ledger.store import (
    AccountKey,
    BookKey,
    Cancelled,
    Collided,
    Due,
    EntryKey,
    HoldKey,
    MemberKey,
    Place,
    Span,
    Throttled,
    Unanswered,
    Unreadable,
    due_shard,
    moment,
)
from credits.ledger.tables import LISTING, AccountItem, EntryItem, HoldItem, MemberItem, Tables

Item = dict[str, dict[str, str | bool]]

THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
    }
)
COLLISION = "TransactionConflict"
UNANSWERED = frozenset(
    {
        # Our own first try is still under way: its outcome is not known.
        "TransactionInProgressException",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        # What botocore calls a failure whose body it cannot read.
        *("500", "502", "503", "504"),
    }
)
NESTED = ("draws", "after", "change", "corrects")
CONDITION = "ConditionalCheckFailed"

NOTHING_OF_OURS = (AttributeError, LookupError, TypeError, ValueError)
"""What decoding comes to where an item or a record is none that we wrote."""

ITEMS_AT_ONCE = 100
"""What BatchGetItem takes."""

MOST_READS = 5
"""Of one batch: DynamoDB leaves out items only where it would throttle, or past 16 MB, and our items are small."""


class DynamoStore:
    """`Ledger` on the tables of one stack. Safe to share between threads."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.connection = tables.connection

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`. One item is a GetItem, several are a BatchGetItem whatever tables they are in, all
        consistent."""
        with told_in_our_words():
            if len(keys) == 1:
                return [self._read_one(keys[0])]
            found = self._read_many(keys)
        return [found.get(key) for key in keys]

    def commit(self, posting: Posting) -> None:
        """See `Store.commit`. One TransactWriteItems; each condition that fails hands back the item it met."""
        puts = [self._put_entry(entry) for entry in posting.entries]
        puts += [self._put_book(book) for book in posting.books]
        try:
            self.connection.transact_write_items([], [], puts, [], return_consumed_capacity="NONE")
        except TransactWriteError as error:
            raise self._refusal(error, posting) from error

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        """See `History.entries`. One query of one index; it reads `limit` rows, however long the history is."""
        if span.empty:
            return []
        items = self._tables.entries
        index: GlobalSecondaryIndex[EntryItem]
        if span.conversation_id is None:
            index, name, partition = items.by_time, "account_id", span.account_id
        else:
            index, name = items.by_conversation, "conversation_key"
            partition = f"{span.account_id}#{span.conversation_id}"
        start = _start({name: partition} | asdict(beyond)) if beyond else None
        rows = index.query(
            partition,
            range_key_condition=_within(span),
            scan_index_forward=not newest_first,
            limit=limit,
            page_size=limit,
            last_evaluated_key=start,
        )
        with told_in_our_words():
            return [_decoded_entry(row) for row in rows]

    def accounts(self, *, limit: int, beyond: tuple[str, str] | None = None) -> Sequence[Account]:
        """See `History.accounts`. One query of the index for the ids, one batch read for the accounts."""
        items = self._tables.accounts
        start = _start({"listing": LISTING, "opened_at": beyond[0], "account_id": beyond[1]}) if beyond else None
        rows = items.by_opening.query(
            LISTING, scan_index_forward=False, limit=limit, page_size=limit, last_evaluated_key=start
        )
        with told_in_our_words():
            keys = [AccountKey(row.account_id) for row in rows]
        return [account for account in self.read(*keys) if account] if keys else []

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due`. One query of the index, which has the keys and nothing else."""
        key = {"due_shard": shard, "due_at": to_text(beyond.due_at), "account_id": beyond.book_id} if beyond else None
        rows = self._tables.accounts.due.query(
            shard,
            range_key_condition=AccountItem.due_at <= to_text(until),
            limit=limit,
            page_size=limit,
            last_evaluated_key=_start(key) if key else None,
        )
        with told_in_our_words():
            return [Due(from_text(row.due_at), row.account_id) for row in rows]

    def due_holds(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due_holds`. One query of the index, which has the keys and nothing else."""
        key = {"due_shard": shard, "due_at": to_text(beyond.due_at), "book_id": beyond.book_id} if beyond else None
        rows = self._tables.holds.due.query(
            shard,
            range_key_condition=HoldItem.due_at <= to_text(until),
            limit=limit,
            page_size=limit,
            last_evaluated_key=_start(key) if key else None,
        )
        with told_in_our_words():
            return [Due(from_text(str(row.due_at)), row.book_id) for row in rows]

    def open_holds(
        self, account_id: str, *, limit: int, until: datetime | None = None, beyond: Due | None = None
    ) -> Sequence[Due]:
        """See `History.open_holds`. One query of the index, which has the keys and nothing else."""
        key = (
            {"open_account": account_id, "due_at": to_text(beyond.due_at), "book_id": beyond.book_id}
            if beyond
            else None
        )
        rows = self._tables.holds.by_account.query(
            account_id,
            range_key_condition=HoldItem.due_at <= to_text(until) if until else None,
            limit=limit,
            page_size=limit,
            last_evaluated_key=_start(key) if key else None,
        )
        with told_in_our_words():
            return [Due(from_text(str(row.due_at)), row.book_id) for row in rows]

    def members(self, account_id: str, *, limit: int, beyond: str | None = None) -> Sequence[Member]:
        """See `History.members`. One query of the account's part of the table."""
        rows = self._tables.members.query(
            account_id,
            limit=limit,
            page_size=limit,
            last_evaluated_key=_start({"account_id": account_id, "member_id": beyond}) if beyond else None,
        )
        with told_in_our_words():
            return [_decoded_member(row) for row in rows]

    # Items are written in DynamoDB's own notation: through a model, a charge would spend a third more of its own time.

    def _put_entry(self, entry: AnyEntry) -> dict[str, Any]:
        return self.connection.get_operation_kwargs(
            self._tables.entries.Meta.table_name,
            entry.book_id,
            entry.key,
            key="Item",
            attributes=_entry_item(entry),
            condition=EntryItem.key.does_not_exist(),
            return_values_on_condition_failure="ALL_OLD",
        )

    def _put_book(self, book: Book) -> dict[str, Any]:
        version = AccountItem.version  # the same attribute in every table of books
        model, (hash_key, range_key), item = self._place_of(book)
        return self.connection.get_operation_kwargs(
            model.Meta.table_name,
            hash_key,
            range_key,
            key="Item",
            attributes=item,
            condition=version == book.version if book.version else version.does_not_exist(),
            return_values_on_condition_failure="ALL_OLD",
        )

    def _place_of(self, book: Book) -> tuple[type[Model], tuple[str, str | None], Item]:
        """The table of a book, its key there, and its item."""
        match book:
            case Account():
                return self._tables.accounts, (book.account_id, None), _account_item(book)
            case Hold():
                return self._tables.holds, (book.book_id, None), _hold_item(book)
            case Member():
                return self._tables.members, (book.account_id, book.member_id), _member_item(book)

    def _read_one(self, key: BookKey | EntryKey) -> Book | AnyEntry | None:
        tables = self._tables
        try:
            match key:
                case AccountKey():
                    return _decoded_account(tables.accounts.get(key.account_id, consistent_read=True))
                case HoldKey():
                    return _decoded_hold(tables.holds.get(key.book_id, consistent_read=True))
                case MemberKey():
                    return _decoded_member(tables.members.get(key.account_id, key.member_id, consistent_read=True))
                case EntryKey():
                    return _decoded_entry(tables.entries.get(key.book_id, key.key, consistent_read=True))
        except DoesNotExist:
            return None

    def _read_many(self, keys: Sequence[BookKey | EntryKey]) -> dict[BookKey | EntryKey, Book | AnyEntry]:
        """What is there under these keys, by BatchGetItem: PynamoDB's own reads one table at a time."""
        found: dict[BookKey | EntryKey, Book | AnyEntry] = {}
        for some in batched(dict.fromkeys(keys), ITEMS_AT_ONCE, strict=False):
            wanted: dict[str, Any] = {}
            for key in some:
                table, item_key = self._item_key(key)
                wanted.setdefault(table, {"ConsistentRead": True, "Keys": []})["Keys"].append(item_key)
            for _ in range(MOST_READS):
                answer = self._batch_get(wanted)
                for table, items in answer["Responses"].items():
                    for item in items:
                        key, value = self._decoded(table, item)
                        found[key] = value
                if not (wanted := answer.get("UnprocessedKeys") or {}):
                    break
            else:
                raise Throttled
        return found

    def _batch_get(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.connection.dispatch("BatchGetItem", {"RequestItems": wanted})
        except (BotoCoreError, ClientError) as error:
            raise GetError("Failed to batch get items", error) from error
        return answer

    def _item_key(self, key: BookKey | EntryKey) -> tuple[str, dict[str, dict[str, str]]]:
        tables = self._tables
        match key:
            case AccountKey():
                return tables.accounts.Meta.table_name, _start({"account_id": key.account_id})
            case HoldKey():
                return tables.holds.Meta.table_name, _start({"book_id": key.book_id})
            case MemberKey():
                return tables.members.Meta.table_name, _start(
                    {"account_id": key.account_id, "member_id": key.member_id}
                )
            case EntryKey():
                return tables.entries.Meta.table_name, _start({"book_id": key.book_id, "key": key.key})

    def _decoded(self, table: str, item: dict[str, Any]) -> tuple[BookKey | EntryKey, Book | AnyEntry]:
        """An item of one of our tables, and what it is found under."""
        tables = self._tables
        if table == tables.accounts.Meta.table_name:
            account = _decoded_account(tables.accounts.from_raw_data(item))
            return AccountKey(account.account_id), account
        if table == tables.holds.Meta.table_name:
            hold = _decoded_hold(tables.holds.from_raw_data(item))
            return HoldKey(hold.account_id, hold.hold_id), hold
        if table == tables.members.Meta.table_name:
            member = _decoded_member(tables.members.from_raw_data(item))
            return MemberKey(member.account_id, member.member_id), member
        entry = _decoded_entry(tables.entries.from_raw_data(item))
        return EntryKey(entry.book_id, entry.key), entry

    def _refusal(self, error: TransactWriteError, posting: Posting) -> Exception:
        """What the store said to a commit. Conditions that failed are the answer, whatever else was the matter."""
        reasons = error.cancellation_reasons
        if not reasons:
            return _failure(error)
        entries: dict[EntryKey, AnyEntry] = {}
        books: dict[str, Book] = {}
        tables = [self._tables.entries.Meta.table_name for _ in posting.entries]
        tables += [self._place_of(book)[0].Meta.table_name for book in posting.books]
        for table, reason in zip(tables, reasons, strict=True):
            if reason and reason.code == CONDITION and reason.raw_item:
                _, met = self._decoded(table, reason.raw_item)
                if isinstance(met, Entry):
                    entries[EntryKey(met.book_id, met.key)] = met
                else:
                    books[met.book_id] = met
        if entries or books:
            return Cancelled(entries, books)
        codes = {reason.code for reason in reasons if reason}
        if COLLISION in codes:
            return Collided()
        return Throttled() if codes & THROTTLES else error


def _within(span: Span) -> Condition | None:
    """The span as a condition on `moment`; `until` itself is outside, since every moment at it is longer."""
    moment_of = EntryItem.moment
    since = to_text(span.since) if span.since else None
    until = to_text(span.until) if span.until else None
    if since and until:
        return moment_of.between(since, until)
    if since:
        return moment_of >= since
    return moment_of < until if until else None


def _start(key: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Where a query begins, in DynamoDB's notation: all our keys are text."""
    return {name: {"S": value} for name, value in key.items()}


def _account_item(account: Account) -> Item:
    return _item(
        {
            "account_id": account.account_id,
            "version": account.version + 1,
            "listing": LISTING,
            "opened_at": to_text(account.opened_at),
            "due_shard": due_shard(account.account_id),
            "due_at": to_text(account.due_at()),
            "at": to_text(account.at),
            "seq": account.seq,
            "head": account.head,
            "state": to_json(state_to_record(account)),
        }
    )


def _hold_item(hold: Hold) -> Item:
    waiting = {
        "open_account": hold.account_id,
        "due_shard": due_shard(hold.book_id),
        "due_at": to_text(hold.due_at()),
    }
    return _item(
        {
            "book_id": hold.book_id,
            "version": hold.version + 1,
            "account_id": hold.account_id,
            "opened_at": to_text(hold.opened_at),
            "at": to_text(hold.at),
            "seq": hold.seq,
            "head": hold.head,
            "state": to_json(hold_to_record(hold)),
            **(waiting if hold.open else {}),
        }
    )


def _member_item(member: Member) -> Item:
    return _item(
        {
            "account_id": member.account_id,
            "member_id": member.member_id,
            "version": member.version + 1,
            "at": to_text(member.at),
            "seq": member.seq,
            "head": member.head,
            "state": to_json(member_to_record(member)),
        }
    )


def _entry_item(entry: AnyEntry) -> Item:
    record = entry_to_record(entry)
    del record["at"], record["seq"]
    record["moment"] = moment(entry.at, entry.seq)
    record |= {name: to_json(record[name]) for name in NESTED if name in record}
    if conversation_id := record.pop("conversation_id", None):
        record["conversation_key"] = f"{entry.account_id}#{conversation_id}"
    return _item(record)


def _item(values: Mapping[str, str | int | bool]) -> Item:
    """The values in DynamoDB's notation: all that we store is text, whole numbers and true."""
    return {
        name: {"S": value} if isinstance(value, str) else {"BOOL": True} if value is True else {"N": str(value)}
        for name, value in values.items()
    }


def _readable[I: Model, B](decode: Callable[[I], B]) -> Callable[[I], B]:
    """The decoder of an item; one that it cannot make sense of is Unreadable."""

    @wraps(decode)
    def decoded(item: I) -> B:
        try:
            return decode(item)
        except NOTHING_OF_OURS as error:
            values: Mapping[str, Any] = item.attribute_values
            raise Unreadable(values.get("book_id", values["account_id"]), values.get("key")) from error

    return decoded


@_readable
def _decoded_account(item: AccountItem) -> Account:
    return account_from_record(
        json.loads(item.state),
        account_id=item.account_id,
        opened_at=from_text(item.opened_at),
        at=from_text(item.at),
        seq=int(item.seq),
        head=item.head,
        version=item.version,
    )


@_readable
def _decoded_hold(item: HoldItem) -> Hold:
    return hold_from_record(
        json.loads(item.state),
        account_id=item.account_id,
        hold_id=item.book_id.partition(HOLD_MARK)[2],
        opened_at=from_text(item.opened_at),
        at=from_text(item.at),
        seq=int(item.seq),
        head=item.head,
        version=item.version,
    )


@_readable
def _decoded_member(item: MemberItem) -> Member:
    return member_from_record(
        json.loads(item.state),
        account_id=item.account_id,
        member_id=item.member_id,
        at=from_text(item.at),
        seq=int(item.seq),
        head=item.head,
        version=item.version,
    )


@_readable
def _decoded_entry(item: EntryItem) -> AnyEntry:
    return _entry({name: value for name, value in item.attribute_values.items() if value is not None})


def entry_of(record: Mapping[str, Any]) -> AnyEntry:
    """The entry that a record of the stream brings, in DynamoDB's own notation. Raises Unreadable."""
    try:
        return _entry({name: _plain(value) for name, value in record["dynamodb"]["NewImage"].items()})
    except NOTHING_OF_OURS as error:
        raise Unreadable(None, None) from error


def _plain(value: Mapping[str, Any]) -> str | int | bool:
    """The inverse of `_item`, for one value."""
    ((kind, plain),) = value.items()
    return int(plain) if kind == "N" else bool(plain) if kind == "BOOL" else str(plain)


def _entry(record: Record) -> AnyEntry:
    at, seq = record.pop("moment").split("#")
    record |= {"at": at, "seq": int(seq)}
    record |= {name: json.loads(record[name]) for name in NESTED if name in record}
    if key := record.pop("conversation_key", None):
        record["conversation_id"] = key.removeprefix(f"{record['account_id']}#")
    return entry_from_record(record)


@contextmanager
def told_in_our_words() -> Iterator[None]:
    """What goes wrong inside is told in the errors of `store`; a failure that no retry helps stays itself."""
    try:
        yield
    except PynamoDBException as error:
        raise _failure(error) from error


def _failure(error: PynamoDBException) -> Exception:
    """The failure in the store's own words; one that no retry helps (a missing permission) stays itself."""
    if isinstance(error.cause, HTTPClientError | NoConnection):
        return Unanswered()
    code = error.cause_response_code
    if code in THROTTLES:
        return Throttled()
    return Unanswered() if code in UNANSWERED else error
