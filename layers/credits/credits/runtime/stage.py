"""The stage: everything a function works with, put together once, when it starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from credits.access.keys import KeyItem, Keys
from credits.catalog import Catalog, load
from credits.domain.charge import Usage
from credits.domain.journal import Posting
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import Receipt, post
from credits.ledger.spend import spend
from credits.ledger.store import AccountKey, BookKey, MemberKey
from credits.ledger.tables import bind, bind_tables, connect
from credits.runtime import clock
from credits.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Stage:
    """The catalog, the ledger and the keys of one stack."""

    settings: Settings
    catalog: Catalog
    ledger: DynamoStore
    keys: Keys

    @classmethod
    def from_environment(cls) -> "Stage":
        """Read the settings and make the one client, while Lambda's start-up still has the whole processor."""
        settings = Settings.from_environment()
        connection = connect(region=settings.aws_region)
        tables = bind_tables(
            connection,
            accounts=settings.accounts_table,
            holds=settings.holds_table,
            members=settings.members_table,
            entries=settings.entries_table,
        )
        keys = Keys(bind(KeyItem, settings.keys_table, connection))
        return cls(settings, load(), DynamoStore(tables), keys)

    def post(
        self,
        key: str,
        account_id: str,
        decide: Callable[..., Posting],
        *,
        fingerprint: str | None = None,
        opens: bool = False,
    ) -> Receipt:
        """`ledger.post` on one account, now, with the catalog given to the rule."""
        rule = partial(decide, catalog=self.catalog)
        books = [AccountKey(account_id)]
        return post(self.ledger, key, books, rule, now=clock.now(), fingerprint=fingerprint, opens=opens)

    def post_member(
        self,
        key: str,
        account_id: str,
        member_id: str,
        decide: Callable[..., Posting],
        *,
        fingerprint: str | None = None,
    ) -> Receipt:
        """`ledger.post` on an account and a member of it, now, with the catalog given to the rule."""
        rule = partial(decide, catalog=self.catalog, key=key)
        books: list[BookKey] = [AccountKey(account_id), MemberKey(account_id, member_id)]
        return post(self.ledger, key, books, rule, now=clock.now(), fingerprint=fingerprint)

    def spend(self, account_id: str, key: str, lines: Sequence[Usage], *, fingerprint: str) -> Receipt:
        """`ledger.spend`, now, under a caller's key."""
        return spend(self.ledger, self.catalog, account_id, key, lines, now=clock.now(), fingerprint=fingerprint)
