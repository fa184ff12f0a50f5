"""The Usage page without AWS: a book's entries, folded and read in memory as the tables would be, laid out by the real
templates. Any state of an account can be shown so, those included that take a failed payment or a running task."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from credits.domain.account import Account
from credits.domain.charge import Usage, charge
from credits.domain.entry import Entry
from credits.domain.member import Member
from credits.ledger.page import Page
from credits.page import FOLDER
from credits.page.reader import reader_of
from credits.page.readings import ENTRIES_OF_A_PAGE, RECENT_CONVERSATIONS, Readings
from credits.page.selection import Address, selection_of
from credits.page.view import View, view_of
from credits.runtime.pages import Views
from credits.usage.fold import Conversation, Day, fold
from credits.usage.insights import insights_of
from credits.usage.report import drawn
from tests.unit.books import CATALOG, Book, utc

VIEWS = Views(FOLDER)
TOKEN = "t" * 330
"""About as long as that of a session is."""

TOOLS = ("Gmail search", "Find free time", "Create event", "Send email", "Web search")
TITLES = ("Quarterly report", "Trip to Lisbon", "Gmail clean-up", "Landing page copy", "<script>alert('hi')</script>")


def viewed(
    account: Account,
    entries: Sequence[Entry],
    now: datetime,
    query: Mapping[str, str] | None = None,
    *,
    members: Sequence[Member] = (),
    language: str = "en-US",
    zone: str = "UTC",
) -> View:
    """The view of this account, which is as of `now`, after these entries."""
    reader = reader_of(language=language, accepted=None, zone=zone)
    selection = selection_of(query or {}, account, CATALOG, reader, now=now)
    rollups = fold({}, entries)
    days = [each for each in rollups.values() if isinstance(each, Day) and each.key.startswith("day#")]
    used = sorted(
        (each for each in rollups.values() if isinstance(each, Conversation)),
        key=lambda each: each.last_at,
        reverse=True,
    )
    wanted = selection.entries
    found = [
        entry
        for entry in reversed(entries)
        if selection.since <= entry.at < selection.until
        and wanted.matches(entry)
        and selection.conversation_id in {None, entry.conversation_id}
    ]
    month = [day for day in days if day.date >= (now - timedelta(days=30)).date().isoformat()]
    readings = Readings(
        account,
        drawn(days, selection.wanted(reader)),
        insights_of(month, CATALOG, account, now=now),
        Page(tuple(found[:ENTRIES_OF_A_PAGE]), "next" if len(found) > ENTRIES_OF_A_PAGE else None),
        used[:RECENT_CONVERSATIONS],
        next((each for each in used if each.conversation_id == selection.conversation_id), None),
        members,
    )
    return view_of(readings, selection, Address("/usage", {"session": TOKEN}), CATALOG, reader, now=now)


def laid_out(view: View) -> str:
    """The page of this view, for somebody who may pay."""
    portal = view.plans.subscribed
    return VIEWS.render(
        "usage.html", view=view, token=TOKEN, key="page-1", zone_given=True, checkout=True, portal=portal
    )


def busy(plan: str = "pro", seats: int = 1, *, days: int = 24) -> Book:
    """A book with a history of so many days from 2 November 2026 on, the same one each time."""
    book = Book.opened("2026-11-02 09:00")
    if plan != "free":
        book.change_plan(plan, seats, at="2026-11-02 09:05")
    for day in range(days):
        for part in range(1 + day % 3):
            at = utc("2026-11-02 10:00") + timedelta(days=day, hours=3 * part, minutes=7 * day)
            number = day * 2 + part * 3
            _chat(book, at, number, ("alice", "bob", "carol")[number % 3] if seats > 1 else None)
    return book


def _chat(book: Book, at: datetime, number: int, member: str | None) -> None:
    title = TITLES[number % len(TITLES)]
    did = [("message", None), *(("agent_step", TOOLS[(number + step) % len(TOOLS)]) for step in range(number % 4))]
    did += [("web_fetch", None)] * (number % 3)
    did += [("image_generation", None)] if number % 5 == 4 else []
    did += [("deep_research", None)] if number % 11 == 7 else []
    lines = [
        Usage(
            action=action,
            tool=tool,
            model="gpt-5.1" if action == "message" else None,
            conversation_id=f"chat-{number % len(TITLES)}",
            conversation_title=title,
            member_id=member,
        )
        for action, tool in [*did, ("ai_response", None)]
    ]
    book.post(lambda account, key: charge(account, CATALOG, now=at, key=key, lines=lines))
