"""The bus: puts what the ledger's entries have to tell on EventBridge, in the order of the stream.

At-least-once in, one id for each notice out: whatever is delivered again has the id it had before.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from credits.domain.entry import AnyEntry
from credits.domain.notice import Notice, notices
from credits.ledger.dead_letters import NotHandled
from credits.ledger.dynamo import entry_of
from credits.ledger.store import Unreadable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "infuseos.credits"
EVENTS_AT_ONCE = 10
"""PutEvents takes no more in one call."""

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 3.0
SDK_TRIES = 2
"""Short: the stream delivers again what was not taken."""

TRIES = 5
PAUSE_SECONDS = 1.0
"""Of a person's command, after which nothing comes again: a second more before each further try."""

StreamRecord = Mapping[str, Any]
logger = Logger(serialize_stacktrace=False)


class UnreadableRecord(Exception):
    """The first record of a batch is no entry of the ledger; the message is its sequence number.

    Raised, so that Lambda splits the batch until the record is alone and can be set aside.
    """


class EventBus:
    """One EventBridge bus."""

    def __init__(self, name: str, *, region: str) -> None:
        self._name = name
        self._client: EventBridgeClient = boto3.client(
            "events",
            region_name=region,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": SDK_TRIES, "mode": "standard"},
            ),
        )

    def put(self, told: Sequence[Notice]) -> int | None:
        """Put at most `EVENTS_AT_ONCE` notices. Returns the index of the first that was not taken, None if all were.

        Those after it may have been taken or not.
        """
        try:
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._name,
                        "Source": SOURCE,
                        "DetailType": notice.type.value,
                        "Detail": json.dumps(notice.to_record(), ensure_ascii=False),
                    }
                    for notice in told
                ]
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("not taken by the bus", exc_info=error)
            return 0
        if answer["FailedEntryCount"]:
            for index, result in enumerate(answer["Entries"]):
                if code := result.get("ErrorCode"):
                    logger.warning("not taken by the bus", id=told[index].id, code=code)
                    return index
        return None


def tell(records: Sequence[StreamRecord], bus: EventBus) -> str | None:
    """Put on the bus what these records of the entries' stream have to tell, in their order.

    Returns the sequence number of the first record that was not told in full, None if all were; the stream delivers
    from there on again. Raises UnreadableRecord where the first of them is no entry: what is before such a record is
    always told first.
    """
    for chunk in batched(_told(records), EVENTS_AT_ONCE, strict=False):
        readable = [(sequence, notice) for sequence, notice in chunk if notice]
        failed = bus.put([notice for _, notice in readable]) if readable else None
        if failed is not None:
            return readable[failed][0]
        for sequence, notice in chunk:
            if notice is None:
                return _unreadable(sequence, records)
    return None


def tell_again(entries: Sequence[AnyEntry], bus: EventBus) -> int:
    """Put on the bus what these entries have to tell, under the ids it had before. Returns how many notices it was.

    What the bus does not take is put again, `TRIES` times in all and after a pause; then NotHandled names the notice.
    """
    told = 0
    for chunk in batched((notice for entry in entries for notice in notices(entry)), EVENTS_AT_ONCE, strict=False):
        left = list(chunk)
        for tried in range(TRIES):
            time.sleep(PAUSE_SECONDS * tried)
            failed = bus.put(left)
            if failed is None:
                break
            left = left[failed:]
        else:
            raise NotHandled(f"{left[0].id} of {left[0].account_id} was not taken by the bus")
        told += len(chunk)
    return told


def _told(records: Sequence[StreamRecord]) -> Iterator[tuple[str, Notice | None]]:
    """Each notice with the sequence number of its record, up to a record that is no entry: it ends them, with None."""
    for record in records:
        sequence: str = record["dynamodb"]["SequenceNumber"]
        try:
            found = notices(entry_of(record))
        except Unreadable:
            logger.exception("a record that is no entry", sequence_number=sequence)
            yield sequence, None
            return
        for notice in found:
            yield sequence, notice


def _unreadable(sequence: str, records: Sequence[StreamRecord]) -> str:
    if sequence == records[0]["dynamodb"]["SequenceNumber"]:
        raise UnreadableRecord(sequence)
    return sequence
