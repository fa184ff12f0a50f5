"""Dead letters of the entries' stream: word of the entries that a function could not do with in all its tries.

Lambda leaves such a letter in a queue. It names a place in the stream, and none of its records; the stream keeps those
for 24 hours. What the letters speak of is found in the stream as long as it is there, and in the ledger afterwards:

    handled = handle_again(DeadLetters(queue_url, region=region), store, handle)

Whoever handles entries drops what it knows already, so an entry that is found once too often does no harm.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from credits.domain.entry import AnyEntry
from credits.domain.instant import floor, to_text
from credits.ledger.dynamo import DynamoStore, entry_of
from credits.ledger.read import in_time
from credits.ledger.store import Span, Unreadable

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

CONFIG = Config(connect_timeout=2.0, read_timeout=10.0, retries={"total_max_attempts": 4, "mode": "standard"})
"""A person waits, and would rather wait than begin again."""

MOST_LETTERS = 1_000
"""What one run takes from the queue; another takes the next."""

HIDDEN_SECONDS = 3_600
"""How long a letter is kept from others while a run works on it. Where that ends early it comes again by itself."""

MOST_PAGES = 1_000
"""Of the stream for one letter: a batch of a hundred records, and all that the filter left out between them."""

ACCOUNTS_AT_ONCE = 100

LATE = timedelta(hours=1)
"""How long before it was written an entry may be dated. What a caller does is dated when it is done; what time does, at
its boundary, which the schedule comes by every few minutes."""

ARRIVAL = timedelta(seconds=1)
"""Lambda tells arrivals to the second."""


class NotHandled(Exception):
    """What `handle` raises where it could not do with the entries; the message says which. Their letter stays."""


class NotALetter(Exception):
    """The queue holds a message that no stream's function left there: it is another queue."""


Handle = Callable[[Sequence[AnyEntry]], None]


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: records `first` to `last` of a shard, by sequence number, and when the two of them arrived."""

    receipt: str
    stream_arn: str
    shard_id: str
    first: str
    last: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of a run.

    `from_stream` and `from_ledger` count the letters that were settled, by where their entries were found; `entries`
    how many were handed to `handle`. `failed` tells what is left to do: a record that is no entry, the account of an
    item that is none, or what `handle` said. The letters about it are in the queue again.
    """

    from_stream: int
    from_ledger: int
    entries: int
    failed: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"not handled: {each}" for each in self.failed]
        letters = f"{self.from_stream} dead letters by the stream, {self.from_ledger} by the ledger"
        return "\n".join([*lines, f"{letters}: {self.entries} entries"])


class DeadLetters:
    """The queue of letters about one function, and the stream that they speak of."""

    def __init__(self, queue_url: str, *, region: str) -> None:
        self._url = queue_url
        self._sqs: SQSClient = boto3.client("sqs", region_name=region, config=CONFIG)
        self._streams: DynamoDBStreamsClient = boto3.client("dynamodbstreams", region_name=region, config=CONFIG)

    def receive(self) -> list[Letter]:
        """The letters that are there, at most `MOST_LETTERS`; they are hidden for an hour or until they are kept.

        Raises NotALetter.
        """
        letters: list[Letter] = []
        while len(letters) < MOST_LETTERS:
            got = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=1
            ).get("Messages")
            if not got:
                break
            letters += [_letter(message["ReceiptHandle"], message["Body"]) for message in got]
        return letters

    def settle(self, letter: Letter) -> None:
        """Take the letter out of the queue."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    def keep(self, letter: Letter) -> None:
        """Put the letter back where it can be seen."""
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)

    def records(self, letter: Letter) -> list[dict[str, Any]] | None:
        """The stream's records that the letter speaks of, and what came between them; None where they are gone."""
        gone = (self._streams.exceptions.TrimmedDataAccessException, self._streams.exceptions.ResourceNotFoundException)
        found: list[dict[str, Any]] = []
        try:
            iterator: str | None = self._streams.get_shard_iterator(
                StreamArn=letter.stream_arn,
                ShardId=letter.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=letter.first,
            )["ShardIterator"]
            for _ in range(MOST_PAGES):
                if iterator is None:
                    break
                page = self._streams.get_records(ShardIterator=iterator)
                for record in page["Records"]:
                    # Sequence numbers are decimal and differ in length.
                    if int(record["dynamodb"]["SequenceNumber"]) > int(letter.last):
                        return found
                    found.append(dict(record))
                    if record["dynamodb"]["SequenceNumber"] == letter.last:
                        return found
                iterator = page.get("NextShardIterator")
        except gone:
            pass
        return None


