"""Capacity units by DynamoDB's published arithmetic, since DynamoDB Local reports those of a transaction wrongly.

A transactional write costs two units for each KB of the item, rounded up; a row that it writes in an index costs one
for each KB. An item's size is the UTF-8 length of its attributes' names and values; a number takes a byte for every two
digits and one more; a list or a map three bytes, and one for each element.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

KB = 1024


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of an item in DynamoDB's own notation, `{"name": {"S": "value"}}`."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def transactional_write_units(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Units for a Put of this item in a transaction, without its index rows."""
    return 2 * ceil(item_size(item) / KB)


def index_row_units(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Units for one row of an index that projects the whole item."""
    return ceil(item_size(item) / KB)


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "N":
            digits = str(content).replace(".", "")
            return ceil(len(digits.lstrip("-")) / 2) + 1 + digits.startswith("-")
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return 3 + sum(len(each.encode()) for each in content)
        case "L":
            return 3 + sum(1 + _value_size(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(each) for name, each in content.items())
    raise ValueError(f"no attribute of ours has the type {kind}")
