"""Pages: bounded lists with an opaque cursor that says where the next one begins."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from credits.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Some items of a list, and the cursor of the next page; None at the end."""

    items: tuple[T, ...]
    cursor: str | None


def to_cursor(*parts: str) -> str:
    """An opaque text of the parts, safe in a URL."""
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def from_cursor(cursor: str, parts: int) -> list[str]:
    """The parts of a cursor that `to_cursor` made. InvalidRequest for any other text.

    It holds a place in a list and no permission: which list is read is fixed by the path, so a forged cursor can
    only begin the caller's own list elsewhere.
    """
    try:
        value: Any = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        value = None
    if not isinstance(value, list) or len(value) != parts or not all(map(_is_part, value)):
        raise not_of_this_list()
    return value


def not_of_this_list() -> InvalidRequest:
    """What is said of a cursor that another list gave, or nobody."""
    return InvalidRequest([("cursor", "is not one that this list gave")])


def _is_part(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ""
