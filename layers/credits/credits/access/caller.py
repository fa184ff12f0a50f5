"""Callers: what a valid API key lets its bearer do."""

from dataclasses import dataclass
from enum import StrEnum

from credits.errors import Forbidden


class Scope(StrEnum):
    """What a key may be used for. No scope contains another."""

    CHARGE = "charge"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a key. Without `account_id`, the key is good for every account."""

    key_id: str
    scopes: frozenset[Scope]
    account_id: str | None = None

    def require(self, scope: Scope, account_id: str | None = None) -> None:
        """Forbidden, unless the key has the scope and reaches the account (None: all of them).

        It is told before anything is looked up, so it says nothing about which accounts exist.
        """
        if scope not in self.scopes:
            raise Forbidden(f"This needs an API key with the scope {scope}.", scope=scope.value)
        if self.account_id is not None and self.account_id != account_id:
            raise Forbidden("This API key is bound to another account.", bound_to=self.account_id)
