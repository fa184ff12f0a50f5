"""The catalog and what is in it: immutable values that may be shared by everything in a process.

Credits are whole, prices are whole cents of `Catalog.currency`, a period is a month.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Final

EVERY_MODEL = "*"

MOST_SEATS: Final = 10_000
"""What an account may have of a plan that is sold by the seat."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that costs `credits` each time it happens; 0 is free."""

    id: str
    name: str
    credits: int
    description: str


@dataclass(frozen=True, slots=True)
class Model:
    """An AI model that a plan may list."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account may spend and use in one period; of a plan that is `per_seat`, what each seat adds to the pool.

    `models` lists model ids, or is `("*",)`: every model, those the catalog has never heard of included.
    """

    id: str
    name: str
    credits: int
    per_seat: bool
    price_cents: int
    models: tuple[str, ...]
    knowledge_words: int
    workflows: int
    support: str
    excluded_actions: frozenset[str]

    def allocation(self, seats: int) -> int:
        """Credits for one period. A plan that is not per seat gives the same whatever `seats` is; so do the limits."""
        return self._of_the_pool(self.credits, seats)

    def knowledge_words_limit(self, seats: int) -> int:
        return self._of_the_pool(self.knowledge_words, seats)

    def workflows_limit(self, seats: int) -> int:
        return self._of_the_pool(self.workflows, seats)

    def allows_model(self, model_id: str) -> bool:
        """Whether the plan includes the model; one that the catalog does not know is in the plans of every model."""
        return EVERY_MODEL in self.models or model_id in self.models

    def allows_action(self, action_id: str) -> bool:
        """Whether the plan leaves the action in; whether there is such an action is for `Catalog.actions` to say."""
        return action_id not in self.excluded_actions

    def _of_the_pool(self, share: int, seats: int) -> int:
        return share * seats if self.per_seat else share


@dataclass(frozen=True, slots=True)
class Pack:
    """Credits bought once, on top of a plan."""

    id: str
    name: str
    credits: int
    price_cents: int


@dataclass(frozen=True, slots=True)
class Policies:
    """The product's limits and lifetimes; `catalog.toml` gives the reason beside each."""

    low_threshold: int  # credits left
    grace_days: int
    hold_default_seconds: int
    hold_longest_seconds: int
    session_seconds: int
    longest_batch: int  # charges in one request
    largest_quantity: int  # of one action in one charge
    most_grants: int  # on one account at once


@dataclass(frozen=True, slots=True)
class Bullet:
    """One thing an upgrade brings, as people read it, and the field of `Plan` that it speaks of."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The step from one plan to another, as it is shown to people."""

    from_plan: str
    to_plan: str
    bullets: tuple[Bullet, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a worked example, under the name the example gives it ("Gmail search" is an `agent_step`)."""

    action: str
    name: str


@dataclass(frozen=True, slots=True)
class Example:
    """A request that people can picture, step by step; the steps cost `credits` together."""

    prompt: str
    credits: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Tip:
    """Advice for spending less; `counted` when a person's own history can say how many credits it would have saved."""

    id: str
    text: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """One version of everything the product sells. The mappings are by id, in the order of the file, and read-only."""

    version: str
    currency: str
    actions: Mapping[str, Action]
    models: Mapping[str, Model]
    plans: Mapping[str, Plan]
    packs: Mapping[str, Pack]
    policies: Policies
    upgrades: tuple[Upgrade, ...]
    examples: tuple[Example, ...]
    tips: Mapping[str, Tip]

    def plans_with_model(self, model_id: str) -> tuple[str, ...]:
        """The ids of the plans that include the model, in the order of the file."""
        return tuple(plan.id for plan in self.plans.values() if plan.allows_model(model_id))

    def plans_with_action(self, action_id: str) -> tuple[str, ...]:
        """The ids of the plans that do not exclude the action, in the order of the file."""
        return tuple(plan.id for plan in self.plans.values() if plan.allows_action(action_id))

    def to_json_dict(self) -> dict[str, object]:
        """The body of `GET /v1/catalog`, new at each call; a mapping becomes a list of objects that carry their id."""
        return {field.name: _json(getattr(self, field.name)) for field in fields(self)}


def _json(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return [_json(item) for item in value.values()]
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value
