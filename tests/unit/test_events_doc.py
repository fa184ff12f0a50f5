"""docs/events.md and docs/events.schema.json say what is really sent, of every type."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from credits.domain.entry import Entry
from credits.domain.notice import NoticeType, notices
from local.template import ROOT
from tests.unit.books import Book
from tests.unit.stripe_snapshots import following, line, subscribed

TYPES = [kind.value for kind in NoticeType]
DOCUMENT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, flags=re.DOTALL)]

each_type = pytest.mark.parametrize("kind", TYPES)


@cache
def schema() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8"))
    return read


def problems(event: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(schema()).iter_errors(event)]


def life() -> list[Entry]:
    """What the examples of the document are taken from: every type."""
    book = Book.opened("2026-01-10 09:00")
    book.charge("message", 300, at="2026-01-20 10:00")
    book.renew("2026-02-10 09:05")
    book.give(50, at="2026-02-11 10:00", expires="2026-02-20")
    book.change_plan("team", at="2026-02-12 10:00")
    book.change_plan("pro", at="2026-02-12 11:00")
    book.change_plan("team", 2, at="2026-02-13 10:00")
    book.change_plan("team", 1, at="2026-02-14 10:00")
    book.change_plan("team", 2, at="2026-02-15 10:00")
    book.change_plan("free", at="2026-02-16 10:00")
    book.renew("2026-03-12 10:00")
    book.charge("message", 295, at="2026-03-12 10:00")
    paid = line("pro", "2026-03-13", "2026-04-13")
    renewed = line("pro", "2026-04-13", "2026-05-13")
    open_again = replace(renewed, paid=False)
    since = "2026-04-13 01:00"
    following(book, subscribed("pro", "2026-03-13", "2026-04-13", paid), "2026-03-13")
    following(
        book,
        subscribed("pro", "2026-03-13", "2026-05-13", paid, open_again, standing="past_due", unpaid_since=since),
        since,
    )
    following(book, subscribed("pro", "2026-03-13", "2026-05-13", paid, renewed), "2026-04-15 10:00")
    book.draw_line(500, at="2026-04-16 10:00")
    book.charge("message", 600, at="2026-04-17 10:00")
    return book.entries


def sent() -> Iterator[dict[str, Any]]:
    for entry in life():
        for notice in notices(entry):
            yield json.loads(json.dumps(notice.to_record()))


def described(name: str) -> set[str]:
    """The fields that the schema describes for the data of a type, all of which it requires."""
    fields: set[str] = set()
    for part in schema()["$defs"][name]["properties"]["data"]["allOf"]:
        definition = schema()["$defs"][part["$ref"].removeprefix("#/$defs/")]
        assert definition["required"] == list(definition["properties"])
        fields |= set(definition["properties"])
    return fields


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@each_type
def test_what_is_sent_is_what_the_schema_describes_to_the_field(kind: str) -> None:
    events = [event for event in sent() if event["type"] == kind]

    assert events
    for event in events:
        assert problems(event) == []
        assert set(event) == set(schema()["$defs"]["event"]["properties"])
        assert set(event["data"]) == described(kind)


def test_the_schema_has_a_branch_for_every_type_and_no_other() -> None:
    assert [branch["$ref"] for branch in schema()["oneOf"]] == [f"#/$defs/{kind}" for kind in TYPES]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("version",), "2"),
        (("type",), "credits.lost"),
        (("id",), "acme#1"),
        (("seq",), "1"),
        (("at",), "2026-01-15T08:30:00Z"),
        (("data", "remaining"), -1),
        (("data", "remaining"), "10"),
        (("data", "resets_at"), None),
    ],
)
def test_the_schema_refuses_what_is_never_sent(where: tuple[str, ...], value: object) -> None:
    event = json.loads(json.dumps(EXAMPLES[0]))
    inner = event["data"] if len(where) == 2 else event
    inner[where[-1]] = value

    assert problems(event)


@each_type
def test_the_document_has_an_example_and_a_line_of_the_table(kind: str) -> None:
    assert kind in [example["type"] for example in EXAMPLES]
    assert f"| `{kind}` |" in DOCUMENT


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_an_example_was_really_sent(example: dict[str, Any]) -> None:
    assert example in list(sent())


def test_every_example_fits_the_schema() -> None:
    assert [problems(example) for example in EXAMPLES] == [[]] * len(EXAMPLES)
