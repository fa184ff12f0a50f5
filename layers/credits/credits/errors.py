"""Every error a caller can be told, in one tree.

    CreditsError                      500 internal
    ├── InvalidRequest                400 invalid_request
    ├── InvalidSignature              400 invalid_signature
    ├── Unauthenticated               401 unauthenticated
    │   └── InvalidSession            401 invalid_session
    │       └── SessionExpired        401 session_expired
    ├── PaymentRequired               402 payment_required
    ├── PaymentFailed                 402 payment_failed
    ├── InsufficientCredits           402 insufficient_credits
    │   └── CreditsExhausted          402 credits_exhausted
    ├── HoldExhausted                 402 hold_exhausted
    ├── MemberCapReached              402 member_cap_reached
    ├── Forbidden                     403 forbidden
    ├── NotInPlan                     403 not_in_plan
    ├── LimitReached                  403 limit_reached
    ├── NotFound                      404 not_found
    │   ├── AccountNotFound           404 account_not_found
    │   ├── ChargeNotFound            404 charge_not_found
    │   ├── ConversationNotFound      404 conversation_not_found
    │   ├── HoldNotFound              404 hold_not_found
    │   └── MemberNotFound            404 member_not_found
    ├── Conflict                      409 conflict
    │   ├── IdempotencyKeyReused      409 idempotency_key_reused
    │   ├── TooManyGrants             409 too_many_grants
    │   ├── TooManyPacks              409 too_many_packs
    │   ├── HoldClosed                409 hold_closed
    │   ├── AlreadyRefunded           409 already_refunded
    │   ├── NotRefundable             409 not_refundable
    │   ├── ManagedByStripe           409 managed_by_stripe
    │   ├── NotSubscribed             409 not_subscribed
    │   └── NotInPortal               409 not_in_portal
    ├── PayloadTooLarge               413 payload_too_large
    ├── Contended                     429 contended
    ├── LedgerTooLong                 503 ledger_too_long
    └── Unavailable                   503 unavailable
        ├── StripeUnavailable         503 stripe_unavailable
        └── NotQueued                 503 not_queued

An error is data: `code` names it for programs, `http_status` is what HTTP answers, `fields` are the facts a caller can
act on, and the message says what happened and what to do. Nothing ever parses a message. A field is never named as what
every problem document has (type, title, status, detail, code).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar


class CreditsError(Exception):
    """The root: something went wrong that nobody foresaw. Raised as itself, it is a fault of ours."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class InvalidRequest(CreditsError):
    """The request cannot be understood. `errors` lists each `{field, message}`; a field is a dotted path."""

    code = "invalid_request"
    http_status = 400
    title = "The request is not valid"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        first_field, first_message = errors[0]
        super().__init__(
            f"{first_field}: {first_message}",
            field=first_field,
            errors=[{"field": field, "message": message} for field, message in errors],
        )


class InvalidSignature(CreditsError):
    """A webhook that is not signed as Stripe signs for this stack, or too long ago. Nothing of it was kept."""

    code = "invalid_signature"
    http_status = 400
    title = "The signature is not valid"


class Unauthenticated(CreditsError):
    """No key, or one that is unknown or revoked. Which of the three is not told."""

    code = "unauthenticated"
    http_status = 401
    title = "A valid API key is required"


class InvalidSession(Unauthenticated):
    """The link to the Usage page has no token, or none that was signed for it. Which of the two is not told."""

    code = "invalid_session"
    title = "This link is not valid"

    def __init__(self, detail: str = "This link does not open a Usage page. Ask the product for a new one.") -> None:
        super().__init__(detail)


class SessionExpired(InvalidSession):
    """The link was good, and its time is over."""

    code = "session_expired"
    title = "This link has expired"

    def __init__(self) -> None:
        super().__init__("A link to the Usage page lives for a short while. Ask the product for a new one.")


