"""EventBridge Scheduler on one machine: sends a function its event at a rate of the stack's clock."""

import json
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from local.clock import Clock
from local.resources import ACCOUNT_ID
from local.source import Send
from local.template import TemplateError, Trigger

RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)s?\)")


class ScheduleSource:
    """Sends at the start, whenever the period has passed, and at once when the clock was moved by that much."""

    def __init__(self, trigger: Trigger, *, clock: Clock, region: str, send: Send) -> None:
        self._period = period(trigger)
        self._input = trigger.properties.get("Input")
        self._clock = clock
        self._region = region
        self._send = send
        self._sent_at: datetime | None = None

    def turn(self) -> bool:
        now = self._clock.now()
        if self._sent_at is not None and now - self._sent_at < self._period:
            return False
        self._sent_at = now
        # What fails is not sent again: the next one comes soon enough.
        self._send(self._event(now))
        return True

    def _event(self, now: datetime) -> Any:
        """The schedule's own input, or what EventBridge Scheduler sends where it has none."""
        if self._input is not None:
            return json.loads(self._input)
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT_ID,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": [f"arn:aws:scheduler:{self._region}:{ACCOUNT_ID}:schedule/default/local"],
            "detail": "{}",
        }


def period(trigger: Trigger) -> timedelta:
    """How often the schedule sends. Raises TemplateError for an expression that is no rate."""
    rate = RATE.fullmatch(str(trigger.properties.get("ScheduleExpression", trigger.properties.get("Schedule"))))
    if rate is None:
        raise TemplateError(f"{trigger.name}: the local stack follows rate(5 minutes) and its like alone")
    return timedelta(**{f"{rate[2]}s": int(rate[1])})
