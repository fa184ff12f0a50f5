"""The catalog pushed to Stripe, on the stand-in's engine: what is made, what is changed, and that nothing else is."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
import stripe

from credits.catalog import Catalog, load
from credits.payments.__main__ import main
from credits.payments.lookup import ORDERS, PLANS, SEATS
from credits.payments.push import push
from local.stripe.engine import Engine
from tests.stripe_sdk import sdk

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://credits.example/stripe/webhook"
CATALOG = load()

FROM_NOTHING = [
    "create product plan_pro (Pro)",
    "create product plan_max (Max)",
    "create product plan_team (Team)",
    "create product pack_small (Small pack)",
    "create product pack_medium (Medium pack)",
    "create product pack_large (Large pack)",
    "create price plan.pro.month: 29.00 usd",
    "create price plan.max.month: 49.00 usd",
    "create price plan.team.month: 49.00 usd",
    "create price pack.small: 9.99 usd",
    "create price pack.medium: 29.99 usd",
    "create price pack.large: 59.99 usd",
    "create portal configuration plans",
    "create portal configuration seats",
    "create portal configuration orders",
    "create webhook endpoint https://credits.example/stripe/webhook",
]


@pytest.fixture
def engine() -> Engine:
    return Engine(now=lambda: NOW)


@pytest.fixture
def client(engine: Engine) -> stripe.StripeClient:
    return sdk(engine)


def priced(tmp_path: Path, plan: str, cents: int) -> Catalog:
    """The catalog with another price of this plan."""
    text = Path(load.__code__.co_filename).with_name("catalog.toml").read_text(encoding="utf-8")
    head, section, tail = text.partition(f"[plans.{plan}]")
    before, field, after = tail.partition("price_cents = ")
    file = tmp_path / "catalog.toml"
    file.write_text(f"{head}{section}{before}{field}{cents}{after[after.index(chr(10)) :]}", encoding="utf-8")
    return load(file)


def prices(client: stripe.StripeClient) -> dict[str | None, tuple[int | None, str | None]]:
    """Amount and interval of every active price by its lookup key."""
    return {
        price.lookup_key: (price.unit_amount, price.recurring.interval if price.recurring else None)
        for price in client.v1.prices.list({"active": True, "limit": 100}).auto_paging_iter()
    }


def test_an_empty_stripe_comes_to_sell_all_of_the_catalog(client: stripe.StripeClient) -> None:
    pushed = push(client, CATALOG, webhook_url=URL)

    assert pushed.changes == FROM_NOTHING
    assert prices(client) == {
        "plan.pro.month": (2_900, "month"),
        "plan.max.month": (4_900, "month"),
        "plan.team.month": (4_900, "month"),
        "pack.small": (999, None),
        "pack.medium": (2_999, None),
        "pack.large": (5_999, None),
    }
    team = client.v1.products.retrieve("plan_team").to_dict()
    assert (team["name"], team["description"], team["unit_label"], team["metadata"]) == (
        "Team",
        "4,000 credits a month for each seat",
        "seat",
        {"plan": "team"},
    )
    assert client.v1.products.retrieve("pack_small").to_dict()["metadata"] == {"pack": "small"}


def test_a_second_push_changes_nothing(client: stripe.StripeClient, engine: Engine) -> None:
    push(client, CATALOG, webhook_url=URL)
    events = len(engine.events)

    assert push(client, CATALOG, webhook_url=URL).changes == []
    assert len(engine.events) == events


def test_a_dry_run_tells_what_it_would_change_and_changes_nothing(client: stripe.StripeClient, engine: Engine) -> None:
    assert push(client, CATALOG, webhook_url=URL, dry_run=True).changes == FROM_NOTHING
    assert engine.events == []
    assert list(client.v1.webhook_endpoints.list().auto_paging_iter()) == []

    push(client, CATALOG, webhook_url=URL)
    assert push(client, CATALOG, webhook_url=URL, dry_run=True).changes == []


def test_a_price_that_changed_is_a_new_one_that_takes_over_the_lookup_key(
    client: stripe.StripeClient, tmp_path: Path
) -> None:
    push(client, CATALOG, webhook_url=URL)
    (old,) = client.v1.prices.list({"lookup_keys": ["plan.pro.month"]}).data

    pushed = push(client, priced(tmp_path, "pro", 3_500), webhook_url=URL)

    assert pushed.changes == [
        "replace price plan.pro.month: 35.00 usd",
        "update portal configuration plans: subscription_update",
        "update portal configuration orders: subscription_update",
    ]
    (new,) = client.v1.prices.list({"lookup_keys": ["plan.pro.month"]}).data
    assert (new.unit_amount, new.active, new.to_dict()["metadata"]) == (3_500, True, {"plan": "pro"})
    closed = client.v1.prices.retrieve(old.id)
    # Whoever pays it goes on paying it, and it still says of what plan it is.
    assert (closed.unit_amount, closed.active, closed.lookup_key, closed.to_dict()["metadata"]) == (
        2_900,
        False,
        None,
        {"plan": "pro"},
    )


def test_a_price_that_goes_up_and_down_again_is_made_anew_each_time(
    client: stripe.StripeClient, tmp_path: Path
) -> None:
    for cents in (2_900, 3_500, 2_900, 3_500, 2_900):
        push(client, priced(tmp_path, "pro", cents), webhook_url=URL)
        (price,) = client.v1.prices.list({"lookup_keys": ["plan.pro.month"], "active": True}).data
        assert price.unit_amount == cents


def test_what_somebody_changed_in_the_dashboard_is_put_right(client: stripe.StripeClient) -> None:
    made = push(client, CATALOG, webhook_url=URL)
    assert made.webhook_secret
    client.v1.products.update("plan_max", {"name": "Maximum", "active": False})
    (price,) = client.v1.prices.list({"lookup_keys": ["pack.small"]}).data
    client.v1.prices.update(price.id, {"active": False})
    (endpoint,) = client.v1.webhook_endpoints.list().data
    client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["invoice.paid"], "disabled": True})

    pushed = push(client, CATALOG, webhook_url=URL)

    assert pushed.changes == [
        "update product plan_max: name, active",
        "replace price pack.small: 9.99 usd",
        "update webhook endpoint https://credits.example/stripe/webhook",
    ]
    assert pushed.webhook_secret is None
    assert push(client, CATALOG, webhook_url=URL).changes == []


def test_what_is_not_of_the_catalog_is_left_alone(client: stripe.StripeClient) -> None:
    client.v1.products.create({"id": "mug", "name": "A mug"})
    client.v1.webhook_endpoints.create({"url": "https://else.example/hook", "enabled_events": ["*"]})

    push(client, CATALOG, webhook_url=URL)

    assert client.v1.products.retrieve("mug").name == "A mug"
    urls = {each.url for each in client.v1.webhook_endpoints.list().data}
    assert urls == {"https://else.example/hook", URL}


def test_without_a_url_endpoints_are_left_alone(client: stripe.StripeClient) -> None:
    assert push(client, CATALOG, webhook_url=None).changes == FROM_NOTHING[:-1]
    assert client.v1.webhook_endpoints.list().data == []


def test_the_portal_credits_nothing_back(client: stripe.StripeClient) -> None:
    push(client, CATALOG, webhook_url=URL)

    found = {
        each.to_dict()["metadata"].get("credits_configuration"): each.to_dict()["features"]
        for each in client.v1.billing_portal.configurations.list({"active": True}).data
    }
    plans, seats, orders = found[PLANS], found[SEATS], found[ORDERS]
    for features in (plans, seats, orders):
        # What costs less waits for the period's end.
        assert features["subscription_update"]["schedule_at_period_end"] == {
            "conditions": [{"type": "decreasing_item_amount"}]
        }
    for home in (plans, seats):
        cancel = home["subscription_cancel"]
        assert (cancel["enabled"], cancel["mode"], cancel["proration_behavior"]) == (True, "at_period_end", "none")
    assert orders["subscription_cancel"]["enabled"] is False
    for features in (plans, orders):
        change = features["subscription_update"]
        assert (change["proration_behavior"], change["billing_cycle_anchor"]) == ("none", "now")
        assert change["default_allowed_updates"] == ["price"]
    # Team costs what Max does, and has seats: at home nobody switches between them.
    assert {each["product"] for each in plans["subscription_update"]["products"]} == {"plan_pro", "plan_max"}
    assert len(orders["subscription_update"]["products"]) == 3
    more = seats["subscription_update"]
    assert (more["proration_behavior"], more["billing_cycle_anchor"]) == ("always_invoice", "unchanged")
    assert more["default_allowed_updates"] == ["quantity"]
    assert [each["product"] for each in more["products"]] == ["plan_team"]


@pytest.fixture
def secret(moto: None, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001 - it has to be there first
    """A secret with an API key alone; the command's client leads to the engine."""
    value = json.dumps({"api_key": "sk_test_local", "webhook_secret": ""})
    made = boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=uuid4().hex, SecretString=value)
    monkeypatch.setattr("credits.payments.client.make_client", lambda *_, **__: sdk(engine))
    return made["ARN"]


