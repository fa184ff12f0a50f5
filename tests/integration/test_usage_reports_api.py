"""The usage function over API Gateway's events: reports, conversations, and the ledger as CSV."""

import csv
import io
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import Span
from credits.runtime.wire.usage import COLUMNS
from credits.usage.project import project
from tests.integration.conftest import Stack
from tests.moves import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def path(stack: Stack) -> str:
    """An account with a short history, twelve hours between each two charges, that was counted."""
    path = stack.opened()
    for number, (action, conversation, member) in enumerate(
        [
            ("message", "chat-1", "alice"),
            ("image_edit", "chat-2", "bob"),
            ("web_fetch", "chat-1", "alice"),
            ("ai_response", None, None),
        ]
    ):
        stack.now = NOON + 12 * number * HOUR
        usage = {"conversation_id": conversation, "member_id": member, "conversation_title": conversation and "A chat"}
        stack.charged(path, f"k{number}", action=action, **usage)
    counted(stack, path)
    return path


def counted(stack: Stack, path: str) -> None:
    """What the stream does."""
    ledger = DynamoStore(stack.tables)
    entries = ledger.entries(Span(path.rpartition("/")[2]), limit=10_000, newest_first=False)
    assert project(ledger, stack.rollups, entries) == {}


def refusal(stack: Stack, path: str, **query: str) -> tuple[int, str, str]:
    answer = stack.call("GET", path, query=query)
    return answer.status, answer.body["code"], answer.body["field"]


def test_usage_by_day_in_a_time_zone(stack: Stack, path: str) -> None:
    query = {"granularity": "day", "from": "2026-11-23", "to": "2026-11-26", "tz": "Europe/Berlin"}
    answer = stack.call("GET", f"{path}/usage", query=query)

    assert answer.status == 200
    assert answer.body == {
        "granularity": "day",
        "from": "2026-11-23T00:00:00.000+01:00",
        "to": "2026-11-26T00:00:00.000+01:00",
        "total": 7,
        "buckets": [
            {
                "start": "2026-11-23T00:00:00.000+01:00",
                "credits": 1,
                "actions": {"message": {"count": 1, "credits": 1}},
            },
            {
                "start": "2026-11-24T00:00:00.000+01:00",
                "credits": 6,
                "actions": {"image_edit": {"count": 1, "credits": 5}, "web_fetch": {"count": 1, "credits": 1}},
            },
            {
                "start": "2026-11-25T00:00:00.000+01:00",
                "credits": 0,
                "actions": {"ai_response": {"count": 1, "credits": 0}},
            },
        ],
    }


def test_without_a_time_usage_is_that_of_the_current_period(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/usage")

    assert (answer.body["from"], answer.body["to"]) == ("2026-11-23T12:00:00.000Z", "2026-12-23T12:00:00.000Z")
    assert answer.body["granularity"] == "day"
    assert answer.body["total"] == 7
    assert len(answer.body["buckets"]) == 31
    assert answer.body["buckets"][-1] == {"start": "2026-12-23T00:00:00.000Z", "credits": 0, "actions": {}}


@pytest.mark.parametrize(
    ("query", "starts", "total"),
    [
        ({"granularity": "week"}, ["2026-11-23", "2026-11-30", "2026-12-07", "2026-12-14", "2026-12-21"], 7),
        ({"granularity": "month"}, ["2026-11-01", "2026-12-01"], 7),
        ({"granularity": "month", "action": "image_edit"}, ["2026-11-01", "2026-12-01"], 5),
        ({"granularity": "month", "member": "alice"}, ["2026-11-01", "2026-12-01"], 2),
        ({"granularity": "month", "member": "alice", "action": "web_fetch"}, ["2026-11-01", "2026-12-01"], 1),
        ({"granularity": "month", "member": "nobody"}, ["2026-11-01", "2026-12-01"], 0),
        ({"granularity": "month", "to": "2026-11-24T00:00:00Z"}, ["2026-11-01"], 1),
    ],
)
def test_usage_by_week_and_month_and_by_action_and_member(
    stack: Stack, path: str, query: dict[str, str], starts: list[str], total: int
) -> None:
    answer = stack.call("GET", f"{path}/usage", query=query)

    assert [bucket["start"][:10] for bucket in answer.body["buckets"]] == starts
    assert answer.body["total"] == total


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"granularity": "year"}, "granularity"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-23T12:00:00"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02", "tz": "Asia/Kathmandu"}, "from"),
        ({"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z", "tz": "America/Los_Angeles"}, "from"),
        ({"from": "9999-12-30", "to": "9999-12-31"}, "from"),
        ({"from": "2025-01-01", "to": "2026-11-01"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"action": "a#b"}, "action"),
        ({"member": "a#b"}, "member"),
    ],
)
def test_a_report_that_cannot_be_is_400(stack: Stack, path: str, query: dict[str, str], field: str) -> None:
    assert refusal(stack, f"{path}/usage", **query) == (400, "invalid_request", field)


