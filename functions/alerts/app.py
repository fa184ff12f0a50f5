"""Alerts: tells the product's event bus what the ledger's new entries mean to people."""

from dataclasses import dataclass
from typing import Any

from credits.alerts.bus import EventBus, tell
from credits.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class AlertsSettings(Settings):
    """The settings of alerts.

    - `event_bus_name`: the bus that notices are put on.
    """

    event_bus_name: str


settings = AlertsSettings.from_environment()
bus = EventBus(settings.event_bus_name, region=settings.aws_region)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Tell one batch of the entries' stream. What was not told is named: the stream delivers from there on again."""
    untold = tell(event["Records"], bus)
    return {"batchItemFailures": [{"itemIdentifier": untold}] if untold else []}
