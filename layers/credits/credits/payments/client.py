"""The client: Stripe's SDK as this project uses it. One version of the API, short time-outs, few retries."""

from typing import Final

import stripe

from credits.payments.secret import Secret, SecretNotSet

API_VERSION: Final = "2026-10-28.endive"
"""The shape that `snapshot` reads. A newer SDK must not move it unseen."""

CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 8.0
RETRIES = 2
"""Stripe answers in well under a second. What fails three times is left to the queue that brought the event, or to the
caller. The SDK gives every POST an idempotency key, so a retry acts once."""

LONGEST_CALL_SECONDS = 32
"""Three tries at their time-outs, and half a second and a second between them."""


class Stripe:
    """The Stripe account of one stack. The client is made at its first use, with the API key of that moment, and again
    where the key was rotated. `api_base` is the origin of a stand-in; None is Stripe itself."""

    def __init__(self, secret: Secret, *, api_base: str | None = None) -> None:
        self._secret = secret
        self._api_base = api_base
        self._made: tuple[str, stripe.StripeClient] | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether somebody has written Stripe's API key yet."""
        try:
            return bool(self._secret.api_key)
        except SecretNotSet:
            return False

    @property
    def client(self) -> stripe.StripeClient:
        """The SDK's client. Raises what reading the API key does."""
        api_key = self._secret.api_key
        if self._made is None or self._made[0] != api_key:
            self._made = api_key, make_client(api_key, api_base=self._api_base)
        return self._made[1]


def make_client(
    api_key: str, *, api_base: str | None = None, http_client: stripe.HTTPClient | None = None
) -> stripe.StripeClient:
    """A client with this key. `http_client` replaces the one that speaks over sockets: a test's leads elsewhere."""
    timeouts = CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
    return stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base} if api_base else {},
        max_network_retries=RETRIES,
        http_client=http_client or stripe.RequestsClient(timeout=timeouts),
    )