class PaymentRequired(CreditsError):
    """The account's standing forbids spending until its invoice is paid."""

    code = "payment_required"
    http_status = 402
    title = "A payment is due"

    def __init__(self, standing: str) -> None:
        super().__init__(
            f"The account is {standing}: its credits can be used again once the open invoice is paid.",
            standing=standing,
        )


class PaymentFailed(CreditsError):
    """The bank declined what was to be paid at once. Nothing was changed; `decline_code` is Stripe's word for why."""

    code = "payment_failed"
    http_status = 402
    title = "The payment was declined"

    def __init__(self, message: str, decline_code: str) -> None:
        super().__init__(
            f"{message} Nothing was changed: another card can be given in the customer portal. A new try is a new "
            "request, with a new Idempotency-Key.",
            decline_code=decline_code,
        )


class InsufficientCredits(CreditsError):
    """The balance is above zero and does not cover the charge. Nothing was written. `held` are credits in holds."""

    code = "insufficient_credits"
    http_status = 402
    title = "Not enough credits"

    def __init__(self, *, required: int, remaining: int, resets_at: datetime, held: int | None = None) -> None:
        super().__init__(
            f"Credits needed: {required}, left: {remaining}. Wait for the reset on {resets_at:%-d %B %Y}, "
            "upgrade the plan or buy a pack.",
            required=required,
            remaining=remaining,
            resets_at=resets_at,
            **({"held": held} if held else {}),
        )


class CreditsExhausted(InsufficientCredits):
    """The balance is zero. Free actions still work. Nothing was written."""

    code = "credits_exhausted"
    title = "Credits exhausted"


class HoldExhausted(CreditsError):
    """The hold does not cover the capture. Nothing was written."""

    code = "hold_exhausted"
    http_status = 402
    title = "The hold does not cover it"

    def __init__(self, hold_id: str, *, required: int, remaining: int) -> None:
        super().__init__(
            f"Credits needed: {required}, left in the hold {hold_id}: {remaining}. Extend the hold, or charge instead.",
            hold_id=hold_id,
            required=required,
            remaining=remaining,
        )


class MemberCapReached(CreditsError):
    """It would take the member over the cap that the account set. Nothing was written."""

    code = "member_cap_reached"
    http_status = 402
    title = "The member's cap is reached"

    def __init__(self, member_id: str, *, credit_cap: int, used: int, required: int, resets_at: datetime) -> None:
        super().__init__(
            f"The member {member_id} has used {used} of {credit_cap} credits, and {required} more are needed. Wait for "
            f"the reset on {resets_at:%-d %B %Y}, or have the cap raised.",
            member_id=member_id,
            credit_cap=credit_cap,
            used=used,
            required=required,
            resets_at=resets_at,
        )


class Forbidden(CreditsError):
    """The key is known and may not do this: a scope is missing, or it is bound to another account."""

    code = "forbidden"
    http_status = 403
    title = "This API key may not do that"


class NotInPlan(CreditsError):
    """A model or an action outside the account's plan; `plans` names the plans that have it."""

    code = "not_in_plan"
    http_status = 403
    title = "Not part of this plan"

    def __init__(self, what: str, name: str, plan: str, plans: Sequence[str]) -> None:
        offer = f"Plans that have it: {', '.join(plans)}." if plans else "No plan has it."
        super().__init__(
            f"The {what} {name} is not part of the plan {plan}. {offer}", **{what: name}, plan=plan, plans=list(plans)
        )


class LimitReached(CreditsError):
    """More of a meter than the plan allows. Nothing was written.

    `plans` names the plans that allow it, and `seats` how many are needed of those that are sold by the seat. Both are
    told at once by `lifted_by`: each plan with its seats, None where it has none.
    """

    code = "limit_reached"
    http_status = 403
    title = "The plan's limit is reached"

    def __init__(
        self, meter: str, *, used: int, limit: int, wanted: int, plan: str, lifted_by: Mapping[str, int | None]
    ) -> None:
        offers = [_with_seats(each, seats) for each, seats in lifted_by.items()]
        offer = f"Plans that allow it: {', '.join(offers)}." if offers else "No plan allows it."
        super().__init__(
            f"The plan {plan} allows {limit:,} {meter.replace('_', ' ')}; {used:,} are used, and {wanted:,} were asked "
            f"for. {offer}",
            meter=meter,
            used=used,
            limit=limit,
            wanted=wanted,
            plan=plan,
            plans=list(lifted_by),
            seats={each: seats for each, seats in lifted_by.items() if seats is not None},
        )


