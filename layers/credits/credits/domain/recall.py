"""Recall: credits that are to be taken back and are in open holds; and what becomes of them when a hold is closed.

Credits in a hold are neither unspent (a capture may come at any moment, and does not read the account) nor spent. So a
grant carries how many of its held credits are `recalled`: what a hold gives back of them is taken at once. What it has
captured of them is spent: as many as are `owing` are owed then, and the others forgiven.

What the plan gave for one and the same time is one pool: a hold has some of it, whichever of its grants that is from.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from credits.domain.grant import PLAN_GRANTS, Draw, Grant


@dataclass(frozen=True, slots=True)
class CameBack:
    """What the close of one hold does to the recalled credits of a pool.

    - `among` are the pool's grants, and `expires_at` when they expire.
    - `taken` of what comes back is not the account's any more; `unpaid` of these was never paid for.
    - `owed` are those that were captured and are to be settled; what was captured beyond them is forgiven.
    - `recalled` is what other holds still have, and `owing` as much of that as will be owed if they capture it.
    """

    among: tuple[str, ...]
    expires_at: datetime | None
    taken: int
    unpaid: int
    owed: int
    recalled: int
    owing: int


def recall(grants: Sequence[Grant], among: Collection[str], recalled: int, owing: int = 0) -> tuple[Grant, ...]:
    """The grants with just so many credits recalled of what is held in those named, and `owing` of these. What has it
    so already stays as it is."""
    named = [grant for grant in grants if grant.id in among]
    if recalled_in(named) == (recalled, owing) and all(grant.recalled <= grant.held for grant in named):
        return tuple(grants)
    after: list[Grant] = []
    for grant in grants:
        part = min(recalled, grant.held) if grant.id in among else 0
        due = min(owing, part)
        recalled, owing = recalled - part, owing - due
        after.append(replace(grant, recalled=part, owing=due) if grant.id in among else grant)
    return tuple(after)


def recalled_in(grants: Sequence[Grant]) -> tuple[int, int]:
    """How many credits are recalled in these grants, and how many of them are owing."""
    return sum(grant.recalled for grant in grants), sum(grant.owing for grant in grants)


def come_back(grants: Sequence[Grant], draws: Sequence[Draw]) -> Iterator[CameBack]:
    """What a close does to each pool of which the hold had some and credits are recalled. `grants` are those before it,
    and `draws` what it moves: what comes back, and what is held no more."""
    back = {draw.grant_id: draw for draw in draws}
    for pool in _pools(grants):
        drawn = [back[grant.id] for grant in pool if grant.id in back]
        recalled, owing = recalled_in(pool)
        if not (drawn and recalled):
            continue
        taken = min(recalled, sum(draw.credits for draw in drawn))
        held = sum(grant.held for grant in pool) + sum(draw.held for draw in drawn)
        still = min(recalled - taken, held)
        captured = recalled - taken - still
        unpaid = max(taken - owing, 0)
        owing = max(owing - taken, 0)
        owed = max(captured - (recalled - taken - owing), 0)
        among = tuple(grant.id for grant in pool)
        yield CameBack(among, pool[0].expires_at, taken, unpaid, owed, still, owing - owed)


def _pools(grants: Sequence[Grant]) -> Sequence[Sequence[Grant]]:
    """The plan's grants by when they expire; each of the others by itself."""
    pools: dict[datetime | str, list[Grant]] = {}
    for grant in grants:
        of_the_plan = grant.kind in PLAN_GRANTS and grant.expires_at
        pools.setdefault(of_the_plan or grant.id, []).append(grant)
    return list(pools.values())
