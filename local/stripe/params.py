"""What a request says, read strictly: a name that is not known is refused as Stripe refuses it.

Parameters come as a form: text, nested mappings and lists. A caller within the process may give numbers, booleans and
None as well, which `as_form` writes as the SDK would.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from local.stripe.fault import StripeFault, invalid

# "Up to 50 keys, with key names up to 40 characters long and values up to 500 characters long."
MOST_METADATA = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500


def as_form(value: Any) -> Any:
    """The value as it travels: text in mappings and lists, and no None."""
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return {str(name): as_form(each) for name, each in value.items() if each is not None}
        case list() | tuple():
            return [as_form(each) for each in value]
        case _:
            return str(value)


class Params:
    """The parameters of a request, or of one object within them. Each reader raises StripeFault for what is no such."""

    def __init__(self, values: Mapping[str, Any], within: str = "") -> None:
        self._values = values
        self._within = within

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def only(self, *names: str) -> None:
        """Refuses what is in no list: a slip in a name, or a parameter that the stand-in does not know."""
        for name in self._values:
            if name not in names and name != "expand":
                raise invalid(
                    f"Received unknown parameter: {self._named(name)}",
                    param=self._named(name),
                    code="parameter_unknown",
                )

    def is_unset(self, name: str) -> bool:
        """Whether the parameter is there and empty, which unsets what it names."""
        return self._values.get(name) == ""

    def text(self, name: str, default: str | None = None) -> str | None:
        value = self._values.get(name)
        if value is None or value == "":
            return default
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {value}", param=self._named(name))
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.lacks(name)
        return value

    def lacks(self, name: str) -> StripeFault:
        return invalid(
            f"Missing required param: {self._named(name)}.", param=self._named(name), code="parameter_missing"
        )

    def choice(self, name: str, options: Collection[str], default: str) -> str:
        value = self.text(name, default) or default
        if value not in options:
            raise invalid(
                f"Invalid {self._named(name)}: must be one of {', '.join(sorted(options))}", param=self._named(name)
            )
        return value

    def integer(self, name: str, default: int | None = None, *, lowest: int = 0) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        if not value.removeprefix("-").isdecimal() or not value.isascii():
            raise invalid(f"Invalid integer: {value}", param=self._named(name), code="parameter_invalid_integer")
        if int(value) < lowest:
            raise invalid(
                f"This value must be greater than or equal to {lowest}.",
                param=self._named(name),
                code="parameter_invalid_integer",
            )
        return int(value)

    def boolean(self, name: str, default: bool = False) -> bool:
        return self.choice(name, ("true", "false"), "true" if default else "false") == "true"

    def texts(self, name: str) -> list[str]:
        """A list of text; a single one may be given alone."""
        value = self._values.get(name)
        if value is None or value == "":
            return []
        return [value] if isinstance(value, str) else [str(each) for each in _listed(value)]

    def part(self, name: str) -> "Params":
        """The parameters within this one: none where it is absent or empty."""
        value = self._values.get(name, {})
        if value == "":
            value = {}
        if not isinstance(value, Mapping):
            raise invalid("Invalid object", param=self._named(name))
        return Params(value, self._named(name))

    def parts(self, name: str) -> "list[Params]":
        value = self._values.get(name)
        if value is None or value == "":
            return []
        return [Params(each, f"{self._named(name)}[{number}]") for number, each in enumerate(_listed(value))]

    def listed(self, name: str) -> list[Any]:
        """The list as it was given, to be read by another."""
        value = self._values.get(name)
        return [] if value is None or value == "" else _listed(value)

    def mapping(self, name: str) -> dict[str, Any]:
        """The mapping as it was given, for what the stand-in only keeps and shows."""
        value = self._values.get(name)
        return dict(value) if isinstance(value, Mapping) else {}

    def metadata(self, present: Mapping[str, str] | None = None) -> dict[str, str]:
        """The metadata after this request: keys are merged into those `present`, an empty value takes a key away."""
        kept = dict(present or {})
        if self.is_unset("metadata"):
            return {}
        given = self._values.get("metadata", {})
        # Keys that count from 0 look like a list in a form.
        named = given if isinstance(given, Mapping) else {str(key): value for key, value in enumerate(given)}
        for name, value in named.items():
            if len(name) > LONGEST_METADATA_KEY or len(str(value)) > LONGEST_METADATA_VALUE:
                raise invalid("Metadata keys have up to 40 characters, values up to 500.", param=f"metadata[{name}]")
            if value == "":
                kept.pop(name, None)
            else:
                kept[name] = str(value)
        if len(kept) > MOST_METADATA:
            raise invalid(f"Metadata can have up to {MOST_METADATA} keys.", param="metadata")
        return kept

    def range(self, name: str) -> Callable[[int], bool]:
        """A filter by time: an instant, or bounds as in `created[gte]`."""
        value = self._values.get(name)
        if value is None:
            return lambda _: True
        if isinstance(value, str):
            exact = self.integer(name)
            return lambda at: at == exact
        bounds = self.part(name)
        bounds.only("gt", "gte", "lt", "lte")
        over, since = bounds.integer("gt", -1, lowest=-1), bounds.integer("gte", 0)
        before, until = bounds.integer("lt"), bounds.integer("lte")
        return lambda at: (
            at > (over if over is not None else -1)
            and at >= (since or 0)
            and (before is None or at < before)
            and (until is None or at <= until)
        )

    def _named(self, name: str) -> str:
        return f"{self._within}[{name}]" if self._within else name


def _listed(value: Any) -> list[Any]:
    """A list as forms carry it: indexed, which makes it a mapping of numbers, or plain."""
    if isinstance(value, Mapping):
        return [value[name] for name in sorted(value, key=int)] if all(map(str.isdecimal, value)) else [value]
    return list(value)
