"""What DynamoDB can say instead of an answer, over the wire, and what the store makes of it."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pynamodb.exceptions import GetError, QueryError, TransactWriteError

from credits.domain.journal import Posting
from credits.errors import Contended, Unavailable
from credits.ledger import tables
from credits.ledger.dynamo import DynamoStore
from credits.ledger.memory import MemoryStore
from credits.ledger.read import EntryFilter, account_now, entries
from credits.ledger.store import AccountKey, Cancelled, Collided, EntryKey, Span, StoreError, Throttled, Unanswered
from tests.faults import FakeTime
from tests.moves import CATALOG, NOON, charged, opened
from tests.wire import Answer, HangUp, Line, ScriptedDynamoDB, Silence, canceled, refusal, scripted_dynamodb


def store_at(endpoint: str, **constants: float) -> DynamoStore:
    """The store over this endpoint, with other constants of the client."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in constants.items():
            patched.setattr(tables, name, value)
        connection = tables.connect(region="us-east-1", endpoint_url=endpoint)
    names = {"accounts": "accounts", "holds": "holds", "members": "members", "entries": "entries"}
    return DynamoStore(tables.bind_tables(connection, **names))


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[ScriptedDynamoDB]:
    with scripted_dynamodb() as server:
        yield server


@pytest.fixture(scope="module")
def store(dynamodb: ScriptedDynamoDB) -> DynamoStore:
    """Over the scripted DynamoDB. The SDK pauses up to a second before its retry; these tests do not wait for it."""
    return store_at(dynamodb.endpoint, SDK_RETRIES=0, READ_TIMEOUT_SECONDS=0.1)


@pytest.fixture(scope="module")
def retrying_store(dynamodb: ScriptedDynamoDB) -> DynamoStore:
    """The same, as it is in a function."""
    return store_at(dynamodb.endpoint)


def a_posting() -> Posting:
    """One entry and one book: two items of a transaction."""
    receipt = opened(MemoryStore())
    return Posting((replace(receipt.book, version=0),), receipt.entries)


Operation = Callable[[DynamoStore], object]

OPERATIONS: dict[str, Operation] = {
    "read": lambda store: store.read(AccountKey("acme")),
    "read of several": lambda store: store.read(AccountKey("acme"), AccountKey("globex")),
    "commit": lambda store: store.commit(a_posting()),
    "entries": lambda store: store.entries(Span("acme"), limit=10),
    "accounts": lambda store: store.accounts(limit=10),
}


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Operation:
    return OPERATIONS[request.param]


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingError"],
)
def test_a_throttled_operation_says_so(
    dynamodb: ScriptedDynamoDB, store: DynamoStore, operation: Operation, code: str
) -> None:
    dynamodb.says(refusal(code))

    with pytest.raises(Throttled):
        operation(store)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(refusal("InternalServerError", 500), id="InternalServerError"),
        pytest.param(refusal("ServiceUnavailable", 503), id="ServiceUnavailable"),
        pytest.param(Answer(500, b""), id="500 without a body"),
        pytest.param(Answer(502, b"<html>Bad Gateway</html>"), id="502 of a proxy"),
        pytest.param(Answer(503, b""), id="503 without a body"),
        pytest.param(Answer(504, b"<html>Gateway Time-out</html>"), id="504 of a proxy"),
        pytest.param(HangUp(), id="hang-up"),
        pytest.param(Silence(), id="read time-out"),
    ],
)
def test_a_failure_inside_the_store_leaves_open_what_happened(
    dynamodb: ScriptedDynamoDB, store: DynamoStore, operation: Operation, line: Line
) -> None:
    dynamodb.says(line)

    with pytest.raises(Unanswered):
        operation(store)


def test_a_port_that_nobody_listens_on_leaves_open_what_happened() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = store_at(f"http://127.0.0.1:{taken.getsockname()[1]}", SDK_RETRIES=0)
        for operation in OPERATIONS.values():
            with pytest.raises(Unanswered):
                operation(store)


@pytest.mark.parametrize(
    ("name", "error"),
    [("read", GetError), ("commit", TransactWriteError), ("entries", QueryError), ("accounts", QueryError)],
)
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_what_is_not_ours_to_retry_passes_through_as_itself(
    dynamodb: ScriptedDynamoDB, retrying_store: DynamoStore, name: str, error: type[Exception], code: str
) -> None:
    dynamodb.says(refusal(code))

    with pytest.raises(error) as raised:
        OPERATIONS[name](retrying_store)

    assert not isinstance(raised.value, StoreError)
    assert len(dynamodb.asked) == 1


@pytest.mark.parametrize(
    ("reasons", "error"),
    [
        (("None", "TransactionConflict"), Collided),
        (("TransactionConflict", "None"), Collided),
        (("TransactionConflict", "ThrottlingError"), Collided),
        (("None", "ThrottlingError"), Throttled),
        (("ProvisionedThroughputExceeded", "None"), Throttled),
        (("ThrottlingError", "ProvisionedThroughputExceeded"), Throttled),
        (("None", "ValidationError"), TransactWriteError),
        (("ItemCollectionSizeLimitExceeded", "None"), TransactWriteError),
    ],
)
def test_a_cancelled_transaction_is_told_by_the_codes_of_its_reasons(
    dynamodb: ScriptedDynamoDB, store: DynamoStore, reasons: tuple[str, str], error: type[Exception]
) -> None:
    dynamodb.says(canceled(*reasons))

    with pytest.raises(error):
        store.commit(a_posting())


