"""The secret and the client that it opens: read late, read again, and held to one version of Stripe's API."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
import stripe

from credits.payments.client import API_VERSION, Stripe, make_client
from credits.payments.secret import Secret, SecretNotSet


class Monotonic:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Recorder(stripe.HTTPClient):
    """Stripe's end of the wire: keeps what it is asked, and answers a customer."""

    name = "recorder"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> Any:  # noqa: ARG002
        self.asked.append((method, url, dict(headers)))
        return json.dumps({"id": "cus_1", "object": "customer"}), 200, {}


@pytest.fixture
def written(moto: None) -> Callable[..., str]:  # noqa: ARG001 - it has to be there first
    """Writes the secret `stripe-…` anew, and tells its id."""
    client = boto3.client("secretsmanager", region_name="us-east-1")
    secret_id = f"stripe-{uuid4().hex}"
    client.create_secret(Name=secret_id, SecretString=json.dumps({"api_key": "", "webhook_secret": ""}))

    def write(**parts: str) -> str:
        client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(parts))
        return secret_id

    return write


def test_a_rotated_secret_is_in_use_after_five_minutes(written: Callable[..., str]) -> None:
    clock = Monotonic()
    secret = Secret(written(api_key="sk_test_1", webhook_secret="whsec_1"), region="us-east-1", monotonic=clock)
    assert (secret.api_key, secret.webhook_secret) == ("sk_test_1", "whsec_1")

    written(api_key="sk_test_2", webhook_secret="whsec_2")

    clock.seconds = 299
    assert (secret.api_key, secret.webhook_secret) == ("sk_test_1", "whsec_1")
    clock.seconds = 301
    assert (secret.api_key, secret.webhook_secret) == ("sk_test_2", "whsec_2")


def test_a_part_that_nobody_wrote_is_refused_and_found_as_soon_as_it_is_there(written: Callable[..., str]) -> None:
    secret = Secret(written(api_key="sk_test_1", webhook_secret=""), region="us-east-1", monotonic=Monotonic())
    assert secret.api_key == "sk_test_1"
    with pytest.raises(SecretNotSet, match=r"^webhook_secret$"):
        _ = secret.webhook_secret

    written(api_key="sk_test_1", webhook_secret="whsec_1")

    assert secret.webhook_secret == "whsec_1"


def test_the_client_is_kept_until_its_key_is_rotated(written: Callable[..., str]) -> None:
    clock = Monotonic()
    account = Stripe(Secret(written(api_key="sk_test_1", webhook_secret=""), region="us-east-1", monotonic=clock))
    first = account.client
    assert account.client is first

    written(api_key="sk_test_2", webhook_secret="")
    clock.seconds = 301

    assert account.client is not first


def test_the_client_speaks_one_version_to_the_origin_it_is_given() -> None:
    wire = Recorder()
    client = make_client("sk_test_1", api_base="http://127.0.0.1:12111", http_client=wire)

    assert client.v1.customers.retrieve("cus_1").id == "cus_1"

    ((method, url, headers),) = wire.asked
    assert (method, url) == ("get", "http://127.0.0.1:12111/v1/customers/cus_1")
    assert headers["Stripe-Version"] == API_VERSION == "2026-10-28.endive"
    assert headers["Authorization"] == "Bearer sk_test_1"