def handle_again(
    letters: DeadLetters,
    store: DynamoStore,
    handle: Handle,
    *,
    accounts: Sequence[str] = (),
    late: timedelta = LATE,
) -> Handled:
    """Find the entries that the letters in the queue speak of, have them handled, and settle the letters.

    Where the stream has lost them, every entry is handled that is dated from `late` before the first arrival on, up to
    the last: of these accounts, or of all. A run that is cut off is simply made again, an hour later.
    """
    failed: list[str] = []
    gone: list[Letter] = []
    handled = from_stream = 0
    for letter in letters.receive():
        records = letters.records(letter)
        if records is None:
            gone.append(letter)
            continue
        entries, troubles = _entries(records)
        troubles += _troubles_of(handle, entries)
        handled += len(entries)
        failed += troubles
        from_stream += not troubles
        (letters.keep if troubles else letters.settle)(letter)
    spans = _merged((letter.since - late, letter.until + ARRIVAL) for letter in gone)
    troubles = []
    for account_id in (accounts or _every_account(store)) if gone else ():
        for since, until in spans:
            for page in _readable(store, Span(account_id, since=since, until=until), troubles):
                troubles += _troubles_of(handle, page)
                handled += len(page)
    for letter in gone:
        (letters.keep if troubles else letters.settle)(letter)
    return Handled(from_stream, 0 if troubles else len(gone), handled, (*failed, *troubles))


def _troubles_of(handle: Handle, entries: Sequence[AnyEntry]) -> list[str]:
    try:
        handle(entries)
    except NotHandled as trouble:
        return [str(trouble)]
    return []


def _readable(store: DynamoStore, span: Span, troubles: list[str]) -> Iterator[Sequence[AnyEntry]]:
    """The entries of a span by the page, up to an item that is none: its account is one of the `troubles`."""
    pages = in_time(store, span)
    while True:
        try:
            page = next(pages, None)
        except Unreadable:
            troubles.append(f"an item of {span.account_id} that is no entry")
            return
        if page is None:
            return
        yield page


def _letter(receipt: str, text: str) -> Letter:
    """A message that Lambda left ("Using AWS Lambda with Amazon DynamoDB", on-failure destinations)."""
    try:
        batch = json.loads(text)["DDBStreamBatchInfo"]
    except (LookupError, TypeError, ValueError):
        raise NotALetter(f"this is no dead letter of a stream: {text[:200]}") from None
    return Letter(
        receipt,
        batch["streamArn"],
        batch["shardId"],
        batch["startSequenceNumber"],
        batch["endSequenceNumber"],
        floor(datetime.fromisoformat(batch["approximateArrivalOfFirstRecord"])),
        floor(datetime.fromisoformat(batch["approximateArrivalOfLastRecord"])),
    )


def _entries(records: Sequence[dict[str, Any]]) -> tuple[list[AnyEntry], list[str]]:
    """The entries that the records brought, and which of them are none."""
    entries: list[AnyEntry] = []
    troubles: list[str] = []
    for record in records:
        if record["eventName"] != "INSERT":
            continue
        try:
            entries.append(entry_of(record))
        except Unreadable:
            troubles.append(f"the record {record['dynamodb']['SequenceNumber']} that is no entry")
    return entries, troubles


def _merged(spans: Iterator[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time in as few spans as can be."""
    merged: list[tuple[datetime, datetime]] = []
    for since, until in sorted(spans):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        else:
            merged.append((since, until))
    return merged


def _every_account(store: DynamoStore) -> Iterator[str]:
    beyond: tuple[str, str] | None = None
    while page := store.accounts(limit=ACCOUNTS_AT_ONCE, beyond=beyond):
        yield from (account.account_id for account in page)
        beyond = (to_text(page[-1].opened_at), page[-1].account_id)
