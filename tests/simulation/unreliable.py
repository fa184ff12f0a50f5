"""A store that fails in every way there is, by one throw of the dice for each operation.

Every process of the simulation has one of its own, before the one true store. What it does to an operation:

- `throttled`, `collided`, `unanswered`: it fails, and nothing was done
- `lost`: it is done, and the reply does not arrive
- `late`: it is not answered, and done at some later time, if its conditions still hold then
- `crash before`, `crash after`: the process is gone, before the operation or after it
- `meanwhile`: others act first
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from credits.domain.account import Account
from credits.domain.entry import AnyEntry
from credits.domain.journal import Posting
from credits.domain.member import Member
from credits.ledger.memory import MemoryStore
from credits.ledger.store import BookKey, Collided, Due, EntryKey, MemberKey, Place, Span, Throttled, Unanswered

Odds = Mapping[str, float]

READS: Final[Odds] = {"meanwhile": 0.03, "throttled": 0.008, "unanswered": 0.008, "crash before": 0.004}
COMMITS: Final[Odds] = {
    "meanwhile": 0.06,
    "lost": 0.03,
    "collided": 0.02,
    "late": 0.01,
    "throttled": 0.01,
    "unanswered": 0.01,
    "crash before": 0.005,
    "crash after": 0.005,
}
STORM: Final[Odds] = {"throttled": 0.4, "unanswered": 0.2, "collided": 0.2, "late": 0.05, "lost": 0.05}
"""What a process meets that comes when nearly nothing works: it has to give up sometimes."""

FAILURES = {
    "throttled": Throttled,
    "collided": Collided,
    "unanswered": Unanswered,
    "late": Unanswered,
    "lost": Unanswered,
}


class Crash(BaseException):
    """The process is gone. No handler of errors sees it: it is none."""


class Unreliable:
    """`Ledger` over the true one. `fate` throws the dice, `meanwhile` lets others act, `saw` and `sends` tell the
    world what is read (an account and what is its own, or its members alone) and sent, `land` commits in its presence,
    `in_flight` takes what lands late.
    """

    def __init__(
        self,
        truth: MemoryStore,
        *,
        fate: Callable[[Odds], str | None],
        meanwhile: Callable[[], None],
        saw: Callable[[str, bool], None],
        sends: Callable[[Posting], None],
        land: Callable[[Posting], None],
        in_flight: Callable[[Posting], None],
        in_a_storm: bool,
    ) -> None:
        self._truth = truth
        self._fate = fate
        self._meanwhile = meanwhile
        self._saw = saw
        self._sends = sends
        self._land = land
        self._in_flight = in_flight
        self._reads, self._commits = (STORM, STORM) if in_a_storm else (READS, COMMITS)

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`."""
        self._before_reading()
        books = [key for key in keys if not isinstance(key, EntryKey)]
        if books:
            self._saw(books[0].account_id, all(isinstance(key, MemberKey) for key in books))
        return self._truth.read(*keys)

    def commit(self, posting: Posting) -> None:
        """See `Store.commit`."""
        self._sends(posting)
        match fate := self._fate(self._commits):
            case "crash before":
                raise Crash
            case "meanwhile":
                self._meanwhile()
            case "throttled" | "collided" | "unanswered":
                raise FAILURES[fate]
            case "late":
                self._in_flight(posting)
                raise Unanswered
        self._land(posting)
        if fate == "crash after":
            raise Crash
        if fate == "lost":
            raise Unanswered

    def entries(
        self, span: Span, *, limit: int, newest_first: bool = True, beyond: Place | None = None
    ) -> Sequence[AnyEntry]:
        """See `History.entries`."""
        self._before_reading()
        return self._truth.entries(span, limit=limit, newest_first=newest_first, beyond=beyond)

    def accounts(self, *, limit: int, beyond: tuple[str, str] | None = None) -> Sequence[Account]:
        """See `History.accounts`."""
        self._before_reading()
        return self._truth.accounts(limit=limit, beyond=beyond)

    def due(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due`."""
        self._before_reading()
        return self._truth.due(shard, until=until, limit=limit, beyond=beyond)

    def due_holds(self, shard: str, *, until: datetime, limit: int, beyond: Due | None = None) -> Sequence[Due]:
        """See `History.due_holds`."""
        self._before_reading()
        return self._truth.due_holds(shard, until=until, limit=limit, beyond=beyond)

    def open_holds(
        self, account_id: str, *, limit: int, until: datetime | None = None, beyond: Due | None = None
    ) -> Sequence[Due]:
        """See `History.open_holds`."""
        self._before_reading()
        return self._truth.open_holds(account_id, limit=limit, until=until, beyond=beyond)

    def members(self, account_id: str, *, limit: int, beyond: str | None = None) -> Sequence[Member]:
        """See `History.members`."""
        self._before_reading()
        return self._truth.members(account_id, limit=limit, beyond=beyond)

    def _before_reading(self) -> None:
        match fate := self._fate(self._reads):
            case None:
                pass
            case "crash before":
                raise Crash
            case "meanwhile":
                self._meanwhile()
            case _:
                raise FAILURES[fate]
