"""The ledger on DynamoDB Local: the only local store that is atomic under threads."""

from collections.abc import Iterator

import pytest
from pynamodb.connection import Connection

from credits.ledger.tables import Tables, connect
from tests.integration.conftest import tables_of_one_test


@pytest.fixture(scope="session")
def connection(dynamodb_local: str) -> Connection:
    """One client for as many callers as race."""
    return connect(region="us-east-1", endpoint_url=dynamodb_local, connections=128)


@pytest.fixture
def tables(connection: Connection) -> Iterator[Tables]:
    """A ledger of this test's own."""
    with tables_of_one_test(connection) as tables:
        yield tables
