"""A caller of the API, as small as it gets: for seeding, for the demo, and for tests of the running stack."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

# Longer than API Gateway lets any answer take.
TIMEOUT_SECONDS = 35

# The stack is on this machine: no proxy of the environment is between.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Message
    body: Any


class UnexpectedAnswer(Exception):
    """The API answered with another status than its caller can go on with."""


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks JSON to the API at `url` (the origin, without /v1) with one API key."""

    url: str
    api_key: str

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, expect: Sequence[int] = ()
    ) -> Answer:
        """One request; `key` is its Idempotency-Key. With `expect`, another status raises UnexpectedAnswer."""
        headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _open(request, timeout=TIMEOUT_SECONDS) as response:
                answer = Answer(response.status, response.headers, json.load(response))
        except urllib.error.HTTPError as refusal:
            with refusal:
                answer = Answer(refusal.code, refusal.headers, json.load(refusal))
        if expect and answer.status not in expect:
            raise UnexpectedAnswer(f"{method} {path} answered {answer.status}: {answer.body}")
        return answer