def test_conversations_are_listed_the_last_used_first(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/conversations")

    assert answer.body == {
        "conversations": [
            {
                "conversation_id": "chat-1",
                "title": "A chat",
                "credits": 2,
                "actions": {"message": {"count": 1, "credits": 1}, "web_fetch": {"count": 1, "credits": 1}},
                "first_at": "2026-11-23T12:00:00.000Z",
                "last_at": "2026-11-24T12:00:00.000Z",
            },
            {
                "conversation_id": "chat-2",
                "title": "A chat",
                "credits": 5,
                "actions": {"image_edit": {"count": 1, "credits": 5}},
                "first_at": "2026-11-24T00:00:00.000Z",
                "last_at": "2026-11-24T00:00:00.000Z",
            },
        ],
        "cursor": None,
    }


def test_conversations_follow_each_other_by_the_cursor(stack: Stack) -> None:
    path = stack.opened()
    for number in range(5):
        stack.charged(path, f"k{number}", conversation_id=f"chat-{number}")
    counted(stack, path)

    seen: list[str] = []
    cursors: list[str | None] = []
    query = {"limit": "2"}
    for _ in range(3):
        answer = stack.call("GET", f"{path}/conversations", query=query)
        seen += [each["conversation_id"] for each in answer.body["conversations"]]
        cursors.append(answer.body["cursor"])
        query = {"limit": "2", "cursor": answer.body["cursor"]}

    assert sorted(seen) == ["chat-0", "chat-1", "chat-2", "chat-3", "chat-4"]
    assert [cursor is None for cursor in cursors] == [False, False, True]
    assert refusal(stack, f"{path}/conversations", cursor="x") == (400, "invalid_request", "cursor")


def test_a_conversation_opens_to_its_entries(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/conversations/chat-1", query={"limit": "1"})

    assert (answer.status, answer.body["credits"], answer.body["title"]) == (200, 2, "A chat")
    assert [each["charge_id"] for each in answer.body["entries"]] == ["k2"]
    rest = stack.call("GET", f"{path}/conversations/chat-1", query={"cursor": answer.body["cursor"]})
    assert [each["charge_id"] for each in rest.body["entries"]] == ["k0"]
    assert rest.body["cursor"] is None


def test_a_conversation_that_is_not_there_is_404(stack: Stack, path: str) -> None:
    answer = stack.call("GET", f"{path}/conversations/chat-9")

    assert (answer.status, answer.body["code"]) == (404, "conversation_not_found")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_entries_are_downloaded_as_csv(stack: Stack, path: str) -> None:
    query = {"from": "2026-11-24T00:00:00Z", "to": "2026-11-24T12:00:00Z"}
    answer = stack.call("GET", f"{path}/entries.csv", query=query)

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == f'attachment; filename="{path.rpartition("/")[2]}.csv"'
    assert "link" not in answer.headers
    assert answer.text == (
        f"{','.join(COLUMNS)}\r\n4,2026-11-24T00:00:00.000Z,charge,image_edit,1,-5,294,chat-2,A chat,bob,,,,k1\r\n"
    )


def test_a_download_of_a_day_has_the_day_of_its_reader_on_every_page(stack: Stack, path: str) -> None:
    def days(first: str, beyond: str, **query: str) -> list[str]:
        seen: list[str] = []
        query = {"from": first, "to": beyond, "limit": "1"} | query
        while query:
            answer = stack.call("GET", f"{path}/entries.csv", query=query)
            seen += [row["at"] for row in rows(answer.text)]
            query = dict(parse_qsl(answer.headers.get("link", "").partition("?")[2].partition(">")[0]))
        return seen

    assert days("2026-11-24", "2026-11-25") == ["2026-11-24T12:00:00.000Z", "2026-11-24T00:00:00.000Z"]
    assert days("2026-11-24", "2026-11-25", tz="America/New_York") == [
        "2026-11-25T00:00:00.000Z",
        "2026-11-24T12:00:00.000Z",
    ]
    assert days("2026-11-24", "2026-11-24T12:00:00Z", tz="Asia/Tokyo") == ["2026-11-24T00:00:00.000Z"]


def test_csv_pages_follow_each_other_by_the_header_link(stack: Stack, path: str) -> None:
    seen: list[str] = []
    links: list[str] = []
    query = {"from": "2026-11-23T13:00:00+01:00", "limit": "3"}
    for _ in range(2):
        answer = stack.call("GET", f"{path}/entries.csv", query=query)
        seen += [row["seq"] for row in rows(answer.text)]
        links.append(answer.headers.get("link", ""))
        query = dict(parse_qsl(links[-1].partition("?")[2].partition(">")[0]))

    assert seen == ["6", "5", "4", "3", "2", "1"]
    assert links[0].startswith(f"<{path}/entries.csv?from=2026-11-23T13%3A00%3A00%2B01%3A00&limit=3&cursor=")
    assert links[0].endswith('>; rel="next"')
    assert links[1] == ""


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ('He said "no", twice', 'He said "no", twice'),
        ("two\r\nlines", "two\r\nlines"),
        ("Über 日本", "Über 日本"),
    ],
)
def test_what_people_wrote_is_a_text_in_every_spreadsheet(stack: Stack, title: str, cell: str) -> None:
    path = stack.opened()
    stack.charged(path, "k1", conversation_id="chat-1", conversation_title=title)

    (row,) = rows(stack.call("GET", f"{path}/entries.csv", query={"kind": "charge"}).text)

    assert row["conversation_title"] == cell
    assert row["credits"] == "-1"


