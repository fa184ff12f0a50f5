"""The error tree: what programs branch on."""

import json
from collections.abc import Iterator

import pytest

import credits.errors
from credits.errors import (
    AccountNotFound,
    AlreadyRefunded,
    ChargeNotFound,
    Conflict,
    Contended,
    ConversationNotFound,
    CreditsError,
    CreditsExhausted,
    Forbidden,
    HoldClosed,
    HoldExhausted,
    HoldNotFound,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidRequest,
    InvalidSession,
    InvalidSignature,
    LedgerTooLong,
    LimitReached,
    ManagedByStripe,
    MemberCapReached,
    MemberNotFound,
    NotFound,
    NotInPlan,
    NotInPortal,
    NotQueued,
    NotRefundable,
    NotSubscribed,
    PayloadTooLarge,
    PaymentFailed,
    PaymentRequired,
    SessionExpired,
    StripeUnavailable,
    TooManyGrants,
    TooManyPacks,
    Unauthenticated,
    Unavailable,
)
from credits.runtime.problem import problem
from tests.unit.books import utc

RESET = utc("2026-02-10 09:00")

ONE_OF_EACH = [
    CreditsError("something broke"),
    InvalidRequest([("action", "there is no action 'teleport'"), ("quantity", "must be 1 or more")]),
    InvalidSignature("the header is missing"),
    Unauthenticated("a valid key is needed"),
    InvalidSession(),
    SessionExpired(),
    PaymentRequired("past_due"),
    PaymentFailed("Your card was declined.", "generic_decline"),
    InsufficientCredits(required=20, remaining=5, resets_at=RESET),
    CreditsExhausted(required=20, remaining=0, resets_at=RESET, held=20),
    HoldExhausted("run-7", required=20, remaining=5),
    MemberCapReached("ann", credit_cap=100, used=90, required=20, resets_at=RESET),
    Forbidden("the scope admin is missing"),
    NotInPlan("model", "claude-opus", "free", ["pro", "max", "team"]),
    LimitReached("workflows", used=2, limit=2, wanted=3, plan="free", lifted_by={"pro": None, "team": 1}),
    NotFound("there is nothing"),
    AccountNotFound("acme"),
    ChargeNotFound("acme", "c1"),
    ConversationNotFound("acme", "chat-1"),
    HoldNotFound("acme", "run-7"),
    MemberNotFound("acme", "ann"),
    Conflict("this disagrees"),
    IdempotencyKeyReused("k1"),
    TooManyGrants("acme", 20),
    TooManyPacks("acme", 100),
    HoldClosed("run-7", status="expired"),
    AlreadyRefunded("k1"),
    NotRefundable("k1", "was free"),
    ManagedByStripe("acme"),
    NotSubscribed("acme", "with seats"),
    NotInPortal("acme"),
    PayloadTooLarge(size_bytes=300_000, limit_bytes=262_144),
    Contended(retry_after_seconds=1),
    LedgerTooLong("acme", entries=50_000),
    Unavailable(retry_after_seconds=1),
    StripeUnavailable(retry_after_seconds=1),
    NotQueued(retry_after_seconds=1),
]


def tree(root: type[CreditsError]) -> Iterator[type[CreditsError]]:
    if root.__module__ == credits.errors.__name__:
        yield root
    for branch in root.__subclasses__():
        yield from tree(branch)


def test_every_error_has_the_code_and_status_that_callers_rely_on() -> None:
    assert {error.__name__: (error.http_status, error.code) for error in tree(CreditsError)} == {
        "CreditsError": (500, "internal"),
        "InvalidRequest": (400, "invalid_request"),
        "InvalidSignature": (400, "invalid_signature"),
        "Unauthenticated": (401, "unauthenticated"),
        "InvalidSession": (401, "invalid_session"),
        "SessionExpired": (401, "session_expired"),
        "PaymentRequired": (402, "payment_required"),
        "PaymentFailed": (402, "payment_failed"),
        "InsufficientCredits": (402, "insufficient_credits"),
        "CreditsExhausted": (402, "credits_exhausted"),
        "HoldExhausted": (402, "hold_exhausted"),
        "MemberCapReached": (402, "member_cap_reached"),
        "Forbidden": (403, "forbidden"),
        "NotInPlan": (403, "not_in_plan"),
        "LimitReached": (403, "limit_reached"),
        "NotFound": (404, "not_found"),
        "AccountNotFound": (404, "account_not_found"),
        "ChargeNotFound": (404, "charge_not_found"),
        "ConversationNotFound": (404, "conversation_not_found"),
        "HoldNotFound": (404, "hold_not_found"),
        "MemberNotFound": (404, "member_not_found"),
        "Conflict": (409, "conflict"),
        "IdempotencyKeyReused": (409, "idempotency_key_reused"),
        "TooManyGrants": (409, "too_many_grants"),
        "TooManyPacks": (409, "too_many_packs"),
        "HoldClosed": (409, "hold_closed"),
        "AlreadyRefunded": (409, "already_refunded"),
        "NotRefundable": (409, "not_refundable"),
        "ManagedByStripe": (409, "managed_by_stripe"),
        "NotSubscribed": (409, "not_subscribed"),
        "NotInPortal": (409, "not_in_portal"),
        "PayloadTooLarge": (413, "payload_too_large"),
        "Contended": (429, "contended"),
        "LedgerTooLong": (503, "ledger_too_long"),
        "Unavailable": (503, "unavailable"),
        "StripeUnavailable": (503, "stripe_unavailable"),
        "NotQueued": (503, "not_queued"),
    }


