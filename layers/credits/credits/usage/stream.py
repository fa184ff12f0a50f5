"""Stream: what the records of the entries' stream bring is counted, and what was not is asked for again."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger

from credits.domain.entry import AnyEntry
from credits.ledger.dynamo import entry_of
from credits.ledger.store import History, Unreadable
from credits.usage.project import project
from credits.usage.tables import Rollups

logger = Logger(serialize_stacktrace=False)


def count(records: Sequence[Mapping[str, Any]], history: History, rollups: Rollups) -> str | None:
    """Project the entries of one batch. Returns the sequence number of the first record that has to come again, None
    where all are counted.

    Lambda delivers that one and all after it again, and after the last try sends their place to the on-failure queue.
    So everything else in the batch is projected before a record is given up: it costs a repetition, which the
    watermark drops, and no record is lost behind one that cannot be read.
    """
    entries: dict[str, AnyEntry] = {}
    failed: list[str] = []
    for record in records:
        sequence_number: str = record["dynamodb"]["SequenceNumber"]
        try:
            entries[sequence_number] = entry_of(record)
        except Unreadable:
            logger.exception("unreadable record", sequence_number=sequence_number)
            failed.append(sequence_number)
    unprojected = project(history, rollups, entries.values())
    for book_id, reason in unprojected.items():
        logger.error("not projected", book_id=book_id, exc_info=reason)
    failed += [number for number, entry in entries.items() if entry.book_id in unprojected]
    # Sequence numbers are decimal and grow within a shard; they are too long for a float and differ in length.
    return min(failed, key=int, default=None)
