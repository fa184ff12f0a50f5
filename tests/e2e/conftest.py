"""What end-to-end tests talk to: a stack on moto, as `make run` starts it, one on DynamoDB Local, and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.launch import Launched, launched
from tests.e2e.visitor import Visitor, required_chromium


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A stack with its state in memory. Tests share it, so each opens accounts of its own."""
    with launched(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def moving_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A stack in memory whose clock is moved by months: the seeded accounts of the shared one stay as they are."""
    with launched(tmp_path_factory.mktemp("moving")) as running:
        yield running


@pytest.fixture(scope="session")
def atomic_stack(tmp_path_factory: pytest.TempPathFactory, dynamodb_local: str) -> Iterator[Launched]:
    """A stack on DynamoDB Local, which may be sent any number of requests at once."""
    with launched(tmp_path_factory.mktemp("atomic"), AWS_ENDPOINT_URL_DYNAMODB=dynamodb_local) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests."""
    with required_chromium() as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """A person with a browser, to whom nothing may go wrong behind the page."""
    visitor = Visitor(browser)
    yield visitor
    visitor.close()
    assert visitor.complaints == []
