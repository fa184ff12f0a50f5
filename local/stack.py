"""The whole stack: its AWS, the execution environments, the gateway and the event pump, started and stopped as one.

    with running(Settings(port=0), folder=Path(".local"), log=print) as stack:
        print(stack.url, stack.api_key)

Every process it starts ends with it: when the block is left, and when this process ends in any other way.
"""

import json
import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from credits import catalog
from credits.access.caller import Scope
from credits.access.keys import KeyItem, Keys
from credits.errors import StripeUnavailable
from credits.ledger.dynamo import DynamoStore
from credits.ledger.tables import bind, bind_tables, connect
from credits.payments.client import make_client
from credits.payments.push import push
from credits.payments.refusal import stripe_in_our_words
from credits.runtime import clock
from credits.usage.tables import open_rollups
from local.client import Client
from local.clock import Clock
from local.dynamodb import dynamodb_local, moto, require_answer
from local.environments import MAX_ENVIRONMENTS, Environments
from local.gateway import Gateway
from local.pump import Pump
from local.resources import Aws, Resources
from local.seed import SHOWN, seed, usage_page
from local.server import AccessLog, Server
from local.settings import Settings
from local.shell.host import Host
from local.source import Say
from local.stripe.site import Site
from local.template import ROOT, load

# What the deployed functions have beside the variables of template.yaml. The credentials open nothing: the AWS of a
# stack takes any.
VARIABLES = {
    "POWERTOOLS_SERVICE_NAME": "credits",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
}

# Parameters of template.yaml that have no default, or another here: the page may be embedded from its own origin.
PARAMETERS = {"UpgradeUrl": "http://127.0.0.1/upgrade", "FrameAncestors": "'self'"}

# The stand-in for Stripe takes any key of test mode.
STAND_IN_KEY = "sk_test_local"

# Every caller holds a connection and an environment. macOS allows a process 256 open files until it asks for more.
OPEN_FILES = 4 * MAX_ENVIRONMENTS


class StripeRefused(Exception):
    """The catalog could not be pushed to the real Stripe; the message says why not."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that answers at `url` (the origin, without /v1); `api_key` has every scope on every account.

    `page_url` is a link to a seeded account's Usage page, good for a quarter of an hour. Without seeding it is empty.
    `stripe_url` is where the stand-in for Stripe answers; with the real Stripe it is empty.
    """

    url: str
    api_key: str
    page_url: str = ""
    stripe_url: str = ""


@contextmanager
def running(
    settings: Settings, *, folder: Path, log: AccessLog, say: Say = lambda _: None, seeded: bool = True
) -> Iterator[Stack]:
    """Starts a stack and yields it once it answers, `seeded` with the accounts of seed.py.

    The functions' own output goes to functions.log in `folder`, each request to `log`, and what happens without a
    caller, above all the events on the bus, to `say`. Raises PortTaken, TemplateError,
    HandlersNotImported, StripeRefused, or Unavailable where no DynamoDB can be had.
    """
    _allow_open_files()
    with ExitStack() as started:
        server = Server(settings.port)  # first of all: a port that is taken is said at once
        started.callback(server.stop)
        deployed = load()
        stack_clock = Clock()
        stripe = None if settings.stripe_key else _stand_in(settings, stack_clock)
        if stripe is not None:
            started.callback(stripe.stop)
            stripe.start()
        if settings.dynamodb_endpoint:
            require_answer(settings.dynamodb_endpoint)
        aws_services = moto()
        started.callback(aws_services.stop)
        database = dynamodb_local(settings.data) if settings.data and not settings.dynamodb_endpoint else None
        if database is not None:
            started.callback(database.stop)
        endpoint = settings.dynamodb_endpoint or (database or aws_services).endpoint
        atomic = endpoint != aws_services.endpoint
        url = f"http://127.0.0.1:{server.port}"
        of_this_stack = {"UpgradeUrl": f"{url}/#settings/usage"}
        if stripe is not None:
            of_this_stack["PaymentOrigins"] = stripe.url
        resources = Resources(
            deployed,
            region=VARIABLES["AWS_REGION"],
            endpoint=aws_services.endpoint,
            parameters=PARAMETERS | of_this_stack,
        )
        variables = {
            **VARIABLES,
            **resources.variables,
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
            "AWS_ENDPOINT_URL": aws_services.endpoint,  # of every other service: nothing leaves this machine
            "STRIPE_API_BASE": stripe.url if stripe is not None else "",
            "no_proxy": _no_proxy(),
        }
        # moto is not atomic under threads, and nobody has to know that it is there.
        environments = Environments(
            deployed,
            _process_environment(variables),
            limit=MAX_ENVIRONMENTS if atomic else 1,
            log=folder / "functions.log",
        )
        started.callback(environments.close)
        for each in filter(None, (aws_services, database)):
            each.wait_until_it_answers()
        os.environ.update(variables)
        aws = Aws.at(dynamodb=endpoint, moto=aws_services.endpoint, region=VARIABLES["AWS_REGION"])
        resources.create_missing(aws)
        api_key = _api_key(variables)
        _connect_stripe(aws, variables["STRIPE_SECRET_ID"], settings, stripe, url, say)
        pump = Pump(deployed, resources, aws, environments, stack_clock, atomic=atomic, say=say)
        environments.wait_until_ready()
        stack = Stack(url, api_key, stripe_url=stripe.url if stripe is not None else "")
        client = Client(stack.url, stack.api_key)
        control = stripe.control if stripe is not None else None
        server.start(Gateway(deployed, environments, stack_clock, pump.events, control, Host(client)).answer)
        if seeded:
            _seed(variables, aws)
            stack = replace(stack, page_url=usage_page(client, SHOWN))
        server.log = log  # the requests so far were the stack's own
        pump.start()
        started.callback(pump.stop)
        if stripe is not None:
            stripe.deliver()
        yield stack


