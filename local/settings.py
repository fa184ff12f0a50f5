"""What the person who starts the stack may choose, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 3000
HIGHEST_PORT = 65_535


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` 0 takes a free one. State is in memory unless `dynamodb_endpoint` or else `data` says where it is kept."""

    port: int = DEFAULT_PORT
    data: Path | None = None
    dynamodb_endpoint: str | None = None


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Reads PORT, DATA and AWS_ENDPOINT_URL_DYNAMODB; an empty one counts as absent. Raises SettingsError."""
    port = environment.get("PORT") or str(DEFAULT_PORT)
    if not (port.isascii() and port.isdecimal() and int(port) <= HIGHEST_PORT):
        raise SettingsError(f"PORT is a number from 0 to {HIGHEST_PORT}, not {port!r}")
    data = environment.get("DATA")
    return Settings(
        port=int(port),
        data=Path(data).expanduser() if data else None,
        dynamodb_endpoint=environment.get("AWS_ENDPOINT_URL_DYNAMODB") or None,
    )
