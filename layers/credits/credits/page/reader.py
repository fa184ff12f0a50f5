"""The reader: in which language's conventions and in which time zone numbers, money and dates are told.

The words of the page are English; its figures are the reader's own. Babel has them for every locale (CLDR), and writes
them without a browser's help, so that the page is whole before any script runs.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from credits.errors import InvalidRequest
from credits.usage.report import zone_named

DEFAULT_LANGUAGE = "en-US"
MOST_LANGUAGES = 10
"""Of an Accept-Language header: what a browser sends has two or three."""

MINUS = "−"

When = datetime | date
"""An instant, which is told in the reader's time zone, or a day as it is."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever looks at the page."""

    locale: Locale
    zone: tzinfo
    zone_name: str

    @property
    def language(self) -> str:
        """The locale as HTML names it: `en-US`."""
        return str(self.locale).replace("_", "-")

    def number(self, value: int) -> str:
        """`12,500`."""
        return format_decimal(value, locale=self.locale)

    def signed(self, value: int) -> str:
        """`+1,000`, `−7`, `0`: with a real minus, which is as wide as the plus."""
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return sign + self.number(abs(value))

    def rate(self, value: float) -> str:
        """A figure to a tenth: `12.5`; whole from 10 on, where a tenth tells nobody anything."""
        return format_decimal(round(value, 1) if value < 10 else round(value), format="#,##0.#", locale=self.locale)

    def percent(self, part: int, whole: int) -> str:
        """`25%`, rounded down, so that 100% is all of it."""
        return format_percent(part * 100 // whole / 100 if whole else 0, locale=self.locale)

    def money(self, cents: int, currency: str) -> str:
        """`$9.99`; whole amounts without their hundredths: `$29`."""
        whole = cents % 100 == 0
        return format_currency(
            cents // 100 if whole else cents / 100,
            currency.upper(),
            locale=self.locale,
            currency_digits=not whole,
            format=_without_fraction(self.locale) if whole else None,
        )

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone)

    def day_of(self, instant: datetime) -> date:
        """The date that the instant has where the reader is."""
        return self.local(instant).date()

    def long_date(self, when: When) -> str:
        """`November 25, 2026`."""
        return format_date(self._day(when), "long", locale=self.locale)

    def day(self, when: When) -> str:
        """`Nov 25`."""
        return str(format_skeleton("MMMd", self._day(when), locale=self.locale))

    def day_and_year(self, when: When) -> str:
        """`Nov 25, 2026`."""
        return format_date(self._day(when), "medium", locale=self.locale)

    def month(self, when: When) -> str:
        """`Nov 2026`."""
        return str(format_skeleton("yMMM", self._day(when), locale=self.locale))

    def time(self, instant: datetime) -> str:
        """`2:05 PM`."""
        return format_time(self.local(instant), "short", locale=self.locale)

    def _day(self, when: When) -> date:
        return self.day_of(when) if isinstance(when, datetime) else when


def reader_of(*, language: str | None, accepted: str | None, zone: str | None) -> Reader:
    """The reader as the product knows them (`language`, a BCP 47 tag), or else as their browser says (`accepted`, an
    Accept-Language header). What cannot be read is passed over: a page in other conventions is better than none."""
    tags = [*([language] if language else []), *_accepted(accepted or ""), DEFAULT_LANGUAGE]
    locale = next(found for found in map(_locale, tags) if found)
    try:
        name = zone or "UTC"
        return Reader(locale, zone_named(name), name)
    except InvalidRequest:
        return Reader(locale, UTC, "UTC")


def _accepted(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110), the preferred first."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(",")[:MOST_LANGUAGES]:
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        weighted.append((quality, tag.strip()))
    return [tag for quality, tag in sorted(weighted, key=lambda each: -each[0]) if quality > 0]


@lru_cache(maxsize=64)
def _locale(tag: str) -> Locale | None:
    if not tag.replace("-", "").isalnum() or not tag.isascii():
        return None
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return None


def _without_fraction(locale: Locale) -> str:
    pattern: str = locale.currency_formats["standard"].pattern
    return pattern.replace("0.00", "0")
