"""Page sessions: a signed link that opens one account's Usage page for a quarter of an hour, and nothing else.

The product asks for a link with its API key, and whoever has the link has the session: a JSON Web Token (RFC 7519) in
the query, signed with HS256. It is no key: it reads its one account, and starts checkout and the portal where it may.
docs/decisions/0008-page-sessions.md says why it is no cookie.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import botocore.session
import jwt
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from credits.errors import Forbidden, InvalidSession, SessionExpired, Unavailable

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "infuseos-credits/usage-page"
"""A token that the same secret signs for another purpose opens no page."""

REQUIRED: Final = ("aud", "exp", "iat", "sub")
LONGEST_TOKEN: Final = 2_000
"""Our longest, with every field full, has about 1,400 characters. What is longer is not looked at."""

SHORTEST_SECRET: Final = 32
"""As RFC 7518 asks of HS256. A secret that is empty would open everything: whoever knows it could sign with it."""

SECRET_SECONDS: Final = 300.0
"""How long a secret is kept before it is read again: after a rotation, links are signed with the new one within it."""

SECOND_LOOK_SECONDS: Final = 5.0
"""A link that no key fits may be signed with a secret that is newer than ours. Forged ones make us look this often."""

CONFIG = Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"})


class May(StrEnum):
    """What a session may start beside reading."""

    CHECKOUT = "checkout"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks at the page, as the product said when it asked for the link. What it left open, the reader's browser
    says: `time_zone`, `locale`.

    `token` is what the page puts into its own links and forms. It is kept out of `repr`, and so out of logs.
    """

    account_id: str
    expires_at: datetime
    token: str = field(repr=False)
    may: frozenset[May] = frozenset(May)
    time_zone: str | None = None
    locale: str | None = None
    return_url: str | None = None

    def require(self, what: May) -> None:
        """Forbidden, unless the product lets this reader start `what`."""
        if what not in self.may:
            raise Forbidden(f"This link may not start {what}.", session_needs=what.value)


class SecretTooShort(Exception):
    """Somebody has written a secret that can be guessed (docs/operations.md). Nothing is signed with it."""


class Secret:
    """The secret that signs sessions, in Secrets Manager: read when it is first needed, and kept for a while.

    A new value is put there at any time; the one before is accepted until the next comes, and so for longer than a link
    lives.
    """

    def __init__(self, secret_id: str, *, region: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._secret_id = secret_id
        self._region = region
        self._monotonic = monotonic
        self._read_at = 0.0
        self._values: tuple[str, ...] = ()

    def values(self, *, younger_than: float = SECRET_SECONDS) -> tuple[str, ...]:
        """The current secret first, then the one before, read within this many seconds. Raises Unavailable."""
        if not self._values or self._monotonic() - self._read_at >= younger_than:
            self._values = self._read()
            self._read_at = self._monotonic()
        return self._values

    def _read(self) -> tuple[str, ...]:
        try:
            current: str = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
            try:
                answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSPREVIOUS")
            except self._client.exceptions.ResourceNotFoundException:  # it was never rotated
                answer = {"SecretString": ""}
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(retry_after_seconds=1) from error
        if len(current) < SHORTEST_SECRET:
            raise SecretTooShort
        previous: str = answer["SecretString"]
        return (current, previous) if len(previous) >= SHORTEST_SECRET else (current,)

    @cached_property
    def _client(self) -> Any:
        # Not boto3, which would double what importing this costs: botocore is there for the tables already.
        session = botocore.session.get_session()
        return session.create_client("secretsmanager", region_name=self._region, config=CONFIG)


class Sessions:
    """Opens sessions and tells whether a token is one."""

    def __init__(self, secret: Secret, *, lasts: timedelta) -> None:
        self._secret = secret
        self._lasts = lasts

    def open(
        self,
        account_id: str,
        *,
        now: datetime,
        may: Iterable[May] = May,
        time_zone: str | None = None,
        locale: str | None = None,
        return_url: str | None = None,
    ) -> Session:
        """A new session of this account, which is not looked for, from now on. Raises Unavailable."""
        issued = int(now.timestamp())
        expires = issued + int(self._lasts.total_seconds())
        claims: dict[str, Any] = {
            "aud": AUDIENCE,
            "sub": account_id,
            "iat": issued,
            "exp": expires,
            "may": sorted(may),
        }
        said = {"tz": time_zone, "lang": locale, "back": return_url}
        claims |= {name: value for name, value in said.items() if value is not None}
        token = jwt.encode(claims, self._secret.values()[0], algorithm=ALGORITHM)
        return _session(claims, token)

    def session(self, token: str | None, now: datetime) -> Session:
        """The session that this token opens at `now`.

        Raises InvalidSession for what we did not sign for this purpose, SessionExpired for what we did, earlier, and
        Unavailable where the secret cannot be read.
        """
        if not token or len(token) > LONGEST_TOKEN:
            raise InvalidSession
        claims = _claims(token, self._secret.values())
        if claims is None:
            claims = _claims(token, self._secret.values(younger_than=SECOND_LOOK_SECONDS))
        if claims is None:
            raise InvalidSession
        opened = _session(claims, token)
        if now >= opened.expires_at:
            raise SessionExpired
        return opened


def _claims(token: str, secrets: Iterable[str]) -> dict[str, Any] | None:
    """What the token says, if one of the secrets signed it."""
    # Time is ours to tell: the library reads the machine's clock, and `now` is an argument here.
    options: Any = {"require": list(REQUIRED), "strict_aud": True, "verify_exp": False, "verify_iat": False}
    for secret in secrets:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, options=options
            )
        except jwt.InvalidTokenError:
            continue
        return claims
    return None


def _session(claims: dict[str, Any], token: str) -> Session:
    """Claims that were ours to sign are as `open` wrote them."""
    return Session(
        account_id=claims["sub"],
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        token=token,
        may=frozenset(May(each) for each in claims["may"]),
        time_zone=claims.get("tz"),
        locale=claims.get("lang"),
        return_url=claims.get("back"),
    )
