"""API keys: 256 random bits, of which only the hash is stored.

A plain sha256 is enough for a random secret: there is no dictionary to try. A verdict is cached for at most a minute,
so a revoked key stops working everywhere within it, and a busy function asks the table once a minute.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from credits.access.caller import Caller, Scope
from credits.domain.instant import to_text
from credits.errors import NotFound, Unauthenticated, Unavailable
from credits.ledger.tables import OnDemand

PREFIX = "ik_"
VERDICT_SECONDS = 60.0
MOST_VERDICTS = 1_000
"""A function's cache never grows beyond this; unknown keys are not kept at all, so nobody can fill it with guesses."""


class KeyItem(Model):
    """One key, under the hash of its secret."""

    class Meta(OnDemand):
        pass

    key_hash = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute()
    scopes = UnicodeSetAttribute()
    account_id = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    revoked_at = UnicodeAttribute(null=True)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `secret` is shown now and never again; `key_id` names it in logs and revokes it."""

    key_id: str
    secret: str


class Keys:
    """The keys of one stack, with the verdicts of the last minute."""

    def __init__(self, items: type[KeyItem], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._items = items
        self._monotonic = monotonic
        self._verdicts: dict[str, tuple[float, Caller]] = {}

    def create(self, *, name: str, scopes: Iterable[Scope], account_id: str | None, now: datetime) -> NewKey:
        """Make a key and store its hash."""
        secret = PREFIX + secrets.token_urlsafe(32)
        key_id = _hash(secret)
        item = self._items(
            key_hash=key_id,
            name=name,
            scopes={scope.value for scope in scopes},
            account_id=account_id,
            created_at=to_text(now),
        )
        item.save()
        return NewKey(key_id, secret)

    def revoke(self, key_id: str, *, now: datetime) -> None:
        """From a minute from now at the latest, the key opens nothing. Raises NotFound for an unknown id."""
        try:
            item = self._items.get(key_id)
        except self._items.DoesNotExist:
            raise NotFound(f"There is no key {key_id}.", key_id=key_id) from None
        item.update(actions=[KeyItem.revoked_at.set(to_text(now))])

    def caller(self, authorization: str | None) -> Caller:
        """Who bears `authorization`, an HTTP header `Bearer <key>`. Raises Unauthenticated, Unavailable."""
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret.startswith(PREFIX):
            raise Unauthenticated("Send the header Authorization: Bearer <key>, with a key of this stack.")
        key_id = _hash(secret)
        until, caller = self._verdicts.get(key_id, (0.0, None))
        if caller is None or until <= self._monotonic():
            caller = self._ask(key_id)
            while len(self._verdicts) >= MOST_VERDICTS:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[key_id] = self._monotonic() + VERDICT_SECONDS, caller
        return caller

    def _ask(self, key_id: str) -> Caller:
        try:
            item = self._items.get(key_id)
        except self._items.DoesNotExist:
            item = None
        except PynamoDBException as error:
            raise Unavailable(retry_after_seconds=1) from error
        if item is None or item.revoked_at is not None:
            self._verdicts.pop(key_id, None)
            raise Unauthenticated("This API key is unknown or was revoked.")
        return Caller(key_id, frozenset(Scope(scope) for scope in item.scopes), item.account_id)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
