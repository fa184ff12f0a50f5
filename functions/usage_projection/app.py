"""Usage projection: folds the stream of ledger entries into the usage table, each entry exactly once."""

from dataclasses import dataclass
from typing import Any

from credits.runtime.settings import Settings
from credits.runtime.stage import Stage
from credits.usage.stream import count
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
    """Project one batch of a DynamoDB stream, and name the first record that has to come again."""
    again = count(event["Records"], stage.ledger, rollups)
    return {"batchItemFailures": [{"itemIdentifier": again}] if again else []}
