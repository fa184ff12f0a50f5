"""The stack's Stripe secret: the API key and what signs webhooks, in one JSON in Secrets Manager."""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FRESH_SECONDS = 300.0
"""A secret is read again after this long, so that a rotated one is in use everywhere within five minutes."""

CONFIG = Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"})


class SecretNotSet(Exception):
    """Nobody has written this part of the secret yet (docs/operations.md); the message is its name.

    An empty key would open everything: whoever knows that it is empty could sign with it.
    """


class Secret:
    """The secret of this id. Nothing is read before the first use, and then once in five minutes.

    Reading a part raises SecretNotSet, or what botocore does where Secrets Manager does not answer.
    """

    def __init__(self, secret_id: str, *, region: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._secret_id = secret_id
        self._region = region
        self._monotonic = monotonic
        self._client: SecretsManagerClient | None = None
        self._kept: tuple[float, Mapping[str, str]] | None = None

    @property
    def api_key(self) -> str:
        """The key that Stripe knows this stack by."""
        return self._part("api_key")

    @property
    def webhook_secret(self) -> str:
        """What signs the webhooks that Stripe sends to this stack."""
        return self._part("webhook_secret")

    def _part(self, name: str) -> str:
        if self._kept is None or self._kept[0] <= self._monotonic():
            self._kept = self._monotonic() + FRESH_SECONDS, self._ask()
        if not (part := self._kept[1].get(name)):
            self._kept = None  # it may be written at any moment
            raise SecretNotSet(name)
        return part

    def write_webhook_secret(self, webhook_secret: str) -> None:
        """Write it beside the API key, which stays."""
        parts = {**self._ask(), "webhook_secret": webhook_secret}
        self._manager.put_secret_value(SecretId=self._secret_id, SecretString=json.dumps(parts))
        self._kept = None

    def _ask(self) -> Mapping[str, str]:
        parts: Mapping[str, str] = json.loads(self._manager.get_secret_value(SecretId=self._secret_id)["SecretString"])
        return parts

    @property
    def _manager(self) -> "SecretsManagerClient":
        if self._client is None:
            self._client = boto3.client("secretsmanager", region_name=self._region, config=CONFIG)
        return self._client
