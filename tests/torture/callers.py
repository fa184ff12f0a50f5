"""Callers who send their request again, under the same key, until they are told; and workers that are killed meanwhile.

Each caller has a worker process of its own, as a request to Lambda has an execution environment. A killed worker is a
broken connection to its caller, who goes to a new one with the same key.
"""

import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, Literal

Answer = Literal["charged", "refused", "again"]

Serve = Callable[..., Answer]
"""`serve(settings, account_id, key)`: one request in a worker. `again`: it was not told what became of it."""

MOST_TRIES = 500
PAUSE_SECONDS = 0.2
LONGEST_AIM_SECONDS = 0.05
"""Between the answer after which a worker dies and its death, so that it dies anywhere in its work."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One request of one caller."""

    account_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the callers were told for each request, how often they asked, and how many workers died at it."""

    told: dict[Charge, Answer]
    tries: int
    kills: int
    seconds: float


class _Worker:
    """The process that serves one caller, replaced by a new one when it is gone."""

    def __init__(self, context: BaseContext, target: Callable[..., None], settings: Any) -> None:
        self._context = context
        self._target = target
        self._settings = settings
        self._pipe: Connection[Any, Any] | None = None
        self.process: BaseProcess | None = None

    def ask(self, charge: Charge) -> Answer:
        """The worker's answer. Raises EOFError or OSError where it died before it gave one."""
        if self._pipe is None:
            self._pipe, theirs = self._context.Pipe()
            self.process = self._context.Process(target=self._target, args=(theirs, self._settings), daemon=True)  # type: ignore[attr-defined]  # every start method's context has it
            self.process.start()
            theirs.close()
        try:
            self._pipe.send(charge)
            answer: Answer = self._pipe.recv()
        except (EOFError, OSError):
            self._pipe.close()
            self._pipe = None
            raise
        return answer

    def stop(self) -> None:
        if self._pipe:
            self._pipe.close()
        if self.process:
            self.process.kill()
            self.process.join()


def call(
    target: Callable[..., None],
    settings: Any,
    charges: Sequence[Charge],
    *,
    callers: int,
    kill_every: int,
    seed: int,
    told: Callable[[], None] = lambda: None,
) -> Outcome:
    """Send every charge until it is answered, from so many callers at once, and kill a worker at every so many answers.

    Kills are counted in answers and not in seconds, so that there is progress on a busy machine as well. Raises
    AssertionError where a request is not answered in `MOST_TRIES` tries.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([target.__module__])
    waiting: SimpleQueue[Charge] = SimpleQueue()
    for charge in charges:
        waiting.put(charge)
    workers = [_Worker(context, target, settings) for _ in range(callers)]
    answers: dict[Charge, Answer] = {}
    counted = threading.Lock()
    tries = kills = 0
    over = threading.Event()

    def caller(worker: _Worker) -> None:
        nonlocal tries
        while True:
            try:
                charge = waiting.get_nowait()
            except Empty:
                return
            answer: Answer = "again"
            for _ in range(MOST_TRIES):
                with counted:
                    tries += 1
                try:
                    answer = worker.ask(charge)
                except (EOFError, OSError):
                    continue
                if answer != "again":
                    break
                time.sleep(PAUSE_SECONDS)
            assert answer != "again", f"{charge} was not answered in {MOST_TRIES} tries"
            answers[charge] = answer
            told()

    def killer() -> None:
        nonlocal kills
        dice = random.Random(seed)
        while not over.wait(dice.uniform(0, LONGEST_AIM_SECONDS)):
            victim = dice.choice(workers).process
            if len(answers) >= (kills + 1) * kill_every and victim is not None and victim.is_alive():
                victim.kill()
                kills += 1

    began = time.perf_counter()
    death = threading.Thread(target=killer)
    death.start()
    try:
        with ThreadPoolExecutor(callers) as threads:
            list(threads.map(caller, workers))
    finally:
        over.set()
        death.join()
        for worker in workers:
            worker.stop()
    return Outcome(answers, tries, kills, time.perf_counter() - began)
