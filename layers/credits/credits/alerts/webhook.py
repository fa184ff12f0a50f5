"""Webhooks: a notice as a signed POST, in the form of Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import digest
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with, none itself
TIMEOUT_SECONDS = 4.0
"""For each of connecting and answering. A receiver puts the notice aside and answers; the work comes after."""

SUCCESS = range(200, 300)

logger = Logger(serialize_stacktrace=False)


def signature(key: bytes, notice_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 over id, timestamp and body with dots between them."""
    signed = b".".join([notice_id.encode(), str(timestamp).encode(), body])
    return f"v1,{b64encode(digest(key, signed, sha256)).decode()}"


def signing_key(secret: str) -> bytes:
    """The bytes of a secret: base64, with or without `whsec_` before it. ValueError for anything else."""
    return b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where webhooks go, and the key that signs them."""

    url: str
    key: bytes

    def deliver(self, notice_id: str, body: bytes, now: datetime) -> bool:
        """Send it once; True where the answer is a 2xx. Redirects are not followed: they are no delivery."""
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "infuseos-credits",
            "webhook-id": notice_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.key, notice_id, timestamp, body),
        }
        try:
            status = self._post(body, headers)
        except (OSError, HTTPException) as error:
            logger.warning("webhook not answered", id=notice_id, error=type(error).__name__)
            return False
        if status not in SUCCESS:
            logger.warning("webhook not taken", id=notice_id, status=status)
        return status in SUCCESS

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", target, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()
