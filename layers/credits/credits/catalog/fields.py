"""Readers of TOML values. Each takes a value and its place in the file, and returns the value typed or refuses it.

A table is described by naming a reader for each of its fields, so that the description is also the documentation:

    packs = keyed(Pack, name=text, credits=whole(at_least=1), price_cents=whole())
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class InvalidCatalog(ValueError):
    """The catalog file cannot be used: a mistake of whoever deploys it, found before any request is served.

    `place` is the table and field as TOML would write them (`plans.pro.price_cents`), empty for the file as a whole.
    """

    def __init__(self, file: str, place: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (file, place, problem) if part))
        self.file = file
        self.place = place
        self.problem = problem


class Place(NamedTuple):
    """Where in the file a value stands. It is put into words only when something there is refused."""

    file: str
    steps: tuple[str | int, ...] = ()

    def field(self, key: str) -> "Place":
        return Place(self.file, (*self.steps, key))

    def item(self, index: int) -> "Place":
        return Place(self.file, (*self.steps, index))

    def refusal(self, problem: str) -> InvalidCatalog:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{_quoted(step)}" for step in self.steps)
        return InvalidCatalog(self.file, path.removeprefix("."), problem)


def _quoted(key: str) -> str:
    # A dot inside a key would read as one more table, so such a key is quoted, as it is in TOML.
    return key if _BARE_KEY.fullmatch(key) else f'"{key}"'


type Reader[T] = Callable[[object, Place], T]


def text(value: object, at: Place) -> str:
    if not isinstance(value, str):
        raise at.refusal(f"must be a text, is {value!r}")
    if not value.strip():
        raise at.refusal("must not be empty")
    return value


def identifier(value: object, at: Place) -> str:
    """An id as every id of the API is; the ledger joins ids with `#`, which therefore no id may hold."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise at.refusal(
            f"must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is {value!r}"
        )
    return value


def flag(value: object, at: Place) -> bool:
    if not isinstance(value, bool):
        raise at.refusal(f"must be true or false, is {value!r}")
    return value


def whole(at_least: int = 0) -> Reader[int]:
    def read(value: object, at: Place) -> int:
        if type(value) is not int:  # isinstance would let true pass for 1
            raise at.refusal(f"must be a whole number, is {value!r}")
        if value < at_least:
            raise at.refusal(f"must be {at_least} or more, is {value}")
        return value

    return read


def listed[T](item: Reader[T]) -> Reader[tuple[T, ...]]:
    """An array, in its order."""

    def read(value: object, at: Place) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise at.refusal(f"must be an array, is {value!r}")
        return tuple(item(raw, at.item(index)) for index, raw in enumerate(value))

    return read


def distinct[T](item: Reader[T]) -> Reader[tuple[T, ...]]:
    """An array, in its order, that names nothing twice."""
    read_all = listed(item)

    def read(value: object, at: Place) -> tuple[T, ...]:
        items = read_all(value, at)
        for index, one in enumerate(items):
            if one in items[:index]:
                raise at.item(index).refusal(f"is listed twice: {one!r}")
        return items

    return read


def unordered[T](item: Reader[T]) -> Reader[frozenset[T]]:
    """An array whose order means nothing, and that names nothing twice."""
    read_distinct = distinct(item)
    return lambda value, at: frozenset(read_distinct(value, at))


def table[T](make: Callable[..., T], /, **fields: Reader[object]) -> Reader[T]:
    """A table of exactly these fields, each of them required; `make` is given what they hold, by name."""
    return lambda value, at: make(**_read_fields(value, at, fields))


def keyed[T](make: Callable[..., T], /, **fields: Reader[object]) -> Reader[Mapping[str, T]]:
    """Tables by id, as `[plans.free]` and `[plans.pro]` are: a read-only mapping in the order of the file.

    `make` is given the id too. TOML itself refuses an id declared twice.
    """

    def read(value: object, at: Place) -> Mapping[str, T]:
        return MappingProxyType(
            {
                identifier(key, at.field(key)): make(id=key, **_read_fields(one, at.field(key), fields))
                for key, one in _entries(value, at).items()
            }
        )

    return read


def _read_fields(value: object, at: Place, fields: Mapping[str, Reader[object]]) -> dict[str, object]:
    found = _entries(value, at)
    for name in found:
        if name not in fields:
            raise at.field(name).refusal(f"is not a field here; the fields are {', '.join(fields)}")
    for name in fields:
        if name not in found:
            raise at.field(name).refusal("is missing")
    return {name: read(found[name], at.field(name)) for name, read in fields.items()}


def _entries(value: object, at: Place) -> dict[str, object]:
    if not isinstance(value, dict):
        raise at.refusal(f"must be a table, is {value!r}")
    return value