def _stand_in(settings: Settings, stack_clock: Clock) -> Site:
    """Stripe on this machine, kept where the stack's data is."""
    file = settings.data / "stripe.state" if settings.data else None
    stripe = Site(stack_clock.now, seed=settings.stripe_seed, file=file)
    stripe.delivery.faults = settings.stripe_faults
    return stripe


def _connect_stripe(aws: Aws, secret: str, settings: Settings, stand_in: Site | None, url: str, say: Say) -> None:
    """Makes Stripe sell the catalog, and writes down what the functions know of it: the key that they call it with, and
    the secret that its events are signed with."""
    key = STAND_IN_KEY if stand_in is not None else str(settings.stripe_key)
    client = make_client(key, api_base=stand_in.url if stand_in is not None else None)
    # The real Stripe cannot reach this machine: `stripe listen` brings its events, signed with a secret of its own.
    endpoint = f"{url}/stripe/webhook" if stand_in is not None else None
    try:
        with stripe_in_our_words():
            pushed = push(client, catalog.load(), webhook_url=endpoint)
    except StripeUnavailable as error:
        raise StripeRefused("Stripe did not answer, or did not take STRIPE_SECRET_KEY.") from error
    if stand_in is None:
        for change in pushed.changes:
            say(f"Stripe: {change}")
    values = {"api_key": key, "webhook_secret": pushed.webhook_secret or settings.stripe_webhook_secret or ""}
    aws.secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(values))


def _process_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the functions' processes: ours but for what is AWS's and Stripe's, and `variables`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STRIPE_"))}
    environment |= variables
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "layers" / "credits"), str(ROOT)])
    return environment


def _no_proxy() -> str:
    """Nothing on this machine is reached through a proxy. Where the variable is empty, Python on macOS would ask the
    system for its proxies, and that must not be done after a fork."""
    return ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("no_proxy") or os.environ.get("NO_PROXY")]))


def _api_key(variables: Mapping[str, str]) -> str:
    """A new API key with every scope."""
    connection = connect(region=variables["AWS_REGION"], endpoint_url=variables["AWS_ENDPOINT_URL_DYNAMODB"])
    keys = Keys(bind(KeyItem, variables["KEYS_TABLE"], connection))
    return keys.create(name="local stack", scopes=Scope, account_id=None, now=clock.now()).secret


def _seed(variables: Mapping[str, str], aws: Aws) -> None:
    """The accounts of seed.py, in the tables of this stack."""
    books = ("accounts", "holds", "members", "entries")
    names = {name: variables[f"{name.upper()}_TABLE"] for name in books}
    connection = connect(region=variables["AWS_REGION"], endpoint_url=variables["AWS_ENDPOINT_URL_DYNAMODB"])
    store = DynamoStore(bind_tables(connection, **names))
    rollups = open_rollups(connection, variables["USAGE_TABLE"])
    seed(store, rollups, aws.dynamodb, accounts=names["accounts"], entries=names["entries"], now=clock.now())


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
