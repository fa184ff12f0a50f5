"""The projection's function over a stream's events: what it counts, and which records it asks to have again."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from credits.domain.entry import AnyEntry
from credits.ledger.dynamo import DynamoStore, _entry_item
from credits.ledger.store import Span
from credits.usage.__main__ import main
from local.template import ROOT
from tests.integration.conftest import Stack

Event = dict[str, Any]


def event_of(entries: Sequence[AnyEntry]) -> Event:
    """The entries as a stream delivers them; their sequence numbers are 9, 10, 11 … and 21 digits."""
    return {
        "Records": [
            {"dynamodb": {"SequenceNumber": f"{number}{'0' * 21}", "NewImage": _entry_item(entry)}}
            for number, entry in enumerate(entries, start=9)
        ]
    }


def project(stack: Stack, event: Event) -> list[str]:
    """The sequence numbers that the function answers as failed."""
    answered = stack.functions.module("usage_projection").handler(event, None)
    return [each["itemIdentifier"] for each in answered["batchItemFailures"]]


def entries_of(stack: Stack, path: str) -> list[AnyEntry]:
    return list(DynamoStore(stack.tables).entries(Span(path.rpartition("/")[2]), limit=1_000, newest_first=False))


def total(stack: Stack, path: str) -> int:
    answer = stack.call("GET", f"{path}/usage")
    assert answer.status == 200, answer.text
    credits: int = answer.body["total"]
    return credits


def test_the_event_of_the_documentation_is_counted(stack: Stack) -> None:
    event = json.loads((ROOT / "events" / "usage_projection.entries.json").read_text(encoding="utf-8"))

    assert project(stack, event) == []

    conversation = stack.rollups.conversation("acme", "conversation#conversation-1")
    assert conversation
    assert (conversation.title, conversation.credits) == ("Emails from John", 3)


def test_an_ordinary_batch_fails_nothing_however_often_it_comes(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1", action="deep_research")
    stack.charged(path, "k2")

    assert project(stack, event_of(entries_of(stack, path))) == []
    assert project(stack, event_of(entries_of(stack, path))) == []

    assert total(stack, path) == 21


@pytest.mark.parametrize(
    "poison",
    [
        {},
        {"book_id": {"S": "acme"}},
        {"book_id": {"S": "acme"}, "key": {"S": "k"}, "moment": {"S": "yesterday"}},
        {"book_id": {"BOOL": True}},
        {"book_id": "acme"},
    ],
)
def test_a_record_that_cannot_be_read_is_asked_for_again_and_the_rest_goes_on(
    stack: Stack, poison: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path, other = stack.opened(), stack.opened()
    for each in (path, other):
        stack.charged(each, "k1")
    event = event_of([*entries_of(stack, path), *entries_of(stack, other)])
    event["Records"][1]["dynamodb"]["NewImage"] = poison

    assert project(stack, event) == ["10" + "0" * 21]

    # The entry that could not be read came from the ledger.
    assert (total(stack, path), total(stack, other)) == (1, 1)
    assert "unreadable record" in caplog.messages


def test_the_first_record_of_all_that_failed_is_named(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "k1")
    event = event_of(entries_of(stack, path))
    for record in event["Records"]:
        del record["dynamodb"]["NewImage"]
    event["Records"].reverse()

    assert project(stack, event) == ["9" + "0" * 21]


def test_a_book_that_cannot_be_projected_is_asked_for_again_and_another_is_counted(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = stack.opened(), stack.opened()
    for each in (path, other):
        stack.charged(each, "k1")
    stack.rollups.park(path.rpartition("/")[2])

    assert project(stack, event_of([*entries_of(stack, other), *entries_of(stack, path)])) == ["12" + "0" * 21]

    assert (total(stack, path), total(stack, other)) == (0, 1)
    assert "not projected" in caplog.messages


def test_the_command_rebuilds_an_account(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stack.opened("acme")
    stack.charged(path, "k1", action="image_edit")
    monkeypatch.setenv("ACCOUNTS_TABLE", stack.tables.accounts.Meta.table_name)
    monkeypatch.setenv("HOLDS_TABLE", stack.tables.holds.Meta.table_name)
    monkeypatch.setenv("MEMBERS_TABLE", stack.tables.members.Meta.table_name)
    monkeypatch.setenv("ENTRIES_TABLE", stack.tables.entries.Meta.table_name)
    monkeypatch.setenv("USAGE_TABLE", stack.rollups.items.Meta.table_name)

    assert main(["rebuild", "--account", "acme"]) == 0
    assert capsys.readouterr().out == "acme  3 entries of 1 books\n"
    assert total(stack, path) == 5
    assert main(["rebuild", "--account", "nobody"]) == 1


def test_the_command_says_which_tables_it_was_not_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["rebuild", "--account", "acme"])
    told = capsys.readouterr().err
    assert "set ACCOUNTS_TABLE, HOLDS_TABLE, MEMBERS_TABLE, ENTRIES_TABLE, USAGE_TABLE" in told
