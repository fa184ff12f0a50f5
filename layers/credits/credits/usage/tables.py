"""The usage table, and the reading and writing of its items."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from credits.domain.instant import from_text, to_text
from credits.domain.record import to_json
from credits.ledger.dynamo import told_in_our_words
from credits.ledger.tables import OnDemand, bind
from credits.usage.fold import Conversation, Day, Rollup, Run, Tallies, Tally, Thread, day_key

MOST_ITEMS_OF_A_COMMIT = 99
"""DynamoDB's limit for one transaction is 100; one is kept for the condition that a book's first commit has."""

RETRIED_CODES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
WATERMARK = "watermark#"


class Moved(Exception):
    """The watermark or a rollup is no longer the one that was read, or another transaction held it: read again."""


class Recent(GlobalSecondaryIndex["UsageItem"]):
    """An account's conversations by their last action. Only they have `last_at`, so nothing else is in it."""

    class Meta:
        index_name = "recent"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True)
    last_at = UnicodeAttribute(range_key=True)


class UsageItem(Model):
    """One item of an account: a rollup, or the watermark of a book. `counts` and `runs` are JSON text, canonical like a
    record."""

    class Meta(OnDemand):
        pass

    account_id = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    counts = UnicodeAttribute(null=True)
    runs = UnicodeAttribute(null=True)
    title = UnicodeAttribute(null=True)
    titled = UnicodeAttribute(null=True)
    first_at = UnicodeAttribute(null=True)
    last_at = UnicodeAttribute(null=True)
    seq = NumberAttribute(null=True)
    at = UnicodeAttribute(null=True)

    recent = Recent()


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a book is in the rollups: its entry `seq`, of the instant `at`, and all before it are counted.

    `seq` is 0 for a book of which nothing is, and `PARKED` while a rebuild clears the account's rollups.
    """

    account_id: str
    book_id: str
    seq: int = 0
    at: datetime | None = None

    @property
    def key(self) -> str:
        return f"{WATERMARK}{self.book_id}"


PARKED = -1
NOT_PARKED = UsageItem.seq.does_not_exist() | (UsageItem.seq != PARKED)


class Rollups:
    """The usage table of one stack. Safe to share between threads."""

    def __init__(self, items: type[UsageItem], connection: Connection) -> None:
        self.items = items
        self._connection = connection

    def watermark(self, account_id: str, book_id: str) -> Watermark:
        """How far the book is. A strongly consistent read."""
        nothing = Watermark(account_id, book_id)
        try:
            item = self.items.get(account_id, nothing.key, consistent_read=True)
        except self.items.DoesNotExist:
            return nothing
        return _watermark(item)

    def read(self, account_id: str, keys: Iterable[str]) -> dict[str, Rollup]:
        """The rollups under these keys (100 at most) that are there. A strongly consistent read."""
        wanted = [(account_id, key) for key in keys]
        return (
            {item.key: _rollup(item) for item in self.items.batch_get(wanted, consistent_read=True)} if wanted else {}
        )

    def commit(self, before: Watermark, after: Watermark, was: Mapping[str, Rollup], now: Mapping[str, Rollup]) -> None:
        """Write the rollups and the watermark, all or nothing, where each is still the one that was read; of a book of
        which nothing is counted yet, where no rebuild is clearing the account's.

        Raises Moved. The condition of a rollup is its content, so that a rebuilt one is the same to the byte. A content
        never comes back: charges raise its counts, and a refund only takes credits off.
        """
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(_watermark_item(self.items, after), condition=_still(before))
                if before.seq == 0 and before.book_id != before.account_id:
                    account = Watermark(before.account_id, before.account_id)
                    transaction.condition_check(self.items, before.account_id, account.key, condition=NOT_PARKED)
                for key, rollup in now.items():
                    transaction.save(
                        rollup_item(self.items, before.account_id, rollup),
                        condition=_unchanged(was.get(key)),
                    )
        except TransactWriteError as error:
            if RETRIED_CODES & {reason.code for reason in error.cancellation_reasons if reason}:
                raise Moved from error
            raise

    def days(self, account_id: str, first: str, last: str, member_id: str | None = None) -> Sequence[Day]:
        """The UTC days from `first` to `last` (both `2026-11-23`) on which anything was used, in their order."""
        between = UsageItem.key.between(day_key(first, member_id), day_key(last, member_id))
        with told_in_our_words():
            rollups = [_rollup(item) for item in self.items.query(account_id, between)]
        return [each for each in rollups if isinstance(each, Day)]

    def conversation(self, account_id: str, key: str) -> Conversation | None:
        """The conversation under this key."""
        with told_in_our_words():
            try:
                rollup = _rollup(self.items.get(account_id, key))
            except self.items.DoesNotExist:
                return None
        return rollup if isinstance(rollup, Conversation) else None

    def conversations(
        self, account_id: str, *, limit: int, beyond: tuple[str, str] | None = None
    ) -> Sequence[Conversation]:
        """At most `limit` conversations, the last used first, beginning after `beyond`, a (last_at, key)."""
        start = (
            {"account_id": {"S": account_id}, "last_at": {"S": beyond[0]}, "key": {"S": beyond[1]}} if beyond else None
        )
        rows = self.items.recent.query(
            account_id, scan_index_forward=False, limit=limit, page_size=limit, last_evaluated_key=start
        )
        with told_in_our_words():
            rollups = [_rollup(row) for row in rows]
        return [each for each in rollups if isinstance(each, Conversation)]

    def park(self, account_id: str) -> Set[str]:
        """Put the watermarks of the account's books where no projection can move them. Returns the books.

        The account's own comes first: from then on no projection begins another book of it.
        """
        _watermark_item(self.items, Watermark(account_id, account_id, PARKED)).save()
        found = self.items.query(account_id, UsageItem.key.startswith(WATERMARK), consistent_read=True)
        books = {_watermark(item).book_id for item in found}
        with self.items.batch_write() as batch:
            for book_id in books:
                batch.save(_watermark_item(self.items, Watermark(account_id, book_id, PARKED)))
        return books

    def clear(self, account_id: str) -> None:
        """Delete every rollup of the account; the watermarks stay."""
        with self.items.batch_write() as batch:
            for item in self.items.query(account_id, attributes_to_get=["account_id", "key"], consistent_read=True):
                if not item.key.startswith(WATERMARK):
                    batch.delete(item)


def open_rollups(connection: Connection, table_name: str) -> Rollups:
    """The usage table of this name over this connection."""
    return Rollups(bind(UsageItem, table_name, connection), connection)


def _still(before: Watermark) -> Condition:
    return UsageItem.seq == before.seq if before.seq else UsageItem.key.does_not_exist()


def _unchanged(was: Rollup | None) -> Condition:
    return UsageItem.counts == _counts(was) if was else UsageItem.key.does_not_exist()


def _watermark_item(items: type[UsageItem], mark: Watermark) -> UsageItem:
    return items(mark.account_id, mark.key, seq=mark.seq, at=to_text(mark.at) if mark.at else None)


def _watermark(item: UsageItem) -> Watermark:
    book_id = item.key.removeprefix(WATERMARK)
    return Watermark(item.account_id, book_id, int(item.seq), from_text(item.at) if item.at else None)


def rollup_item(items: type[UsageItem], account_id: str, rollup: Rollup) -> UsageItem:
    """The item that keeps a rollup of the account."""
    item = items(account_id, rollup.key, counts=_counts(rollup))
    if isinstance(rollup, Conversation):
        item.title, item.titled = rollup.title, rollup.titled or None
        item.first_at, item.last_at = to_text(rollup.first_at), to_text(rollup.last_at)
    if isinstance(rollup, Day) and rollup.runs:
        item.runs = to_json(dict(rollup.runs))
    return item


def _rollup(item: UsageItem) -> Rollup:
    counts = json.loads(item.counts)
    if item.key.startswith("thread#"):
        return Thread(item.key, tuple(Run(*run) for run in counts))
    if not item.last_at or not item.first_at:
        quarters = {quarter: _tallies(each) for quarter, each in counts.items()}
        return Day(item.key, quarters, json.loads(item.runs) if item.runs else {})
    return Conversation(
        item.key, _tallies(counts), from_text(item.first_at), from_text(item.last_at), item.title, item.titled or ""
    )


def _counts(rollup: Rollup) -> str:
    if isinstance(rollup, Conversation):
        return to_json(_numbers(rollup.actions))
    if isinstance(rollup, Thread):
        return to_json([[run.first_ms, run.last_ms, run.messages] for run in rollup.runs])
    return to_json({quarter: _numbers(tallies) for quarter, tallies in rollup.quarters.items()})


def _numbers(tallies: Tallies) -> dict[str, list[int]]:
    return {action: [tally.count, tally.credits] for action, tally in tallies.items()}


def _tallies(numbers: Mapping[str, Sequence[int]]) -> Tallies:
    return {action: Tally(count, credits) for action, (count, credits) in numbers.items()}
