"""Settings: the environment, read once, at start. Nothing else in the project reads it."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Self


class MissingSetting(Exception):
    """A function was started without a setting it needs; the message is the name of the environment variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a stage. Each is the environment variable of the same name in capitals; one that has a default
    may be absent or empty.

    - `accounts_table`, `holds_table`, `members_table`, `entries_table`, `keys_table`: table names.
    - `upgrade_url`: where people upgrade or buy a pack; refusals carry it.
    - `aws_region`: set by Lambda itself.
    """

    accounts_table: str
    holds_table: str
    members_table: str
    entries_table: str
    keys_table: str
    upgrade_url: str
    aws_region: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings, or MissingSetting with the first name that is absent or empty."""
        values: dict[str, str] = {}
        for each in fields(cls):
            name = each.name.upper()
            if environment.get(name):
                values[each.name] = environment[name]
            elif each.default is MISSING:
                raise MissingSetting(name)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class StripeSettings(Settings):
    """The settings of every function that speaks to Stripe.

    - `stripe_secret_id`: the secret in Secrets Manager that holds the API key and what signs webhooks.
    - `stripe_events_table`: the name of the table of events, customers and tickets.
    - `stripe_api_base`: the origin of a stand-in for Stripe; none is Stripe itself.
    """

    stripe_secret_id: str
    stripe_events_table: str
    stripe_api_base: str | None = None
