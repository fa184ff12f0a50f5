"""Usage reports and conversations, as they are shown. Credits here are positive: what was used."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Final

from pydantic import ConfigDict, Field

from credits.domain.entry import CHARGES
from credits.domain.entry import AnyEntry as LedgerEntry
from credits.domain.instant import to_text
from credits.ledger.page import Page
from credits.ledger.read import charge_id
from credits.runtime.wire.entry import Entry
from credits.runtime.wire.shape import Answer, Instant
from credits.usage.fold import Conversation as Rollup
from credits.usage.fold import Tallies
from credits.usage.insights import Insights as DrawnInsights
from credits.usage.insights import Outlook
from credits.usage.report import Granularity, Report, named


class Used(Answer):
    """How often an action happened, and what that cost."""

    count: int
    credits: int


class Bucket(Answer):
    """One day, week or month."""

    start: Instant = Field(description="Its first instant, with the offset that the time zone has then.")
    credits: int
    actions: dict[str, Used]


class Usage(Answer):
    """Usage over time. `from` and `to` are the time it is about; the first and last bucket may reach beyond it. All
    carry the offset that the time zone has then."""

    # `from` is a word of Python's.
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    granularity: Granularity
    since: Instant = Field(alias="from")
    until: Instant = Field(alias="to")
    total: int
    buckets: list[Bucket]

    @classmethod
    def of(cls, report: Report) -> "Usage":
        """The report as it is shown."""
        return cls(
            granularity=report.wanted.granularity,
            since=_local(report.wanted.since.astimezone(report.wanted.zone)),
            until=_local(report.wanted.until.astimezone(report.wanted.zone)),
            total=report.total,
            buckets=[
                Bucket(start=_local(bucket.start), credits=bucket.credits, actions=_used(bucket.actions))
                for bucket in report.buckets
            ],
        )


class Conversation(Answer):
    """What one conversation used, from its first action to its last."""

    conversation_id: str
    title: str | None
    credits: int
    actions: dict[str, Used]
    first_at: Instant
    last_at: Instant

    @classmethod
    def of(cls, rollup: Rollup) -> "Conversation":
        """The conversation as it is shown."""
        return cls(
            conversation_id=rollup.conversation_id,
            title=rollup.title,
            credits=rollup.credits,
            actions=_used(rollup.actions),
            first_at=to_text(rollup.first_at),
            last_at=to_text(rollup.last_at),
        )


class ConversationPage(Answer):
    """Conversations, the last used first, and where the next page begins; null at the end."""

    conversations: list[Conversation]
    cursor: str | None

    @classmethod
    def of(cls, page: Page[Rollup]) -> "ConversationPage":
        """The page as it is shown."""
        return cls(conversations=[Conversation.of(each) for each in page.items], cursor=page.cursor)


class OpenConversation(Conversation):
    """A conversation with its entries, newest first, and where their next page begins; null at the end."""

    entries: list[Entry]
    cursor: str | None

    @classmethod
    def opened(cls, rollup: Rollup, page: Page[LedgerEntry]) -> "OpenConversation":
        """The conversation and a page of its entries as they are shown."""
        return cls(
            **dict(Conversation.of(rollup)), entries=[Entry.of(entry) for entry in page.items], cursor=page.cursor
        )


class Forecast(Answer):
    """How fast credits go, and how long they last at this rate."""

    # `from` is a word of Python's.
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    outlook: Outlook = Field(
        description="`runs_out` before the reset, at `runs_out_at`; `lasts` until the reset; `exhausted` already; or "
        "`unused`: nothing was used, so there is no rate."
    )
    credits_per_day: float = Field(description="The rate, to a hundredth of a credit.")
    used: int = Field(description="The credits it is drawn from: those used in the time `from` … `to`.")
    since: Instant = Field(alias="from")
    until: Instant = Field(alias="to")
    remaining: int
    runs_out_at: Instant | None = Field(
        description="When the last credit is spent; null where that is not before the reset."
    )
    resets_at: Instant


class Tip(Answer):
    """Advice for spending less."""

    id: str
    text: str
    count: int | None = Field(description="How often there was occasion for it; null where nothing measures that.")
    credits_saved: int | None = Field(
        description="What following it would have saved; null where nothing measures that."
    )


class Insights(Answer):
    """Where the credits are going, and what could be saved. Instants carry the offset that the time zone has then."""

    forecast: Forecast
    tips_since: Instant = Field(description="Tips are counted from this instant on.")
    tips: list[Tip]

    @classmethod
    def of(cls, insights: DrawnInsights, zone: tzinfo) -> "Insights":
        """The insights as they are shown to a reader in this time zone."""

        def local(instant: datetime) -> str:
            return _local(instant.astimezone(zone))

        drawn = insights.forecast
        return cls(
            forecast=Forecast(
                outlook=drawn.outlook,
                credits_per_day=round(float(drawn.credits_per_day), 2),
                used=drawn.used,
                since=local(drawn.since),
                until=local(drawn.until),
                remaining=drawn.remaining,
                runs_out_at=local(drawn.runs_out_at) if drawn.runs_out_at else None,
                resets_at=local(drawn.resets_at),
            ),
            tips_since=local(insights.advised_since),
            tips=[
                Tip(
                    id=advice.tip.id,
                    text=advice.tip.text,
                    count=advice.count,
                    credits_saved=advice.credits_saved,
                )
                for advice in insights.tips
            ],
        )


CSV: Final = "text/csv; charset=utf-8; header=present"

COLUMNS: Final = (
    "seq",
    "at",
    "kind",
    "action",
    "quantity",
    "credits",
    "remaining",
    "conversation_id",
    "conversation_title",
    "member_id",
    "model",
    "tool",
    "description",
    "charge_id",
)

FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet computes text that begins so, whoever wrote it (OWASP, "CSV Injection")."""


def csv_page(entries: Iterable[LedgerEntry]) -> str:
    """The entries as CSV (RFC 4180), headed by `COLUMNS`. Credits are signed, as in the ledger."""
    text = io.StringIO()
    writer = csv.writer(text)  # its defaults are RFC 4180's: commas, CRLF, quotes doubled
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _row(entry)] for entry in entries)
    return text.getvalue()


def _row(entry: LedgerEntry) -> tuple[str | int | None, ...]:
    return (
        entry.seq,
        to_text(entry.at),
        entry.kind.value,
        entry.action,
        entry.quantity,
        entry.credits,
        entry.remaining,
        entry.conversation_id,
        entry.conversation_title,
        entry.member_id,
        entry.model,
        entry.tool,
        entry.description,
        charge_id(entry) if entry.kind in CHARGES else None,
    )


def _cell(value: str | int | None) -> str | int | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINS) else value


def _local(instant: datetime) -> str:
    """In its own offset, which is `Z` for UTC."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _used(tallies: Tallies) -> dict[str, Used]:
    return {action: Used(count=tally.count, credits=tally.credits) for action, tally in named(tallies)}
