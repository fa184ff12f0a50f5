"""Refusals: what Stripe answers where it does not do what was asked, in the words of this project's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import stripe
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from credits.errors import IdempotencyKeyReused, PaymentFailed, StripeUnavailable, Unavailable
from credits.ledger.store import StoreError
from credits.payments.lookup import NotPushed
from credits.payments.secret import SecretNotSet

RETRY_AFTER_SECONDS = 5

logger = Logger(serialize_stacktrace=False)

UNSET = (NotPushed, SecretNotSet, stripe.AuthenticationError, stripe.PermissionError)
"""Whoever operates the stack has not finished setting Stripe up."""

SILENT = (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError, BotoCoreError, ClientError)
"""Stripe, or the secret that opens it, did not answer, or failed inside."""


@contextmanager
def stripe_in_our_words(key: str = "") -> Iterator[None]:
    """What is raised within, as an error that a caller can act on. `key` is the caller's Idempotency-Key.

    A card that was declined is PaymentFailed; the same key with another request, IdempotencyKeyReused; no answer, or a
    Stripe that is not set up, StripeUnavailable; no answer from our own table, Unavailable. Anything else is a fault of
    ours and stays what it is.
    """
    try:
        yield
    except stripe.CardError as error:
        raise PaymentFailed(error.user_message or "The payment was declined.", decline_of(error)) from error
    except stripe.IdempotencyError as error:
        raise IdempotencyKeyReused(key) from error
    except StoreError as error:
        raise Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error
    except UNSET as error:
        logger.exception("stripe is not set up")
        raise StripeUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error
    except SILENT as error:
        logger.warning("stripe did not answer", reason=type(error).__name__)
        raise StripeUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error


def decline_of(error: stripe.CardError) -> str:
    """Why the bank declined, as Stripe's code for it."""
    found = error.error
    return (found and (found.decline_code or found.code)) or error.code or "card_declined"
