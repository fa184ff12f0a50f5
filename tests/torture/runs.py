"""The two runs of the torture on one DynamoDB Local: what is asked, what is charged, what callers are told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from credits.domain.entry import EntryKind
from credits.ledger.audit import audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import AccountKey, Span
from credits.ledger.tables import Tables, bind_tables, connect, create_missing
from tests.lossy_proxy import lossy_proxy
from tests.moves import opened
from tests.torture import ours, pattern
from tests.torture.callers import Charge, Outcome, call

CREDITS = 300
"""Of each account: what Free gives."""

PRICE = ours.CREDITS


@dataclass(frozen=True, slots=True)
class Faults:
    """What callers and their workers live with."""

    callers: int
    lost_share: float
    kill_every: int
    seed: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one run, in credits. `audited` accounts are those whose ledger holds; the pattern has none."""

    name: str
    asked: int
    charged: int
    told: int
    outcome: Outcome
    lost_replies: int
    audited: int | None

    @property
    def honest(self) -> bool:
        """Whether just what callers were told was charged."""
        return self.charged == self.told


def requests(accounts: int, each: int) -> list[Charge]:
    """So many charges on each account, in turn."""
    return [Charge(f"a{account}", f"k{number}") for number in range(each) for account in range(accounts)]


def torture_ledger(
    endpoint: str, charges: list[Charge], faults: Faults, told: Callable[[], None] = lambda: None
) -> tuple[Report, dict[Charge, int]]:
    """This project's ledger: the report, and how often each request is in the ledger."""
    names = sorted({charge.account_id for charge in charges})
    with _ledger(endpoint) as (store, tables):
        for name in names:
            opened(store, name)
        with lossy_proxy(endpoint, share=faults.lost_share, seed=faults.seed) as (url, proxy):
            settings = ours.Settings(url, *(model.Meta.table_name for model in tables.models))
            outcome = _call(ours.work, settings, charges, faults, told)
        found: dict[Charge, int] = dict.fromkeys(charges, 0)
        for name in names:
            for entry in store.entries(Span(name), limit=10 * len(charges)):
                if entry.kind is EntryKind.CHARGE:
                    found[Charge(name, entry.key.removeprefix("c#"))] += 1
        left = sum(account.remaining for account in store.read(*map(AccountKey, names)) if account)
        holds = sum(audit(store, name).ok for name in names)
    return _report("InfuseOS Credits", charges, len(names) * CREDITS - left, outcome, proxy.lost, holds), found


def torture_pattern(
    endpoint: str, charges: list[Charge], faults: Faults, told: Callable[[], None] = lambda: None
) -> Report:
    """Powertools' idempotency around a conditional update."""
    names = sorted({charge.account_id for charge in charges})
    dynamodb = pattern.client(endpoint)
    run = uuid4().hex
    balances, records = (_table(dynamodb, f"{kind}-{run}", key) for kind, key in _PATTERN_TABLES.items())
    try:
        for name in names:
            item = {"account_id": {"S": name}, "credits": {"N": str(CREDITS)}}
            dynamodb.put_item(TableName=balances, Item=item)
        with lossy_proxy(endpoint, share=faults.lost_share, seed=faults.seed) as (url, proxy):
            outcome = _call(pattern.work, pattern.Settings(url, balances, records), charges, faults, told)
        items = dynamodb.scan(TableName=balances, ConsistentRead=True)["Items"]
    finally:
        for table in (balances, records):
            dynamodb.delete_table(TableName=table)
    left = sum(int(item["credits"]["N"]) for item in items)
    return _report("Powertools idempotency", charges, len(names) * CREDITS - left, outcome, proxy.lost, None)


_PATTERN_TABLES = {"balances": "account_id", "records": "id"}


def _call(
    target: Callable[..., None], settings: Any, charges: list[Charge], faults: Faults, told: Callable[[], None]
) -> Outcome:
    return call(
        target,
        settings,
        charges,
        callers=faults.callers,
        kill_every=faults.kill_every,
        seed=faults.seed,
        told=told,
    )


def _report(name: str, charges: list[Charge], charged: int, outcome: Outcome, lost: int, audited: int | None) -> Report:
    told = sum(answer == "charged" for answer in outcome.told.values())
    return Report(name, len(charges) * PRICE, charged, told * PRICE, outcome, lost, audited)


@contextmanager
def _ledger(endpoint: str) -> Iterator[tuple[DynamoStore, Tables]]:
    connection = connect(region="us-east-1", endpoint_url=endpoint)
    run = uuid4().hex
    tables = bind_tables(
        connection,
        accounts=f"accounts-{run}",
        holds=f"holds-{run}",
        members=f"members-{run}",
        entries=f"entries-{run}",
    )
    create_missing(tables.models)
    try:
        yield DynamoStore(tables), tables
    finally:
        for model in tables.models:
            model.delete_table()


def _table(dynamodb: Any, name: str, key: str) -> str:
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
