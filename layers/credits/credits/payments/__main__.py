"""Push the catalog to Stripe, from a shell with AWS credentials.

STRIPE_SECRET_ID=… python -m credits.payments push --webhook-url https://…/stripe/webhook --dry-run
STRIPE_SECRET_ID=… python -m credits.payments push --webhook-url https://…/stripe/webhook
"""

import argparse
import os
import sys
from collections.abc import Sequence

import stripe

from credits.catalog import load
from credits.payments.client import Stripe
from credits.payments.push import push
from credits.payments.secret import Secret, SecretNotSet


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 done, 1 Stripe refused or did not answer."""
    parser = argparse.ArgumentParser(prog="python -m credits.payments", description="Push the catalog to Stripe.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("push", help="make products, prices, portal and webhook endpoint what they should be")
    command.add_argument("--dry-run", action="store_true", help="tell what would be changed, and change nothing")
    command.add_argument("--webhook-url", help="where Stripe sends its events; without it, endpoints are left alone")
    command.add_argument("--secret", default=os.environ.get("STRIPE_SECRET_ID"), help="default: $STRIPE_SECRET_ID")
    command.add_argument("--region", default=os.environ.get("AWS_REGION"), help="its region (default: $AWS_REGION)")
    given = parser.parse_args(arguments)
    if not given.secret or not given.region:
        parser.error("name the secret (--secret or STRIPE_SECRET_ID) and its region (--region or AWS_REGION)")
    secret = Secret(given.secret, region=given.region)
    try:
        client = Stripe(secret, api_base=os.environ.get("STRIPE_API_BASE") or None).client
        pushed = push(client, load(), webhook_url=given.webhook_url, dry_run=given.dry_run)
    except (stripe.StripeError, SecretNotSet) as error:
        print(f"not pushed, or not to the end: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("\n".join(pushed.changes) or "nothing to change")
    if pushed.webhook_secret:
        secret.write_webhook_secret(pushed.webhook_secret)
        print(f"the endpoint's secret was written into {given.secret}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