@pytest.mark.parametrize(
    "query", [{"limit": "501"}, {"limit": "0"}, {"cursor": "x"}, {"from": "x"}, {"to": "2026-13-01"}, {"tz": "Mars"}]
)
def test_a_download_that_cannot_be_is_400(stack: Stack, path: str, query: dict[str, Any]) -> None:
    assert refusal(stack, f"{path}/entries.csv", **query) == (400, "invalid_request", next(iter(query)))


def test_insights_tell_the_rate_where_it_leads_and_what_the_tips_would_have_saved(stack: Stack) -> None:
    path = stack.opened()
    for number, seconds in enumerate([0, 20, 40, 300]):
        stack.now = NOON + timedelta(seconds=seconds)
        stack.charged(path, f"k{number}", quantity=5, conversation_id="chat-1")
    stack.charged(path, "k4", action="web_fetch", quantity=10)
    counted(stack, path)
    stack.now = NOON + 36 * HOUR

    answer = stack.call("GET", f"{path}/insights", query={"tz": "America/New_York"})

    assert answer.status == 200
    assert answer.body == {
        "forecast": {
            "outlook": "runs_out",
            "credits_per_day": 20.0,
            "used": 30,
            "from": "2026-11-23T07:00:00.000-05:00",
            "to": "2026-11-24T19:00:00.000-05:00",
            "remaining": 270,
            "runs_out_at": "2026-12-08T07:00:00.000-05:00",
            "resets_at": "2026-12-23T07:00:00.000-05:00",
        },
        "tips_since": "2026-11-23T07:00:00.000-05:00",
        "tips": [
            {
                "id": "combine_requests",
                "text": "Combine related requests into one message: three messages cost 3 and more, one combined "
                "message costs 1 plus tools.",
                "count": 18,
                "credits_saved": 18,
            },
            {
                "id": "simple_model",
                "text": "Use GPT 5.1 for simple tasks; keep advanced models for complex reasoning.",
                "count": None,
                "credits_saved": None,
            },
            {
                "id": "web_search",
                "text": "Turn web search on only when it is needed: each URL costs a credit.",
                "count": 10,
                "credits_saved": 10,
            },
            {
                "id": "weekly_look",
                "text": "Look at usage weekly, to know the pattern before running out.",
                "count": None,
                "credits_saved": None,
            },
        ],
    }


def test_insights_of_an_account_that_used_nothing(stack: Stack) -> None:
    forecast = stack.call("GET", f"{stack.opened()}/insights").body["forecast"]

    assert (forecast["outlook"], forecast["credits_per_day"], forecast["runs_out_at"]) == ("unused", 0.0, None)
    assert forecast["resets_at"] == "2026-12-23T12:00:00.000Z"


def test_insights_in_a_time_zone_that_is_none_are_400(stack: Stack, path: str) -> None:
    assert refusal(stack, f"{path}/insights", tz="Mars/Olympus") == (400, "invalid_request", "tz")


@pytest.mark.parametrize("route", ["usage", "insights", "conversations", "conversations/chat-1", "entries.csv"])
def test_an_account_that_is_not_there_has_no_usage(stack: Stack, route: str) -> None:
    answer = stack.call("GET", f"/v1/accounts/nobody/{route}")

    assert (answer.status, answer.body["code"]) == (404, "account_not_found")
