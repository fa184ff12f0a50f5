"""Stripe's API as HTTP carries it: forms in, JSON out; a secret key, an idempotency key, a version as headers."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from local.stripe.engine import Engine
from local.stripe.fault import StripeFault, invalid, unauthorized
from local.stripe.state import API_VERSION

# Keys of test mode. Those of live mode have no business on this machine.
KEYS = ("sk_test_", "rk_test_")

# As deep as a form may go, and as many items as a list may have: what is more is no request of Stripe's.
DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


def answer(engine: Engine, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """What Stripe answers to a request. The names of `headers` are in lower case."""
    key = headers.get("idempotency-key")
    told = {"content-type": "application/json", "stripe-version": API_VERSION}
    if key is not None:
        told["idempotency-key"] = key
    try:
        _authenticate(headers.get("authorization", ""))
        version = headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise invalid(f"The local stand-in has only {API_VERSION}, not {version}.")
        params = decoded(query) | decoded(body.decode("utf-8", "replace"))
        replayed = method == "POST" and engine.was_answered(key)
        thing = engine.request(method, path, params, key)
        status = HTTPStatus.OK
    except StripeFault as fault:
        thing, status, replayed = fault.body, HTTPStatus(fault.status), False
    told["request-id"] = engine.state.new_id("request")
    if replayed:
        told["idempotent-replayed"] = "true"
    return Reply(status, told, json.dumps(thing, indent=2).encode())


def decoded(form: str) -> dict[str, Any]:
    """The nested parameters of a form: `items[0][price]=p` is {"items": [{"price": "p"}]}."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        path = _path(name)
        place = tree
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise invalid(f"Invalid parameter: {name}", param=name)
        last = path[-1] or str(len(place))
        place[last] = value
    listed = _with_lists(tree)
    return listed if isinstance(listed, dict) else {}


def _path(name: str) -> list[str]:
    first, *rest = name.split("[", DEEPEST)
    if not first or any(not each.endswith("]") for each in rest):
        raise invalid(f"Invalid parameter: {name}", param=name)
    return [first, *(each.removesuffix("]") for each in rest)]


def _with_lists(value: Any) -> Any:
    """Mappings whose keys count from 0 become lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    if inner and set(inner) == {str(number) for number in range(len(inner))}:
        return [inner[str(number)] for number in range(len(inner))]
    return inner


def _authenticate(authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if not given.startswith(KEYS):
        raise unauthorized(f"Invalid API Key provided: {given[:8]}****. The stand-in takes any that begins sk_test_.")
