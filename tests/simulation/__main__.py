"""`make simulate SEED=1 STEPS=20000`: worlds of 20,000 steps each, on every processor, seeds counting up from SEED.

Exits 1 at the first world that breaks, and prints the command that plays it again up to that step.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from hashlib import sha256

from tqdm import tqdm

from tests.simulation.play import Played, join, play
from tests.simulation.world import STEPS

LOOK_EVERY_SECONDS = 0.5

Play = Callable[[int, int], Played]
"""`play(seed, steps)`: what became of one world. Workers import it by its name."""


def main(arguments: Sequence[str] | None = None, play: Play = play) -> int:
    """Play the worlds, in whatever way a worker plays one. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Simulate the ledger under faults.")
    parser.add_argument("--seed", type=int, default=1, help="of the first world; the others count up from it")
    parser.add_argument("--steps", type=int, default=STEPS, help="in all worlds together")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    worlds = [
        (given.seed + number, min(STEPS, given.steps - first))
        for number, first in enumerate(range(0, given.steps, STEPS))
    ]
    context = multiprocessing.get_context("spawn")
    steps = context.Value("Q")
    workers = min(len(worlds), os.process_cpu_count() or 1)
    total: Counter[str] = Counter()
    prints: dict[int, str] = {}
    with (
        ProcessPoolExecutor(workers, context, join, (steps,)) as pool,
        tqdm(total=given.steps, unit=" steps", smoothing=0.05, disable=None) as bar,
    ):
        running: set[Future[Played]] = {pool.submit(play, *world) for world in worlds}
        while running:
            done, running = wait(running, LOOK_EVERY_SECONDS, FIRST_COMPLETED)
            bar.update(steps.value - bar.n)
            for played in (future.result() for future in done):
                if played.broken:
                    pool.shutdown(wait=False, cancel_futures=True)
                    bar.close()
                    print(f"{played.broken}\nstep {played.steps} of the world of seed {played.seed}. Again:")
                    print(f"  make simulate SEED={played.seed} STEPS={played.steps}")
                    return 1
                total += played.counts
                prints[played.seed] = played.fingerprint
    seconds = time.perf_counter() - began
    print(
        f"{given.steps:,} steps in {len(worlds)} worlds on {workers} processors, {given.steps / seconds:,.0f} a second"
    )
    for name, count in total.most_common():
        print(f"  {name:18} {count:>12,}")
    fingerprint = sha256("".join(prints[seed] for seed in sorted(prints)).encode()).hexdigest()[:12]
    print(f"every book, chain and answer is right; fingerprint {fingerprint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
