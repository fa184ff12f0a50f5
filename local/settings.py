"""What the person who starts the stack may choose, read from the environment once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.stripe.delivery import Faults

DEFAULT_PORT = 3000

# Only Stripe's test mode: what runs on a laptop moves nobody's money.
STRIPE_KEYS = ("sk_test_", "rk_test_")
HIGHEST_PORT = 65_535


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` 0 takes a free one. State is in memory unless `dynamodb_endpoint` or else `data` says where it is kept.

    With a `stripe_key` the stack uses the real Stripe, in test mode, and `stripe_webhook_secret` is what its events are
    signed with; without, a stand-in, whose webhooks meet `stripe_faults`, the same for the same `stripe_seed`.
    """

    port: int = DEFAULT_PORT
    data: Path | None = None
    dynamodb_endpoint: str | None = None
    stripe_key: str | None = None
    stripe_webhook_secret: str | None = None
    stripe_faults: Faults = field(default_factory=Faults)
    stripe_seed: str = "0"


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Reads PORT, DATA, AWS_ENDPOINT_URL_DYNAMODB, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, STRIPE_FAULTS and
    STRIPE_SEED; an empty one counts as absent. Raises SettingsError."""
    port = environment.get("PORT") or str(DEFAULT_PORT)
    if not (port.isascii() and port.isdecimal() and int(port) <= HIGHEST_PORT):
        raise SettingsError(f"PORT is a number from 0 to {HIGHEST_PORT}, not {port!r}")
    data = environment.get("DATA")
    stripe_key = environment.get("STRIPE_SECRET_KEY") or None
    if stripe_key is not None and not stripe_key.startswith(STRIPE_KEYS):
        raise SettingsError("STRIPE_SECRET_KEY is a key of Stripe's test mode: sk_test_…")
    try:
        faults = Faults.of(dict(json.loads(environment.get("STRIPE_FAULTS") or "{}")))
    except (TypeError, ValueError) as error:
        raise SettingsError(f'STRIPE_FAULTS is an object such as {{"drop": 0.1}}: {error}') from error
    return Settings(
        port=int(port),
        data=Path(data).expanduser() if data else None,
        dynamodb_endpoint=environment.get("AWS_ENDPOINT_URL_DYNAMODB") or None,
        stripe_key=stripe_key,
        stripe_webhook_secret=environment.get("STRIPE_WEBHOOK_SECRET") or None,
        stripe_faults=faults,
        stripe_seed=environment.get("STRIPE_SEED") or "0",
    )