def stored(secret: str) -> dict[str, str]:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    parts: dict[str, str] = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
    return parts


def test_the_command_tells_each_change_and_writes_the_secret_of_a_new_endpoint(
    secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["push", "--secret", secret, "--region", "us-east-1", "--webhook-url", URL]

    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == FROM_NOTHING
    assert stored(secret) == {"api_key": "sk_test_local", "webhook_secret": ""}

    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [*FROM_NOTHING, f"the endpoint's secret was written into {secret}"]
    written = stored(secret)
    assert written["api_key"] == "sk_test_local"
    assert written["webhook_secret"].startswith("whsec_")

    assert main(command) == 0
    assert capsys.readouterr().out == "nothing to change\n"
    assert stored(secret) == written


def test_the_command_says_so_where_stripe_refuses(
    secret: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> stripe.StripeClient:
        raise stripe.AuthenticationError("Invalid API Key provided")

    monkeypatch.setattr("credits.payments.client.make_client", refused)

    assert main(["push", "--secret", secret, "--region", "us-east-1"]) == 1
    assert "AuthenticationError: Invalid API Key provided" in capsys.readouterr().err


def test_the_command_needs_to_know_the_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["push", "--region", "us-east-1"])
    assert "STRIPE_SECRET_ID" in capsys.readouterr().err
