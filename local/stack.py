"""The whole stack: DynamoDB, the execution environments and the gateway, started and stopped as one.

    with running(Settings(port=0), folder=Path(".local"), log=print) as stack:
        print(stack.url, stack.api_key)

Every process it starts ends with it: when the block is left, and when this process ends in any other way.
"""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.ledger.tables import bind, bind_tables, connect, create_missing
from credits.runtime import clock
from local.client import Client
from local.clock import Clock
from local.dynamodb import Database, dynamodb_local, moto, require_answer
from local.environments import MAX_ENVIRONMENTS, Environments
from local.gateway import Gateway
from local.seed import seed
from local.server import AccessLog, Server
from local.settings import Settings
from local.template import ROOT, load

# What template.yaml gives the deployed functions. The credentials open nothing: the DynamoDB of a stack takes any.
VARIABLES = {
    "ACCOUNTS_TABLE": "credits-accounts",
    "ENTRIES_TABLE": "credits-entries",
    "KEYS_TABLE": "credits-keys",
    "UPGRADE_URL": "http://127.0.0.1/upgrade",
    "POWERTOOLS_SERVICE_NAME": "credits",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
}

# Every caller holds a connection and an environment. macOS allows a process 256 open files until it asks for more.
OPEN_FILES = 4 * MAX_ENVIRONMENTS


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that answers at `url` (the origin, without /v1); `api_key` has every scope on every account."""

    url: str
    api_key: str


@contextmanager
def running(settings: Settings, *, folder: Path, log: AccessLog, seeded: bool = True) -> Iterator[Stack]:
    """Starts a stack and yields it once it answers, `seeded` with an account on each plan.

    The functions' own output goes to functions.log in `folder`. Raises PortTaken, TemplateError, HandlersNotImported,
    or Unavailable where no DynamoDB can be had.
    """
    _allow_open_files()
    with ExitStack() as started:
        server = Server(settings.port)  # first of all: a port that is taken is said at once
        started.callback(server.stop)
        deployed = load()
        endpoint, database = _database(settings)
        if database is not None:
            started.callback(database.stop)
        variables = VARIABLES | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint, "no_proxy": _no_proxy()}
        # moto is not atomic under threads, and nobody has to know that it is there.
        limit = MAX_ENVIRONMENTS if settings.data or settings.dynamodb_endpoint else 1
        environments = Environments(
            deployed, _process_environment(variables), limit=limit, log=folder / "functions.log"
        )
        started.callback(environments.close)
        if database is not None:
            database.wait_until_it_answers()
        api_key = _prepare(variables)
        environments.wait_until_ready()
        server.start(Gateway(deployed, environments, Clock()).answer)
        stack = Stack(f"http://127.0.0.1:{server.port}", api_key)
        if seeded:
            seed(Client(stack.url, stack.api_key))
        server.log = log  # the requests so far were the stack's own
        yield stack


def _database(settings: Settings) -> tuple[str, Database | None]:
    """Where DynamoDB is, and the process to end with the stack where it is the stack's own. Raises Unavailable."""
    if settings.dynamodb_endpoint:
        require_answer(settings.dynamodb_endpoint)
        return settings.dynamodb_endpoint, None
    database = dynamodb_local(settings.data) if settings.data else moto()
    return database.endpoint, database


def _process_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the functions' processes: ours but for what belongs to AWS, and `variables`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= variables
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "layers" / "credits"), str(ROOT)])
    return environment


def _no_proxy() -> str:
    """Nothing on this machine is reached through a proxy. Where the variable is empty, Python on macOS would ask the
    system for its proxies, and that must not be done after a fork."""
    return ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("no_proxy") or os.environ.get("NO_PROXY")]))


def _prepare(variables: Mapping[str, str]) -> str:
    """Makes the tables that are not there, and a new API key with every scope."""
    os.environ.update(variables)
    connection = connect(region=variables["AWS_REGION"], endpoint_url=variables["AWS_ENDPOINT_URL_DYNAMODB"])
    tables = bind_tables(connection, accounts=variables["ACCOUNTS_TABLE"], entries=variables["ENTRIES_TABLE"])
    keys = bind(KeyItem, variables["KEYS_TABLE"], connection)
    create_missing([tables.accounts, tables.entries, keys])
    return Keys(keys).create(name="local stack", scopes=Scope, account_id=None, now=clock.now()).secret


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
