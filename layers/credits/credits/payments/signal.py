"""Signals: what the receiver makes of Stripe's events, and the queue carries to the sync.

An event says that something changed, not what is true now: that is fetched. So a signal names the object, and brings
what the event held of it only for an object that Stripe no longer has. Standard library only: the receiver imports it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from credits.errors import InvalidRequest

HANDLED: Final = frozenset(
    {
        # A subscription, its seats, its pending change.
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "subscription_schedule.created",
        "subscription_schedule.updated",
        "subscription_schedule.released",
        "subscription_schedule.canceled",
        "subscription_schedule.aborted",
        "subscription_schedule.completed",
        # What was paid, and what was not.
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
        "invoice.marked_uncollectible",
        # Packs: bought in Checkout, or by an automatic top-up.
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "payment_intent.succeeded",
        # Money that went back, or is fought over.
        "charge.refunded",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "customer.deleted",
    }
)
"""The types that change something here, and the ones that the webhook endpoint subscribes to."""

MOST_MESSAGE_BYTES = 262_144
"""What every SQS queue takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One event, as the queue carries it. `created` is in seconds; `payload` is the object as the event had it, or None
    where it was too large for a message."""

    event_id: str
    type: str
    created: int
    object_id: str
    object_type: str
    customer_id: str | None
    payload: Mapping[str, Any] | None

    @property
    def group(self) -> str:
        """What is worked off in order: all of a customer; what names no customer, object by object."""
        return self.customer_id or self.object_id

    def to_message(self) -> str:
        """The body of the message; the payload is left out where it would be too large with it."""
        record = {name: getattr(self, name) for name in self.__slots__}
        message = json.dumps(record, separators=(",", ":"))  # all ASCII: a character is a byte
        if len(message) > MOST_MESSAGE_BYTES:
            message = json.dumps(record | {"payload": None}, separators=(",", ":"))
        return message

    @classmethod
    def from_message(cls, message: str) -> "Signal":
        """The inverse of `to_message`."""
        return cls(**json.loads(message))


def read_event(body: bytes, *, livemode: bool) -> Signal | None:
    """The signal of a webhook's body; None for a type that changes nothing here.

    Raises InvalidRequest for a body that is no event, and for an event of the other mode: a stack that sells for real
    money must not follow test events, nor the other way round.
    """
    try:
        event = json.loads(body)
        if event["object"] != "event":
            raise InvalidRequest([("object", f"is {event['object']!r}, not an event")])
        if event["livemode"] is not livemode:
            raise InvalidRequest([("livemode", f"is not {json.dumps(livemode)}, as this stack is")])
        return signal_of(event)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise InvalidRequest([("body", "is not an event of Stripe")]) from None


def signal_of(event: Mapping[str, Any]) -> Signal | None:
    """The signal of an event of Stripe; None for a type that changes nothing here.

    Raises KeyError, TypeError or ValueError for what is no event.
    """
    if event["type"] not in HANDLED:
        return None
    found = event["data"]["object"]
    return Signal(
        event_id=_text(event["id"]),
        type=event["type"],
        created=int(event["created"]),
        object_id=_text(found["id"]),
        object_type=_text(found["object"]),
        customer_id=found["id"] if found["object"] == "customer" else _id(found.get("customer")),
        payload=found,
    )


def _text(value: Any) -> str:
    """A text that is not empty; ValueError for anything else."""
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _id(reference: Any) -> str | None:
    """The id of an object that is referred to, by its id or as a whole."""
    found = reference["id"] if isinstance(reference, Mapping) else reference
    return _text(found) if found else None
