"""What all tests share: no way to a real AWS account, and a DynamoDB Local for those that race or need its truth."""

import os
from collections.abc import Iterator

import pytest

from local.dynamodb import Unavailable
from local.dynamodb import dynamodb_local as start_dynamodb_local


def pytest_configure() -> None:
    """Takes whatever names an AWS account out of the environment, before any test module is imported."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The endpoint of a DynamoDB Local: the one at DYNAMODB_LOCAL_URL, else one that starts and ends with the tests.

    Whoever uses it gives its tables names of their own. Where it cannot be had, the test is skipped with the reason;
    under CI=true it fails.
    """
    if given := os.environ.get("DYNAMODB_LOCAL_URL"):
        yield given
        return
    try:
        database = start_dynamodb_local()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true: {reason}")
        pytest.skip(str(reason))
    with database:
        yield database.endpoint
