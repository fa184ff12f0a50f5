"""The simulator on one processor: a million steps on two are to take ten minutes at most."""

import time

from benchmarks.figure import Figure
from tests.simulation.world import World

SEED = 1
STEPS = 5_000
A_MILLION_ON_TWO = 1_000_000 / 2
BUDGET_MINUTES = 10.0


def measure() -> list[Figure]:
    """How long a million steps would take on two processors, by the pace of `STEPS` on this one."""
    world = World(SEED)
    began = time.perf_counter()
    world.run(STEPS)
    seconds = time.perf_counter() - began
    minutes = seconds / STEPS * A_MILLION_ON_TWO / 60
    note = f"{STEPS / seconds:,.0f} steps, {world.counts['commits'] / seconds:,.0f} commits a second on one processor"
    return [Figure("a million steps of the simulator on two processors, minutes", minutes, BUDGET_MINUTES, note)]
