"""DynamoDB stream event source mappings on one machine: from a table's stream to its function, in order."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.source import Outcome, Say, Send
from local.template import TemplateError, Trigger

DEFAULT_BATCH_SIZE = 100

# A batch may be smaller than the mapping's size. Where the stack has one environment, HTTP waits as long as a batch.
LARGEST_BATCH = 25

# Lambda tries for as long as the record lives, a day, if it is not told otherwise.
MOST_RETRIES = 10
RETRY_SECONDS = 0.2

# A stream of DynamoDB Local splits its shards every few hours, and keeps a day of them.
MOST_SHARDS = 1_000


@dataclass(slots=True)
class _Shard:
    """How far one shard was read, and what became of the batch that begins there."""

    position: str | None = None
    exhausted: bool = False
    failures: int = 0
    batch_size: int = LARGEST_BATCH
    not_before: float | None = None  # when a batch that failed is tried again

    def move_to(self, position: str, batch_size: int) -> None:
        self.position = position
        self.failures = 0
        self.not_before = None
        self.batch_size = batch_size


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and how it is read.

    `changes` counts up whenever the table may have been written: only then the stream is asked. `settled` is entered
    while it is read. Each reading begins with a new iterator, from the last sequence number: where moto rolls a
    transaction back it puts another table in the place of the one that its iterators know, and only a table at rest has
    no record that will not have happened.
    """

    arn: str
    client: Any
    changes: Callable[[], int]
    settled: Callable[[], AbstractContextManager[None]]

    def shards(self) -> Sequence[Mapping[str, Any]]:
        """All of them, each after its parent."""
        found: list[Mapping[str, Any]] = []
        page: dict[str, Any] = {}
        while len(found) < MOST_SHARDS:
            stream = self.client.describe_stream(StreamArn=self.arn, **page)["StreamDescription"]
            found.extend(stream["Shards"])
            if "LastEvaluatedShardId" not in stream:
                break
            page = {"ExclusiveStartShardId": stream["LastEvaluatedShardId"]}
        return found

    def read(self, shard_id: str, position: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """At most `limit` records after `position`, and whether more may come."""
        where = {"ShardIteratorType": "TRIM_HORIZON"}
        if position is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position}
        iterator = self.client.get_shard_iterator(StreamArn=self.arn, ShardId=shard_id, **where)["ShardIterator"]
        answer = self.client.get_records(ShardIterator=iterator, Limit=limit)
        return answer["Records"], bool(answer.get("NextShardIterator"))


