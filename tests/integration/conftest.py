"""The stores of these tests (in memory, on moto in this process, on DynamoDB Local), and the functions on moto."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from pynamodb.connection import Connection

from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.ledger.dynamo import DynamoStore
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Ledger
from credits.ledger.tables import Tables, bind, bind_tables, connect, create_missing
from credits.runtime import clock
from credits.usage.tables import Rollups, open_rollups
from tests.functions import Answer, Functions
from tests.moves import NOON


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """AWS is moto, in this process, for this module."""
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def moto_connection(moto: None) -> Connection:  # noqa: ARG001 - it has to be there first
    return connect(region="us-east-1")


@pytest.fixture(scope="module")
def local_connection(dynamodb_local: str) -> Connection:
    return connect(region="us-east-1", endpoint_url=dynamodb_local)


@contextmanager
def tables_of_one_test(connection: Connection) -> Iterator[Tables]:
    """Empty tables, gone afterwards: moto copies all there are before each transaction."""
    name = uuid4().hex
    tables = bind_tables(connection, accounts=f"accounts-{name}", entries=f"entries-{name}")
    with existing(tables):
        yield tables


@contextmanager
def existing(tables: Tables) -> Iterator[None]:
    create_missing([tables.accounts, tables.entries])
    try:
        yield
    finally:
        tables.accounts.delete_table()
        tables.entries.delete_table()


@pytest.fixture(params=["memory", "moto", "dynamodb local"])
def store(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """Each of the stores, empty: they are held to the same answers."""
    if request.param == "memory":
        yield MemoryStore()
        return
    connection = request.getfixturevalue("moto_connection" if request.param == "moto" else "local_connection")
    with tables_of_one_test(connection) as tables:
        yield DynamoStore(tables)


@dataclass
class Stack:
    """The functions on moto, a key that opens everything, and a clock that stands at noon."""

    functions: Functions
    keys: Keys
    tables: Tables
    rollups: Rollups
    everything: str
    now: datetime = NOON

    def key(self, *scopes: Scope, account_id: str | None = None) -> str:
        """A new API key."""
        return self.keys.create(name="test", scopes=scopes, account_id=account_id, now=NOON).secret

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """One request with the key that opens everything, or with the `api_key` that is given."""
        return self.functions.call(method, path, body, **({"api_key": self.everything} | options))

    def opened(self, account_id: str | None = None) -> str:
        """The path of a new account, with its 300 credits."""
        account_id = account_id or f"a{uuid4().hex}"
        assert self.call("POST", "/v1/accounts", {"account_id": account_id}).status == 201
        return f"/v1/accounts/{account_id}"

    def charged(self, path: str, key: str, **charge: Any) -> Answer:
        """A message charged, or what is given instead."""
        return self.call("POST", f"{path}/charges", {"action": "message"} | charge, key=key)


@pytest.fixture(scope="module")
def stack_of_module(moto_connection: Connection) -> Stack:
    name = uuid4().hex
    tables = bind_tables(moto_connection, accounts=f"accounts-{name}", entries=f"entries-{name}")
    items = bind(KeyItem, f"keys-{name}", moto_connection)
    rollups = open_rollups(moto_connection, f"usage-{name}")
    create_missing([items])
    keys = Keys(items)
    secret_id = f"session-{name}"
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=secret_id, SecretString="s" * 64)
    functions = Functions(
        {
            "ACCOUNTS_TABLE": tables.accounts.Meta.table_name,
            "ENTRIES_TABLE": tables.entries.Meta.table_name,
            "KEYS_TABLE": items.Meta.table_name,
            "USAGE_TABLE": rollups.items.Meta.table_name,
            "UPGRADE_URL": "https://infuseos.example/upgrade",
            "SESSION_SECRET_ID": secret_id,
            "FRAME_ANCESTORS": "https://app.infuseos.example",
            "PAYMENT_ORIGINS": "https://checkout.stripe.com",
        }
    )
    everything = keys.create(name="everything", scopes=list(Scope), account_id=None, now=NOON)
    return Stack(functions, keys, tables, rollups, everything.secret)


@pytest.fixture
def stack(stack_of_module: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The stack of this module, its ledger empty and its clock back at noon."""
    stack_of_module.now = NOON
    monkeypatch.setattr(clock, "now", lambda: stack_of_module.now)
    create_missing([stack_of_module.rollups.items])
    with existing(stack_of_module.tables):
        yield stack_of_module
    stack_of_module.rollups.items.delete_table()
