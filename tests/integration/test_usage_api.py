"""The usage function over API Gateway's events: the ledger's entries, and its audit."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from local.template import ROOT
from tests.integration.conftest import Stack
from tests.moves import NOON

MINUTE = timedelta(minutes=1)


@pytest.fixture
def path(stack: Stack) -> str:
    """An account with a short history, a minute between each two entries."""
    path = stack.opened()
    for number, (action, conversation) in enumerate(
        [("message", "chat-1"), ("web_fetch", "chat-1"), ("message", "chat-2")], start=1
    ):
        stack.now = NOON + number * MINUTE
        stack.charged(path, f"k{number}", action=action, conversation_id=conversation)
    stack.now = NOON + 4 * MINUTE
    stack.call("POST", f"{path}/grants", {"kind": "promotion", "credits": 5, "reason": "Welcome"}, key="gift")
    return path


def keys(stack: Stack, path: str, **query: str) -> list[str]:
    answer = stack.call("GET", f"{path}/entries", query=query)
    assert answer.status == 200, answer.text
    return [each["key"] for each in answer.body["entries"]]


def test_entries_are_listed_newest_first(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/entries")

    assert answer.status == 200
    assert list(answer.body) == ["entries", "cursor"]
    assert [(each["seq"], each["key"], each["credits"]) for each in answer.body["entries"]] == [
        (6, "c#gift", 5),
        (5, "c#k3", -1),
        (4, "c#k2", -1),
        (3, "c#k1", -1),
        (2, "allocation#2026-11-23T12:00:00.000Z#0", 300),
        (1, "opened", 0),
    ]
    assert answer.body["cursor"] is None
    assert answer.body["entries"][1] == stack.call("GET", f"{path}/charges/k3").body["entry"]
    gift = answer.body["entries"][0]
    assert (gift["charge_id"], gift["action"], gift["description"]) == (None, None, "Welcome")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "charge"}, ["c#k3", "c#k2", "c#k1"]),
        ({"action": "message"}, ["c#k3", "c#k1"]),
        ({"conversation": "chat-1"}, ["c#k2", "c#k1"]),
        ({"conversation": "chat-1", "action": "message"}, ["c#k1"]),
        ({"from": "2026-11-23T12:03:00Z"}, ["c#gift", "c#k3"]),
        ({"from": "2026-11-23T12:01:00Z", "to": "2026-11-23T12:03:00Z"}, ["c#k2", "c#k1"]),
        ({"from": "2026-11-23T13:03:00+01:00"}, ["c#gift", "c#k3"]),
        ({"from": "2026-11-24"}, []),
        ({"from": "2026-11-23", "to": "2026-11-24", "kind": "charge"}, ["c#k3", "c#k2", "c#k1"]),
        ({"from": "2026-11-24", "tz": "Pacific/Kiritimati", "kind": "charge"}, ["c#k3", "c#k2", "c#k1"]),
        ({"to": "2026-11-24", "tz": "Pacific/Kiritimati"}, []),
        ({"from": "2026-11-23T12:03:00Z", "to": "2026-11-23T12:01:00Z"}, []),
        ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z", "kind": "opened"}, ["opened"]),
        ({"kind": "expiry"}, []),
        ({"limit": "2"}, ["c#gift", "c#k3"]),
    ],
)
def test_entries_are_filtered(stack: Stack, path: str, query: dict[str, str], expected: list[str]) -> None:
    assert keys(stack, path, **query) == expected


def test_pages_follow_each_other_by_the_cursor(stack: Stack, path: str) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = stack.call("GET", f"{path}/entries", query={"limit": "2"} | cursor)
        seen += [each["key"] for each in answer.body["entries"]]
        cursor = {"cursor": answer.body["cursor"]}
        stack.charged(path, f"new{len(seen)}")

    assert seen == ["c#gift", "c#k3", "c#k2", "c#k1", "allocation#2026-11-23T12:00:00.000Z#0", "opened"]
    assert cursor == {"cursor": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-11-31"}, "from"),
        ({"to": "2026-11-23T12:00:00"}, "to"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"from": "0001-01-01T00:00:00+12:00"}, "from"),
        ({"kind": "gift"}, "kind"),
        ({"action": "a#b"}, "action"),
        ({"conversation": "a#b"}, "conversation"),
        ({"conversation": ""}, "conversation"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyIiLCIiLCIiXQ"}, "cursor"),
    ],
)
def test_a_query_that_cannot_be_is_400(stack: Stack, path: str, query: dict[str, str], field: str) -> None:
    answer = stack.call("GET", f"{path}/entries", query=query)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


def test_the_audit_of_a_history_holds(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/audit")

    assert (answer.status, answer.body) == (200, {"ok": True, "entries": 6, "problems": []})


def test_the_audit_names_the_entry_that_was_touched(stack: Stack, path: str) -> None:
    client: Any = stack.tables.connection.client
    client.update_item(
        TableName=stack.tables.entries.Meta.table_name,
        Key={"book_id": {"S": path.rpartition("/")[2]}, "key": {"S": "c#k1"}},
        UpdateExpression="SET conversation_title = :t",
        ExpressionAttributeValues={":t": {"S": "Not what it was"}},
    )

    answer = stack.call("GET", f"{path}/audit")

    assert (answer.status, answer.body) == (
        200,
        {
            "ok": False,
            "entries": 6,
            "problems": [
                {
                    "seq": 3,
                    "key": "c#k1",
                    "problem": "hash is not that of the entry's fields",
                    "hold_id": None,
                    "member_id": None,
                }
            ],
        },
    )


def test_the_ledger_is_exported_oldest_first_by_pages_that_the_verifier_takes(
    stack: Stack, path: str, tmp_path: Path
) -> None:
    first = stack.call("GET", f"{path}/ledger.jsonl", query={"limit": "4"})
    link = first.headers["link"].removeprefix("<").partition(">")[0]
    second = stack.call("GET", link.partition("?")[0], query=dict(parse_qsl(link.partition("?")[2])))

    file = tmp_path / "ledger.jsonl"
    file.write_text(first.text + second.text)
    tool = [sys.executable, "-I", "-S", str(ROOT / "tools" / "verify_ledger.py"), str(file)]
    done = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=False)
    account_id = path.rpartition("/")[2]
    assert [first.status, second.status] == [200, 200]
    assert first.headers["content-type"] == "application/jsonl"
    assert first.headers["content-disposition"] == f'attachment; filename="{account_id}.jsonl"'
    assert "link" not in second.headers
    assert [len(first.text.splitlines()), len(second.text.splitlines())] == [4, 2]
    assert done.stdout.splitlines()[0] == f"{account_id}: 6 entries of 1 books hold"


@pytest.mark.parametrize("route", ["entries", "audit", "ledger.jsonl"])
def test_an_account_that_is_not_there_has_no_ledger(stack: Stack, route: str) -> None:
    answer = stack.call("GET", f"/v1/accounts/nobody/{route}")

    assert (answer.status, answer.body["code"]) == (404, "account_not_found")
