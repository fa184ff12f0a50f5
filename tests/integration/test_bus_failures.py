"""A bus that does not take everything: a stand-in for EventBridge that refuses what it is told to, as AWS does."""

import importlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from credits.alerts import bus
from credits.domain.entry import Entry
from credits.ledger.dynamo import _entry_item
from tests.unit.books import Book


class Bus:
    """Speaks PutEvents over HTTP. It refuses the calls and the events whose numbers, counted from 0, it is given."""

    def __init__(self) -> None:
        self.refused_events: set[int] = set()
        self.refused_calls: set[int] = set()
        self.silent = False
        self.told: list[tuple[str, str]] = []
        self.calls: list[int] = []
        self.closed = Event()
        self._events = 0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events = json.loads(self.rfile.read(int(self.headers["content-length"])))["Entries"]
                status, answer = stand_in.answer(events)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Tests say what they saw themselves."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, events: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        self.calls.append(len(events))
        if self.silent:
            self.closed.wait(10)
        if len(self.calls) - 1 in self.refused_calls:
            return 400, {"__type": "AccessDeniedException", "message": "not today"}
        results: list[dict[str, str]] = []
        for event in events:
            if self._events in self.refused_events:
                results.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"})
            else:
                results.append({"EventId": str(self._events)})
                self.told.append((event["DetailType"], json.loads(event["Detail"])["id"]))
            self._events += 1
        return 200, {"FailedEntryCount": sum("ErrorCode" in each for each in results), "Entries": results}


@pytest.fixture
def stand_in() -> Iterator[Bus]:
    made = Bus()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.closed.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def alerts(stand_in: Bus, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function, whose bus is the stand-in, and which waits for it no longer than a test may."""
    for name in (
        "ACCOUNTS_TABLE",
        "HOLDS_TABLE",
        "MEMBERS_TABLE",
        "ENTRIES_TABLE",
        "KEYS_TABLE",
        "USAGE_TABLE",
        "UPGRADE_URL",
    ):
        monkeypatch.setenv(name, name)
    for name, value in {
        "EVENT_BUS_NAME": "credits",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL_EVENTBRIDGE": stand_in.url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bus, "READ_TIMEOUT_SECONDS", 0.2)
    return importlib.reload(importlib.import_module("functions.alerts.app"))


def stream(entries: list[Entry]) -> dict[str, Any]:
    """A batch of the stream: record 100 is of the first entry."""
    return {
        "Records": [
            {"dynamodb": {"SequenceNumber": str(100 + number), "NewImage": _entry_item(entry)}}
            for number, entry in enumerate(entries)
        ]
    }


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """Twelve gifts, each with one notice, and two charges that say nothing: records 101 and 107."""
    book = Book.opened("2026-01-10")
    gifts = [book.give(50, at="2026-01-11")[0] for _ in range(12)]
    charges = [book.charge(at="2026-01-12")[0] for _ in range(2)]
    entries = [gifts[0], charges[0], *gifts[1:6], charges[1], *gifts[6:]]
    return list(stream(entries)["Records"])


def until_told(alerts: Any, records: list[dict[str, Any]]) -> list[str]:
    """Deliver as the stream does: from the record on that comes again. Returns those records."""
    again: list[str] = []
    while failures := alerts.handler({"Records": records}, None)["batchItemFailures"]:
        (failure,) = failures
        again.append(failure["itemIdentifier"])
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        records = records[numbers.index(again[-1]) :]
        assert len(again) < 10
    return again


def test_of_a_call_that_was_taken_in_part_the_stream_delivers_from_the_first_refused_record_on(
    alerts: Any, stand_in: Bus, records: list[dict[str, Any]]
) -> None:
    stand_in.refused_events = {3, 5}

    again = until_told(alerts, records)

    # The fourth notice is that of record 104: one before it says nothing.
    assert again == ["104"]
    assert stand_in.calls == [10, 9]
    told = [each for _, each in stand_in.told]
    assert len(set(told)) == 12
    # What stood behind the refused one, and was taken, was told twice, under the id it had.
    assert sorted(told.count(each) for each in set(told)) == [1] * 7 + [2] * 5


def test_what_a_later_call_refuses_comes_again_without_the_calls_before_it(
    alerts: Any, stand_in: Bus, records: list[dict[str, Any]]
) -> None:
    stand_in.refused_events = {11, 12}

    again = until_told(alerts, records)

    assert again == ["113", "113"]
    assert stand_in.calls == [10, 2, 1, 1]
    assert len(stand_in.told) == len(set(stand_in.told)) == 12


def test_a_call_that_was_refused_as_a_whole_comes_again_as_a_whole(
    alerts: Any, stand_in: Bus, records: list[dict[str, Any]]
) -> None:
    stand_in.refused_calls = {1}

    assert until_told(alerts, records) == ["112"]
    assert stand_in.calls == [10, 2, 2]
    assert len(stand_in.told) == len(set(stand_in.told)) == 12


def test_a_bus_that_does_not_answer_is_asked_twice_and_the_batch_comes_again(
    alerts: Any, stand_in: Bus, records: list[dict[str, Any]]
) -> None:
    stand_in.silent = True

    assert alerts.handler({"Records": records[1:3]}, None) == {"batchItemFailures": [{"itemIdentifier": "102"}]}
    assert stand_in.calls == [1, 1]


def test_records_that_say_nothing_ask_the_bus_nothing(
    alerts: Any, stand_in: Bus, records: list[dict[str, Any]]
) -> None:
    assert alerts.handler({"Records": records[1:2]}, None) == {"batchItemFailures": []}
    assert stand_in.calls == []
