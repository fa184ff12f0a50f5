"""Lives at Stripe, heard of by processes that fail: their store, their table of events, and they themselves.

    books, met = heard_through_faults("past due and recovered", seed)   # the same end as heard_in_order

Whoever fails is told again, as SQS does. Meanwhile other processes hear other signals, and the schedule comes.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

from credits.domain.journal import Posting
from credits.domain.renew import renewal
from credits.errors import CreditsError
from credits.ledger.due import RENEWAL_KEY
from credits.ledger.post import Patience, post
from credits.ledger.store import AccountKey, Cancelled
from credits.payments.fetch import Fetch
from credits.payments.signal import Signal
from credits.payments.sync import Sync
from tests.faults import FakeTime
from tests.simulation.stripe_lives import HEARD_EARLY, LIVES, born, told_in
from tests.simulation.unreliable import Crash, Odds, Unreliable
from tests.stripe_ledger import ACCOUNT, CATALOG, MemoryEvents, StripeBooks

EVENTS: Final[Odds] = {"crash before": 0.02, "crash after": 0.02}
"""What befalls a process at the table of events, customers and tickets."""

TOLD_AT_MOST: Final = 100
"""How often one signal is told, before it is a fault of ours that it cannot be acted on."""


class Failing:
    """The processes that hear of one life."""

    def __init__(self, books: StripeBooks, fetch: Fetch, random: Random) -> None:
        self.met: Counter[str] = Counter()
        self.waiting: list[Signal] = []
        self._books = books
        self._fetch = fetch
        self._random = random
        self._in_flight: list[Posting] = []
        self._alone = True

    def hear(self, signal: Signal) -> None:
        """One process acts on the signal; where it fails, the signal waits again."""
        try:
            self._process().act_on(signal, self._books.now)
        except (Crash, CreditsError) as failure:
            self.met[f"failed: {type(failure).__name__}"] += 1
            self.waiting.append(signal)
            if self._random.random() < 0.5:
                self.land()

    def land(self) -> None:
        """What was sent and not answered for arrives now; too late, where its book has moved."""
        while self._in_flight:
            posting = self._in_flight.pop(self._random.randrange(len(self._in_flight)))
            try:
                self._books.store.commit(posting)
                self.met["landed late"] += 1
            except Cancelled:
                self.met["landed too late"] += 1

    def _process(self) -> Sync:
        store = Unreliable(
            self._books.store,
            fate=self._fate,
            meanwhile=self._others_act,
            saw=lambda *_: None,
            sends=lambda _: None,
            land=self._books.store.commit,
            in_flight=self._in_flight.append,
            in_a_storm=self._random.random() < 0.2,
        )
        events: Any = FailingEvents(self._books.events, self._fate)
        return Sync(self._fetch, events, store, CATALOG, patience=self._patience())

    def _others_act(self) -> None:
        """Another process, which has better luck, comes between: one that hears of something else, or the schedule."""
        if self._random.random() < 0.3:
            rule = partial(renewal, catalog=CATALOG)
            post(self._books.store, RENEWAL_KEY, [AccountKey(ACCOUNT)], rule, now=self._books.now)
        elif self.waiting and self._alone:
            self._alone = False
            signal = self.waiting.pop(self._random.randrange(len(self.waiting)))
            self._books.sync.act_on(signal, self._books.now)
            self._alone = True
        if self._random.random() < 0.3:
            self.land()

    def _patience(self) -> Patience:
        return FakeTime(self._random.uniform).patience

    def _fate(self, odds: Odds) -> str | None:
        throw = self._random.random()
        for name, share in odds.items():
            throw -= share
            if throw < 0:
                self.met[name] += 1
                return name
        return None


class FailingEvents:
    """The table of events, before and after whose every use a process may be gone."""

    def __init__(self, events: MemoryEvents, fate: Callable[[Odds], str | None]) -> None:
        self._events = events
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        use = getattr(self._events, name)

        def used(*given: Any, **named: Any) -> Any:
            fate = self._fate(EVENTS)
            if fate == "crash before":
                raise Crash
            found = use(*given, **named)
            if fate == "crash after":
                raise Crash
            return found

        return used


def heard_through_faults(name: str, seed: int) -> tuple[StripeBooks, Counter[str]]:
    """The books after a life, heard of at any later moment and in any order, and what befell those who heard."""
    books, random = born(name), Random(seed)
    failing = Failing(books, books.fetch, random)
    for duration, act in LIVES[name]:
        books.shop.move(seconds=duration.total_seconds())
        failing.waiting += told_in(books, act, random)
        random.shuffle(failing.waiting)
        for _ in range(sum(random.random() < HEARD_EARLY for _ in failing.waiting)):
            if failing.waiting:
                failing.hear(failing.waiting.pop(0))
        failing.land()
    tries = TOLD_AT_MOST * len(failing.waiting)
    while failing.waiting:
        tries -= 1
        assert tries > 0, f"never acted on: {failing.waiting}"
        failing.hear(failing.waiting.pop(0))
    failing.land()
    return books, failing.met
