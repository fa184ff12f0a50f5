"""Usage projection: folds the stream of ledger entries into the usage table, each entry exactly once."""

from dataclasses import dataclass
from typing import Any

from credits.domain.entry import AnyEntry
from credits.ledger.dynamo import entry_from_image
from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.runtime.telemetry import logger
from credits.usage.project import project
from credits.usage.tables import open_rollups

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectionSettings(Settings):
    """`usage_table`: the table of the read models."""

    usage_table: str


stage = Stage.from_environment()
settings = ProjectionSettings.from_environment()
rollups = open_rollups(stage.ledger.connection, settings.usage_table)


def handler(event: Event, _: object) -> Event:
    """Project one batch of a DynamoDB stream, and name the first record that has to come again.

    Lambda delivers that one and all after it again, and after the last try sends their place to the on-failure queue.
    So everything else in the batch is projected before a record is given up: it costs a repetition, which the
    watermark drops, and no record is lost behind one that cannot be read.
    """
    entries: dict[str, AnyEntry] = {}
    failed: list[str] = []
    for record in event["Records"]:
        sequence_number: str = record["dynamodb"]["SequenceNumber"]
        try:
            entries[sequence_number] = entry_from_image(record["dynamodb"]["NewImage"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.error("unreadable record", sequence_number=sequence_number, exc_info=error)
            failed.append(sequence_number)
    unprojected = project(stage.ledger, rollups, entries.values())
    for book_id, reason in unprojected.items():
        logger.error("not projected", book_id=book_id, exc_info=reason)
    failed += [number for number, entry in entries.items() if entry.book_id in unprojected]
    # Sequence numbers are decimal and grow within a shard; they are too long for a float and differ in length.
    return {"batchItemFailures": [{"itemIdentifier": number} for number in sorted(failed, key=int)[:1]]}
