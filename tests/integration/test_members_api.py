"""Members, meters and adjustments over HTTP."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.functions import Answer
from tests.integration.conftest import Stack


def set_cap(stack: Stack, path: str, cap: int | None, member_id: str = "mara") -> Answer:
    return stack.call("PUT", f"{path}/members/{member_id}", {"credit_cap": cap})


def used(stack: Stack, path: str, member_id: str = "mara") -> int:
    assert stack.call("GET", f"{path}/audit").body["problems"] == []
    count: int = stack.call("GET", f"{path}/members/{member_id}").body["used"]
    return count


# Members


def test_a_member_is_made_read_listed_and_removed(stack: Stack) -> None:
    path = stack.opened()

    made = set_cap(stack, path, 100)
    set_cap(stack, path, None, "ann")

    mara = {"member_id": "mara", "credit_cap": 100, "used": 0, "joined_at": "2026-11-23T12:00:00.000Z"}
    assert (made.status, made.body) == (200, mara)
    assert stack.call("GET", f"{path}/members/mara").body == mara
    first = stack.call("GET", f"{path}/members", query={"limit": "1"}).body
    assert [each["member_id"] for each in first["members"]] == ["ann"]
    second = stack.call("GET", f"{path}/members", query={"cursor": first["cursor"]}).body
    assert (second["members"], second["cursor"]) == ([mara], None)
    assert stack.call("DELETE", f"{path}/members/mara").body == mara
    assert stack.call("GET", f"{path}/members/mara").body["code"] == "member_not_found"
    assert stack.call("DELETE", f"{path}/members/mara").body["code"] == "member_not_found"
    assert [each["member_id"] for each in stack.call("GET", f"{path}/members").body["members"]] == ["ann"]
    assert stack.call("GET", f"{path}/audit").body["problems"] == []


def test_a_member_has_no_cap_unless_one_is_given(stack: Stack) -> None:
    path = stack.opened()

    made = stack.call("PUT", f"{path}/members/mara", {})
    assert (made.status, made.body["credit_cap"]) == (200, None)

    set_cap(stack, path, 100)
    assert stack.call("PUT", f"{path}/members/mara", {}).body["credit_cap"] is None


def test_the_same_member_again_writes_nothing(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 100)

    assert set_cap(stack, path, 100).status == 200

    kinds = [each["kind"] for each in stack.call("GET", f"{path}/entries").body["entries"]]
    assert kinds == ["member", "allocation", "opened"]


def test_a_member_at_the_cap_is_402_and_others_are_not(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 10)
    assert stack.charged(path, "k1", quantity=8, member_id="mara").status == 201

    refused = stack.charged(path, "k2", quantity=3, member_id="mara")

    shown = ("member_id", "credit_cap", "used", "required", "resets_at")
    assert (refused.status, refused.body["code"]) == (402, "member_cap_reached")
    assert [refused.body[name] for name in shown] == ["mara", 10, 8, 3, "2026-12-23T12:00:00.000Z"]
    assert stack.charged(path, "k2", quantity=2, member_id="mara").status == 201
    assert stack.charged(path, "k3", action="ai_response", member_id="mara").status == 201
    assert stack.charged(path, "k4", quantity=50, member_id="ann").status == 201
    assert stack.charged(path, "k5", quantity=50).status == 201
    assert used(stack, path) == 10


def test_the_count_begins_anew_with_the_period(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 10)
    stack.charged(path, "k1", quantity=10, member_id="mara")
    stack.now += timedelta(days=31)

    assert stack.charged(path, "k2", quantity=10, member_id="mara").status == 201
    assert used(stack, path) == 10


def test_a_member_without_a_cap_is_counted_so_that_a_cap_can_be_set_later(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, None)
    stack.charged(path, "k1", quantity=30, member_id="mara")

    assert set_cap(stack, path, 20).body["used"] == 30
    assert stack.charged(path, "k2", member_id="mara").body["code"] == "member_cap_reached"


def test_who_is_removed_and_comes_back_is_counted_on(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 10)
    stack.charged(path, "k1", quantity=8, member_id="mara")
    stack.call("DELETE", f"{path}/members/mara")
    assert stack.charged(path, "k2", quantity=50, member_id="mara").status == 201

    assert set_cap(stack, path, 10).body["used"] == 8
    assert stack.charged(path, "k3", quantity=3, member_id="mara").status == 402
    kept = stack.call("GET", f"{path}/entries", query={"kind": "charge"}).body["entries"]
    assert [each["member_id"] for each in kept] == ["mara", "mara"]


def test_a_hold_counts_with_its_member_at_opening_and_gives_back_what_it_did_not_use(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 30)
    stack.call("POST", f"{path}/holds", {"credits": 20, "member_id": "mara"}, key="run-1")
    assert used(stack, path) == 20
    assert stack.charged(path, "k1", quantity=11, member_id="mara").status == 402
    over = stack.call("POST", f"{path}/holds/run-1/extensions", {"credits": 11}, key="more")
    assert over.body["code"] == "member_cap_reached"
    stack.call("POST", f"{path}/holds/run-1/captures", {"action": "image_edit"}, key="k2")

    stack.call("POST", f"{path}/holds/run-1/close")

    assert used(stack, path) == 5


def test_a_refund_gives_the_member_back_what_the_charge_counted(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 10)
    stack.charged(path, "k1", quantity=8, member_id="mara")

    stack.call("POST", f"{path}/charges/k1/refund", {"reason": "x", "credits": 5}, key="r1")

    assert used(stack, path) == 3


def test_a_refund_gives_the_member_back_nothing_that_was_not_counted_with_them(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "before", quantity=50, member_id="mara")
    set_cap(stack, path, 20)
    stack.charged(path, "k1", quantity=20, member_id="mara")

    stack.call("POST", f"{path}/charges/before/refund", {"reason": "x"}, key="r1")

    assert used(stack, path) == 20
    assert stack.charged(path, "k2", member_id="mara").body["code"] == "member_cap_reached"


def test_a_capture_that_another_period_counted_gives_nothing_back_in_this_one(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 20)
    stack.now += timedelta(days=30) - timedelta(minutes=30)
    stack.call("POST", f"{path}/holds", {"credits": 20, "member_id": "mara"}, key="run-1")
    stack.call("POST", f"{path}/holds/run-1/captures", {"action": "deep_research"}, key="c1")
    stack.now += timedelta(minutes=40)
    stack.call("POST", f"{path}/holds/run-1/close")
    stack.charged(path, "k1", quantity=20, member_id="mara")

    stack.call("POST", f"{path}/charges/run-1!c1/refund", {"reason": "x"}, key="r1")

    assert used(stack, path) == 20
    assert stack.call("GET", path).body["credits"]["used"] == 20


def test_who_comes_back_to_free_within_its_month_is_counted_anew_and_a_refund_of_the_old_count_moves_nothing(
    stack: Stack,
) -> None:
    path = stack.opened()
    set_cap(stack, path, 50)
    stack.charged(path, "free", quantity=50, member_id="mara")
    stack.call("PUT", f"{path}/plan", {"plan": "pro"})
    stack.charged(path, "pro", quantity=40, member_id="mara")
    stack.call("PUT", f"{path}/plan", {"plan": "free"})
    stack.now += timedelta(days=31)
    stack.charged(path, "back", quantity=50, member_id="mara")

    stack.call("POST", f"{path}/charges/pro/refund", {"reason": "x"}, key="r1")
    stack.call("POST", f"{path}/charges/free/refund", {"reason": "x"}, key="r2")

    assert used(stack, path) == 50
    assert stack.call("GET", path).body["credits"]["used"] == 50


def test_who_is_removed_while_a_hold_is_open_gets_back_what_it_did_not_use(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 100)
    stack.call("POST", f"{path}/holds", {"credits": 100, "member_id": "mara"}, key="run-1")
    stack.call("DELETE", f"{path}/members/mara")
    stack.call("POST", f"{path}/holds/run-1/close")

    assert set_cap(stack, path, 100).body["used"] == 0
    assert stack.charged(path, "k1", quantity=100, member_id="mara").status == 201
    assert used(stack, path) == 100


def test_a_cap_set_again_under_its_key_is_answered_as_it_was_whatever_came_since(stack: Stack) -> None:
    path = stack.opened()
    put = partial(stack.call, "PUT", f"{path}/members/mara")
    stack.now += timedelta(hours=1)
    first = put({"credit_cap": 5}, key="p1")
    stack.charged(path, "k1", quantity=3, member_id="mara")
    second = put({"credit_cap": 9}, key="p2")

    assert put({"credit_cap": 5}, key="p1").text == first.text
    assert (second.body["credit_cap"], second.body["used"]) == (9, 3)
    stack.call("DELETE", f"{path}/members/mara")
    again = put({"credit_cap": 9}, key="p2")
    assert (again.status, again.text, again.headers["idempotency-replayed"]) == (200, second.text, "true")
    assert stack.call("GET", f"{path}/members/mara").status == 404


def test_a_batch_counts_each_of_its_members_and_is_refused_whole(stack: Stack) -> None:
    path = stack.opened()
    set_cap(stack, path, 5)
    set_cap(stack, path, 5, "ann")
    lines = [{"action": "message", "member_id": name, "quantity": 3} for name in ("mara", "ann", "bob")]

    assert stack.call("POST", f"{path}/charges/batch", {"charges": lines}, key="b1").status == 201
    refused = stack.call("POST", f"{path}/charges/batch", {"charges": lines}, key="b2")

    assert (refused.body["code"], refused.body["member_id"]) == ("member_cap_reached", "mara")
    assert (used(stack, path), used(stack, path, "ann")) == (3, 3)
    many = [{"action": "message", "member_id": f"m{number}"} for number in range(12)]
    assert stack.call("POST", f"{path}/charges/batch", {"charges": many}, key="b3").body["code"] == "invalid_request"


# Meters


def test_knowledge_words_are_set_up_to_the_limit_of_the_plan(stack: Stack) -> None:
    path = stack.opened()

    answer = stack.call("PUT", f"{path}/meters/knowledge_words", {"value": 50_000})
    refused = stack.call("PUT", f"{path}/meters/knowledge_words", {"value": 50_001})

    assert (answer.status, answer.body["knowledge_words"]) == (200, {"used": 50_000, "limit": 50_000})
    shown = ("meter", "used", "limit", "wanted", "plan", "plans", "seats")
    assert (refused.status, refused.body["code"]) == (403, "limit_reached")
    assert [refused.body[name] for name in shown] == [
        "knowledge_words",
        50_000,
        50_000,
        50_001,
        "free",
        ["pro", "max", "team"],
        {"team": 1},
    ]
    assert stack.call("PUT", f"{path}/meters/knowledge_words", {"value": -1}).status == 400


def test_a_team_at_its_limit_is_told_the_seats_that_would_lift_it(stack: Stack) -> None:
    path = stack.opened()
    stack.call("PUT", f"{path}/plan", {"plan": "team", "seats": 3})

    refused = stack.call("PUT", f"{path}/meters/knowledge_words", {"value": 16_000_000})

    assert (refused.status, refused.body["code"], refused.body["limit"]) == (403, "limit_reached", 15_000_000)
    assert (refused.body["plans"], refused.body["seats"]) == (["team"], {"team": 4})
    assert refused.body["detail"].endswith("Plans that allow it: team with 4 seats.")
    stack.call("PUT", f"{path}/plan", {"plan": "team", "seats": 4})
    assert stack.call("PUT", f"{path}/meters/knowledge_words", {"value": 16_000_000}).status == 200


def test_workflows_are_counted_once_for_each_key_and_limited(stack: Stack) -> None:
    path = stack.opened()

    def change(by: int, key: str) -> Answer:
        return stack.call("POST", f"{path}/meters/workflows/changes", {"change": by}, key=key)

    assert change(2, "w1").body["workflows"] == {"active": 2, "limit": 2}
    assert change(2, "w1").headers["idempotency-replayed"] == "true"
    assert change(1, "w2").body["code"] == "limit_reached"
    assert change(-3, "w3").body["code"] == "invalid_request"
    assert change(0, "w3").body["detail"] == "change: must not be 0"
    assert change(-1, "w4").body["workflows"] == {"active": 1, "limit": 2}
    assert change(1, "w2").body["workflows"] == {"active": 2, "limit": 2}


def test_a_downgrade_deletes_nothing_and_lets_less_through_but_no_more(stack: Stack) -> None:
    path = stack.opened()
    stack.call("PUT", f"{path}/plan", {"plan": "pro"})
    stack.call("POST", f"{path}/meters/workflows/changes", {"change": 8}, key="w1")
    stack.call("PUT", f"{path}/plan", {"plan": "free"})
    stack.now += timedelta(days=31)

    assert stack.call("GET", path).body["workflows"] == {"active": 8, "limit": 2}
    assert stack.call("POST", f"{path}/meters/workflows/changes", {"change": 1}, key="w2").status == 403
    fewer = stack.call("POST", f"{path}/meters/workflows/changes", {"change": -3}, key="w3")
    assert fewer.body["workflows"] == {"active": 5, "limit": 2}


# Adjustments


def adjust(stack: Stack, path: str, credits: int, key: str = "a1", **more: Any) -> Answer:
    body = {"credits": credits, "reason": "counted twice", "by": "ops@infuseos"} | more
    return stack.call("POST", f"{path}/adjustments", body, key=key)


def test_an_adjustment_up_is_a_grant_and_one_down_is_taken_in_burn_order(stack: Stack) -> None:
    path = stack.opened()

    up = adjust(stack, path, 40)
    down = adjust(stack, path, -310, "a2")

    assert (up.status, up.body["credits"], up.body["balance"]) == (201, 40, {"remaining": 340, "total": 340})
    assert (down.status, down.body["credits"], down.body["balance"]) == (201, -310, {"remaining": 30, "total": 30})
    entry = stack.call("GET", f"{path}/entries").body["entries"][0]
    shown = ("kind", "credits", "description", "by", "forced")
    assert [entry[name] for name in shown] == ["adjustment", -310, "counted twice", "ops@infuseos", False]
    assert [(draw["kind"], draw["credits"]) for draw in entry["draws"]] == [("allocation", -300), ("adjustment", -10)]
    assert adjust(stack, path, -310, "a2").text == down.text
    assert stack.call("GET", f"{path}/audit").body["problems"] == []


def test_an_adjustment_below_zero_is_refused_unless_it_is_forced_and_then_named_so(stack: Stack) -> None:
    path = stack.opened()

    refused = adjust(stack, path, -301)
    forced = adjust(stack, path, -301, force=True)

    assert (refused.status, refused.body["code"], refused.body["required"]) == (402, "insufficient_credits", 301)
    assert (forced.status, forced.body["credits"], forced.body["shortfall"], forced.body["forced"]) == (
        201,
        -300,
        1,
        True,
    )
    assert stack.call("GET", path).body["credits"]["remaining"] == 0
    assert stack.call("GET", f"{path}/entries").body["entries"][0]["forced"] is True
    stack.now += timedelta(days=31)
    assert stack.call("GET", path).body["credits"]["remaining"] == 299
    stack.charged(path, "k1")
    settled = stack.call("GET", f"{path}/entries", query={"kind": "revocation"}).body["entries"]
    assert [(each["credits"], each["description"]) for each in settled] == [(-1, "owed from before")]
    assert stack.call("GET", f"{path}/audit").body["problems"] == []


def test_what_an_expired_hold_keeps_is_taken_before_an_adjustment_is_refused_or_owed(stack: Stack) -> None:
    path = stack.opened()
    stack.call("POST", f"{path}/holds", {"credits": 100, "expires_in": 60}, key="h1")

    early = adjust(stack, path, -250)
    stack.now += timedelta(seconds=60)
    late = adjust(stack, path, -250, "a2")
    stack.call("POST", f"{path}/holds", {"credits": 50, "expires_in": 60}, key="h2")
    stack.now += timedelta(seconds=60)
    forced = adjust(stack, path, -60, "a3", force=True)

    assert (early.status, early.body["remaining"], early.body["held"]) == (402, 200, 100)
    assert (late.status, late.body["credits"], late.body["balance"]["remaining"]) == (201, -250, 50)
    told = (forced.status, forced.body["credits"], forced.body["forced"], forced.body["shortfall"])
    assert told == (201, -50, True, 10)
    assert adjust(stack, path, -60, "a3", force=True).text == forced.text
    assert stack.call("GET", f"{path}/audit").body["problems"] == []


def test_seats_that_pay_a_debt_are_answered_the_same_again(stack: Stack) -> None:
    path = stack.opened()
    stack.call("PUT", f"{path}/plan", {"plan": "team"})
    adjust(stack, path, -5000, force=True)

    first = stack.call("PUT", f"{path}/plan", {"plan": "team", "seats": 2}, key="s2")

    assert first.body["credits"]["remaining"] == 3300
    assert stack.call("PUT", f"{path}/plan", {"plan": "team", "seats": 2}, key="s2").text == first.text
    assert stack.call("GET", f"{path}/audit").body["problems"] == []


@pytest.mark.parametrize(
    ("body", "field"), [({"credits": 0}, "credits"), ({"by": ""}, "by"), ({"reason": ""}, "reason")]
)
def test_an_adjustment_that_says_nothing_is_refused(stack: Stack, body: dict[str, Any], field: str) -> None:
    answer = stack.call(
        "POST", f"{stack.opened()}/adjustments", {"credits": 1, "reason": "x", "by": "ops"} | body, key="a1"
    )

    assert (answer.status, answer.body["field"]) == (400, field)
