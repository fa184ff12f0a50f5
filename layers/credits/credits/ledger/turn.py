"""Turns: threads of one process wait for each other here, instead of racing each other through the table.

A lost race costs a transaction's write units and its time, and a process knows its own threads: they take a book one
after the other. A Lambda function has one request at a time and never waits; processes still meet at the table, where
the version decides.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakValueDictionary


class _Turn:
    """A lock that leaves the table of turns with the last thread that uses it."""

    def __init__(self) -> None:
        self.lock = Lock()


_turns: WeakValueDictionary[tuple[int, str], _Turn] = WeakValueDictionary()
_table = Lock()


@contextmanager
def turn(store: object, book_id: str, patience_seconds: float) -> Iterator[None]:
    """Hold the book's turn in this process for one attempt.

    Who has waited long enough goes on without it: the turn only saves races, the table decides them.
    """
    with _table:
        mine = _turns.setdefault((id(store), book_id), _Turn())
    held = mine.lock.acquire(timeout=patience_seconds)
    try:
        yield
    finally:
        if held:
            mine.lock.release()
