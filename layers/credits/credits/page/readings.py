"""The readings: everything the page is made of, from the ledger and from the read models.

What they cost is bounded and does not grow with the history: one read of the account, one of the days that are drawn,
one of the last thirty days, one of the conversations used last, one of a page of entries (five at most where a filter
makes it look further), one of the conversation that is chosen, and one of the members of a team that has any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import AnyEntry
from credits.domain.member import Member
from credits.errors import ConversationNotFound
from credits.ledger.page import Page
from credits.ledger.read import answering, entries
from credits.ledger.store import Ledger
from credits.page.reader import Reader
from credits.page.selection import Selection
from credits.usage.fold import Conversation
from credits.usage.insights import Insights, insights
from credits.usage.report import Report, conversation, conversations, report
from credits.usage.tables import Rollups

ENTRIES_OF_A_PAGE = 50
"""Opened, they stay well within 60 KB of HTML, and they are more than anybody reads at a time."""

RECENT_CONVERSATIONS = 25
"""As many as a list can offer that nobody has to search; any other is one click away in its row."""

OFFERED_MEMBERS = 100
"""As many as a list can offer and the page stay within its size. Of more, the first by their ids are suggested."""

CSV_ROWS_AT_ONCE = 500
MOST_CSV_ROWS = 5_000
MOST_CSV_PAGES = 40
"""Readings of one download, where a filter makes most of them come back with little."""

MOST_CSV_BYTES = 5_000_000
"""A little less than the 6 MB that Lambda returns. Ordinary rows come to a fifth of it."""

BYTES_OF_A_ROW = 400
"""What a row has beside its texts: ids, numbers, an instant."""

BYTES_OF_A_CHARACTER = 6
"""In the form in which JSON takes the most: a control character as `\\u001f`."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What the page is made of: bounded readings, however long the history is. `one` is the conversation chosen;
    `members` are a team's, those that were removed among them."""

    account: Account
    report: Report
    insights: Insights
    entries: Page[AnyEntry]
    recent: Sequence[Conversation]
    one: Conversation | None
    members: Sequence[Member] = ()


def readings(
    ledger: Ledger,
    rollups: Rollups,
    catalog: Catalog,
    account: Account,
    selection: Selection,
    reader: Reader,
    *,
    now: datetime,
) -> Readings:
    """What the page of this account, which is as of `now`, is made of. Raises InvalidRequest for a forged cursor."""
    account_id = account.account_id
    team = catalog.plans[account.plan].per_seat and account.members > 0
    return Readings(
        account,
        report(rollups, account_id, selection.wanted(reader)),
        insights(rollups, catalog, account, now=now),
        entries(ledger, account_id, selection.entries, limit=ENTRIES_OF_A_PAGE, cursor=selection.cursor),
        conversations(rollups, account_id, limit=RECENT_CONVERSATIONS).items,
        _chosen(rollups, account_id, selection.conversation_id),
        answering(ledger.members)(account_id, limit=OFFERED_MEMBERS) if team else (),
    )


def history(ledger: Ledger, account: Account, selection: Selection) -> Iterator[AnyEntry]:
    """The entries that are selected, newest first, from the first page on: at most `MOST_CSV_ROWS`, and fewer where
    their texts are so long that they would not fit into one answer."""
    room = MOST_CSV_BYTES
    for entry in islice(_all(ledger, account.account_id, selection), MOST_CSV_ROWS):
        room -= BYTES_OF_A_ROW + BYTES_OF_A_CHARACTER * sum(
            len(text or "") for text in (entry.conversation_title, entry.model, entry.tool, entry.description)
        )
        if room < 0:
            return
        yield entry


def _all(ledger: Ledger, account_id: str, selection: Selection) -> Iterator[AnyEntry]:
    cursor = None
    for _ in range(MOST_CSV_PAGES):
        page = entries(ledger, account_id, selection.entries, limit=CSV_ROWS_AT_ONCE, cursor=cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _chosen(rollups: Rollups, account_id: str, conversation_id: str | None) -> Conversation | None:
    if conversation_id is None:
        return None
    try:
        return conversation(rollups, account_id, conversation_id)
    except ConversationNotFound:  # not counted yet, or not there: the list of its entries tells
        return None
