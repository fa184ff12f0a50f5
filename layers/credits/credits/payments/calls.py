"""Calls: what callers ask for that moves money, each once under its key, and one at a time for an account.

Stripe keeps what it did under an idempotency key for a day; what we answered is kept as long as its events are. And two
callers who both find an account without a subscription must not both make one: they take turns.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from credits.domain.instant import to_text
from credits.errors import Contended, IdempotencyKeyReused
from credits.ledger.dynamo import told_in_our_words
from credits.payments.tables import KEPT, StripeEventItem, StripeEvents, held

TURN, CALL = "turn#", "call#"

TURN_SECONDS = 60.0
"""How long a turn lasts at most: longer than any function may run, so that nobody is at it when the next one begins."""

PATIENCE_SECONDS = 8.0
"""How long a caller waits for its turn. A turn takes a second or two; the function has 29 s for all of it."""

LONGEST_PAUSE_SECONDS = 0.4
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait for a turn; a test brings its own clock."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Calls:
    """The calls of one stack. Raises the errors of `ledger.store` where the table does not answer."""

    def __init__(self, events: StripeEvents, waiting: Waiting | None = None) -> None:
        self._events = events
        self._waiting = waiting or Waiting()

    def answered(self, account_id: str, key: str, fingerprint: str) -> Mapping[str, Any] | None:
        """What was answered under this key. Raises IdempotencyKeyReused where it was asked for something else."""
        item = self._events.read(_call(account_id, key))
        if item is None:
            return None
        if item.fingerprint != fingerprint:
            raise IdempotencyKeyReused(key)
        answer: Mapping[str, Any] = json.loads(item.answer or "null")
        return answer

    def keep(self, account_id: str, key: str, fingerprint: str, answer: Mapping[str, Any], now: datetime) -> None:
        """Keep what was answered, the first time."""
        item = self._events.items(
            _call(account_id, key),
            fingerprint=fingerprint,
            answer=json.dumps(answer, separators=(",", ":")),
            at=to_text(now),
            expires_at=now + KEPT,
        )
        with told_in_our_words():
            held(item.save, condition=StripeEventItem.id.does_not_exist())

    @contextmanager
    def turn(self, account_id: str, now: datetime) -> Iterator[None]:
        """Within, nobody else has a turn with this account. Raises Contended where it does not come in time."""
        holder = uuid4().hex
        item = self._events.items(f"{TURN}{account_id}", holder=holder)
        began = self._waiting.monotonic()
        while not self._take(item, now + timedelta(seconds=self._waiting.monotonic() - began)):
            if self._waiting.monotonic() - began > PATIENCE_SECONDS:
                raise Contended(retry_after_seconds=RETRY_AFTER_SECONDS)
            self._waiting.sleep(self._waiting.uniform(0, LONGEST_PAUSE_SECONDS))
        try:
            yield
        finally:
            with told_in_our_words():
                held(item.delete, condition=StripeEventItem.holder == holder)

    def _take(self, item: StripeEventItem, now: datetime) -> bool:
        item.at = to_text(now + timedelta(seconds=TURN_SECONDS))
        free = StripeEventItem.id.does_not_exist() | (StripeEventItem.at < to_text(now))
        with told_in_our_words():
            return held(item.save, condition=free)


def _call(account_id: str, key: str) -> str:
    return f"{CALL}{account_id}#{key}"
