"""The stand-in as it is served: the API and the pages on an origin of their own, time passing, webhooks going out."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.payload import Request, Response
from local.server import Server
from local.stripe import api, delivery
from local.stripe.delivery import Delivery, Faults
from local.stripe.engine import Engine
from local.stripe.fault import StripeFault, invalid, unknown_route
from local.stripe.pages import POLICY, Pages
from local.stripe.state import Thing

# How soon a moved clock, or a new event, is noticed.
IDLE_SECONDS = 0.1

# A request that is being delivered when the stand-in stops has this long to end.
STOP_SECONDS = 1.0


class Site:
    """Serves an engine on a free port from `start` to `stop`. It listens from the moment it is made.

    With a `file` the engine goes on from what is kept there, and is kept there.
    """

    def __init__(self, now: Callable[[], datetime], *, seed: int | str = 0, file: Path | None = None) -> None:
        self._server = Server(0)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.engine = Engine(now, seed=seed, origin=self.url)
        self._file = file
        if file is not None and file.exists():
            self.engine.restore(file.read_bytes())
        self._kept_events = len(self.engine.events)
        self.delivery = Delivery(self.engine, post=delivery.post, now=now, seed=seed)
        self._pages = Pages(self.engine, self.delivery)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stripe", daemon=True)

    def start(self) -> None:
        self._server.start(self.answer)

    def deliver(self) -> None:
        """From now on time passes without a request, and webhooks go out."""
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._server.stop()
        self._keep()

    def answer(self, request: Request) -> tuple[Response, str]:
        """The API below /v1, the pages elsewhere."""
        if request.path.startswith("/v1/"):
            headers = {name.lower(): value for name, value in request.headers}
            reply = api.answer(self.engine, request.method, request.path, request.raw_query, headers, request.body)
            return Response(reply.status, reply.body, tuple(reply.headers.items())), ""
        page = self._pages.answer(request.method, request.path, request.raw_query, request.body)
        told = [
            ("content-type", page.content_type),
            ("content-security-policy", POLICY),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ]
        if page.location is not None:
            told.append(("location", page.location))
        return Response(page.status, page.body.encode(), tuple(told)), ""

    def control(self, request: Request) -> Response:
        """`/__local__/stripe…` of the gateway: what nobody can do through the API. See docs/operations.md."""
        try:
            asked = json.loads(request.body) if request.body else {}
            if not isinstance(asked, dict):
                raise invalid("The body is a JSON object.")
            body = self._controlled(request.method, request.path.removeprefix("/__local__/stripe"), asked)
            return _json(HTTPStatus.OK, body)
        except StripeFault as fault:
            return _json(HTTPStatus(fault.status), {"message": str(fault)})
        except (KeyError, ValueError) as error:
            return _json(HTTPStatus.BAD_REQUEST, {"message": f"{type(error).__name__}: {error}"})

    def _controlled(self, method: str, path: str, asked: Mapping[str, Any]) -> Thing:
        match method, path:
            case "GET", "" | "/":
                self.engine.advance()
            case "POST", "/faults":
                self.delivery.faults = Faults.of(asked)
            case "POST", "/payments":
                self.engine.fail_payments(self._customer(asked), asked.get("decline_code"))
            case "POST", "/settle":
                return self.engine.settle(asked["payment_intent"], comes=bool(asked.get("comes", True)))
            case "POST", "/disputes":
                return self.engine.open_dispute(asked["charge"], reason=asked.get("reason", "fraudulent"))
            case "POST", "/disputes/decide":
                return self.engine.decide_dispute(asked["dispute"], won=bool(asked["won"]))
            case "POST", "/deliveries":
                self.delivery.again(asked["event"])
            case _:
                raise unknown_route(method, path)
        return {
            "url": self.url,
            "faults": self.delivery.faults.as_json(),
            "failing": dict(self.engine.state.failing),
            "events": len(self.engine.events),
            "on_their_way": self.delivery.waiting,
            "undelivered": sum(1 for event in self.engine.events if event["pending_webhooks"]),
        }

    def _customer(self, asked: Mapping[str, Any]) -> str:
        """The customer that is asked about: by id, or by the account it pays for."""
        if "account_id" not in asked:
            return str(asked["customer"])
        for customer in self.engine.state.all("customer"):
            if customer["metadata"].get("account_id") == asked["account_id"]:
                return str(customer["id"])
        raise invalid(f"No customer pays for the account {asked['account_id']}.")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.engine.advance()
            if not self.delivery.turn():
                self._keep()
                self._stopping.wait(IDLE_SECONDS)

    def _keep(self) -> None:
        """Writes the engine down if something happened since the last time. It appears whole, by a rename."""
        if self._file is None or len(self.engine.events) == self._kept_events:
            return
        self._kept_events = len(self.engine.events)
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(self.engine.saved())
        draft.rename(self._file)


def _json(status: HTTPStatus, body: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(body, separators=(",", ":")).encode(), (("content-type", "application/json"),))


def command(url: str) -> str:
    """The command that has the real Stripe's events sent here."""
    return f"stripe listen --forward-to {url}/stripe/webhook"
