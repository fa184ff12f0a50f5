"""Links to the Usage page: what the product says of their reader, and where they lead."""

from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import urlencode

from pydantic import Field

from credits.access.sessions import May, Session
from credits.catalog import Catalog
from credits.domain.account import Account, warning_at
from credits.domain.instant import to_text
from credits.runtime.wire.shape import Answer, Instant, Request

PAGE_PATH: Final = "/usage"
LOCALE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
URL: Final = r"^https?://[!-~]+$"


class OpenSession(Request):
    """Who will look at the page. Nothing of it can be changed by whoever has the link."""

    may: list[May] = Field(
        default=list(May), max_length=len(May), description="What the reader may start. None: it only shows."
    )
    time_zone: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="The reader's, by its IANA name, such as Europe/Berlin: days are drawn in it. By itself, the "
        "browser's.",
    )
    locale: Annotated[str, Field(pattern=LOCALE)] | None = Field(
        default=None,
        description="The reader's (BCP 47): how numbers and dates are written. By itself, the browser's.",
    )
    return_url: Annotated[str, Field(pattern=URL, max_length=500)] | None = Field(
        default=None, description="Where the page sits in the product: people come back to it from a payment."
    )


class BadgeState(StrEnum):
    """How the balance is: what the badge colours."""

    OK = "ok"
    LOW = "low"
    EXHAUSTED = "exhausted"


class BadgeBalance(Answer):
    """What the badge shows: what is left of how much, and until when."""

    remaining: int
    total: int
    state: BadgeState
    resets_at: Instant

    @classmethod
    def of(cls, account: Account, catalog: Catalog) -> Self:
        """The account's balance as of now."""
        warning = warning_at(account.remaining, catalog.policies.low_threshold)
        return cls(
            remaining=account.remaining,
            total=account.total,
            state=BadgeState(warning.value) if warning else BadgeState.OK,
            resets_at=to_text(account.period.end),
        )


class UsageSession(Answer):
    """A link to the page of one account. Whoever has it has the session: it is for its reader's browser alone."""

    url: str
    expires_at: Instant

    @classmethod
    def of(cls, session: Session, origin: str) -> Self:
        """The session as a link to the page at this origin."""
        query = urlencode({"session": session.token})
        return cls(url=f"{origin}{PAGE_PATH}?{query}", expires_at=to_text(session.expires_at))
