"""What holds and members cost: calls and write units of an opening, a capture, and a charge that a cap counts."""

from typing import Any
from uuid import uuid4

from benchmarks.capacity import index_row_units, transactional_write_units
from benchmarks.charge import Call, body, expect, request
from benchmarks.figure import Figure
from credits.access.caller import Scope
from credits.runtime import clock

CAPTURES = 20
"""So that the key is known, and the hold's item is one that has been used."""


def measure() -> list[Figure]:
    """Open a hold, capture from it, and charge as a member, each without contention."""
    from functions.accounts import app as accounts  # noqa: PLC0415 - the settings must be in the environment first
    from functions.charges import app as charges  # noqa: PLC0415
    from functions.holds import app as holds  # noqa: PLC0415

    key = holds.stage.keys.create(name="bench", scopes=list(Scope), account_id=None, now=clock.now()).secret
    account_id = f"bench-{uuid4().hex[:8]}"
    path = f"/v1/accounts/{account_id}"
    expect(201, accounts.handler(request(key, "POST", "/v1/accounts", {"account_id": account_id}), None))
    expect(200, accounts.handler(request(key, "PUT", f"{path}/members/mara", {"credit_cap": 1_000}), None))
    calls: list[Call] = []
    for app in (charges, holds):
        app.stage.ledger.connection.client.meta.events.register(
            "provide-client-params.dynamodb.*", lambda params, model, **_: calls.append((model.name, dict(params)))
        )

    def called(app: Any, path: str, body: dict[str, Any]) -> tuple[list[Call], dict[str, Any]]:
        asked = request(key, "POST", path, body)
        calls.clear()
        expect(201, app.handler(asked, None))
        return list(calls), asked

    called(holds, f"{path}/holds", {"credits": 1})
    opening, asked = called(holds, f"{path}/holds", {"credits": 100, "conversation_id": str(uuid4())})
    hold = f"{path}/holds/{asked['headers']['idempotency-key']}"
    for _ in range(CAPTURES):
        called(holds, f"{hold}/captures", body())
    capture, _ = called(holds, f"{hold}/captures", body())
    called(charges, f"{path}/charges", body())
    counted, _ = called(charges, f"{path}/charges", body() | {"member_id": "mara"})
    return [
        *_figures("opening a hold", opening, units=8),
        *_figures("one capture", capture, units=4),
        *_figures("a charge that a member's cap counts", counted, units=6),
    ]


def _figures(what: str, calls: list[Call], *, units: int) -> list[Figure]:
    items = [each["Put"]["Item"] for each in calls[-1][1]["TransactItems"]]
    written = sum(map(transactional_write_units, items))
    rows = [item for item in items for name in ("moment", "conversation_key") if name in item]
    names = " + ".join(name for name, _ in calls)
    note = f"{sum(map(index_row_units, rows))} more for {len(rows)} index rows of entries"
    return [
        Figure(f"DynamoDB calls for {what}", len(calls), 2, names),
        Figure(f"write units for {what}", written, units, note),
    ]
