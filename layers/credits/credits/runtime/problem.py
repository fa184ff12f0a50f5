"""Problem documents (RFC 9457): the one shape of an error on the wire. Light: not every function is an API."""

import json
from datetime import datetime
from typing import Any, Final

from credits.domain.instant import to_text
from credits.errors import CreditsError

PROBLEM_JSON: Final = "application/problem+json"


def problem(error: CreditsError, **further: Any) -> str:
    """The body that tells this error, with its fields and `further` ones.

    ValueError where one of these would overwrite what every problem has: that is a mistake in the error's class.
    """
    told = {
        "type": f"urn:infuseos:credits:{error.code}",
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "code": error.code,
    }
    fields = {name: _plain(value) for name, value in error.fields.items() if value is not None} | further
    if taken := told.keys() & fields.keys():
        raise ValueError(f"{type(error).__name__} has fields that every problem has: {', '.join(sorted(taken))}")
    return json.dumps(told | fields, separators=(",", ":"))


def problem_headers(error: CreditsError) -> dict[str, str]:
    """What goes with it: the type of the body, and when to ask again where the error says so."""
    retry_after = error.fields.get("retry_after")
    return {"Content-Type": PROBLEM_JSON} | ({} if retry_after is None else {"Retry-After": str(retry_after)})


def _plain(value: Any) -> Any:
    return to_text(value) if isinstance(value, datetime) else value
