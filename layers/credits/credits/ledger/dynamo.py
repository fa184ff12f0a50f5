"""The store on DynamoDB, through PynamoDB."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from pynamodb.exceptions import DoesNotExist, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex

from credits.domain.account import Account
from credits.domain.entry import Entry
from credits.domain.instant import from_text, to_text
from credits.domain.journal import Posting
from credits.domain.record import (
    Record,
    account_from_record,
    entry_from_record,
    entry_to_record,
    state_to_record,
    to_json,
)
from credits.ledger.store import (
    AccountKey,
    Cancelled,
    Collided,
    Due,
    EntryKey,
    Place,
    Span,
    Throttled,
    Unanswered,
    due_shard,
    moment,
)
from credits.ledger.tables import LISTING, AccountItem, EntryItem, Tables

Item = dict[str, dict[str, str]]

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
NESTED = ("draws", "after", "change")
CONDITION = "ConditionalCheckFailed"


class DynamoStore:
    """`Ledger` on the tables of one stack. Safe to share between threads."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.connection = tables.connection

    def read(self, *keys: AccountKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`. One item is a GetItem, several are a BatchGetItem, both consistent."""
        with told_in_our_words():
            if len(keys) == 1:
                return [self._read_one(keys[0])]
            found = self._read_many(keys)
        return [found.get(key) for key in keys]

    def commit(self, posting: Posting) -> None:
        """See `Store.commit`. One TransactWriteItems; each condition that fails hands back the item it met."""
        puts = [self._put_entry(entry) for entry in posting.entries]
        puts += [self._put_account(book) for book in posting.books]
        try:
            self.connection.transact_write_items([], [], puts, [], return_consumed_capacity="NONE")
        except TransactWriteError as error:
            raise self._refusal(error, posting) from error

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[Entry]:
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

    # Items are written in DynamoDB's own notation: through a model, a charge would spend a third more of its own time.

    def _put_entry(self, entry: Entry) -> dict[str, Any]:
        return self.connection.get_operation_kwargs(
            self._tables.entries.Meta.table_name,
            entry.book_id,
            entry.key,
            key="Item",
            attributes=_entry_item(entry),
            condition=EntryItem.key.does_not_exist(),
            return_values_on_condition_failure="ALL_OLD",
        )

    def _put_account(self, account: Account) -> dict[str, Any]:
        version = AccountItem.version
        return self.connection.get_operation_kwargs(
            self._tables.accounts.Meta.table_name,
            account.account_id,
            key="Item",
            attributes=_account_item(account),
            condition=version == account.version if account.version else version.does_not_exist(),
            return_values_on_condition_failure="ALL_OLD",
        )

    def _read_one(self, key: AccountKey | EntryKey) -> Account | Entry | None:
        try:
            if isinstance(key, AccountKey):
                return _decoded_account(self._tables.accounts.get(key.account_id, consistent_read=True))
            return _decoded_entry(self._tables.entries.get(key.book_id, key.key, consistent_read=True))
        except DoesNotExist:
            return None

    def _read_many(self, keys: Sequence[AccountKey | EntryKey]) -> dict[AccountKey | EntryKey, Account | Entry]:
        found: dict[AccountKey | EntryKey, Account | Entry] = {}
        if account_ids := [key.account_id for key in keys if isinstance(key, AccountKey)]:
            for item in self._tables.accounts.batch_get(account_ids, consistent_read=True):
                found[AccountKey(item.account_id)] = _decoded_account(item)
        if entry_names := [(key.book_id, key.key) for key in keys if isinstance(key, EntryKey)]:
            for line in self._tables.entries.batch_get(entry_names, consistent_read=True):
                found[EntryKey(line.book_id, line.key)] = _decoded_entry(line)
        return found

    def _refusal(self, error: TransactWriteError, posting: Posting) -> Exception:
        """What the store said to a commit. Conditions that failed are the answer, whatever else was the matter."""
        reasons = error.cancellation_reasons
        if not reasons:
            return _failure(error)
        entries: dict[EntryKey, Entry] = {}
        books: dict[str, Account] = {}
        taken, moved = reasons[: len(posting.entries)], reasons[len(posting.entries) :]
        for entry, reason in zip(posting.entries, taken, strict=True):
            if reason and reason.code == CONDITION and reason.raw_item:
                entries[EntryKey(entry.book_id, entry.key)] = _decoded_entry(
                    self._tables.entries.from_raw_data(reason.raw_item)
                )
        for book, reason in zip(posting.books, moved, strict=True):
            if reason and reason.code == CONDITION and reason.raw_item:
                books[book.book_id] = _decoded_account(self._tables.accounts.from_raw_data(reason.raw_item))
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


def _entry_item(entry: Entry) -> Item:
    record = entry_to_record(entry)
    del record["at"], record["seq"]
    record["moment"] = moment(entry.at, entry.seq)
    record |= {name: to_json(record[name]) for name in NESTED if name in record}
    if conversation_id := record.pop("conversation_id", None):
        record["conversation_key"] = f"{entry.account_id}#{conversation_id}"
    return _item(record)


def _item(values: Mapping[str, str | int]) -> Item:
    """The values in DynamoDB's notation: all that we store is text and whole numbers."""
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()}


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


def _decoded_entry(item: EntryItem) -> Entry:
    return _entry({name: value for name, value in item.attribute_values.items() if value is not None})


def entry_from_image(image: Mapping[str, Any]) -> Entry:
    """The entry of a stream record's NewImage, which is in DynamoDB's own notation."""
    return _entry({name: int(value["N"]) if "N" in value else value["S"] for name, value in image.items()})


def _entry(record: Record) -> Entry:
    at, seq = record.pop("moment").split("#")
    record |= {"at": at, "seq": int(seq)}
    record |= {name: json.loads(record[name]) for name in NESTED if name in record}
    if key := record.pop("conversation_key", None):
        record["conversation_id"] = key.split("#", 1)[1]
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
