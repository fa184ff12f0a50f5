"""An account on each plan, opened through the API as the product would."""

from local.client import Client

# account id → plan and seats
ACCOUNTS = {"free": ("free", 1), "pro": ("pro", 1), "max": ("max", 1), "team": ("team", 3)}

# The account whose Usage page is shown first.
SHOWN = "pro"


def seed(client: Client) -> None:
    """Opens each account that is not there and puts it on its plan. One that is on another plan by now stays there."""
    for account_id, (plan, seats) in ACCOUNTS.items():
        opened = client.call("POST", "/v1/accounts", {"account_id": account_id}, expect=(200, 201))
        if opened.status == 201 and plan != "free":
            change, key = {"plan": plan, "seats": seats}, f"seed-{account_id}"
            client.call("PUT", f"/v1/accounts/{account_id}/plan", change, key=key, expect=(200,))


def usage_page(client: Client, account_id: str) -> str:
    """A new link to the account's Usage page."""
    answer = client.call("POST", f"/v1/accounts/{account_id}/usage-sessions", {}, expect=(201,))
    url: str = answer.body["url"]
    return url
