"""API keys: made once, stored as hashes, checked at most a minute late, taken back for good."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from credits.access.__main__ import main
from credits.access.caller import Caller, Scope
from credits.access.keys import MOST_VERDICTS, KeyItem, Keys
from credits.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from credits.ledger import tables
from credits.ledger.tables import bind, connect, create_missing
from tests.moves import NOON
from tests.wire import refusal, scripted_dynamodb


class Table:
    """A keys table, and how often it was asked for a key."""

    def __init__(self, connection: Connection) -> None:
        self.name = f"keys-{uuid4().hex}"
        self.items = bind(KeyItem, self.name, connection)
        self.asked = 0
        create_missing([self.items])
        connection.client.meta.events.register("before-call.dynamodb.GetItem", self._count)

    def _count(self, params: dict[str, object], **_: object) -> None:
        self.asked += self.name in str(params["body"])

    def rows(self) -> list[dict[str, object]]:
        return [item.attribute_values for item in self.items.scan()]


class Monotonic:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def table(moto_connection: Connection) -> Table:
    return Table(moto_connection)


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def keys(table: Table, clock: Monotonic) -> Keys:
    return Keys(table.items, clock)


def test_a_new_key_opens_what_it_was_made_for(keys: Keys) -> None:
    made = keys.create(name="backend", scopes=[Scope.CHARGE, Scope.READ], account_id=None, now=NOON)

    caller = keys.caller(f"Bearer {made.secret}")

    assert caller == Caller(made.key_id, frozenset({Scope.CHARGE, Scope.READ}), None)
    assert re.fullmatch(r"ik_[A-Za-z0-9_-]{43}", made.secret)
    assert re.fullmatch(r"[0-9a-f]{64}", made.key_id)


def test_a_bound_key_names_its_account(keys: Keys) -> None:
    made = keys.create(name="acme's own", scopes=[Scope.READ], account_id="acme", now=NOON)

    assert keys.caller(f"Bearer {made.secret}").account_id == "acme"


def test_no_two_keys_are_the_same(keys: Keys) -> None:
    made = [keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON) for _ in range(3)]

    assert len({each.secret for each in made}) == len({each.key_id for each in made}) == 3


def test_only_the_hash_of_a_key_is_stored(keys: Keys, table: Table) -> None:
    made = keys.create(name="backend", scopes=[Scope.CHARGE], account_id="acme", now=NOON)

    (row,) = table.rows()

    assert row == {
        "key_hash": made.key_id,
        "name": "backend",
        "scopes": {"charge"},
        "account_id": "acme",
        "created_at": "2026-11-23T12:00:00.000Z",
    }
    assert made.secret not in str(row)
    assert made.secret.removeprefix("ik_") not in str(row)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer ik_",
        "Bearer ik_unknown",
        "Bearer nonsense",
        "Basic aWs6eA==",
        "ik_unknown",
        f"Bearer ik_{'x' * 5_000}",
        "Bearer ik_ключ",
    ],
)
def test_a_header_without_a_known_key_opens_nothing(keys: Keys, authorization: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        keys.caller(authorization)

    assert (refused.value.code, refused.value.http_status) == ("unauthenticated", 401)


def test_the_id_of_a_key_is_no_key(keys: Keys) -> None:
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)

    for text in (made.key_id, f"ik_{made.key_id}"):
        with pytest.raises(Unauthenticated):
            keys.caller(f"Bearer {text}")


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "])
def test_the_scheme_is_read_in_any_case_and_spaces_do_not_matter(keys: Keys, header: str) -> None:
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)

    assert keys.caller(header.format(made.secret)).key_id == made.key_id


# The verdict of the last minute


def test_a_known_key_is_asked_for_once_a_minute(keys: Keys, table: Table, clock: Monotonic) -> None:
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)

    for clock.seconds in (0, 1, 30, 59.9):
        keys.caller(f"Bearer {made.secret}")
    within_the_minute = table.asked
    for clock.seconds in (60, 61, 119.9):
        keys.caller(f"Bearer {made.secret}")

    assert (within_the_minute, table.asked) == (1, 2)


def test_a_revoked_key_stops_working_within_a_minute(keys: Keys, clock: Monotonic) -> None:
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)
    keys.caller(f"Bearer {made.secret}")

    keys.revoke(made.key_id, now=NOON)
    clock.seconds = 59.9
    still = keys.caller(f"Bearer {made.secret}")
    clock.seconds = 60

    assert still.key_id == made.key_id
    for clock.seconds in (60, 61, 1_000):
        with pytest.raises(Unauthenticated):
            keys.caller(f"Bearer {made.secret}")


def test_a_revoked_key_is_unknown_at_once_to_who_has_not_seen_it(keys: Keys, table: Table) -> None:
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)
    keys.revoke(made.key_id, now=datetime(2026, 11, 24, tzinfo=UTC))

    with pytest.raises(Unauthenticated):
        keys.caller(f"Bearer {made.secret}")

    assert table.rows()[0]["revoked_at"] == "2026-11-24T00:00:00.000Z"


def test_unknown_keys_are_not_remembered(keys: Keys, table: Table) -> None:
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            keys.caller("Bearer ik_guess")

    assert table.asked == 3
    assert keys._verdicts == {}


def test_a_key_that_is_made_after_it_was_refused_works_at_once(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: "known-before")
    with pytest.raises(Unauthenticated):
        keys.caller("Bearer ik_known-before")

    keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)

    assert keys.caller("Bearer ik_known-before").scopes == {Scope.READ}


def test_no_more_than_a_thousand_verdicts_are_remembered(table: Table, clock: Monotonic) -> None:
    keys = Keys(table.items, clock)
    made = keys.create(name="backend", scopes=[Scope.READ], account_id=None, now=NOON)
    caller = keys.caller(f"Bearer {made.secret}")
    for number in range(MOST_VERDICTS - 1):
        keys._verdicts[f"other{number}"] = (60.0, caller)
    another = keys.create(name="another", scopes=[Scope.READ], account_id=None, now=NOON)

    keys.caller(f"Bearer {another.secret}")

    assert MOST_VERDICTS == 1_000
    assert len(keys._verdicts) == 1_000
    assert another.key_id in keys._verdicts
    assert made.key_id not in keys._verdicts


def test_a_table_that_does_not_answer_is_unavailable_and_not_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SDK_RETRIES", 0)
    with scripted_dynamodb() as dynamodb:
        dynamodb.says(refusal("InternalServerError", 500))
        items = bind(KeyItem, "keys", connect(region="us-east-1", endpoint_url=dynamodb.endpoint))
        with pytest.raises(Unavailable):
            Keys(items).caller("Bearer ik_any")


def test_a_key_that_was_never_made_cannot_be_revoked(keys: Keys, table: Table) -> None:
    with pytest.raises(NotFound) as refused:
        keys.revoke("0" * 64, now=NOON)

    assert refused.value.fields == {"key_id": "0" * 64}
    assert table.rows() == []


# What a caller may do


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_opens_itself_and_no_other(scope: Scope) -> None:
    caller = Caller("k", frozenset({scope}))

    caller.require(scope)
    caller.require(scope, "acme")
    for other in set(Scope) - {scope}:
        with pytest.raises(Forbidden) as refused:
            caller.require(other, "acme")
        assert refused.value.fields == {"scope": other.value}


def test_a_bound_key_reaches_its_account_and_neither_another_nor_all() -> None:
    caller = Caller("k", frozenset(Scope), "acme")

    caller.require(Scope.CHARGE, "acme")
    for elsewhere in ("globex", "acme2", "Acme", None):
        with pytest.raises(Forbidden) as refused:
            caller.require(Scope.CHARGE, elsewhere)
        assert refused.value.fields == {"bound_to": "acme"}


# The command


@pytest.fixture
def keys_table(table: Table, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setenv("KEYS_TABLE", table.name)
    return table


def printed(out: str) -> dict[str, str]:
    """The lines `key     ik_…` and `key id  …`, by their name."""
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in out.splitlines())


@pytest.mark.usefixtures("keys_table")
def test_the_command_makes_a_key_and_prints_it_once(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["create", "--name", "backend", "--scope", "charge", "--scope", "read", "--account", "acme"])

    made = printed(capsys.readouterr().out)
    assert status == 0
    assert list(made) == ["key", "key id"]
    assert keys.caller(f"Bearer {made['key']}") == Caller(made["key id"], frozenset({Scope.CHARGE, Scope.READ}), "acme")


@pytest.mark.usefixtures("keys_table")
def test_the_command_revokes_a_key_by_its_id(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "--name", "backend", "--scope", "read"])
    made = printed(capsys.readouterr().out)

    status = main(["revoke", made["key id"]])

    assert status == 0
    assert capsys.readouterr().out == f"revoked {made['key id']}\n"
    with pytest.raises(Unauthenticated):
        keys.caller(f"Bearer {made['key']}")


@pytest.mark.usefixtures("keys_table")
def test_the_command_says_on_stderr_that_there_is_no_such_key(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["revoke", "nothing"])

    assert status == 1
    assert capsys.readouterr() == ("", "There is no key nothing.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["create", "--name", "backend"],
        ["create", "--scope", "read"],
        ["create", "--name", "backend", "--scope", "root"],
        ["revoke"],
        ["list"],
    ],
)
@pytest.mark.usefixtures("keys_table")
def test_the_command_refuses_what_it_does_not_understand(arguments: list[str], table: Table) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)

    assert refused.value.code == 2
    assert table.rows() == []


def test_the_command_says_which_table_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KEYS_TABLE", raising=False)

    with pytest.raises(SystemExit) as refused:
        main(["create", "--name", "backend", "--scope", "read"])

    assert refused.value.code == 2
    assert "--table or KEYS_TABLE" in capsys.readouterr().err
