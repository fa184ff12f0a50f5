"""Playing a world in a worker process."""

import traceback
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.simulation.world import Broken, World


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one world."""

    seed: int
    steps: int
    counts: Counter[str]
    fingerprint: str
    broken: str | None


class _Shared:
    """What a worker shares with the command: how many steps all of them have made."""

    steps: Any = None


def join(steps: Any) -> None:
    """Begin as a worker that counts its steps there."""
    _Shared.steps = steps


def _count(steps: int) -> None:
    with _Shared.steps.get_lock():
        _Shared.steps.value += steps


def play(seed: int, steps: int) -> Played:
    """One world, in a worker."""
    world = World(seed)
    broken = None
    try:
        world.run(steps, _count)
    except (Broken, Exception):  # noqa: BLE001 - whatever it is, it is told with the command that shows it again
        broken = traceback.format_exc()
    return Played(seed, world.steps, world.counts, world.fingerprint(), broken)
