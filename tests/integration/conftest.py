"""The stores of these tests (in memory, on moto in this process, on DynamoDB Local), and the functions on moto."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from pynamodb.connection import Connection
from stripe import StripeClient

from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.catalog import load
from credits.ledger.dynamo import DynamoStore
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Ledger
from credits.ledger.tables import Tables, bind, bind_tables, connect, create_missing
from credits.payments import client
from credits.payments.push import push
from credits.payments.tables import StripeEvents, open_events
from credits.runtime import clock
from credits.usage.tables import Rollups, open_rollups
from local.stripe.engine import Engine
from tests.functions import Answer, Functions
from tests.moves import NOON
from tests.stripe_sdk import EngineTransport, sdk


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


def tables_named(connection: Connection, name: str) -> Tables:
    """A ledger's tables, told from those of other tests by this name."""
    return bind_tables(
        connection,
        accounts=f"accounts-{name}",
        holds=f"holds-{name}",
        members=f"members-{name}",
        entries=f"entries-{name}",
    )


@contextmanager
def tables_of_one_test(connection: Connection) -> Iterator[Tables]:
    """Empty tables, gone afterwards: moto copies all there are before each transaction."""
    name = uuid4().hex
    tables = tables_named(connection, name)
    with existing(tables):
        yield tables


@contextmanager
def existing(tables: Tables) -> Iterator[None]:
    create_missing(tables.models)
    try:
        yield
    finally:
        for model in tables.models:
            model.delete_table()


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
    stripe_events: StripeEvents
    everything: str
    now: datetime = NOON

    @cached_property
    def stripe(self) -> Engine:
        """The Stripe of one test: the stand-in's engine, on this stack's clock, with the catalog.

        It is made at its first use; its ids are the same each time.
        """
        engine = Engine(now=lambda: self.now)
        push(sdk(engine), load(), webhook_url=None)
        return engine

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

    def customer(self, account_id: str, card: str | None = "pm_card_visa") -> str:
        """The account's customer in Stripe, with a card that is charged by itself, unless it shall have none."""
        wanted: Any = {"metadata": {"account_id": account_id}}
        if card is not None:
            wanted |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        made: str = self.stripe.request("POST", "/v1/customers", wanted)["id"]
        return self.stripe_events.link(account_id, made)

    def subscribed(self, account_id: str, plan: str, seats: int = 1, card: str = "pm_card_visa") -> str:
        """The id of a new subscription of the account's, paid with this card."""
        (price,) = self.stripe.request("GET", "/v1/prices", {"lookup_keys": [f"plan.{plan}.month"]})["data"]
        wanted = {"customer": self.customer(account_id, card), "items": [{"price": price["id"], "quantity": seats}]}
        made: str = self.stripe.request("POST", "/v1/subscriptions", wanted)["id"]
        return made

    def charged(self, path: str, key: str, **charge: Any) -> Answer:
        """A message charged, or what is given instead."""
        return self.call("POST", f"{path}/charges", {"action": "message"} | charge, key=key)


class _Leading(EngineTransport):
    """Leads to the engine of whichever test is running: functions keep their client from test to test."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.stripe)
        self._stack = stack

    def request(self, *args: Any, **options: Any) -> tuple[str, int, Mapping[str, str]]:
        self._engine = self._stack.stripe
        return super().request(*args, **options)


def leading_to(stack: Stack) -> StripeClient:
    """The SDK's client on the stack's Stripe."""
    return StripeClient("sk_test_local", http_client=_Leading(stack), max_network_retries=0)


@pytest.fixture(scope="module")
def stack_of_module(moto_connection: Connection) -> Stack:
    name = uuid4().hex
    tables = tables_named(moto_connection, name)
    items = bind(KeyItem, f"keys-{name}", moto_connection)
    rollups = open_rollups(moto_connection, f"usage-{name}")
    create_missing([items])
    keys = Keys(items)
    stripe_events = open_events(moto_connection, f"stripe-events-{name}")
    create_missing([stripe_events.items])
    secret_id, stripe_secret_id = f"session-{name}", f"stripe-{name}"
    secrets = boto3.client("secretsmanager", region_name="us-east-1")
    secrets.create_secret(Name=secret_id, SecretString="s" * 64)
    parts = json.dumps({"api_key": "sk_test_local", "webhook_secret": "whsec_local"})
    secrets.create_secret(Name=stripe_secret_id, SecretString=parts)
    functions = Functions(
        {
            "ACCOUNTS_TABLE": tables.accounts.Meta.table_name,
            "HOLDS_TABLE": tables.holds.Meta.table_name,
            "MEMBERS_TABLE": tables.members.Meta.table_name,
            "ENTRIES_TABLE": tables.entries.Meta.table_name,
            "KEYS_TABLE": items.Meta.table_name,
            "USAGE_TABLE": rollups.items.Meta.table_name,
            "UPGRADE_URL": "https://infuseos.example/upgrade",
            "SESSION_SECRET_ID": secret_id,
            "STRIPE_SECRET_ID": stripe_secret_id,
            "STRIPE_EVENTS_TABLE": stripe_events.items.Meta.table_name,
            "FRAME_ANCESTORS": "https://app.infuseos.example",
            "PAYMENT_ORIGINS": "https://checkout.stripe.com",
        }
    )
    everything = keys.create(name="everything", scopes=list(Scope), account_id=None, now=NOON)
    return Stack(functions, keys, tables, rollups, stripe_events, everything.secret)


@pytest.fixture
def stack(stack_of_module: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The stack of this module, its ledger empty and its clock back at noon."""
    stack_of_module.now = NOON
    monkeypatch.setattr(clock, "now", lambda: stack_of_module.now)
    vars(stack_of_module).pop("stripe", None)
    monkeypatch.setattr(client, "make_client", lambda *_, **__: leading_to(stack_of_module))
    create_missing([stack_of_module.rollups.items])
    with existing(stack_of_module.tables):
        yield stack_of_module
    stack_of_module.rollups.items.delete_table()