@dataclass(slots=True)
class StreamSource:
    """Sends the records of each shard in order, from the oldest one on; a shard waits until its parent is through.

    A batch that fails is sent again: from the first record that the function reports, halved where the mapping bisects,
    and given up after the mapping's retries (MOST_RETRIES at most); then its whereabouts go to the mapping's on-failure
    queue, by `give_up`.
    """

    trigger: Trigger
    stream: Stream
    region: str
    send: Send
    say: Say
    give_up: Callable[[Mapping[str, Any]], None]
    monotonic: Callable[[], float] = time.monotonic
    _shards: dict[str, _Shard] = field(default_factory=dict)
    _seen: int = -1

    def turn(self) -> bool:
        changes = self.stream.changes()
        if changes == self._seen:
            return False
        with self.stream.settled():
            batch = self._next_batch()
        if batch is None:
            # As long as a batch waits to be tried again, there is more to send, and maybe more behind it.
            if all(shard.not_before is None for shard in self._shards.values()):
                self._seen = changes
            return False
        self._deliver(*batch)
        return True

    def _next_batch(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The records that are next in the first shard that has any and is not waiting to try again."""
        for shard_id in self._readable():
            shard = self._shards.setdefault(shard_id, _Shard(batch_size=self._batch_size))
            if shard.exhausted or (shard.not_before is not None and self.monotonic() < shard.not_before):
                continue
            records, open_ = self.stream.read(shard_id, shard.position, shard.batch_size)
            if records:
                return shard_id, records
            shard.exhausted = not open_
        return None

    def _readable(self) -> Iterator[str]:
        shards = self.stream.shards()
        ids = {shard["ShardId"] for shard in shards}
        for shard in shards:
            parent = shard.get("ParentShardId")
            if parent not in ids or (parent in self._shards and self._shards[parent].exhausted):
                yield shard["ShardId"]

    def _deliver(self, shard_id: str, records: list[dict[str, Any]]) -> None:
        shard = self._shards[shard_id]
        wanted = [record for record in records if self._is_wanted(record)]
        last = _sequence_number(records[-1])
        if not wanted:
            shard.move_to(last, self._batch_size)
            return
        outcome = self.send({"Records": [self._record(record) for record in wanted]})
        failed = outcome.failed([_sequence_number(record) for record in wanted], reports=self._reports)
        if not failed:
            shard.move_to(last, self._batch_size)
            return
        first_failed = next(at for at, record in enumerate(records) if _sequence_number(record) in failed)
        self.say(
            f"{self.trigger.function.name}: a batch of {len(wanted)} records failed. {outcome.error or ''}".rstrip()
        )
        if first_failed > 0:
            shard.move_to(_sequence_number(records[first_failed - 1]), self._batch_size)
            shard.not_before = self.monotonic()
            return
        self._try_again(shard_id, records, outcome)

    def _try_again(self, shard_id: str, records: list[dict[str, Any]], outcome: Outcome) -> None:
        """Arranges what comes next for a batch whose first record failed."""
        shard = self._shards[shard_id]
        shard.not_before = self.monotonic() + RETRY_SECONDS * (shard.failures + 1)
        if self.trigger.properties.get("BisectBatchOnFunctionError") and len(records) > 1:
            # Halving uses up no retry. It ends, with one record.
            shard.batch_size = len(records) // 2
            return
        shard.failures += 1
        shard.batch_size = len(records)
        if shard.failures > self._retries:
            self.say(f"{self.trigger.function.name}: gave up on {len(records)} records")
            self.give_up(self._whereabouts(shard_id, records, shard.failures, outcome))
            shard.move_to(_sequence_number(records[-1]), self._batch_size)

    @property
    def _batch_size(self) -> int:
        return min(int(self.trigger.properties.get("BatchSize", DEFAULT_BATCH_SIZE)), LARGEST_BATCH)

    @property
    def _reports(self) -> bool:
        return "ReportBatchItemFailures" in self.trigger.properties.get("FunctionResponseTypes", [])

    @property
    def _retries(self) -> int:
        retries = int(self.trigger.properties.get("MaximumRetryAttempts", -1))
        return min(retries, MOST_RETRIES) if retries >= 0 else MOST_RETRIES

    def _is_wanted(self, record: Mapping[str, Any]) -> bool:
        filters = self.trigger.properties.get("FilterCriteria", {}).get("Filters", [])
        return not filters or any(matches(json.loads(each["Pattern"]), record) for each in filters)

    def _record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record as Lambda sends it ("Using AWS Lambda with Amazon DynamoDB")."""
        changed = dict(record["dynamodb"])
        changed["ApproximateCreationDateTime"] = changed["ApproximateCreationDateTime"].timestamp()
        return {**record, "awsRegion": self.region, "dynamodb": changed, "eventSourceARN": self.stream.arn}

    def _whereabouts(
        self, shard_id: str, records: Sequence[Mapping[str, Any]], invocations: int, outcome: Outcome
    ) -> dict[str, Any]:
        """What Lambda sends to an on-failure destination: where the records are, and not the records."""
        arrivals = [each["dynamodb"]["ApproximateCreationDateTime"].isoformat() for each in (records[0], records[-1])]
        return {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.trigger.function.name,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": invocations,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled" if outcome.error else None,
            },
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(),
            "DDBStreamBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": _sequence_number(records[0]),
                "endSequenceNumber": _sequence_number(records[-1]),
                "approximateArrivalOfFirstRecord": arrivals[0],
                "approximateArrivalOfLastRecord": arrivals[1],
                "batchSize": len(records),
                "streamArn": self.stream.arn,
            },
        }


def matches(pattern: Mapping[str, Any], record: Any) -> bool:
    """Whether a record passes a filter's pattern. Raises TemplateError for a comparison that is not known here."""
    if not isinstance(record, Mapping):
        return False
    return all(
        matches(wanted, record.get(name, {})) if isinstance(wanted, Mapping) else _matches_any(wanted, record.get(name))
        for name, wanted in pattern.items()
    )


def _matches_any(wanted: Sequence[Any], value: Any) -> bool:
    for each in wanted:
        match each:
            case {"exists": bool(exists)}:
                matched = (value is not None) == exists
            case {"prefix": str(prefix)}:
                matched = isinstance(value, str) and value.startswith(prefix)
            case {"anything-but": list(excluded)}:
                matched = value is not None and value not in excluded
            case dict():
                raise TemplateError(f"FilterCriteria: the local stack does not know {each}")
            case _:
                matched = value == each
        if matched:
            return True
    return False


def _sequence_number(record: Mapping[str, Any]) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number
