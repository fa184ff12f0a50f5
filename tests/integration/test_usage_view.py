"""The Usage page as API Gateway gets it: what of the ledger and of the read models is in it."""

import csv
import io
import re
from datetime import timedelta

import pytest

from credits.ledger.dynamo import DynamoStore
from credits.ledger.store import Span
from credits.usage.project import project
from tests.functions import Answer
from tests.integration.conftest import Stack
from tests.integration.test_usage_page import linked
from tests.moves import NOON

MINUTE = timedelta(minutes=1)


def counted(stack: Stack, path: str) -> None:
    """What the stream does."""
    ledger = DynamoStore(stack.tables)
    entries = ledger.entries(Span(path.rpartition("/")[2]), limit=10_000, newest_first=False)
    assert project(ledger, stack.rollups, entries) == {}


@pytest.fixture
def path(stack: Stack) -> str:
    """An account with a short history."""
    path = stack.opened()
    for number, (action, conversation, member) in enumerate(
        [("message", "chat-1", "alice"), ("agent_step", "chat-1", "alice"), ("image_edit", "chat-2", "bob")]
    ):
        stack.now = NOON + number * MINUTE
        stack.charged(
            path,
            f"k{number}",
            action=action,
            conversation_id=conversation,
            conversation_title=f"About {conversation}",
            member_id=member,
        )
    counted(stack, path)
    return path


def shown(stack: Stack, path: str, *, route: str = "/usage", language: str = "", **query: str) -> Answer:
    """The page, to a browser that prefers this language."""
    query = {name.rstrip("_"): value for name, value in query.items()}
    session = {"session": linked(stack, path)}
    return stack.functions.call("GET", route, query=session | query, headers={"accept-language": language})


def rows(answer: Answer) -> list[tuple[str, str]]:
    """Each row of the history: what it is, and its credits."""
    assert answer.status == 200
    cells = r'<td class="what">(?:<details><summary>|<span>)([^<]*).*?<td class="number[^>]*>([^<]*)'
    return re.findall(cells, answer.text, re.DOTALL)


def test_the_page_has_the_history_the_newest_first(stack: Stack, path: str) -> None:
    assert rows(shown(stack, path)) == [
        ("About chat-2", "−5"),
        ("About chat-1", "−3"),
        ("Monthly credits", "+300"),
        ("Account opened", "0"),
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"type": "message"}, ["About chat-1"]),
        ({"type": "allocation"}, ["Monthly credits"]),
        ({"conversation": "chat-2"}, ["About chat-2"]),
        ({"member": "alice"}, ["About chat-1"]),
        ({"member": "alice", "type": "image_edit"}, []),
        ({"from_": "2026-11-24", "to": "2026-11-25"}, []),
        ({"span": "7d"}, ["About chat-2", "About chat-1", "Monthly credits", "Account opened"]),
    ],
)
def test_filters_narrow_what_is_read(stack: Stack, path: str, query: dict[str, str], names: list[str]) -> None:
    assert [name for name, _ in rows(shown(stack, path, **query))] == names


def test_the_csv_has_the_same_lines_as_the_page(stack: Stack, path: str) -> None:
    answer = shown(stack, path, route="/usage/history.csv", type="image_edit", from_="2026-11-20", to="2026-11-23")

    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert answer.headers["content-disposition"] == 'attachment; filename="credits 2026-11-20 to 2026-11-23.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["action"], line["credits"], line["member_id"]) for line in lines] == [("image_edit", "-5", "bob")]


def test_a_download_goes_on_where_a_page_of_the_history_ends(stack: Stack) -> None:
    path = stack.opened()
    for batch in range(3):
        charges = [{"action": "ai_response"}] * 50
        assert stack.call("POST", f"{path}/charges/batch", {"charges": charges}, key=f"b{batch}").status == 201
    lines = list(csv.DictReader(io.StringIO(shown(stack, path, route="/usage/history.csv").text)))
    assert len(lines) == 152
    assert [int(line["seq"]) for line in lines] == list(range(152, 0, -1))


@pytest.mark.parametrize("route", ["/usage", "/usage/history.csv"])
def test_without_a_session_there_is_neither_page_nor_csv(stack: Stack, route: str) -> None:
    answer = stack.functions.call("GET", route)
    assert (answer.status, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")


def test_a_cursor_that_is_none_of_ours_is_told_kindly(stack: Stack, path: str) -> None:
    answer = shown(stack, path, cursor="bm9uc2Vuc2U")
    assert (answer.status, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "cursor" in answer.text


def test_what_the_browser_prefers_is_how_figures_are_written(stack: Stack, path: str) -> None:
    assert "$9.99" in shown(stack, path, language="en-US,en;q=0.5").text
    assert "9,99\xa0$" in shown(stack, path, language="de-DE,de;q=0.9").text
    assert "$9.99" in shown(stack, path, language="tlh").text


def test_days_are_those_of_the_time_zone_in_the_address(stack: Stack, path: str) -> None:
    answer = shown(stack, path, tz="Pacific/Auckland")
    assert "Times are in Pacific/Auckland." in answer.text
    assert "Nov 24, 2026" in answer.text
    assert "Times are in UTC." in shown(stack, path, tz="Mars/Olympus").text


def test_what_a_conversation_is_called_is_text(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", conversation_id="c", conversation_title="<script>alert(1)</script>")
    counted(stack, path)
    text = shown(stack, path, conversation="c").text
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
