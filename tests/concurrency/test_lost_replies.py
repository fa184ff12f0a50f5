"""Replies that are lost after the commit: who sends the same key again hears what it did, and nothing is done twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from credits.domain.entry import EntryKind
from credits.errors import Contended, CreditsExhausted, Unavailable
from credits.ledger.audit import audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import Receipt
from credits.ledger.store import AccountKey, Span
from credits.ledger.tables import Tables, bind_tables, connect
from tests.lossy_proxy import lossy_proxy
from tests.moves import charged, messages, opened

MOST_TRIES = 20
"""Of one caller, under one key."""


def charged_until_heard(store: DynamoStore, key: str) -> Receipt | None:
    """What a careful caller does: the same key again until there is an answer. None: the credits are used up."""
    for _ in range(MOST_TRIES):
        try:
            return charged(store, key)
        except CreditsExhausted:
            return None
        except (Contended, Unavailable):
            continue
    pytest.fail(f"{key} was not answered in {MOST_TRIES} tries")


@pytest.mark.parametrize(
    ("credits", "callers", "succeed"),
    [pytest.param(300, 60, 60, id="credits enough"), pytest.param(100, 130, 100, id="100 credits for 130 callers")],
)
def test_with_30_percent_of_replies_lost_each_key_is_charged_once_and_each_caller_hears_the_truth(
    tables: Tables, dynamodb_local: str, credits: int, callers: int, succeed: int
) -> None:
    truth = DynamoStore(tables)
    opened(truth)
    if credits < 300:
        charged(truth, "spent-before", messages(300 - credits))
    keys = [f"k{number}" for number in range(callers)]

    with lossy_proxy(dynamodb_local, share=0.3, seed=20261123) as (url, proxy):
        names = {
            "accounts": tables.accounts.Meta.table_name,
            "holds": tables.holds.Meta.table_name,
            "members": tables.members.Meta.table_name,
            "entries": tables.entries.Meta.table_name,
        }
        lossy = bind_tables(connect(region="us-east-1", endpoint_url=url, connections=16), **names)
        with ThreadPoolExecutor(16) as pool:
            # A store for each: as processes, which do not wait for each other.
            answers = pool.map(lambda key: charged_until_heard(DynamoStore(lossy), key), keys)
            heard = dict(zip(keys, answers, strict=True))

    charges = {
        entry.key.removeprefix("c#"): entry
        for entry in truth.entries(Span("acme"), limit=1_000)
        if entry.kind is EntryKind.CHARGE and entry.key != "c#spent-before"
    }
    assert sum(receipt is not None for receipt in heard.values()) == succeed
    assert charges.keys() == {key for key, receipt in heard.items() if receipt}
    for key, receipt in heard.items():
        if receipt:
            assert [(each.hash, each.remaining) for each in receipt.entries] == [
                (charges[key].hash, charges[key].remaining)
            ]
    (account,) = truth.read(AccountKey("acme"))
    assert account
    assert account.remaining == credits - succeed
    assert audit(truth, "acme").problems == ()
    assert proxy.writes > 60
    assert proxy.lost > 0.2 * proxy.writes
