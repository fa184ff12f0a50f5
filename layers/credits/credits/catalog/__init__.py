"""What the product sells and what it costs, read from `catalog.toml` beside this module.

>>> catalog = load()
>>> catalog.actions["deep_research"].credits
20
>>> catalog.plans["team"].allocation(seats=3)
12000
>>> catalog.plans_with_model("claude-opus")
('pro', 'max', 'team')

Standard library only: every function imports it on its cold path.
"""

from credits.catalog.catalog import (
    MOST_SEATS,
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
from credits.catalog.fields import InvalidCatalog
from credits.catalog.loader import load

__all__ = [
    "MOST_SEATS",
    "Action",
    "Bullet",
    "Catalog",
    "Example",
    "InvalidCatalog",
    "Model",
    "Pack",
    "Plan",
    "Policies",
    "Step",
    "Tip",
    "Upgrade",
    "load",
]
