"""The ledger's four tables, defined once: local stacks and tests create them from here, and a test holds template.yaml
to it.

Every item keeps what it is in plain attributes, but for `state` and `after` (the record of a book), `draws`, `change`
and `corrects`: those are JSON text, which is as readable, and for the client several times faster to write and read
than nested maps.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.constants import PAY_PER_REQUEST_BILLING_MODE
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 2.0
SDK_RETRIES = 1
"""Short: `post` retries under the same key with a deadline of its own, and a caller waits for all of it."""

LISTING = "accounts"
"""The one partition of `by_opening`: only an opening writes there, so it is cool up to 1,000 openings a second."""


class OnDemand:
    """Settings of every table; the name and the connection come from `bind`."""

    table_name: str
    region: str | None
    host: str | None
    billing_mode = PAY_PER_REQUEST_BILLING_MODE


class Due(GlobalSecondaryIndex["AccountItem"]):
    """Accounts by the next instant at which time changes them; spread over shards that are worked through apart."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class ByOpening(GlobalSecondaryIndex["AccountItem"]):
    """All accounts, by the instant they were opened."""

    class Meta:
        index_name = "by_opening"
        projection = KeysOnlyProjection()

    listing = UnicodeAttribute(hash_key=True)
    opened_at = UnicodeAttribute(range_key=True)


class AccountItem(Model):
    """One account. The version is the only condition a commit sets on it."""

    class Meta(OnDemand):
        pass

    account_id = UnicodeAttribute(hash_key=True)
    version = VersionAttribute()
    listing = UnicodeAttribute(default=LISTING)
    opened_at = UnicodeAttribute()
    due_shard = UnicodeAttribute()
    due_at = UnicodeAttribute()
    at = UnicodeAttribute()
    seq = NumberAttribute()
    head = UnicodeAttribute()
    state = UnicodeAttribute()

    due = Due()
    by_opening = ByOpening()


class ByAccount(GlobalSecondaryIndex["HoldItem"]):
    """An account's open holds by their expiry. A hold that is over has no `open_account`, and so is not in it."""

    class Meta:
        index_name = "by_account"
        projection = KeysOnlyProjection()

    open_account = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class DueHolds(GlobalSecondaryIndex["HoldItem"]):
    """Open holds by their expiry, spread over shards; one that is over has no `due_shard`, and so is not in it."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class HoldItem(Model):
    """One hold. Its name is its key, so that the holds of a busy account are spread over the table."""

    class Meta(OnDemand):
        pass

    book_id = UnicodeAttribute(hash_key=True)
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    opened_at = UnicodeAttribute()
    open_account = UnicodeAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    at = UnicodeAttribute()
    seq = NumberAttribute()
    head = UnicodeAttribute()
    state = UnicodeAttribute()

    due = DueHolds()
    by_account = ByAccount()


class MemberItem(Model):
    """One member of an account."""

    class Meta(OnDemand):
        pass

    account_id = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)
    version = VersionAttribute()
    at = UnicodeAttribute()
    seq = NumberAttribute()
    head = UnicodeAttribute()
    state = UnicodeAttribute()


class ByTime(GlobalSecondaryIndex["EntryItem"]):
    """An account's entries in time. It projects all: an entry is under 1 KB, so any copy of it costs one write unit."""

    class Meta:
        index_name = "by_time"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True)
    moment = UnicodeAttribute(range_key=True)


class ByConversation(GlobalSecondaryIndex["EntryItem"]):
    """A conversation's entries in time; entries without a conversation are not in it."""

    class Meta:
        index_name = "by_conversation"
        projection = AllProjection()

    conversation_key = UnicodeAttribute(hash_key=True)
    moment = UnicodeAttribute(range_key=True)


