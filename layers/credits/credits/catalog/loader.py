"""Reads `catalog.toml`: the shape of the file, and what its tables must agree on."""

import tomllib
from functools import cache
from pathlib import Path

from credits.catalog.catalog import (
    EVERY_MODEL,
    Action,
    Bullet,
    Catalog,
    Example,
    Model,
    Pack,
    Plan,
    Policies,
    Step,
    Tip,
    Upgrade,
)
from credits.catalog.fields import (
    InvalidCatalog,
    Place,
    distinct,
    flag,
    identifier,
    keyed,
    listed,
    table,
    text,
    unordered,
    whole,
)

_SHAPE = table(
    Catalog,
    version=identifier,
    currency=text,
    actions=keyed(Action, name=text, credits=whole(), description=text),
    models=keyed(Model, name=text),
    plans=keyed(
        Plan,
        name=text,
        credits=whole(),
        per_seat=flag,
        price_cents=whole(),
        models=distinct(text),
        knowledge_words=whole(),
        workflows=whole(),
        support=text,
        excluded_actions=unordered(identifier),
    ),
    packs=keyed(Pack, name=text, credits=whole(at_least=1), price_cents=whole()),
    policies=table(
        Policies,
        low_threshold=whole(),
        grace_days=whole(),
        hold_default_seconds=whole(at_least=1),
        hold_longest_seconds=whole(at_least=1),
        session_seconds=whole(at_least=1),
        longest_batch=whole(at_least=1),
        largest_quantity=whole(at_least=1),
        most_grants=whole(at_least=1),
    ),
    upgrades=listed(
        table(
            Upgrade,
            from_plan=identifier,
            to_plan=identifier,
            bullets=listed(table(Bullet, field=text, text=text)),
        )
    ),
    examples=listed(
        table(
            Example,
            prompt=text,
            credits=whole(),
            steps=listed(table(Step, action=identifier, name=text)),
        )
    ),
    tips=keyed(Tip, text=text, counted=flag),
)


def load(path: Path | None = None) -> Catalog:
    """The catalog in `path`; without one, the catalog beside this module, read once in a process.

    Raises `InvalidCatalog`, naming file, table and field, for the first thing that is wrong.
    """
    return _beside_this_module() if path is None else _read(path)


@cache
def _beside_this_module() -> Catalog:
    return _read(Path(__file__).with_name("catalog.toml"))


def _read(path: Path) -> Catalog:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # not there, not UTF-8, not TOML (which a table declared twice is not)
        raise InvalidCatalog(path.name, "", f"cannot be read: {error}") from error
    root = Place(path.name)
    catalog = _SHAPE(document, root)
    _check_plans(catalog, root.field("plans"))
    _check_policies(catalog.policies, root.field("policies"))
    _check_upgrades(catalog, root.field("upgrades"))
    _check_examples(catalog, root.field("examples"))
    return catalog


def _check_plans(catalog: Catalog, at: Place) -> None:
    for plan in catalog.plans.values():
        place = at.field(plan.id)
        if EVERY_MODEL in plan.models and len(plan.models) > 1:
            raise place.field("models").refusal(f"{EVERY_MODEL!r} is every model, and must stand alone")
        for model_id in plan.models:
            if model_id != EVERY_MODEL and model_id not in catalog.models:
                raise place.field("models").refusal(f"there is no model {model_id!r}")
        for action_id in sorted(plan.excluded_actions):
            if action_id not in catalog.actions:
                raise place.field("excluded_actions").refusal(f"there is no action {action_id!r}")


def _check_policies(policies: Policies, at: Place) -> None:
    if policies.hold_default_seconds > policies.hold_longest_seconds:
        raise at.field("hold_default_seconds").refusal(
            f"must be at most hold_longest_seconds, {policies.hold_longest_seconds}, is {policies.hold_default_seconds}"
        )


def _check_upgrades(catalog: Catalog, at: Place) -> None:
    for number, upgrade in enumerate(catalog.upgrades):
        place = at.item(number)
        for end, plan_id in (("from_plan", upgrade.from_plan), ("to_plan", upgrade.to_plan)):
            if plan_id not in catalog.plans:
                raise place.field(end).refusal(f"there is no plan {plan_id!r}")
        openings = _openings(catalog.plans[upgrade.from_plan], catalog.plans[upgrade.to_plan])
        for index, bullet in enumerate(upgrade.bullets):
            bullet_place = place.field("bullets").item(index)
            if bullet.field not in openings:
                raise bullet_place.field("field").refusal(f"must be one of {', '.join(openings)}, is {bullet.field!r}")
            opening = openings[bullet.field]
            if not f"{bullet.text} ".startswith(f"{opening} "):
                raise bullet_place.field("text").refusal(
                    f"must open with what the plans say, {opening!r}, is {bullet.text!r}"
                )


def _openings(old: Plan, new: Plan) -> dict[str, str]:
    """How a bullet on each field of a plan opens: on credits with what the upgrade adds, else with what it gives."""
    return {
        "credits": f"{new.credits - old.credits:+,}",
        "models": "all models" if new.models == (EVERY_MODEL,) else ", ".join(new.models),
        "knowledge_words": _in_millions(new.knowledge_words),
        "workflows": f"{new.workflows:,}",
        "support": new.support,
    }


def _in_millions(count: int) -> str:
    millions, rest = divmod(count, 1_000_000)
    return f"{count:,}" if rest or not millions else f"{millions:,}M"


def _check_examples(catalog: Catalog, at: Place) -> None:
    for number, example in enumerate(catalog.examples):
        place = at.item(number)
        for index, step in enumerate(example.steps):
            if step.action not in catalog.actions:
                raise place.field("steps").item(index).field("action").refusal(f"there is no action {step.action!r}")
        total = sum(catalog.actions[step.action].credits for step in example.steps)
        if total != example.credits:
            raise place.field("credits").refusal(f"must be {total}, which the steps come to, is {example.credits}")
