"""Drift: what differs between Stripe and the ledger though nobody told, found every day and healed by the same sync.

Two parts, each a list that is gone through page by page: the events of 30 days that Stripe could not deliver, and every
account that has a customer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from credits.domain.entry import Entry
from credits.payments.fetch import Fetch
from credits.payments.signal import signal_of
from credits.payments.sync import Sync, Synced
from credits.payments.tables import StripeEvents

EVENTS: Final = "events"
ACCOUNTS: Final = "accounts"
PARTS: Final = (EVENTS, ACCOUNTS)

AT_ONCE: Final = 100

DAYS: Final = 30
"""As long as Stripe lists its events."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What was healed: an account, what led to it (itself, or an event), and the entries it took."""

    account_id: str | None
    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An account or an event that could not be compared, and why. It is tried again the next day."""

    name: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a run over one part found. Where time ran out, the next one goes on after `beyond`."""

    compared: int
    differences: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    finished: bool
    beyond: str | None


class Drift:
    """The daily comparison of one stack."""

    def __init__(self, sync: Sync, fetch: Fetch, events: StripeEvents) -> None:
        self._sync = sync
        self._fetch = fetch
        self._events = events

    def compare(
        self, part: str, *, now: datetime, time_left: Callable[[], float], beyond: str | None = None
    ) -> Comparison:
        """Go through a part, healing what differs, until it ends or `time_left()` (seconds) is 0 or less.

        What fails, whatever the reason, is in `failures` and stops nothing else. Raises what keeps the part from being
        listed.
        """
        differences: list[Difference] = []
        failures: list[Failure] = []
        compared = 0
        for name, look in self._part(part, now, beyond):
            if time_left() <= 0:
                return Comparison(compared, tuple(differences), tuple(failures), finished=False, beyond=beyond)
            try:
                synced = look()
                if synced.entries:
                    differences.append(Difference(synced.account_id, name, synced.entries))
            except Exception as error:  # noqa: BLE001 - one that cannot be read must not keep the others waiting
                failures.append(Failure(name, error))
            compared += 1
            beyond = name
        return Comparison(compared, tuple(differences), tuple(failures), finished=True, beyond=beyond)

    def _part(self, part: str, now: datetime, beyond: str | None) -> Iterator[tuple[str, Callable[[], Synced]]]:
        """What is to be looked at, by name, from after `beyond`."""
        if part == EVENTS:
            for event in self._fetch.undelivered(now=now, days=DAYS, beyond=beyond):
                yield event["id"], lambda event=event: self._hear(event, now)  # type: ignore[misc]
            return
        # It ends: every page begins after the one before.
        while accounts := self._events.accounts(limit=AT_ONCE, beyond=beyond):
            for account_id in accounts:
                yield account_id, lambda account_id=account_id: self._sync.bring_up(account_id, now)  # type: ignore[misc]
            beyond = accounts[-1]

    def _hear(self, event: Mapping[str, object], now: datetime) -> Synced:
        signal = signal_of(event)
        return self._sync.act_on(signal, now) if signal else Synced(None)
