"""What AWS would run answers events/*.json: built functions and layers under the Lambda Runtime Interface Emulator."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from credits.domain.appoint import appoint
from credits.domain.instant import to_text
from credits.ledger.dynamo import DynamoStore, _entry_item
from credits.ledger.post import post
from credits.ledger.store import AccountKey, MemberKey, Span, due_shard
from credits.payments.signal import signal_of
from credits.runtime import clock
from local.sign import signed
from local.template import ROOT
from tests.moves import CATALOG, granted, held, opened, released
from tests.runtime.build import BuiltFunction
from tests.runtime.conftest import Answer, Deployment
from tests.template.document import functions, permissions


@pytest.fixture(scope="session")
def story(deployment: Deployment) -> dict[str, Answer]:
    """One account's life, told once; every route is asked, and each event of it is a file of events/."""
    told: dict[str, Answer] = {}
    for name in (
        "accounts.create_account",
        "charges.create_quote",
        "charges.create_charge",
        "charges.create_batch",
        "charges.read_charge",
        "accounts.create_grant",
        "accounts.put_plan",
        "accounts.read_account",
        "accounts.list_accounts",
        "usage.list_entries",
        "usage.audit_account",
        "usage.export_ledger",
        "accounts.read_catalog",
        "accounts.read_openapi",
        "accounts.read_docs",
    ):
        told[name] = deployment.send(name)
    for name in ("accounts.create_account", "charges.create_charge", "charges.create_batch"):
        told[f"{name} again"] = deployment.send(name)
    told["a second account"] = deployment.send("accounts.create_account", body='{"account_id": "globex"}')
    told["two accounts"] = deployment.send("accounts.list_accounts")
    told["a grant to nobody"] = deployment.send(
        "accounts.create_grant",
        rawPath="/v1/accounts/nobody/grants",
        pathParameters={"account_id": "nobody"},
    )
    at = to_text(clock.now())
    told["the account a moment ago"] = deployment.send(
        "accounts.read_account", rawQueryString=f"at={at}", queryStringParameters={"at": at}
    )
    told["every entry"] = deployment.send("usage.list_entries", rawQueryString="", queryStringParameters={})
    headers = {"authorization": f"Bearer {deployment.api_key}", "idempotency-key": "too-much"}
    too_much = json.dumps({"action": "deep_research", "quantity": 10_000})
    told["a refusal"] = deployment.send("charges.create_charge", body=too_much, headers=headers)
    return told


@pytest.fixture(scope="session")
def holds(
    usage: dict[str, Any],  # noqa: ARG001 - what these and the page show of acme, it changes
    page: dict[str, Answer],  # noqa: ARG001
    deployment: Deployment,
) -> dict[str, Answer]:
    """A hold's life, refunds, meters and members; and what only happens late or to those who are no member."""

    def asked(name: str, account_id: str = "acme", **body: Any) -> Answer:
        event = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
        names = event["pathParameters"] | {"account_id": account_id}
        path = event["rawPath"].replace("/acme/", f"/{account_id}/")
        headers = event["headers"] | {"authorization": f"Bearer {deployment.api_key}"}
        if key := body.pop("key", None):
            headers["idempotency-key"] = key
        changes: dict[str, Any] = {"pathParameters": names, "rawPath": path, "headers": headers}
        return deployment.send(name, **changes, **({"body": json.dumps(body)} if body else {}))

    told = {
        name: asked(name)
        for name in (
            "holds.create_hold",
            "holds.list_holds",
            "holds.read_hold",
            "holds.create_capture",
            "holds.create_extension",
            "holds.close_hold",
            "charges.create_refund",
            "charges.create_adjustment",
            "accounts.put_knowledge_words",
            "accounts.change_workflows",
            "accounts.put_member",
            "accounts.list_members",
            "accounts.read_member",
        )
    }
    told["one more member"] = deployment.send(
        "accounts.put_member",
        rawPath="/v1/accounts/acme/members/ann",
        pathParameters={"account_id": "acme", "member_id": "ann"},
    )
    for key, member_id in (("mara-s", "mara"), ("nobody-s", "nobody")):
        asked("holds.create_hold", key=key, credits=1, member_id=member_id)
        asked("charges.create_charge", key=key + "-charge", action="message", member_id=member_id)
    asked("holds.create_hold", "globex", key="one", credits=1)
    told["capture of a closed one"] = asked("holds.create_capture", key="late", action="message")
    deployment.send(
        "holds.create_capture",
        rawPath="/v1/accounts/globex/holds/one/captures",
        pathParameters={"account_id": "globex", "hold_id": "one"},
        body='{"action": "message"}',
    )
    deployment.send(
        "charges.create_refund",
        rawPath="/v1/accounts/globex/charges/one!capture-1/refund",
        pathParameters={"account_id": "globex", "charge_id": "one!capture-1"},
    )
    for account_id in ("acme", "globex"):
        told[f"audit of {account_id}"] = asked("usage.audit_account", account_id)
    told["accounts.delete_member"] = asked("accounts.delete_member")
    _, told["page of a team with members"] = opened_page(deployment)

    store = DynamoStore(deployment.tables)
    before = clock.now() - timedelta(hours=2)
    opened(store, "late", at=before)
    granted(store, "gift", 50, account_id="late", at=before, expires_at=before + timedelta(hours=1))
    held(store, "hold-1", 50, account_id="late", at=before, expires_in_seconds=86_400)
    told["a late close"] = asked("holds.close_hold", "late")
    told["a late close again"] = asked("holds.close_hold", "late")
    opened(store, "tight", at=before)
    held(store, "swept", 300, account_id="tight", at=before, expires_in_seconds=60)
    told["a charge that sweeps"] = asked("charges.create_charge", "tight", key="sweeping", action="message")
    return told