class NotFound(CreditsError):
    """Nothing is there under that name."""

    code = "not_found"
    http_status = 404
    title = "Not found"


class AccountNotFound(NotFound):
    """No account has this id (or, for a reading of the past, none had it yet)."""

    code = "account_not_found"
    title = "No such account"

    def __init__(self, account_id: str, detail: str | None = None) -> None:
        super().__init__(detail or f"There is no account {account_id}.", account_id=account_id)


class ChargeNotFound(NotFound):
    """The account has no charge under this id."""

    code = "charge_not_found"
    title = "No such charge"

    def __init__(self, account_id: str, charge_id: str) -> None:
        super().__init__(
            f"The account {account_id} has no charge {charge_id}.", account_id=account_id, charge_id=charge_id
        )


class ConversationNotFound(NotFound):
    """The account has used nothing in a conversation of this id."""

    code = "conversation_not_found"
    title = "No such conversation"

    def __init__(self, account_id: str, conversation_id: str) -> None:
        super().__init__(
            f"The account {account_id} has no conversation {conversation_id}.",
            account_id=account_id,
            conversation_id=conversation_id,
        )


class HoldNotFound(NotFound):
    """The account has no hold under this id."""

    code = "hold_not_found"
    title = "No such hold"

    def __init__(self, account_id: str, hold_id: str) -> None:
        super().__init__(f"The account {account_id} has no hold {hold_id}.", account_id=account_id, hold_id=hold_id)


class MemberNotFound(NotFound):
    """The account has no member under this id."""

    code = "member_not_found"
    title = "No such member"

    def __init__(self, account_id: str, member_id: str) -> None:
        super().__init__(
            f"The account {account_id} has no member {member_id}.", account_id=account_id, member_id=member_id
        )


class Conflict(CreditsError):
    """The request disagrees with what is already there."""

    code = "conflict"
    http_status = 409
    title = "Conflict"


class IdempotencyKeyReused(Conflict):
    """The key was used before with another route or body. What it did then stands; nothing was written now."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The Idempotency-Key {key} was used before with another request. Use a new key for a new request.", key=key
        )


class TooManyGrants(Conflict):
    """The account holds as many open grants as its book has room for."""

    code = "too_many_grants"
    title = "Too many open grants"

    def __init__(self, account_id: str, limit: int) -> None:
        super().__init__(
            f"The account {account_id} has {limit} such grants with credits left, the most there can be. "
            "Grant again once one of them is spent or has expired.",
            account_id=account_id,
            limit=limit,
        )


class TooManyPacks(Conflict):
    """The account has so many packs that are not used up that it is sold no more of them. Nothing was charged."""

    code = "too_many_packs"
    title = "Too many packs"

    def __init__(self, account_id: str, limit: int) -> None:
        super().__init__(
            f"The account {account_id} has {limit} packs that are not used up, the most that are sold to one. "
            "Buy again once one of them is spent.",
            account_id=account_id,
            limit=limit,
        )


class HoldClosed(Conflict):
    """The hold is over: it was closed, or its time ran out. Nothing was written."""

    code = "hold_closed"
    title = "The hold is over"

    def __init__(self, hold_id: str, *, status: str) -> None:
        super().__init__(
            f"The hold {hold_id} is {status}: open a new one, or charge instead.", hold_id=hold_id, hold_status=status
        )


class AlreadyRefunded(Conflict):
    """The charge was refunded before, by another request. A charge is refunded once."""

    code = "already_refunded"
    title = "This charge was refunded before"

    def __init__(self, charge_id: str) -> None:
        super().__init__(
            f"The charge {charge_id} was refunded before. A charge is refunded once, whole or in part.",
            charge_id=charge_id,
        )


class NotRefundable(Conflict):
    """There is nothing to give back: it is a refund itself, or it was free."""

    code = "not_refundable"
    title = "This cannot be refunded"

    def __init__(self, charge_id: str, reason: str) -> None:
        super().__init__(f"{charge_id} {reason}.", charge_id=charge_id)


class ManagedByStripe(Conflict):
    """The plan of this account follows its Stripe subscription and can be changed only there."""

    code = "managed_by_stripe"
    title = "Stripe manages this plan"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"The plan of {account_id} follows its Stripe subscription: change it through checkout or the portal.",
            account_id=account_id,
        )


class NotSubscribed(Conflict):
    """What was asked for changes a subscription, and the account has none (or none that has this)."""

    code = "not_subscribed"
    title = "There is no such subscription"

    def __init__(self, account_id: str, wanted: str) -> None:
        super().__init__(
            f"The account {account_id} has no subscription {wanted}: a checkout session begins one.",
            account_id=account_id,
        )


class NotInPortal(Conflict):
    """Stripe's customer portal would make this change of plan at another time than the preview says."""

    code = "not_in_portal"
    title = "The customer portal cannot make this change"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"Stripe's portal would change the plan of the account {account_id} at another time than the preview says, "
            "and nothing was changed. Show the person the preview, and order it by a checkout session that is "
            "`confirmed`.",
            account_id=account_id,
        )


