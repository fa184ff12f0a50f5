"""This project's ledger in a worker: `post`, on DynamoDB."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from credits.domain.charge import Usage
from credits.errors import Contended, InsufficientCredits, Unavailable
from credits.ledger.dynamo import DynamoStore
from credits.ledger.tables import bind_tables, connect
from tests.moves import charged

STEP = Usage(action="agent_step")
CREDITS = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the worker finds its tables."""

    endpoint: str
    accounts: str
    holds: str
    members: str
    entries: str


def work(requests: "Connection[Any, Any]", settings: Settings) -> None:
    """Serve one request after the other until the caller is gone."""
    connection = connect(region="us-east-1", endpoint_url=settings.endpoint)
    tables = bind_tables(
        connection,
        accounts=settings.accounts,
        holds=settings.holds,
        members=settings.members,
        entries=settings.entries,
    )
    store = DynamoStore(tables)
    while True:
        try:
            charge = requests.recv()
        except EOFError:
            return
        try:
            charged(store, charge.key, STEP, account_id=charge.account_id, fingerprint="one agent step")
            requests.send("charged")
        except InsufficientCredits:
            requests.send("refused")
        except (Contended, Unavailable):
            requests.send("again")
