"""EventBridge on one machine, seen from outside: the events that were put on any bus of the template."""

import json
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from local.source import Say

# How many events are kept to be looked at.
MOST_EVENTS = 100

MOST_MESSAGES_A_CALL = 10


class Bus:
    """A subscriber to everything: says each event as it comes, and keeps the last MOST_EVENTS."""

    def __init__(self, *, queue_url: str, sqs: Any, say: Say) -> None:
        self._queue_url = queue_url
        self._sqs = sqs
        self._say = say
        self._events: deque[Mapping[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._adding = threading.Lock()

    def events(self) -> list[Mapping[str, Any]]:
        """The last events as subscribers get them, the oldest first."""
        with self._adding:
            return list(self._events)

    def turn(self) -> bool:
        """Takes what has come since the last time, at most MOST_MESSAGES_A_CALL."""
        messages = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=MOST_MESSAGES_A_CALL)
        received = messages.get("Messages", [])
        for message in received:
            event = json.loads(message["Body"])
            with self._adding:
                self._events.append(event)
            self._say(f"event  {event['detail-type']}  {event['detail'].get('account_id', '')}".rstrip())
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bool(received)