def test_the_tree_in_the_modules_docstring_is_the_tree() -> None:
    drawn = {
        tuple(line.strip(" │├└─").split())
        for line in (credits.errors.__doc__ or "").splitlines()
        if len(line.split()) in {3, 4, 5} and line.split()[-2].isdigit()
    }

    assert drawn == {(error.__name__, str(error.http_status), error.code) for error in tree(CreditsError)}


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_every_error_says_something_under_a_title(error: CreditsError) -> None:
    assert str(error).strip()
    assert error.detail == str(error)
    assert error.title.strip()


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_the_problem_of_every_error_has_its_own_status_title_detail_and_code(error: CreditsError) -> None:
    told = json.loads(problem(error))

    assert (told["status"], told["title"], told["detail"]) == (error.http_status, error.title, error.detail)
    assert (told["code"], told["type"]) == (error.code, f"urn:infuseos:credits:{error.code}")


@pytest.mark.parametrize("name", ["type", "title", "status", "detail", "code"])
def test_no_field_overwrites_what_every_problem_has(name: str) -> None:
    error = Conflict("this disagrees")
    error.fields[name] = "closed"

    with pytest.raises(ValueError, match=f"^Conflict has fields that every problem has: {name}$"):
        problem(error)


def test_there_is_one_of_each_above() -> None:
    assert {type(error) for error in ONE_OF_EACH} == set(tree(CreditsError))


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (
            InvalidRequest([("action", "is unknown"), ("quantity", "must be 1 or more")]),
            {
                "field": "action",
                "errors": [
                    {"field": "action", "message": "is unknown"},
                    {"field": "quantity", "message": "must be 1 or more"},
                ],
            },
        ),
        (PaymentRequired("unpaid"), {"standing": "unpaid"}),
        (PaymentFailed("No.", "insufficient_funds"), {"decline_code": "insufficient_funds"}),
        (NotSubscribed("acme", "with seats"), {"account_id": "acme"}),
        (NotInPortal("acme"), {"account_id": "acme"}),
        (
            CreditsExhausted(required=20, remaining=0, resets_at=RESET),
            {"required": 20, "remaining": 0, "resets_at": RESET},
        ),
        (
            NotInPlan("model", "claude-opus", "free", ["pro"]),
            {"model": "claude-opus", "plan": "free", "plans": ["pro"]},
        ),
        (
            LimitReached("workflows", used=2, limit=2, wanted=30, plan="free", lifted_by={"max": None, "team": 2}),
            {
                "meter": "workflows",
                "used": 2,
                "limit": 2,
                "wanted": 30,
                "plan": "free",
                "plans": ["max", "team"],
                "seats": {"team": 2},
            },
        ),
        (AccountNotFound("acme"), {"account_id": "acme"}),
        (ChargeNotFound("acme", "c1"), {"account_id": "acme", "charge_id": "c1"}),
        (ConversationNotFound("acme", "chat-1"), {"account_id": "acme", "conversation_id": "chat-1"}),
        (IdempotencyKeyReused("k1"), {"key": "k1"}),
        (TooManyGrants("acme", 20), {"account_id": "acme", "limit": 20}),
        (HoldClosed("run-7", status="expired"), {"hold_id": "run-7", "hold_status": "expired"}),
        (TooManyPacks("acme", 100), {"account_id": "acme", "limit": 100}),
        (ManagedByStripe("acme"), {"account_id": "acme"}),
        (PayloadTooLarge(size_bytes=9, limit_bytes=8), {"size_bytes": 9, "limit_bytes": 8}),
        (Contended(retry_after_seconds=2), {"retry_after": 2}),
        (Unavailable(retry_after_seconds=3), {"retry_after": 3}),
        (StripeUnavailable(retry_after_seconds=5), {"retry_after": 5}),
        (NotQueued(retry_after_seconds=4), {"retry_after": 4}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_carries_the_facts_that_a_caller_can_act_on(error: CreditsError, fields: dict[str, object]) -> None:
    assert error.fields == fields