class EntryItem(Model):
    """One ledger entry. `moment` is `at#seq`, `conversation_key` is `account#conversation`; neither is stored twice."""

    class Meta(OnDemand):
        stream_view_type = "NEW_IMAGE"

    book_id = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    account_id = UnicodeAttribute()
    moment = UnicodeAttribute()
    conversation_key = UnicodeAttribute(null=True)
    kind = UnicodeAttribute()
    credits = NumberAttribute()
    draws = UnicodeAttribute(null=True)
    remaining = NumberAttribute()
    total = NumberAttribute()
    warning = UnicodeAttribute(null=True)
    alert = UnicodeAttribute(null=True)
    action = UnicodeAttribute(null=True)
    quantity = NumberAttribute(null=True)
    conversation_title = UnicodeAttribute(null=True)
    member_id = UnicodeAttribute(null=True)
    hold_id = UnicodeAttribute(null=True)
    model = UnicodeAttribute(null=True)
    tool = UnicodeAttribute(null=True)
    description = UnicodeAttribute(null=True)
    change = UnicodeAttribute(null=True)
    standing_before = UnicodeAttribute(null=True)
    shortfall = NumberAttribute(null=True)
    calls_for = UnicodeAttribute(null=True)
    corrects = UnicodeAttribute(null=True)
    member_used = NumberAttribute(null=True)
    by = UnicodeAttribute(null=True)
    forced = BooleanAttribute(null=True)
    after = UnicodeAttribute()
    catalog_version = UnicodeAttribute()
    lines = NumberAttribute(null=True)
    fingerprint = UnicodeAttribute(null=True)
    prev_hash = UnicodeAttribute()
    hash = UnicodeAttribute()

    by_time = ByTime()
    by_conversation = ByConversation()


@dataclass(frozen=True, slots=True)
class Tables:
    """The models bound to the tables of one stack, over one client."""

    accounts: type[AccountItem]
    holds: type[HoldItem]
    members: type[MemberItem]
    entries: type[EntryItem]
    connection: Connection

    @property
    def models(self) -> tuple[type[Model], ...]:
        """All of them."""
        return self.accounts, self.holds, self.members, self.entries


def connect(*, region: str, endpoint_url: str | None = None, connections: int = 10) -> Connection:
    """One client for every table of a process: each further one would cost its share of a cold start.

    `connections` is how many calls can be under way at once. Without `endpoint_url`, AWS_ENDPOINT_URL_DYNAMODB counts.
    """
    connection = Connection(
        region=region,
        host=endpoint_url,
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        max_retry_attempts=SDK_RETRIES,
        max_pool_connections=connections,
    )
    _ = connection.client  # PynamoDB makes it at first use, which would be somebody's request
    return connection


def bind[M: Model](model: type[M], table_name: str, connection: Connection) -> type[M]:
    """A model of this table over this connection. Nothing is bound at import, so a process can hold two stacks."""
    bound: type[M] = type(
        model.__name__, (model,), {"__module__": model.__module__, "Meta": _meta(model, table_name, connection)}
    )
    # PynamoDB makes a client for each model; the models of a stack share one.
    table = bound._get_connection()  # noqa: SLF001
    connection.add_meta_table(table.get_meta_table())
    table.connection = connection
    return bound


def _meta(model: type[Model], table_name: str, connection: Connection) -> type:
    base: Any = model.Meta
    return type("Meta", (base,), {"table_name": table_name, "region": connection.region, "host": connection.host})


def bind_tables(connection: Connection, *, accounts: str, holds: str, members: str, entries: str) -> Tables:
    """The ledger's models over `connection`, under these table names."""
    return Tables(
        bind(AccountItem, accounts, connection),
        bind(HoldItem, holds, connection),
        bind(MemberItem, members, connection),
        bind(EntryItem, entries, connection),
        connection,
    )


def create_missing(models: Iterable[type[Model]]) -> None:
    """Create each table that is not there, for local stacks and tests; a deployed stack has them from template.yaml."""
    for model in models:
        if not model.exists():
            model.create_table(wait=True)
