"""Many callers at once, over HTTP, on DynamoDB Local: every credit is charged exactly once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from local.client import Answer, Client
from tests.e2e.launch import Launched


def opened(client: Client, *, credits_left: int) -> str:
    """A new account with this many credits left."""
    account_id = f"race-{uuid4().hex}"
    client.call("POST", "/v1/accounts", {"account_id": account_id}, expect=[201])
    spend = {"action": "message", "quantity": 300 - credits_left}
    client.call("POST", f"/v1/accounts/{account_id}/charges", spend, key="spent-before", expect=[201])
    return account_id


def charged_at_once(client: Client, account_id: str, keys: list[str]) -> list[Answer]:
    """One caller for each key; all of them charge a message at the same moment."""
    together = Barrier(len(keys))

    def charge(key: str) -> Answer:
        together.wait()
        return client.call("POST", f"/v1/accounts/{account_id}/charges", {"action": "message"}, key=key)

    with ThreadPoolExecutor(len(keys)) as callers:
        return list(callers.map(charge, keys))


def test_of_128_callers_with_100_credits_100_are_charged_and_28_hear_402(atomic_stack: Launched) -> None:
    client = atomic_stack.client
    account_id = opened(client, credits_left=100)

    answers = charged_at_once(client, account_id, [f"k{number}" for number in range(128)])

    assert Counter(answer.status for answer in answers) == {201: 100, 402: 28}
    assert {answer.body["code"] for answer in answers if answer.status == 402} == {"credits_exhausted"}
    assert sorted(answer.body["balance"]["remaining"] for answer in answers if answer.status == 201) == list(range(100))
    assert client.call("GET", f"/v1/accounts/{account_id}").body["credits"]["remaining"] == 0
    audit = client.call("GET", f"/v1/accounts/{account_id}/audit").body
    # The opening, its allocation … and 101 charges: what matters is that nothing is missing and nothing is too much.
    assert (audit["ok"], audit["problems"]) == (True, [])


def test_one_key_from_64_callers_charges_once(atomic_stack: Launched) -> None:
    client = atomic_stack.client
    account_id = opened(client, credits_left=100)

    answers = charged_at_once(client, account_id, ["the-same"] * 64)

    assert Counter(answer.status for answer in answers) == {201: 1, 200: 63}
    assert Counter(answer.headers["idempotency-replayed"] for answer in answers) == {None: 1, "true": 63}
    assert all(answer.body == answers[0].body for answer in answers)
    assert client.call("GET", f"/v1/accounts/{account_id}").body["credits"]["remaining"] == 99
    assert client.call("GET", f"/v1/accounts/{account_id}/audit").body["ok"] is True
