"""One charge through the whole handler, beside the same two calls made with bare botocore."""

import json
import time
from collections.abc import Mapping
from statistics import median
from typing import Any
from uuid import uuid4

import botocore.session

from benchmarks.capacity import index_row_units, item_size, transactional_write_units
from benchmarks.figure import Figure
from credits.access.caller import Scope
from credits.runtime import clock

WARM_UP = 200
ROUNDS = 1_500

Call = tuple[str, dict[str, Any]]


def measure(endpoint: str) -> list[Figure]:
    """Charge one account again and again without contention, each time followed by the bare calls on items alike."""
    from functions.accounts import app as accounts  # noqa: PLC0415 - the settings must be in the environment first
    from functions.charges import app as charges  # noqa: PLC0415

    stage = charges.stage
    key = stage.keys.create(name="bench", scopes=list(Scope), account_id=None, now=clock.now()).secret
    account_id = f"bench-{uuid4().hex[:8]}"
    expect(201, accounts.handler(request(key, "POST", "/v1/accounts", {"account_id": account_id}), None))
    grants = f"/v1/accounts/{account_id}/grants"
    grant = {"kind": "promotion", "credits": 1_000_000, "reason": "benchmark"}
    expect(201, accounts.handler(request(key, "POST", grants, grant), None))

    calls: list[Call] = []
    client = stage.ledger.connection.client
    client.meta.events.register(
        "provide-client-params.dynamodb.*", lambda params, model, **_: calls.append((model.name, dict(params)))
    )
    bare = botocore.session.get_session().create_client(
        "dynamodb", region_name=stage.settings.aws_region, endpoint_url=endpoint
    )
    handler_seconds: list[float] = []
    bare_seconds: list[float] = []
    for _ in range(WARM_UP + ROUNDS):
        asked = request(key, "POST", f"/v1/accounts/{account_id}/charges", body())
        calls.clear()
        began = time.perf_counter()
        answer = charges.handler(asked, None)
        handler_seconds.append(time.perf_counter() - began)
        expect(201, answer)
        bare_seconds.append(_bare(bare, calls))
    names = [name for name, _ in calls]
    entry, account = (each["Put"]["Item"] for each in calls[-1][1]["TransactItems"])
    units = transactional_write_units(entry) + transactional_write_units(account)
    rows = sum(name in entry for name in ("moment", "conversation_key"))
    index_units = rows * index_row_units(entry)
    mine, theirs = median(handler_seconds[WARM_UP:]), median(bare_seconds[WARM_UP:])
    times = f"{mine * 1000:.2f} over {theirs * 1000:.2f} ms"
    return [
        Figure("DynamoDB calls for one charge", len(names), 2, " + ".join(names)),
        Figure("write units for one charge", units, 4, f"{item_size(entry)} B entry, {item_size(account)} B account"),
        Figure("and for its index rows", index_units, rows, f"{rows} rows"),
        Figure("charge handler / two bare calls", mine / theirs, 1.25, times),
    ]


def _bare(client: Any, calls: list[Call]) -> float:
    """Seconds for the calls of a charge, made again for another account with items of the same size."""
    (_, get), (_, transaction) = calls[-2:]  # the very first charge also asks for the key
    get = get | {"Key": _renamed(get["Key"])}
    items = []
    for each in transaction["TransactItems"]:
        put = each["Put"]
        changed = {name: value for name, value in put.items() if not name.startswith("Condition")}
        items.append({"Put": changed | {"Item": _renamed(put["Item"])}})
    items[0]["Put"]["ConditionExpression"] = "attribute_not_exists(#0)"
    items[0]["Put"]["ExpressionAttributeNames"] = {"#0": "key"}
    items[1]["Put"] |= {
        "ConditionExpression": "attribute_not_exists(#0) OR #0 < :0",
        "ExpressionAttributeNames": {"#0": "version"},
        "ExpressionAttributeValues": {":0": items[1]["Put"]["Item"]["version"]},
    }
    began = time.perf_counter()
    client.get_item(**get)
    client.transact_write_items(TransactItems=items)
    return time.perf_counter() - began


def _renamed(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same item of a neighbour: ids that are as long and other."""
    names = {"account_id", "book_id"}
    return {name: {"S": value["S"][:-1] + "~"} if name in names else value for name, value in item.items()}


def body() -> dict[str, Any]:
    return {
        "action": "agent_step",
        "conversation_id": str(uuid4()),
        "conversation_title": "Find a free time slot next week",
        "model": "gpt-5.1",
        "tool": "find_free_time",
    }


def request(key: str, method: str, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}", "idempotency-key": str(uuid4()), "content-type": "application/json"}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        "body": json.dumps(content),
        "isBase64Encoded": False,
    }


def expect(status: int, answer: Mapping[str, Any]) -> None:
    if answer["statusCode"] != status:
        raise RuntimeError(f"expected {status}, got {answer['statusCode']}: {answer['body']}")
