"""A store that fails by a script, and a time that passes only when somebody waits for it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

from credits.domain.journal import Posting
from credits.ledger.post import Patience
from credits.ledger.store import BookKey, EntryKey, Store, StoreError, Unanswered

OPERATION_SECONDS = 0.005


class Reply(Enum):
    """What becomes of an operation that reaches the store."""

    HEARD = "heard"
    LOST = "lost"


Fault = Reply | type[StoreError] | StoreError | Callable[[], object]
"""One line of a script: the reply is heard or lost; or the operation fails with this error before it does anything; or
this is done first, as by another caller who comes between."""


class FakeTime:
    """Stands still but for the pauses, which it keeps, and for what a store takes of it.

    `luck` throws the dice: by default each pause is the longest it can be.
    """

    def __init__(self, luck: Callable[[float, float], float] = lambda _, longest: longest) -> None:
        self.now = 1_000.0
        self.pauses: list[float] = []
        self._luck = luck

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def patience(self) -> Patience:
        """The deadline of `post` itself, on this time."""
        return Patience(monotonic=lambda: self.now, sleep=self.sleep, uniform=self._luck)


class FaultyStore:
    """`Store` over another one. Each operation follows the next line of its script; after the last, all goes well.

    An operation takes `OPERATION_SECONDS` of `time`, whether it succeeds or not.
    """

    def __init__(
        self,
        store: Store,
        *,
        reads: Iterable[Fault] = (),
        commits: Iterable[Fault] = (),
        time: FakeTime | None = None,
    ) -> None:
        self._store = store
        self._reads, self._commits = iter(reads), iter(commits)
        self._time = time or FakeTime()
        self.reads = 0
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        """The readings of the history, which have no script."""
        return getattr(self._store, name)

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        """See `Store.read`."""
        self.reads += 1
        self._time.now += OPERATION_SECONDS
        reply = _before(self._reads)
        found: Sequence[Any] = self._store.read(*keys)
        return _after(reply, found)

    def commit(self, posting: Posting) -> None:
        """See `Store.commit`."""
        self.commits += 1
        self._time.now += OPERATION_SECONDS
        reply = _before(self._commits)
        self._store.commit(posting)
        _after(reply, None)


def _before(script: Iterator[Fault]) -> Reply:
    fault = next(script, Reply.HEARD)
    if isinstance(fault, Reply):
        return fault
    if isinstance(fault, StoreError):
        raise fault
    if isinstance(fault, type):
        raise fault()
    fault()
    return Reply.HEARD


def _after[T](reply: Reply, result: T) -> T:
    if reply is Reply.LOST:
        raise Unanswered
    return result