def test_where_a_condition_failed_it_is_the_answer_whatever_else_was_the_matter(
    dynamodb: ScriptedDynamoDB, store: DynamoStore
) -> None:
    posting = a_posting()
    dynamodb.says(Answer(200, b"{}"))
    store.commit(posting)
    first = dynamodb.asked[0].body["TransactItems"][0]["Put"]["Item"]
    reasons = [{"Code": "ConditionalCheckFailed", "Item": first}, {"Code": "TransactionConflict"}]
    dynamodb.says(refusal("TransactionCanceledException", CancellationReasons=reasons))

    with pytest.raises(Cancelled) as cancelled:
        store.commit(posting)

    assert [entry.key for entry in cancelled.value.entries.values()] == ["opened"]
    assert cancelled.value.books == {}


def test_our_own_first_try_that_is_still_under_way_leaves_open_what_happened(
    dynamodb: ScriptedDynamoDB, store: DynamoStore
) -> None:
    dynamodb.says(refusal("TransactionInProgressException"))

    with pytest.raises(Unanswered):
        store.commit(a_posting())


def test_the_retry_of_the_sdk_carries_the_token_of_the_first_try(
    dynamodb: ScriptedDynamoDB, retrying_store: DynamoStore
) -> None:
    dynamodb.says(HangUp(), Answer(200, b"{}"))

    retrying_store.commit(a_posting())

    first, second = dynamodb.asked
    assert first.operation == second.operation == "TransactWriteItems"
    assert len(first.body["ClientRequestToken"]) == 36
    assert first.body == second.body


def test_the_sdk_retries_once_and_no_more(dynamodb: ScriptedDynamoDB, retrying_store: DynamoStore) -> None:
    dynamodb.says(HangUp())

    with pytest.raises(Unanswered):
        retrying_store.read(AccountKey("acme"))

    assert len(dynamodb.asked) == 2


def test_reads_that_decide_are_strongly_consistent(dynamodb: ScriptedDynamoDB, store: DynamoStore) -> None:
    dynamodb.says(Answer(200, b'{"Responses": {"accounts": [], "entries": []}, "UnprocessedKeys": {}}'))

    store.read(AccountKey("acme"))
    store.read(EntryKey("acme", "c#k1"))
    store.read(AccountKey("acme"), AccountKey("globex"))
    store.read(EntryKey("acme", "c#k1"), EntryKey("acme", "c#k2"))

    one, two, three, four = dynamodb.asked
    assert (one.operation, one.body["ConsistentRead"]) == ("GetItem", True)
    assert (two.operation, two.body["ConsistentRead"]) == ("GetItem", True)
    assert (three.operation, three.body["RequestItems"]["accounts"]["ConsistentRead"]) == ("BatchGetItem", True)
    assert (four.operation, four.body["RequestItems"]["entries"]["ConsistentRead"]) == ("BatchGetItem", True)


def test_a_commit_asks_of_a_book_only_its_version_and_of_an_entry_only_that_its_key_is_free(
    dynamodb: ScriptedDynamoDB, store: DynamoStore
) -> None:
    posting = a_posting()
    dynamodb.says(Answer(200, b"{}"))

    store.commit(posting)
    store.commit(replace(posting, books=(replace(posting.books[0], version=7),)))

    new, known = ([each["Put"] for each in asked.body["TransactItems"]] for asked in dynamodb.asked)
    assert [each["ReturnValuesOnConditionCheckFailure"] for each in [*new, *known]] == ["ALL_OLD"] * 4
    assert [each["ConditionExpression"] for each in new] == ["attribute_not_exists (#0)"] * 2
    assert [each["ExpressionAttributeNames"] for each in new] == [{"#0": "key"}, {"#0": "version"}]
    assert known[1]["ConditionExpression"] == "#0 = :0"
    assert known[1]["ExpressionAttributeNames"] == {"#0": "version"}
    assert known[1]["ExpressionAttributeValues"] == {":0": {"N": "7"}}
    assert known[1]["Item"]["version"] == {"N": "8"}


def test_the_client_waits_one_second_for_a_connection_two_for_an_answer_and_retries_once() -> None:
    connection = tables.connect(region="us-east-1", connections=128)
    config: Any = connection.client.meta.config

    assert (config.connect_timeout, config.read_timeout) == (1.0, 2.0)
    assert config.retries["total_max_attempts"] == 2
    assert config.max_pool_connections == 128


# What the callers of the ledger hear of it


def test_a_post_on_a_store_that_throttles_for_ever_is_contended(dynamodb: ScriptedDynamoDB, store: DynamoStore) -> None:
    dynamodb.says(refusal("ThrottlingException"))

    with pytest.raises(Contended):
        charged(store, "k1", patience=FakeTime().patience)

    assert {asked.operation for asked in dynamodb.asked} == {"GetItem"}
    assert len(dynamodb.asked) <= 12


@pytest.mark.parametrize("line", [refusal("ThrottlingException"), refusal("InternalServerError", 500), HangUp()])
def test_a_reading_that_the_store_does_not_answer_is_unavailable(
    dynamodb: ScriptedDynamoDB, store: DynamoStore, line: Line
) -> None:
    dynamodb.says(line)

    with pytest.raises(Unavailable) as unavailable:
        account_now(store, CATALOG, "acme", NOON)
    with pytest.raises(Unavailable):
        entries(store, "acme", EntryFilter(), limit=10)

    assert unavailable.value.fields == {"retry_after": 1}
