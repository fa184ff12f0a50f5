"""`make demo`: the product's two worked examples, charged through HTTP to an account of their own.

Prints each step with its credits and each total, then what happens when the credits run out. Takes a free port and
keeps its state in memory. Exits 1 when a total is not what the catalog says.
"""

import sys
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
    except (HandlersNotImported, Unavailable, UnexpectedAnswer) as error:
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
    left, resets_at = account["credits"]["remaining"], datetime.fromisoformat(account["resets_at"])
    print(f"{left} of {account['credits']['total']} credits are left, until the reset on {resets_at:%-d %B %Y}.")
    spent = charged_for(client, {"action": "message", "quantity": left}, key="all-the-rest")
    print_line(f"Message × {left}", spent["credits"])
    refusal = client.call(
        "POST", f"/v1/accounts/{ACCOUNT}/charges", {"action": "message"}, key="one-more", expect=(402,)
    )
    print_line("Message", "refused")
    print("\n".join(wrap(refusal.body["detail"], WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4)))
    print_line("AI response", charged_for(client, {"action": "ai_response"}, key="still-free")["credits"])


def charged_for(client: Client, charge: Mapping[str, Any], *, key: str) -> Any:
    return client.call("POST", f"/v1/accounts/{ACCOUNT}/charges", charge, key=key, expect=(201,)).body


def print_line(name: str, outcome: int | str) -> None:
    print(f"  {name} ".ljust(WIDTH - 9, ".") + f" {outcome:>8}")


if __name__ == "__main__":
    sys.exit(main())
