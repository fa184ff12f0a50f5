"""Sign an event of `events/` for now, as Stripe would: a signature is good for five minutes.

python -m local.sign events/stripe_webhook.invoice.paid.json whsec_… | sam local invoke StripeWebhookFunction --event -
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new
from pathlib import Path
from typing import Any


def signed(event: Mapping[str, Any], secret: str, *, now: datetime) -> dict[str, Any]:
    """The API Gateway event with the signature of its body, made at `now` with this secret."""
    body = event["body"].encode()
    headers = {"content-length": str(len(body)), "stripe-signature": signature(body, secret, now=now)}
    return {**event, "headers": {**event["headers"], **headers}}


def signature(body: bytes, secret: str, *, now: datetime) -> str:
    """Stripe's signature of a body, as the header `Stripe-Signature` carries it."""
    timestamp = int(now.timestamp())
    return f"t={timestamp},v1={new(secret.encode(), f'{timestamp}.'.encode() + body, sha256).hexdigest()}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    event = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    print(json.dumps(signed(event, arguments[1], now=datetime.now(UTC)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
