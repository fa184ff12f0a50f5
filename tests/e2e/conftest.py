"""The stacks that the end-to-end tests talk to: one on moto, as `make run` starts it, and one on DynamoDB Local."""

from collections.abc import Iterator

import pytest

from tests.e2e.launch import Launched, launched


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A stack with its state in memory. Tests share it, so each opens accounts of its own."""
    with launched(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def atomic_stack(tmp_path_factory: pytest.TempPathFactory, dynamodb_local: str) -> Iterator[Launched]:
    """A stack on DynamoDB Local, which may be sent any number of requests at once."""
    with launched(tmp_path_factory.mktemp("atomic"), AWS_ENDPOINT_URL_DYNAMODB=dynamodb_local) as running:
        yield running
