"""Grants: credits given together, and the order in which they burn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

NEVER = datetime.max.replace(tzinfo=UTC)


class GrantKind(StrEnum):
    """Where the credits of a grant come from."""

    ALLOCATION = "allocation"
    PRORATION = "proration"
    CARRYOVER = "carryover"
    PACK = "pack"
    PROMOTION = "promotion"
    ADJUSTMENT = "adjustment"


BOUGHT = frozenset({GrantKind.PACK})
PLAN_GRANTS = frozenset({GrantKind.ALLOCATION, GrantKind.PRORATION, GrantKind.CARRYOVER})


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits of one origin. `credits` were given; `remaining` can be spent; `held` and `frozen` cannot, for now.

    `id` is `g` and the seq of the entry that gave it, so ids grow with age. A grant without `expires_at` never expires.
    `recalled` credits of those that are held go as soon as their hold gives them back: there is no money for them any
    more, or never was. As many of these as are `owing` are owed where the hold has spent them; the others are forgiven.
    `missing` credits of a pack were to be taken when its money went back, and are spent, or held (those are recalled):
    the pack stays in the book until nothing is missing of it any more.
    """

    id: str
    kind: GrantKind
    credits: int
    remaining: int
    held: int = 0
    frozen: int = 0
    expires_at: datetime | None = None
    recalled: int = 0
    owing: int = 0
    missing: int = 0

    @property
    def age(self) -> int:
        """Orders grants by when they were given; the older have the smaller."""
        return int(self.id[1:])

    @property
    def bought(self) -> bool:
        """Paid for by itself, apart from the plan."""
        return self.kind in BOUGHT

    @property
    def empty(self) -> bool:
        """Nothing is left in it, set aside or not, and nothing is missing: it leaves the book."""
        return not (self.remaining or self.held or self.frozen or self.missing)


@dataclass(frozen=True, slots=True)
class Draw:
    """What one entry moved in one grant. All three amounts are signed: `credits` is the change of what can be spent,
    negative for credits that left; `held` and `frozen` are those of what is set aside.

    Credits that are set aside have left one and come to another (`-75, held=75`); spent ones have only left.
    It says enough of the grant (kind, expiry) to give the credits back after the grant itself has left the book.
    """

    grant_id: str
    kind: GrantKind
    credits: int
    expires_at: datetime | None = None
    held: int = 0
    frozen: int = 0


def without(grants: Sequence[Grant], wanted: int, *among: str) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The grants after as many of `wanted` credits were taken as are unspent in those named, frozen ones last; and the
    draws, which add up to what was taken."""
    after: list[Grant] = []
    draws: list[Draw] = []
    for grant in grants:
        free = min(wanted, grant.remaining) if grant.id in among else 0
        frozen = min(wanted - free, grant.frozen) if grant.id in among else 0
        wanted -= free + frozen
        if free or frozen:
            draws.append(Draw(grant.id, grant.kind, -free, grant.expires_at, frozen=-frozen))
        after.append(replace(grant, remaining=grant.remaining - free, frozen=grant.frozen - frozen))
    return tuple(grant for grant in after if not grant.empty), tuple(draws)


def frozen(grants: Sequence[Grant], wanted: int, *among: str) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The grants after as many of `wanted` credits were frozen as can be spent in those named, and the draws."""
    return _moved(grants, wanted, among, lambda grant: grant.remaining, 1)


def thawed(grants: Sequence[Grant], wanted: int, *among: str) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The grants after as many of `wanted` credits were thawed as are frozen in those named, and the draws."""
    return _moved(grants, wanted, among, lambda grant: grant.frozen, -1)


def _moved(
    grants: Sequence[Grant], wanted: int, among: Sequence[str], there: Callable[[Grant], int], sign: int
) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    after: list[Grant] = []
    draws: list[Draw] = []
    for grant in grants:
        part = min(wanted, there(grant)) if grant.id in among else 0
        wanted -= part
        if part:
            draws.append(Draw(grant.id, grant.kind, -sign * part, grant.expires_at, frozen=sign * part))
        after.append(replace(grant, remaining=grant.remaining - sign * part, frozen=grant.frozen + sign * part))
    return tuple(after), tuple(draws)


def burn_order(grants: Sequence[Grant]) -> list[Grant]:
    """Soonest expiry first, never-expiring last; free before bought where that ties, then the older.

    `grants` stand in the order they were given, and sorting is stable: the older stay in front.
    """
    return sorted(grants, key=lambda grant: (grant.expires_at or NEVER, grant.bought))


def burn(grants: Sequence[Grant], credits: int) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The grants after `credits` were taken from them in burn order, and the draws. They must cover it. Emptied grants
    are gone."""
    after, draws = take(grants, credits)
    return tuple(grant for grant in after if not grant.empty), draws


def take(grants: Sequence[Grant], credits: int) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The same, with the emptied grants left in."""
    left = credits
    taken: dict[str, int] = {}
    draws: list[Draw] = []
    for grant in burn_order(grants):
        part = min(left, grant.remaining)
        if part:
            taken[grant.id] = part
            draws.append(Draw(grant.id, grant.kind, -part, grant.expires_at))
            left -= part
    if left:
        raise ValueError(f"{credits} credits are not in these grants: {left} are missing")
    after = tuple(
        replace(grant, remaining=grant.remaining - taken[grant.id]) if grant.id in taken else grant for grant in grants
    )
    return after, tuple(draws)


def set_aside(grants: Sequence[Grant], credits: int) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """The grants after `credits` of them were held, taken in burn order, and the draws. They must cover it."""
    after, draws = take(grants, credits)
    moved = {draw.grant_id: -draw.credits for draw in draws}
    held = tuple(replace(grant, held=grant.held + moved.get(grant.id, 0)) for grant in after)
    return held, tuple(replace(draw, held=-draw.credits) for draw in draws)
