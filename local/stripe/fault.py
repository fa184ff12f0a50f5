"""Stripe's errors: an HTTP status and the body that the SDK makes its exceptions of."""

from http import HTTPStatus
from typing import Any


class StripeFault(Exception):
    """A request that Stripe refuses, as `status` and `body` (`{"error": {"type", "code", "message", "param", …}}`)."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body["error"]["message"])
        self.status = status
        self.body = body

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.body["error"]
        return error


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeFault:
    """400 invalid_request_error: the request makes no sense, or not in the state that things are in."""
    return _fault(HTTPStatus.BAD_REQUEST, "invalid_request_error", message, param=param, code=code)


def missing(kind: str, name: str, *, param: str = "id", status: int = HTTPStatus.NOT_FOUND) -> StripeFault:
    """resource_missing: 404 for what the path names, 400 for what a parameter does."""
    words = NAMES.get(kind, kind.replace("_", " "))
    return _fault(status, "invalid_request_error", f"No such {words}: '{name}'", param=param, code="resource_missing")


def unknown_route(method: str, path: str) -> StripeFault:
    message = f"Unrecognized request URL ({method}: {path}). The local stand-in does not have it, or Stripe does not."
    return _fault(HTTPStatus.NOT_FOUND, "invalid_request_error", message)


def unauthorized(message: str) -> StripeFault:
    return _fault(HTTPStatus.UNAUTHORIZED, "invalid_request_error", message)


def declined(decline_code: str, **details: Any) -> StripeFault:
    """402 card_error: the bank said no. `details` are the objects that Stripe hands along (payment_intent, …)."""
    return StripeFault(
        HTTPStatus.PAYMENT_REQUIRED,
        {
            "error": {
                "type": "card_error",
                "code": "card_declined",
                "decline_code": decline_code,
                "message": DECLINES.get(decline_code, "Your card was declined."),
                **details,
            }
        },
    )


def reused_key(key: str) -> StripeFault:
    """400 idempotency_error: the key was used with other parameters."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return _fault(HTTPStatus.BAD_REQUEST, "idempotency_error", message)


# How Stripe's messages call a kind of object, where it is not by its name.
NAMES = {
    "payment_method": "PaymentMethod",
    "payment_intent": "payment_intent",
    "setup_intent": "setupintent",
    "checkout.session": "checkout.session",
    "billing_portal.configuration": "configuration",
    "billing_portal.session": "portal session",
    "subscription_schedule": "subscription_schedule",
    "subscription_item": "subscription_item",
    "webhook_endpoint": "webhook endpoint",
    "invoiceitem": "invoiceitem",
}

DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "expired_card": "Your card has expired.",
}


def _fault(status: int, kind: str, message: str, *, param: str | None = None, code: str | None = None) -> StripeFault:
    error: dict[str, Any] = {"type": kind, "message": message}
    if code is not None:
        error |= {"code": code, "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"}
    if param is not None:
        error["param"] = param
    return StripeFault(status, {"error": error})