@pytest.fixture(scope="session")
def renewals(story: dict[str, Answer], deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - it comes after
    """The schedule, and a shard with two due accounts: one was idle for 40 days, one only seems due, as where the index
    is behind its table."""
    store = DynamoStore(deployment.tables)
    opened(store, "due-6", at=clock.now() - timedelta(days=40))
    opened(store, "due-15", at=clock.now())
    client: Any = deployment.tables.connection.client
    client.update_item(
        TableName="AccountsTable",
        Key={"account_id": {"S": "due-15"}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000Z"}},
    )
    told = {name: deployment.invoke(name) for name in ("renewals.schedule", "renewals.shards")}
    _expire_holds(deployment)
    told["entries"] = [entry.kind for entry in store.entries(Span("due-6"), limit=10)]
    return told


def _expire_holds(deployment: Deployment) -> None:
    """Holds of a member, of nobody, and one that was closed already and only seems due: all of them are settled."""
    store = DynamoStore(deployment.tables)
    before = clock.now() - timedelta(hours=3)
    opened(store, "swept", at=before)
    granted(store, "gift", 50, account_id="swept", at=before, expires_at=before + timedelta(hours=1))
    member = partial(appoint, catalog=CATALOG, key="m1", member_id="mara", credit_cap=None)
    post(store, "m1", [AccountKey("swept"), MemberKey("swept", "mara")], member, now=before)
    for hold_id, credits, member_id in (("gone", 50, None), ("mara-s", 5, "mara"), ("nobody-s", 5, "nobody")):
        held(store, hold_id, credits, account_id="swept", at=before, expires_in_seconds=7_200, member_id=member_id)
    released(store, "gone", account_id="swept", at=before + timedelta(minutes=90))
    client: Any = deployment.tables.connection.client
    client.update_item(
        TableName="HoldsTable",
        Key={"book_id": {"S": "swept#hold#gone"}},
        UpdateExpression="SET due_at = :past, due_shard = :shard",
        ExpressionAttributeValues={
            ":past": {"S": "2026-01-01T00:00:00.000Z"},
            ":shard": {"S": due_shard("swept#hold#gone")},
        },
    )
    event = json.loads((ROOT / "events" / "renewals.shards.json").read_text(encoding="utf-8"))
    record = event["Records"][0]
    event["Records"] = [
        record | {"messageId": hold_id, "body": json.dumps({"kind": "hold", "shard": shard, "beyond": None})}
        for hold_id in ("gone", "mara-s", "nobody-s")
        for shard in [due_shard(f"swept#hold#{hold_id}")]
    ]
    assert deployment.emulators["renewals"].invoke(event) == {"batchItemFailures": []}
    (account,) = store.read(AccountKey("swept"))
    assert account
    assert (account.held, account.remaining) == (0, 300)


@pytest.fixture(scope="session")
def audits(renewals: dict[str, Any], holds: dict[str, Answer], deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - it comes after
    """The schedule, and a piece of two accounts."""
    return {name: deployment.invoke(name) for name in ("audits.schedule", "audits.pieces")}


def test_opening_an_account_answers_it_on_free(story: dict[str, Answer]) -> None:
    opened = story["accounts.create_account"]
    assert opened.status == 201
    assert opened.headers["content-type"] == "application/json"
    assert opened.body["account_id"] == "acme"
    assert opened.body["plan"] == {"id": "free", "name": "Free"}
    assert opened.body["credits"] == {
        "remaining": 300,
        "total": 300,
        "used": 0,
        "held": 0,
        "frozen": 0,
        "plan_remaining": 300,
        "purchased_remaining": 0,
    }


def test_opening_it_again_answers_200(story: dict[str, Answer]) -> None:
    assert story["accounts.create_account again"].status == 200
    assert story["accounts.create_account again"].body["account_id"] == "acme"


def test_a_hold_is_opened_captured_extended_and_closed(holds: dict[str, Answer]) -> None:
    statuses = {name: answer.status for name, answer in holds.items() if answer.status not in {200, 201}}
    assert statuses == {"capture of a closed one": 409}
    assert holds["holds.close_hold"].body["captured"] == 20
    assert holds["a late close"].body["expired"] == 50
    assert holds["a late close again"].text == holds["a late close"].text
    assert holds["a charge that sweeps"].body["balance"] == {"remaining": 299, "total": 300}
    assert [holds[f"audit of {name}"].body["ok"] for name in ("acme", "globex")] == [True, True]


def test_a_quote_answers_each_price_and_the_total(story: dict[str, Answer]) -> None:
    quote = story["charges.create_quote"]
    assert quote.status == 200
    assert quote.body == {
        "lines": [
            {"action": "message", "quantity": 1, "credits": 1},
            {"action": "agent_step", "quantity": 3, "credits": 6},
        ],
        "total": 7,
        "affordable": True,
        "remaining_after": 293,
    }


def test_a_charge_answers_what_it_cost_and_what_it_left(story: dict[str, Answer]) -> None:
    charged = story["charges.create_charge"]
    assert charged.status == 201
    assert {name: value for name, value in charged.body.items() if name != "entry"} == {
        "charge_id": "charge-1",
        "action": "message",
        "quantity": 1,
        "credits": 1,
        "balance": {"remaining": 299, "total": 300},
        "warning": None,
    }
    assert charged.body["entry"]["conversation_title"] == "Emails from John"


def test_a_charge_sent_again_is_answered_to_the_byte_and_says_so(story: dict[str, Answer]) -> None:
    again = story["charges.create_charge again"]
    assert again.status == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert again.text == story["charges.create_charge"].text


def test_a_charge_can_be_read_again(story: dict[str, Answer]) -> None:
    assert story["charges.read_charge"].status == 200
    assert story["charges.read_charge"].text == story["charges.create_charge"].text


def test_a_batch_answers_its_lines_and_their_sum(story: dict[str, Answer]) -> None:
    batch = story["charges.create_batch"]
    assert batch.status == 201
    assert [(each["charge_id"], each["action"], each["credits"]) for each in batch.body["charges"]] == [
        ("batch-1", "agent_step", 2),
        ("batch-1~01", "web_fetch", 2),
        ("batch-1~02", "ai_response", 0),
    ]
    assert batch.body["credits"] == 4
    assert batch.body["balance"] == {"remaining": 295, "total": 300}


def test_a_batch_sent_again_is_answered_to_the_byte(story: dict[str, Answer]) -> None:
    assert story["charges.create_batch again"].status == 200
    assert story["charges.create_batch again"].text == story["charges.create_batch"].text


def test_a_grant_adds_to_the_balance(story: dict[str, Answer]) -> None:
    granted = story["accounts.create_grant"]
    assert granted.status == 201
    assert granted.body["credits"] == 50
    assert granted.body["balance"] == {"remaining": 345, "total": 350}


def test_a_plan_change_answers_the_account_on_its_new_plan(story: dict[str, Answer]) -> None:
    changed = story["accounts.put_plan"]
    assert changed.status == 200
    assert changed.body["plan"] == {"id": "team", "name": "Team"}
    assert changed.body["seats"] == 2
    # Two seats of 4,000, the grant, and what was left of the 300.
    assert changed.body["credits"]["remaining"] == 8_345


def test_the_account_is_read_as_it_was_left(story: dict[str, Answer]) -> None:
    assert story["accounts.read_account"].body["credits"]["remaining"] == 8_345
    assert story["the account a moment ago"].body["credits"]["remaining"] == 8_345


def test_accounts_are_listed_the_last_opened_first(story: dict[str, Answer]) -> None:
    assert [account["account_id"] for account in story["accounts.list_accounts"].body["accounts"]] == ["acme"]
    assert [account["account_id"] for account in story["two accounts"].body["accounts"]] == ["globex", "acme"]
    assert story["two accounts"].body["cursor"] is None


def test_a_grant_to_nobody_is_refused(story: dict[str, Answer]) -> None:
    assert story["a grant to nobody"].status == 404
    assert story["a grant to nobody"].body["code"] == "account_not_found"


def test_the_entries_of_the_conversation_are_listed_newest_first(story: dict[str, Answer]) -> None:
    entries = story["usage.list_entries"].body["entries"]
    assert [(entry["action"], entry["credits"]) for entry in entries] == [
        ("ai_response", 0),
        ("web_fetch", -2),
        ("agent_step", -2),
        ("message", -1),
    ]


def test_every_entry_is_listed_where_no_filter_is_given(story: dict[str, Answer]) -> None:
    entries = story["every entry"].body["entries"]
    assert [(entry["kind"], entry["credits"]) for entry in entries] == [
        ("plan_change", 0),
        ("allocation", 8_000),
        ("promotion", 50),
        ("charge", 0),
        ("charge", -2),
        ("charge", -2),
        ("charge", -1),
        ("allocation", 300),
        ("opened", 0),
    ]


def test_the_audit_holds(story: dict[str, Answer]) -> None:
    assert story["usage.audit_account"].status == 200
    assert story["usage.audit_account"].body["ok"] is True
    assert story["usage.audit_account"].body["problems"] == []


def test_the_catalog_and_the_documents_need_no_key(story: dict[str, Answer]) -> None:
    assert story["accounts.read_catalog"].status == 200
    assert story["accounts.read_openapi"].status == 200
    assert "/v1/accounts/{account_id}/charges/batch" in story["accounts.read_openapi"].body["paths"]
    assert story["accounts.read_docs"].status == 200
    assert story["accounts.read_docs"].headers["content-type"] == "text/html; charset=utf-8"
    assert len(story["accounts.read_docs"].text) < 6 * 1024 * 1024, "more than Lambda returns"


@pytest.mark.parametrize("name", ["accounts.read_account", "charges.create_charge", "usage.list_entries"])
def test_a_caller_without_a_key_is_answered_a_problem(deployment: Deployment, name: str) -> None:
    refused = deployment.send(name, authorization="Bearer API_KEY")
    assert refused.status == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.body["code"] == "unauthenticated"


def test_a_refusal_says_where_to_upgrade(story: dict[str, Answer]) -> None:
    refused = story["a refusal"]
    assert refused.status == 402
    assert refused.body["code"] == "insufficient_credits"
    assert refused.body["required"] == 200_000
    assert refused.body["remaining"] == 8_345
    assert refused.body["upgrade_url"] == "UpgradeUrl"


def test_the_schedule_fills_its_queue_and_a_shard_is_renewed(renewals: dict[str, Any]) -> None:
    assert renewals == {
        "renewals.schedule": None,
        "renewals.shards": {"batchItemFailures": []},
        "entries": ["allocation", "expiry", "allocation", "opened"],
    }


def test_the_daily_audit_fills_its_queue_and_logs_the_head_of_each_account(
    audits: dict[str, Any], deployment: Deployment
) -> None:
    output = deployment.emulators["audits"].output()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    audited = {line["account_id"]: line for line in lines if line["message"] == "audited"}

    assert audits == {"audits.schedule": None, "audits.pieces": {"batchItemFailures": []}}
    assert [(name, line["ok"]) for name, line in sorted(audited.items())] == [("acme", True), ("globex", True)]
    assert re.fullmatch("[0-9a-f]{64}", audited["globex"]["head"])
    assert audited["globex"]["seq"] == 3


@pytest.fixture(scope="session")
def usage(renewals: dict[str, Any], deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - it comes after
    """The stream's event, a second one whose account the projection reads from the ledger, and what they add up to."""
    told = {"usage_projection.entries": deployment.invoke("usage_projection.entries")}
    (last,) = DynamoStore(deployment.tables).entries(Span("due-6"), limit=1)
    record = {"dynamodb": {"SequenceNumber": "1", "NewImage": _entry_item(last)}}
    told["a gap"] = deployment.emulators["usage_projection"].invoke({"Records": [record]})
    for name in ("report_usage", "read_insights", "list_conversations", "read_conversation", "download_entries"):
        told[f"usage.{name}"] = deployment.send(f"usage.{name}")
    return told


def test_the_stream_is_counted_and_reported(usage: dict[str, Any]) -> None:
    assert usage["usage_projection.entries"] == {"batchItemFailures": []}
    assert usage["a gap"] == {"batchItemFailures": []}
    assert usage["usage.report_usage"].status == 200
    assert usage["usage.report_usage"].body["granularity"] == "week"
    assert len(usage["usage.read_insights"].body["tips"]) == 4
    assert [each["credits"] for each in usage["usage.list_conversations"].body["conversations"]] == [3]
    assert usage["usage.read_conversation"].body["title"] == "Emails from John"
    assert usage["usage.download_entries"].headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert usage["usage.download_entries"].text.count("\r\n") == 5


def opened_page(deployment: Deployment) -> tuple[Answer, Answer]:
    """A link to the Usage page, and the page."""
    link = deployment.send("usage.create_usage_session")
    # Of one conversation, so that every index is read.
    chosen = {"session": session_of(link), "conversation": "chat-1"}
    shown = deployment.send("usage_page.show_usage", rawQueryString=urlencode(chosen), queryStringParameters=chosen)
    return link, shown


def session_of(link: Answer) -> str:
    url: str = link.body["url"]
    return parse_qs(urlsplit(url).query)["session"][0]


@pytest.fixture(scope="session")
def page(story: dict[str, Answer], deployment: Deployment) -> dict[str, Answer]:  # noqa: ARG001 - it comes after
    """A link to the Usage page, what it opens, the first file that this refers to, and the badge with its balance."""
    link, shown = opened_page(deployment)
    session = session_of(link)
    history = deployment.send(
        "usage_page.download_history", rawQueryString=f"session={session}", queryStringParameters={"session": session}
    )
    name = re.findall(r"/usage/assets/([^\"]+)", shown.text)[0]
    file = deployment.send("usage_page.read_asset", rawPath=f"/usage/assets/{name}", pathParameters={"name": name})
    balance = deployment.send(
        "usage_page.read_balance", rawQueryString=f"session={session}", queryStringParameters={"session": session}
    )
    badge = deployment.send("usage_page.read_badge")
    return {"link": link, "page": shown, "history": history, "file": file, "balance": balance, "badge": badge}


def test_a_link_opens_the_page_and_the_page_its_files(page: dict[str, Answer]) -> None:
    assert page["link"].status == 201
    assert page["page"].status == 200
    assert page["page"].headers["content-type"] == "text/html; charset=utf-8"
    assert page["history"].headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert page["file"].status == 200
    assert page["file"].headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (page["balance"].status, page["balance"].body["remaining"]) == (200, 8_345)
    assert page["badge"].headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.fixture(scope="session")
def buttons(page: dict[str, Answer], deployment: Deployment) -> dict[str, Answer]:
    """What the buttons of that page lead to."""
    session = {"session": parse_qs(urlsplit(page["link"].body["url"]).query)["session"][0]}
    asked = session | {"plan": "max"}
    order = deployment.send("usage_checkout.show_order", rawQueryString=urlencode(asked), queryStringParameters=asked)
    form = urlencode(session | {"key": "page-1", "pack": "small"})
    checkout = deployment.send("usage_checkout.start_checkout", body=form)
    portal = deployment.send("usage_checkout.show_portal", body=urlencode(session))
    return {"order": order, "checkout": checkout, "portal": portal}


def test_the_buttons_of_the_page_lead_to_stripe(buttons: dict[str, Answer]) -> None:
    assert "<h1>Change to Max</h1>" in buttons["order"].text
    assert (buttons["checkout"].status, buttons["portal"].status) == (303, 303)
    assert "/pages/checkout/" in buttons["checkout"].headers["location"]
    assert "/pages/portal/" in buttons["portal"].headers["location"]


@pytest.fixture(scope="session")
def alerts(story: dict[str, Answer], deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - it comes after
    """The stream told on the bus, and a notice for a product that is not there."""
    return {name: deployment.invoke(name) for name in ("alerts.entries", "webhooks.notices")}


def test_the_stream_is_told_and_a_webhook_without_a_receiver_comes_again(alerts: dict[str, Any]) -> None:
    assert alerts == {
        "alerts.entries": {"batchItemFailures": []},
        "webhooks.notices": {"batchItemFailures": [{"itemIdentifier": "5a7c1f7e-9b1d-4a55-9f0e-0c1d2e3f4a5b"}]},
    }


@pytest.fixture(scope="session")
def orders(story: dict[str, Answer], deployment: Deployment) -> dict[str, Any]:  # noqa: ARG001 - it comes after
    """A preview, an order that is paid in Checkout, the portal, and seats more."""
    told: dict[str, Any] = {
        name: deployment.send(name)
        for name in ("billing.preview_plan_change", "billing.create_checkout_session", "billing.create_portal_session")
    }
    team = deployment.send(
        "billing.create_checkout_session",
        headers={"authorization": f"Bearer {deployment.api_key}", "idempotency-key": "order-2"},
        body='{"plan": "team", "seats": 2}',
    )
    deployment.stripe.complete_checkout(team.body["url"].rpartition("/")[2])
    for name in ("billing.change_seats", "billing.put_top_up"):
        told[name] = deployment.send(name)
    told["top_ups.crossings"] = deployment.invoke("top_ups.crossings")
    for name in ("billing.get_top_up", "billing.delete_top_up"):
        told[name] = deployment.send(name)
    return told


def test_plans_and_seats_are_ordered_from_stripe(orders: dict[str, Any]) -> None:
    assert orders["billing.preview_plan_change"].body["due_now"]["amount_cents"] == 14_700
    assert orders["billing.create_checkout_session"].status == 201
    assert "/pages/checkout/" in orders["billing.create_checkout_session"].body["url"]
    assert "/pages/portal/" in orders["billing.create_portal_session"].body["url"]
    assert orders["billing.change_seats"].body["outcome"] == "changed"
    assert orders["billing.change_seats"].body["seats"] == 5


def test_a_crossing_buys_the_pack_that_the_account_chose(orders: dict[str, Any], deployment: Deployment) -> None:
    assert orders["billing.put_top_up"].status == 200
    assert orders["top_ups.crossings"] == {"batchItemFailures": []}
    assert orders["billing.get_top_up"].body["bought_this_month"] == 1
    assert orders["billing.delete_top_up"].status == 200
    (bought, *_) = deployment.stripe.request("GET", "/v1/payment_intents")["data"]
    assert (bought["amount"], bought["status"], bought["metadata"]) == (
        999,
        "succeeded",
        {"account_id": "acme", "pack": "small", "top_up": "1#1000"},
    )


@pytest.fixture(scope="session")
def webhooks(deployment: Deployment) -> dict[str, Any]:
    """Every event of Stripe's in events/, signed for now, and one that is not."""
    told = {}
    for file in sorted(ROOT.glob("events/stripe_webhook.*.json")):
        fresh = signed(json.loads(file.read_text(encoding="utf-8")), "whsec_1", now=datetime.now(UTC))
        told[file.stem] = deployment.send(file.stem, headers=fresh["headers"])
    told["signed long ago"] = deployment.send("stripe_webhook.invoice.paid")
    return told


def test_every_event_of_stripe_s_is_taken_where_it_is_signed(webhooks: dict[str, Any]) -> None:
    assert webhooks.pop("signed long ago").body["code"] == "invalid_signature"
    assert len(webhooks) == 27
    assert {answer.status for answer in webhooks.values()} == {200}


@pytest.fixture(scope="session")
def synced(orders: dict[str, Answer], deployment: Deployment) -> dict[str, Any]:
    """What Stripe had to tell of the orders, worked off; then the customer is deleted; then all is compared."""
    told: dict[str, Any] = {"ordered": orders["billing.change_seats"].body["seats"]}
    told["synced"] = deployment.emulators["stripe_sync"].invoke(_signals(deployment, 0))
    told["account"] = deployment.send("accounts.read_account").body
    heard = len(deployment.stripe.events)
    (customer,) = deployment.stripe.request("GET", "/v1/customers")["data"]
    deployment.stripe.request("DELETE", f"/v1/customers/{customer['id']}")
    told["deleted"] = deployment.emulators["stripe_sync"].invoke(_signals(deployment, heard))
    told["account of nobody"] = deployment.send("accounts.read_account").body
    for name in ("stripe_sync.schedule", "stripe_sync.signals"):
        told[name] = deployment.invoke(name)
    return told


def _signals(deployment: Deployment, since: int) -> dict[str, Any]:
    """The batch that the queue brings of everything since the event numbered `since`."""
    event = json.loads((ROOT / "events" / "stripe_sync.signals.json").read_text(encoding="utf-8"))
    template = event["Records"][0]
    signals = [signal for each in deployment.stripe.events[since:] if (signal := signal_of(each))]
    records = [template | {"messageId": each.event_id, "body": each.to_message()} for each in signals]
    return {"Records": records}


def test_what_was_ordered_from_stripe_comes_into_the_ledger(synced: dict[str, Any]) -> None:
    assert synced["synced"] == {"batchItemFailures": []}
    assert (synced["account"]["plan"]["id"], synced["account"]["seats"]) == ("team", synced["ordered"])
    assert synced["deleted"] == {"batchItemFailures": []}
    assert synced["account of nobody"]["plan"]["id"] == "free"
    assert synced["stripe_sync.schedule"] is None
    assert synced["stripe_sync.signals"] == {"batchItemFailures": []}


@pytest.mark.usefixtures(
    "story", "holds", "renewals", "audits", "usage", "page", "buttons", "alerts", "orders", "webhooks", "synced"
)
@pytest.mark.parametrize("name", functions())
def test_a_function_asks_for_what_its_policy_allows_and_for_nothing_else(deployment: Deployment, name: str) -> None:
    assert deployment.recorders[name].asked == permissions(name)


@pytest.mark.usefixtures("story")
def test_a_log_line_names_the_route_and_its_status_and_never_the_key(deployment: Deployment) -> None:
    output = deployment.emulators["charges"].output()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    answered = next(line for line in lines if line["message"] == "answered")
    assert answered["service"] == "charges"
    assert answered["route"] == "POST /v1/accounts/{account_id}/quotes"
    assert answered["status"] == 200
    assert deployment.api_key not in output


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_and_its_layers_fit_into_lambda(built: dict[str, BuiltFunction], name: str) -> None:
    unzipped_limit_bytes = 262_144_000
    folders = [built[name].folder, *built[name].layers]
    sizes = [file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert sum(sizes) < unzipped_limit_bytes


def test_a_layer_holds_its_packages_once_under_python(built: dict[str, BuiltFunction]) -> None:
    dependencies, package = built["charges"].layers
    assert {each.name for each in package.iterdir()} == {"python"}
    assert (package / "python" / "credits" / "catalog" / "catalog.toml").is_file()
    assert (dependencies / "python" / "pydantic_core").is_dir()
    assert not (dependencies / "python" / "credits").exists()
