"""What happens without a caller: the schedule, the queue, the stream and the bus of a running stack."""

import time
from collections.abc import Callable
from typing import Any

from local.client import Client
from tests.e2e.launch import Launched

DEADLINE_SECONDS = 30


def awaited[T](what: Callable[[], T]) -> T:
    """The first answer that is not empty."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not (answer := what()):
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.05)
    return answer


def entries(client: Client, account_id: str, kind: str) -> list[dict[str, Any]]:
    """The account's entries of a kind, newest first. To read them renews nothing."""
    answer = client.call("GET", f"/v1/accounts/{account_id}/entries?kind={kind}", expect=[200])
    return list(answer.body["entries"])


def events(client: Client, account_id: str) -> list[dict[str, Any]]:
    """What the bus carried about an account, the oldest first."""
    answer = client.call("GET", "/__local__/events", expect=[200])
    return [each["detail"] for each in answer.body["events"] if each["detail"]["account_id"] == account_id]


def test_an_idle_account_is_renewed_at_its_boundary_when_the_clock_passes_it_and_the_bus_says_so_once(
    moving_stack: Launched,
) -> None:
    client = moving_stack.client
    client.call("POST", "/v1/accounts", {"account_id": "idle"}, expect=[201])
    charge = {"action": "deep_research"}
    client.call("POST", "/v1/accounts/idle/charges", charge, key="before", expect=[201])
    boundary = client.call("GET", "/v1/accounts/idle", expect=[200]).body["resets_at"]

    client.call("POST", "/__local__/clock", {"advance": "P31D"}, expect=[200])
    allocations = awaited(lambda: entries(client, "idle", "allocation")[:-1])
    awaited(lambda: [each for each in events(client, "idle") if each["at"] == boundary])
    # Later than the renewal in the same stream: had it been told twice, the second would be there by now.
    client.call("POST", "/v1/accounts/idle/charges", {"action": "message", "quantity": 290}, key="low", expect=[201])
    awaited(lambda: [each for each in events(client, "idle") if each["type"] == "credits.low"])

    assert [(each["credits"], each["remaining"], each["at"]) for each in allocations] == [(300, 300, boundary)]
    told = [(each["type"], each["data"]["remaining"]) for each in events(client, "idle")]
    assert told == [("credits.renewed", 300), ("credits.renewed", 300), ("credits.low", 10)]
    assert [each["at"] for each in events(client, "idle")][1] == boundary
    assert client.call("GET", "/v1/accounts/idle/audit").body["ok"] is True
    assert "event  credits.low  idle" in moving_stack.output


def test_a_hold_that_nobody_closes_gives_its_credits_back_when_the_clock_passes_its_end(moving_stack: Launched) -> None:
    client = moving_stack.client
    client.call("POST", "/v1/accounts", {"account_id": "holder"}, expect=[201])
    hold = {"credits": 300, "expires_in": 3_600}
    expires_at = client.call("POST", "/v1/accounts/holder/holds", hold, key="run-1", expect=[201]).body["expires_at"]
    capture = {"action": "deep_research"}
    client.call("POST", "/v1/accounts/holder/holds/run-1/captures", capture, key="report", expect=[201])

    client.call("POST", "/__local__/clock", {"advance": "PT2H"}, expect=[200])
    released = awaited(lambda: entries(client, "holder", "release"))

    assert sorted((each["credits"], each["remaining"], each["hold_id"]) for each in released) == [
        (-280, 0, "run-1"),
        (280, 280, "run-1"),
    ]
    assert released[0]["at"] > expires_at
    balance = client.call("GET", "/v1/accounts/holder", expect=[200]).body["credits"]
    assert (balance["remaining"], balance["held"], balance["total"]) == (280, 0, 300)
    assert client.call("GET", "/v1/accounts/holder/holds/run-1", expect=[200]).body["status"] == "expired"
    assert client.call("GET", "/v1/accounts/holder/audit").body["ok"] is True


def test_an_idle_account_is_renewed_on_dynamodb_local_too(atomic_stack: Launched) -> None:
    client, account_id = atomic_stack.client, f"idle-{time.time_ns()}"
    client.call("POST", "/v1/accounts", {"account_id": account_id}, expect=[201])
    spend = {"action": "message", "quantity": 300}
    client.call("POST", f"/v1/accounts/{account_id}/charges", spend, key="all", expect=[201])

    told = awaited(lambda: events(client, account_id)[1:])
    client.call("POST", "/__local__/clock", {"advance": "P31D"}, expect=[200])
    allocations = awaited(lambda: entries(client, account_id, "allocation")[:-1])

    assert [each["type"] for each in told] == ["credits.exhausted"]
    assert [each["credits"] for each in allocations] == [300]


def test_a_usage_report_counts_a_charge_a_moment_after_it(stack: Launched) -> None:
    client = stack.client
    client.call("POST", "/v1/accounts", {"account_id": "reported"}, expect=[201])
    for number in range(3):
        charge = {"action": "agent_step", "conversation_id": "chat-1"}
        client.call("POST", "/v1/accounts/reported/charges", charge, key=f"k{number}", expect=[201])

    def total() -> Any:
        report = client.call("GET", "/v1/accounts/reported/usage", expect=[200]).body
        return report if report["total"] == 6 else None

    report = awaited(total)
    (bucket,) = [each for each in report["buckets"] if each["credits"]]
    assert bucket["actions"] == {"agent_step": {"count": 3, "credits": 6}}
    forecast = client.call("GET", "/v1/accounts/reported/insights", expect=[200]).body["forecast"]
    assert (forecast["used"], forecast["credits_per_day"], forecast["outlook"]) == (6, 6.0, "lasts")


def test_bad_durations_move_no_clock(stack: Launched) -> None:
    refused = stack.client.call("POST", "/__local__/clock", {"advance": "a month"})

    assert refused.status == 400
    assert "P31D" in refused.body["message"]
    assert stack.client.call("POST", "/__local__/events").status == 404
