"""Webhooks: every event, signed, to every endpoint that wants it, until it is taken; and what can go wrong with it."""

import heapq
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from local.sign import signature
from local.stripe.engine import Engine

# An endpoint that does not take an event is asked again, for three days, less and less often. The waits are counted on
# the clock of the stand-in: move it, and they are over.
RETRY_AFTER_SECONDS = (1, 5, 30, 120, 600, 3_600, 21_600, 86_400, 86_400)

# How long an endpoint may take.
TIMEOUT_SECONDS = 30

# Sent in one turn, so that whoever stops the stand-in does not wait for all of it.
MOST_A_TURN = 20

# How long an event is held back that others are to overtake.
OVERTAKEN_SECONDS = 3

# Sends a body to a URL: the status of the answer, None where there was none.
Post = Callable[[str, Mapping[str, str], bytes], int | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely it is of each event, from 0 to 1, that it comes twice, after later ones, late, or not at all.

    One that is late comes within `delay_seconds`. Which of them are met is decided by the seed.
    """

    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    drop: float = 0.0
    delay_seconds: int = 60

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Faults":
        """Raises ValueError for a name that is none, and for what is no likelihood."""
        known = {each.name for each in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"there is no fault {', '.join(sorted(unknown))}: {', '.join(sorted(known))}")
        for name, value in values.items():
            highest = 86_400 if name == "delay_seconds" else 1
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
                raise ValueError(f"{name} is a number from 0 to {highest}")
        return cls(**values)

    def as_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True, order=True)
class Sending:
    """An event that is to be sent at `due`, for the `attempt`th time."""

    due: datetime
    number: int
    event: str
    endpoint: str
    attempt: int = 0


class Delivery:
    """Sends the events of an engine. `turn` by `turn`, from one thread; the faults may be set from any."""

    def __init__(self, engine: Engine, *, post: Post, now: Callable[[], datetime], seed: int | str = 0) -> None:
        self.faults = Faults()
        self._engine = engine
        self._post = post
        self._now = now
        self._dice = random.Random(f"delivery {seed}")  # noqa: S311 - faults that repeat are the point
        self._seen = len(engine.events)
        self._numbered = 0
        self._waiting: list[Sending] = []
        self._taken: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def turn(self) -> bool:
        """Sends what is due, MOST_A_TURN at most. False where nothing was."""
        self._take_new()
        for sent in range(MOST_A_TURN):
            with self._lock:
                if not self._waiting or self._waiting[0].due > self._now():
                    return sent > 0
                sending = heapq.heappop(self._waiting)
            self._send(sending)
        return True

    def again(self, event: str) -> None:
        """Sends an event once more, whatever became of it."""
        thing = self._engine.state.get("event", event)
        for endpoint in self._engine.state.subscribers(thing["type"]):
            self._put(self._now(), event, endpoint["id"])

    @property
    def waiting(self) -> int:
        """How many are on their way."""
        return len(self._waiting)

    def _take_new(self) -> None:
        """Puts down when each new event is sent, and what is to go wrong with it."""
        events = self._engine.events
        while self._seen < len(events):
            event = events[self._seen]
            self._seen += 1
            for endpoint in self._engine.state.notes[event["id"]]["endpoints"]:
                self._put_with_faults(event["id"], endpoint)

    def _put_with_faults(self, event: str, endpoint: str) -> None:
        faults, now = self.faults, self._now()
        dropped, doubled, overtaken, late = (
            self._dice.random() < chance for chance in (faults.drop, faults.duplicate, faults.reorder, faults.delay)
        )
        if dropped:
            return
        due = now + timedelta(seconds=OVERTAKEN_SECONDS) if overtaken else now
        if late:
            due += timedelta(seconds=self._dice.uniform(0, faults.delay_seconds))
        for _ in range(2 if doubled else 1):
            self._put(due, event, endpoint)

    def _put(self, due: datetime, event: str, endpoint: str, attempt: int = 0) -> None:
        with self._lock:
            self._numbered += 1
            heapq.heappush(self._waiting, Sending(due, self._numbered, event, endpoint, attempt))

    def _send(self, sending: Sending) -> None:
        event, endpoint = (self._engine.state.objects[name] for name in (sending.event, sending.endpoint))
        if endpoint.get("deleted") or endpoint["status"] != "enabled":
            return
        body = json.dumps(event, indent=2).encode()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature(body, self._engine.state.notes[endpoint["id"]]["secret"], now=self._now()),
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        status = self._post(endpoint["url"], headers, body)
        if status is not None and HTTPStatus(status).is_success:
            if (sending.event, sending.endpoint) not in self._taken:
                self._taken.add((sending.event, sending.endpoint))
                event["pending_webhooks"] -= 1
        elif sending.attempt < len(RETRY_AFTER_SECONDS):
            due = self._now() + timedelta(seconds=RETRY_AFTER_SECONDS[sending.attempt])
            self._put(due, sending.event, sending.endpoint, sending.attempt + 1)


# The endpoint is on this machine: no proxy of the environment is between.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def post(url: str, headers: Mapping[str, str], body: bytes) -> int | None:
    """Sends it over HTTP."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with _open(request, timeout=TIMEOUT_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except OSError:
        return None