class PayloadTooLarge(CreditsError):
    """The body is larger than any valid request can be."""

    code = "payload_too_large"
    http_status = 413
    title = "The request body is too large"

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The body has {size_bytes} bytes; at most {limit_bytes} are read.",
            size_bytes=size_bytes,
            limit_bytes=limit_bytes,
        )


class Contended(CreditsError):
    """The ledger gave up before its deadline. Nothing was charged; the same key may be sent again."""

    code = "contended"
    http_status = 429
    title = "The account is busy"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many changes of this account at once. Nothing was charged: send the same request again.",
            retry_after=retry_after_seconds,
        )


class LedgerTooLong(CreditsError):
    """The account has more entries than one request can audit. Nothing is wrong with those that were seen."""

    code = "ledger_too_long"
    http_status = 503
    title = "The ledger is too long for one request"

    def __init__(self, account_id: str, *, entries: int) -> None:
        super().__init__(
            f"The first {entries} entries of {account_id} hold, and there are more than one request has time for. The "
            f"daily audit sees all of them; so does `python -m credits.ledger audit --account {account_id}`.",
            account_id=account_id,
            entries=entries,
        )


class Unavailable(CreditsError):
    """The store did not answer. What became of a mutation is not known; its key finds out and never acts twice."""

    code = "unavailable"
    http_status = 503
    title = "The ledger did not answer"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "The store did not answer in time. Send the same request again; with the same Idempotency-Key it can take "
            "effect only once, so a change whose outcome is not known yet is safe to repeat.",
            retry_after=retry_after_seconds,
        )


class StripeUnavailable(Unavailable):
    """Stripe did not answer. What became of a change is not known; the same Idempotency-Key finds out."""

    code = "stripe_unavailable"
    title = "Stripe did not answer"

    def __init__(self, *, retry_after_seconds: int) -> None:
        CreditsError.__init__(
            self,
            "Stripe could not be asked. Send the same request again, with the same Idempotency-Key: it can take effect "
            "only once.",
            retry_after=retry_after_seconds,
        )


class NotQueued(Unavailable):
    """The queue, or the secret that a webhook is checked with, was out of reach or not there: Stripe sends it again."""

    code = "not_queued"
    title = "The event was not queued"

    def __init__(self, *, retry_after_seconds: int) -> None:
        CreditsError.__init__(self, "Nothing of the event was kept: send it again.", retry_after=retry_after_seconds)


def _with_seats(plan: str, seats: int | None) -> str:
    return plan if seats is None else f"{plan} with {seats:,} seat{'s' if seats > 1 else ''}"
