"""`python -m credits.ledger`: accounts audited and exported from a shell."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pynamodb.connection import Connection

from credits.errors import Unavailable
from credits.ledger import __main__ as command
from credits.ledger.dynamo import DynamoStore
from credits.ledger.memory import MemoryStore
from credits.ledger.page import to_cursor
from credits.ledger.store import AccountKey
from credits.ledger.survey import survey
from credits.ledger.tables import Tables
from tests.integration.conftest import tables_of_one_test
from tests.moves import NOON, charged, opened

NAMES = [f"a{number}" for number in range(5)]


@pytest.fixture
def tables(moto_connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tables]:
    """Five accounts in tables that the environment names."""
    with tables_of_one_test(moto_connection) as tables:
        monkeypatch.setenv("ACCOUNTS_TABLE", tables.accounts.Meta.table_name)
        monkeypatch.setenv("HOLDS_TABLE", tables.holds.Meta.table_name)
        monkeypatch.setenv("MEMBERS_TABLE", tables.members.Meta.table_name)
        monkeypatch.setenv("ENTRIES_TABLE", tables.entries.Meta.table_name)
        for number, name in enumerate(NAMES):
            opened(DynamoStore(tables), name, at=NOON + timedelta(minutes=number))
        yield tables


def tamper(tables: Tables, account_id: str) -> None:
    """The account's first charge costs less than it did."""
    client: Any = tables.connection.client
    client.update_item(
        TableName=tables.entries.Meta.table_name,
        Key={"book_id": {"S": account_id}, "key": {"S": "c#k1"}},
        UpdateExpression="SET credits = :less",
        ExpressionAttributeValues={":less": {"N": "0"}},
    )


def test_all_accounts_are_audited_the_last_opened_first(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    heads = [account.head for account in DynamoStore(tables).read(*map(AccountKey, NAMES)) if account]

    assert command.main(["audit", "--all"]) == 0

    said = capsys.readouterr()
    assert said.out.splitlines() == [
        *(f"ok    {name}  2 entries, head 2:{head}" for name, head in reversed(list(zip(NAMES, heads, strict=True)))),
        "5 accounts with 10 entries: all hold",
    ]
    assert said.err == ""


def test_the_first_entry_that_is_wrong_is_named_and_the_status_says_so(
    tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    charged(DynamoStore(tables), "k1", account_id="a3")
    tamper(tables, "a3")

    assert command.main(["audit", "--account", "a2", "--account", "a3"]) == 1

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("ok    a2  2 entries, head 2:")
    assert said[1].startswith("WRONG a3  3 entries, head 3:")
    assert said[2] == "      entry 3 c#k1: hash is not that of the entry's fields"
    assert said[-1] == "2 accounts with 5 entries: 1 do not hold"


@pytest.mark.usefixtures("tables")
def test_an_account_that_is_not_there_ends_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["audit", "--account", "nobody"]) == 1
    assert command.main(["export", "--account", "nobody"]) == 1

    assert capsys.readouterr().err == "There is no account nobody.\nThere is no account nobody.\n"


def test_an_audit_that_is_cut_off_says_where_it_goes_on_and_goes_on_there(
    tables: Tables, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(store: Any, account_id: str, cursor: str = "") -> Any:
        if account_id == "a2":
            raise KeyboardInterrupt
        return real(store, account_id, cursor)

    real = survey.__globals__["audited"]
    monkeypatch.setitem(survey.__globals__, "audited", interrupted)
    assert command.main(["audit", "--all"]) == 130
    said = capsys.readouterr()
    monkeypatch.undo()
    monkeypatch.setenv("ACCOUNTS_TABLE", tables.accounts.Meta.table_name)
    monkeypatch.setenv("HOLDS_TABLE", tables.holds.Meta.table_name)
    monkeypatch.setenv("MEMBERS_TABLE", tables.members.Meta.table_name)
    monkeypatch.setenv("ENTRIES_TABLE", tables.entries.Meta.table_name)

    cursor = to_cursor("2026-11-23T12:03:00.000Z", "a3")
    assert [line.split()[1] for line in said.out.splitlines()] == ["a4", "a3"]
    assert said.err == f"cut off; go on with: --all --after {cursor}\n"
    assert command.main(["audit", "--all", "--after", cursor]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:3]] == ["a2", "a1", "a0"]


@pytest.mark.usefixtures("tables")
def test_tables_that_do_not_answer_end_with_status_2_and_the_place_to_go_on_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(store: Any, account_id: str, cursor: str = "") -> Any:
        if account_id == "a3":
            raise Unavailable(retry_after_seconds=1)
        return real(store, account_id, cursor)

    real = survey.__globals__["audited"]
    monkeypatch.setitem(survey.__globals__, "audited", silent)

    assert command.main(["audit", "--all"]) == 2

    cursor = to_cursor("2026-11-23T12:04:00.000Z", "a4")
    assert capsys.readouterr().err == f"cut off; go on with: --all --after {cursor}\nthe tables do not answer\n"


@pytest.mark.usefixtures("tables")
def test_a_cursor_that_no_audit_gave_and_missing_settings_are_misuse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["audit", "--all", "--after", "nonsense"])
    monkeypatch.delenv("ENTRIES_TABLE")
    with pytest.raises(SystemExit, match="2"):
        command.main(["audit", "--all"])

    assert "cursor" in (said := capsys.readouterr().err)
    assert "set ENTRIES_TABLE" in said


@pytest.mark.usefixtures("tables")
def test_an_export_is_a_line_for_each_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["export", "--account", "a1"]) == 0

    assert [line[:20] for line in capsys.readouterr().out.splitlines()] == ['{"account_id":"a1","'] * 2


def test_a_survey_reads_page_after_page_and_finds_every_account_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credits.ledger.survey.ACCOUNTS_AT_ONCE", 2)
    store = MemoryStore()
    for number, name in enumerate(NAMES):
        opened(store, name, at=NOON + timedelta(minutes=number))
    (book,) = store.read(AccountKey("a1"))
    assert book
    store._books["a1"] = replace(book, used=1)

    found = list(survey(store))

    assert [(each.account_id, each.verdict.ok) for each in found] == [
        ("a4", True),
        ("a3", True),
        ("a2", True),
        ("a1", False),
        ("a0", True),
    ]
    assert [each.account_id for each in survey(store, found[1].cursor)] == ["a2", "a1", "a0"]
