"""`make run`: serves the stack until Ctrl-C or SIGTERM.

While it answers, .local/stack.json says where: `api_url` (the origin, without /v1), `api_key` (every scope, every
account) and `page_url` (a link to a seeded account's Usage page, good for a quarter of an hour). Exits 0 when it was
told to stop, 1 when it cannot start.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local.client import UnexpectedAnswer
from local.dynamodb import Unavailable
from local.environments import HandlersNotImported
from local.seed import ACCOUNTS
from local.server import PortTaken
from local.settings import Settings, SettingsError, settings_from
from local.stack import Stack, StripeRefused, running
from local.stripe.site import command
from local.template import TemplateError

FOLDER = Path(".local")
STACK_FILE = FOLDER / "stack.json"

# How soon it is noticed, at the latest, that the stack is told to stop.
NOTICE_SECONDS = 0.5


def main() -> int:
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, interrupt)
    try:
        settings = settings_from(os.environ)
    except SettingsError as error:
        return complain(str(error))
    try:
        FOLDER.mkdir(exist_ok=True)
        with running(settings, folder=FOLDER, log=print_request, say=print_line) as stack, announced(stack):
            print(greeting(stack, settings), flush=True)
            # signal.pause() would sleep through a signal that comes just before it, or that another thread is given.
            while True:
                time.sleep(NOTICE_SECONDS)
    except KeyboardInterrupt:
        print("\nStopped.")
    except PortTaken:
        return complain(f"Port {settings.port} is taken. Choose another: make run PORT={settings.port + 1}")
    except (TemplateError, HandlersNotImported, StripeRefused, Unavailable, UnexpectedAnswer) as error:
        return complain(str(error))
    return 0


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Stops the stack, once: what it has started is then ended in order, and a second Ctrl-C would leave some of it."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def announced(stack: Stack) -> Iterator[None]:
    """Keeps stack.json for as long as the stack answers. It appears whole, by a rename."""
    draft = FOLDER / f"stack.json.{os.getpid()}"
    facts = {"api_url": stack.url, "api_key": stack.api_key, "page_url": stack.page_url}
    draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draft.chmod(0o600)
    draft.rename(STACK_FILE)
    try:
        yield
    finally:
        # Another stack that was started in this folder has put its own in the place of ours.
        if STACK_FILE.exists() and json.loads(STACK_FILE.read_text(encoding="utf-8")) == facts:
            STACK_FILE.unlink()


def greeting(stack: Stack, settings: Settings) -> str:
    accounts = ", ".join(ACCOUNTS)
    return f"""InfuseOS Credits runs on this machine.

  Product   {stack.url}/
  API       {stack.url}/v1
  Docs      {stack.url}/docs
  Stripe    {stripe(stack)}
  Accounts  {accounts}
  API key   {stack.api_key}
  State     {state(settings)}
  Logs      {FOLDER / "functions.log"}

Send a message:

  curl {stack.url}/v1/accounts/free/charges \\
    -H 'Authorization: Bearer {stack.api_key}' \\
    -H 'Idempotency-Key: my-first-message' -H 'Content-Type: application/json' \\
    -d '{{"action": "message"}}'

A month later:

  curl {stack.url}/__local__/clock -d '{{"advance": "P31D"}}'

What was put on the event bus:

  curl {stack.url}/__local__/events

Ctrl-C stops it.
"""


def stripe(stack: Stack) -> str:
    if stack.stripe_url:
        return f"{stack.stripe_url}  (a stand-in; any sk_test_… key)"
    return f"the real one, in test mode. Send its events here: {command(stack.url)}"


def state(settings: Settings) -> str:
    if settings.dynamodb_endpoint:
        return f"in the DynamoDB at {settings.dynamodb_endpoint}"
    if settings.data:
        return f"in {settings.data}, by DynamoDB Local"
    return "in memory, gone when it stops (DATA=folder keeps it)"


def print_request(method: str, path: str, status: int, milliseconds: int, remark: str) -> None:
    print_line(f"{status}  {milliseconds:>5} ms  {method:<6} {path}  {remark}".rstrip())


def print_line(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {line}\n")
    sys.stdout.flush()


def complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
