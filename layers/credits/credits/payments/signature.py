"""Stripe's signature of a webhook, checked by the scheme of its SDK without importing it: a webhook is answered while
Stripe waits, and the SDK alone would take longer to import than everything else here together.

The header `Stripe-Signature` is `t=<seconds>,v1=<hex>,…`. Each v1 is the HMAC-SHA256 of `<seconds>.<body>` with one
secret; while a secret is being rolled there are two of them. Other schemes are passed over. A test holds this module to
`stripe.WebhookSignature`, header by header.
"""

from datetime import datetime
from hashlib import sha256
from hmac import compare_digest, digest

from credits.errors import InvalidSignature

SCHEME = "v1"
TOLERANCE_SECONDS = 300
"""How old a signature may be: the SDK's own default. One from the future is good: clocks differ, and it is signed."""


def verify(body: bytes, header: str | None, secret: str, *, now: datetime) -> None:
    """InvalidSignature, unless the header signs this body with this secret, within the tolerance.

    All signatures are compared, each in constant time: how long it takes tells nothing of the right one.
    """
    if not header:
        raise InvalidSignature("There is no Stripe-Signature header.")
    if not secret.strip():
        raise InvalidSignature("An empty secret signs nothing.")
    try:
        pairs = [item.split("=", 2) for item in header.split(",")]
        timestamp = int([pair[1] for pair in pairs if pair[0] == "t"][0])  # noqa: RUF015 - IndexError where there is none
        signatures = [pair[1].encode() for pair in pairs if pair[0] == SCHEME]
    except (IndexError, ValueError):
        raise InvalidSignature("The Stripe-Signature header cannot be read.") from None
    expected = digest(secret.encode(), b"%d.%b" % (timestamp, body), sha256).hex().encode()
    if not sum(compare_digest(expected, signature) for signature in signatures):
        raise InvalidSignature(f"No {SCHEME} signature is this body's, with this stack's webhook secret.")
    if timestamp < now.timestamp() - TOLERANCE_SECONDS:
        raise InvalidSignature(f"The signature is older than {TOLERANCE_SECONDS} seconds.")
