"""The shell's back end: it holds the API key, charges as its AI works, and makes the sessions of its reader's page."""

import json
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote

from credits import catalog
from local.client import Client
from local.payload import Request, Response
from local.seed import ACCOUNTS, SHOWN
from local.shell.agent import Step, planned, title_of

ROOT: Final = "/__local__/shell/"
STATIC: Final = Path(__file__).with_name("static")
TYPES: Final = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}

# Free has the first alone.
MODELS: Final = {"gpt-5.1": "GPT 5.1", "claude-opus-4.5": "Claude Opus 4.5"}

LONGEST_MESSAGE: Final = 4_000
LONGEST_TEXT: Final = 200
"""Of what the ledger keeps of a message."""

MOST_CONVERSATIONS: Final = 20
MOST_ENTRIES: Final = 100

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


class Refused(Exception):
    """The API refused something; `problem` is its document."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Host:
    """Answers the shell's page, and what its script asks. It keeps nothing: conversations are what the ledger says."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def answers(self, path: str) -> bool:
        """Whether a path is the shell's."""
        return path == "/" or path.startswith(ROOT)

    def answer(self, request: Request) -> Response:
        """The page, a file of it, or JSON."""
        name = "index.html" if request.path == "/" else request.path.removeprefix(ROOT)
        if request.method == "GET" and name in self._files:
            return Response(200, self._files[name], (("content-type", TYPES[Path(name).suffix]), *HEADERS))
        try:
            found = self._asked(request, name)
        except Refused as refused:
            found = {"problem": refused.problem}
        except (KeyError, TypeError, ValueError) as error:
            return _json({"message": str(error)}, HTTPStatus.BAD_REQUEST)
        return _json({"message": "Not Found"}, HTTPStatus.NOT_FOUND) if found is None else _json(found)

    def _asked(self, request: Request, name: str) -> Any:
        """What the script asks for; None for what there is not."""
        query = {each: values[0] for each, values in parse_qs(request.raw_query).items()}
        match request.method, name:
            case "GET", "state":
                return self._state(_account(query))
            case "GET", "conversation":
                return self._conversation(_account(query), query["id"])
            case "POST", "messages":
                return self._message(**_body(request))
            case "POST", "sessions":
                return self._session(**_body(request))
        return None

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in STATIC.iterdir()}

    def _state(self, account: str) -> dict[str, Any]:
        """Who is here, what they may spend, and what they talked about."""
        conversations = self._call("GET", f"/v1/accounts/{account}/conversations?limit={MOST_CONVERSATIONS}")
        return {
            "accounts": [
                {"id": each, "name": seeded.name, "plan": catalog.load().plans[seeded.plan].name}
                for each, seeded in ACCOUNTS.items()
            ],
            "account": self._call("GET", f"/v1/accounts/{account}"),
            "conversations": conversations["conversations"],
            "examples": [{"prompt": each.prompt, "credits": each.credits} for each in catalog.load().examples],
            "prices": {each: action.credits for each, action in catalog.load().actions.items()},
            "models": MODELS,
        }

    def _conversation(self, account: str, conversation_id: str) -> Any:
        path = f"/v1/accounts/{account}/conversations/{quote(conversation_id, safe='')}?limit={MOST_ENTRIES}"
        return self._call("GET", path)

    def _session(self, *, account: str, time_zone: str, locale: str) -> Any:
        """A link to the account's Usage page. People come back from a payment to the tab that it is in."""
        here = f"{self._client.url}/?account={_account({'account': account})}#settings/usage"
        reader = {"time_zone": time_zone, "locale": locale, "return_url": here}
        return self._call("POST", f"/v1/accounts/{account}/usage-sessions", reader)

    def _message(
        self,
        *,
        account: str,
        message_id: str,
        text: str,
        model: str,
        added: list[str],
        conversation_id: str | None = None,
        title: str | None = None,
    ) -> dict[str, Any]:
        """Charges a message and each thing the AI does for it, as it does it, under keys made from the message's id:
        one that is sent again costs nothing again. What is refused ends it there, and is told with what was done."""
        if not text.strip() or len(text) > LONGEST_MESSAGE:
            raise ValueError(f"a message has up to {LONGEST_MESSAGE:,} characters")
        where = {
            "conversation_id": conversation_id or f"chat-{message_id}",
            "conversation_title": title or title_of(text),
            "model": model,
        }
        plan = planned(text, added)
        answer: dict[str, Any] = {**where, "done": [], "reply": None, "problem": None, "credits": 0}
        steps = [
            Step("message", text[:LONGEST_TEXT].strip()),
            *plan.steps,
            Step("ai_response", plan.reply[:LONGEST_TEXT]),
        ]
        for number, step in enumerate(steps):
            line = {"action": step.action, "quantity": step.quantity, "description": step.name, "tool": step.tool}
            charge = where | {name: value for name, value in line.items() if value is not None}
            try:
                charged = self._call(
                    "POST", f"/v1/accounts/{_account({'account': account})}/charges", charge, f"{message_id}-{number}"
                )
            except Refused as refused:
                return answer | {"problem": refused.problem}
            answer["credits"] += charged["credits"]
            answer |= {"balance": charged["balance"], "warning": charged["warning"]}
            if step.action not in {"message", "ai_response"}:
                answer["done"].append({"name": step.name, "action": step.action, "credits": charged["credits"]})
        return answer | {"reply": plan.reply}

    def _call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        answer = self._client.call(method, path, body, key=key)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(answer.body)
        return answer.body


def _account(query: Mapping[str, str]) -> str:
    """The account that is named, if it is one of the seeded ones."""
    account = query.get("account") or SHOWN
    if account not in ACCOUNTS:
        raise ValueError(f"there is no account {account}")
    return account


def _body(request: Request) -> dict[str, Any]:
    """What the script sent. No page of another site can send this type without being asked whether it may."""
    types = [value for name, value in request.headers if name.lower() == "content-type"]
    if types != ["application/json"]:
        raise ValueError("the body is JSON")
    return dict(json.loads(request.body))


def _json(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, json.dumps(body).encode(), (("content-type", "application/json"), *HEADERS))
