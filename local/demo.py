"""`make demo`: the product's two worked examples, charged through HTTP to an account of their own.

Prints each step with its credits and each total, then what happens when the credits run out, and what a month later
has happened without a caller. Takes a free port and keeps its state in memory. Exits 1 when a total is not what the
catalog says, or when what should happen by itself does not.
"""

import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any

from credits import catalog
from credits.catalog import Example
from local.client import Client, UnexpectedAnswer
from local.dynamodb import Unavailable
from local.environments import HandlersNotImported
from local.settings import Settings
from local.stack import running

ACCOUNT = "demo"
WIDTH = 56

# How long the schedule and the event bus may take. Each needs a second or two.
PATIENCE_SECONDS = 30


class NothingHappened(Exception):
    """What should happen without a caller did not; the message says what was waited for."""


def main() -> int:
    print("What a request costs, charged by the real handlers over HTTP.\n")
    try:
        with (
            TemporaryDirectory() as folder,
            running(Settings(port=0), folder=Path(folder), log=lambda *_: None, seeded=False) as stack,
        ):
            client = Client(stack.url, stack.api_key)
            client.call("POST", "/v1/accounts", {"account_id": ACCOUNT}, expect=(201,))
            right = [shown(client, number, example) for number, example in enumerate(catalog.load().examples, 1)]
            run_out(client)
            a_month_passes(client)
    except (HandlersNotImported, NothingHappened, Unavailable, UnexpectedAnswer) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if right and all(right) else 1


def shown(client: Client, number: int, example: Example) -> bool:
    """Charges one worked example step by step and prints it. True where it cost what the catalog says."""
    print("\n".join(wrap(f"“{example.prompt}”", WIDTH)))
    credits_charged = 0
    for step, each in enumerate(example.steps, 1):
        charge = {"action": each.action, "conversation_id": f"example-{number}", "description": each.name}
        charged = charged_for(client, charge, key=f"example-{number}-{step}")
        print_line(each.name, charged["credits"])
        credits_charged += charged["credits"]
    print_line("Total", credits_charged)
    print()
    if credits_charged != example.credits:
        print(f"That is wrong: it should have cost {example.credits}.\n")
    return credits_charged == example.credits


def run_out(client: Client) -> None:
    """Spends what is left and shows what a person hears then: no more messages until the reset, free actions still."""
    account = client.call("GET", f"/v1/accounts/{ACCOUNT}", expect=(200,)).body
    left, low = account["credits"]["remaining"], catalog.load().policies.low_threshold
    print(f"{left} of {account['credits']['total']} credits are left, until the reset on {day(account['resets_at'])}.")
    for quantity in (left - low, low):
        spent = charged_for(client, {"action": "message", "quantity": quantity}, key=f"another-{quantity}")
        print_line(f"Message × {quantity}", spent["credits"])
        print_event(awaited(client, "credits.low" if quantity > low else "credits.exhausted", after=0))
    refusal = client.call(
        "POST", f"/v1/accounts/{ACCOUNT}/charges", {"action": "message"}, key="one-more", expect=(402,)
    )
    print_line("Message", "refused")
    print("\n".join(wrap(refusal.body["detail"], WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4)))
    print_line("AI response", charged_for(client, {"action": "ai_response"}, key="still-free")["credits"])


def a_month_passes(client: Client) -> None:
    """Moves the clock by 31 days and shows what the schedule did then: the account is not called for it."""
    renewals = len(events(client, "credits.renewed"))
    entries = len(ledger(client))
    now = client.call("POST", "/__local__/clock", {"advance": "P31D"}, expect=(200,)).body["now"]
    print(f"\n31 days pass, and nobody calls. It is {day(now)}.")
    print_event(awaited(client, "credits.renewed", after=renewals))
    for entry in reversed(ledger(client)[:-entries]):
        print_line(f"{day(entry['at'])}: {entry['kind']}", entry["credits"])
    account = client.call("GET", f"/v1/accounts/{ACCOUNT}", expect=(200,)).body
    left, total, resets_at = account["credits"]["remaining"], account["credits"]["total"], day(account["resets_at"])
    print(f"{left} of {total} credits are there again, until the reset on {resets_at}.")


def awaited(client: Client, name: str, *, after: int) -> Mapping[str, Any]:
    """The first event of this name beyond the first `after` of them. Raises NothingHappened if it does not come."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        if found := events(client, name)[after:]:
            return found[0]
        time.sleep(0.05)
    raise NothingHappened(f"{name} was not put on the event bus within {PATIENCE_SECONDS} s")


def events(client: Client, name: str) -> list[Mapping[str, Any]]:
    """The details of the account's events of this name, the oldest first."""
    shown = client.call("GET", "/__local__/events", expect=(200,)).body["events"]
    return [each["detail"] for each in shown if each["detail-type"] == name]


def ledger(client: Client) -> list[Mapping[str, Any]]:
    """The account's entries, newest first. To read them renews nothing."""
    page: list[Mapping[str, Any]] = client.call("GET", f"/v1/accounts/{ACCOUNT}/entries", expect=(200,)).body["entries"]
    return page


def charged_for(client: Client, charge: Mapping[str, Any], *, key: str) -> Any:
    return client.call("POST", f"/v1/accounts/{ACCOUNT}/charges", charge, key=key, expect=(201,)).body


def day(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%-d %B %Y}"


def print_event(event: Mapping[str, Any]) -> None:
    """An event as a subscriber of the bus hears it."""
    print(f"  → {event['type']}: {event['data']['remaining']} of {event['data']['total']} credits left")


def print_line(name: str, outcome: int | str) -> None:
    print(f"  {name} ".ljust(WIDTH - 9, ".") + f" {outcome:>8}")


if __name__ == "__main__":
    sys.exit(main())
