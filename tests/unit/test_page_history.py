"""Ledger entries as rows that people know."""

from dataclasses import replace

from credits.domain.charge import Usage, charge
from credits.domain.entry import EntryKind
from credits.domain.grant import GrantKind
from credits.page.history import BOOKKEEPING, MOVEMENTS, Chip, Line, Row, conversation_of, rows_of
from credits.page.reader import reader_of
from credits.usage.fold import Conversation, fold
from tests.unit.books import CATALOG, Book, utc

READER = reader_of(language="en-US", accepted=None, zone="Europe/Berlin")


def used(book: Book, at: str, conversation: str | None, *lines: Usage, title: str | None = None) -> None:
    """These actions, charged together in a conversation."""
    placed = [
        Usage(
            action=line.action,
            quantity=line.quantity,
            tool=line.tool,
            model=line.model,
            member_id=line.member_id,
            conversation_id=conversation,
            conversation_title=title,
        )
        for line in lines
    ]
    book.post(lambda account, key: charge(account, CATALOG, now=utc(at), key=key, lines=placed))


def rows(book: Book, *, more: bool = False) -> tuple[Row, ...]:
    return rows_of(book.entries[::-1], CATALOG, READER, more=more)


MEETING = (
    Usage(action="message", model="gpt-5.1"),
    Usage(action="agent_step", tool="Find free time"),
    Usage(action="agent_step", tool="Create event"),
    Usage(action="agent_step", tool="Send email"),
    Usage(action="ai_response"),
)


def test_a_conversation_s_day_is_one_row_that_opens_to_its_messages_and_tools() -> None:
    book = Book.opened("2026-11-23 08:00")
    used(book, "2026-11-23 09:05", "chat-1", *MEETING, title="A meeting")

    assert rows(book)[0] == Row(
        date="Nov 23, 2026",
        instant="2026-11-23T09:05:00.000Z",
        what="A meeting",
        about="",
        usage=True,
        gain=False,
        credits="−7",
        chips=(Chip("Message", 1, ""), Chip("Agent Step", 2, "3")),
        lines=(
            Line("10:05\u202fAM", "Message", "GPT 5.1", "−1"),
            Line("10:05\u202fAM", "Find free time", "Agent Step", "−2"),
            Line("10:05\u202fAM", "Create event", "Agent Step", "−2"),
            Line("10:05\u202fAM", "Send email", "Agent Step", "−2"),
            Line("10:05\u202fAM", "AI Response", "", "0"),
        ),
        conversation_id="chat-1",
    )


def test_rows_are_by_the_reader_s_day_and_by_conversation_the_newest_first() -> None:
    book = Book.opened("2026-11-23 08:00")
    message = Usage(action="message")
    used(book, "2026-11-23 09:00", "chat-1", message)
    used(book, "2026-11-23 10:00", "chat-2", message)
    used(book, "2026-11-23 11:00", "chat-1", message)
    used(book, "2026-11-23 23:30", "chat-1", message)
    used(book, "2026-11-23 23:45", None, message)

    assert [(row.date, row.what, row.credits) for row in rows(book)][:4] == [
        ("Nov 24, 2026", "Outside conversations", "−1"),
        ("Nov 24, 2026", "chat-1", "−1"),
        ("Nov 23, 2026", "chat-1", "−2"),
        ("Nov 23, 2026", "chat-2", "−1"),
    ]


def test_movements_are_rows_of_their_own_and_say_what_they_are() -> None:
    book = Book.opened("2026-11-23 08:00")
    book.give(400, at="2026-11-23 09:00", kind=GrantKind.ADJUSTMENT)
    book.give(50, at="2026-11-23 10:00", expires="2026-11-24 10:00")
    book.change_plan("pro", at="2026-11-23 11:00")
    book.renew("2026-11-25 09:00")

    told = [(row.what, row.about, row.credits, row.usage, row.gain) for row in rows(book)]
    assert told[0] == ("Credits expired", "Unused gift credits · 1,700 credits left after it", "−50", False, False)
    assert told[-2:] == [
        ("Monthly credits", "300 credits left after it", "+300", False, True),
        ("Account opened", "0 credits left after it", "0", False, False),
    ]
    assert ("Adjustment", "welcome · 700 credits left after it", "+400", False, True) in told
    assert [about for what, about, *_ in told if what == "Plan change"] == ["Free → Pro · 1,750 credits left after it"]


def test_a_change_that_waits_says_when_it_comes_and_one_that_was_called_off_says_so() -> None:
    book = Book.opened("2026-11-23 08:00")
    book.change_plan("team", 3, at="2026-11-23 09:00")
    book.change_plan("pro", at="2026-11-23 10:00")
    book.change_plan("team", 3, at="2026-11-23 11:00")

    told = [row.about.partition(" · ")[0] for row in rows(book) if row.what == "Plan change"]
    assert told == [
        "Team, 3 seats → Pro, called off",
        "Team, 3 seats → Pro, planned for Dec 23, 2026",
        "Free → Team, 3 seats",
    ]


def test_the_oldest_day_of_a_page_may_go_on_on_the_next() -> None:
    book = Book.opened("2026-11-23 08:00")
    used(book, "2026-11-24 09:00", "chat-1", Usage(action="message"))
    used(book, "2026-11-25 09:00", "chat-1", Usage(action="message"))
    newest = book.entries[:-3:-1]

    assert [row.cut for row in rows_of(newest, CATALOG, READER, more=True)] == [False, True]
    assert [row.cut for row in rows_of(newest, CATALOG, READER, more=False)] == [False, False]


def test_many_of_one_action_are_counted_and_a_member_is_named() -> None:
    book = Book.opened("2026-11-23 07:00")
    book.change_plan("pro", at="2026-11-23 08:00")
    used(book, "2026-11-23 09:00", "chat-1", Usage(action="web_fetch", quantity=12, model="claude", member_id="alice"))
    row = rows(book)[0]
    assert row.chips == (Chip("Web Fetch", 3, "12"),)
    assert row.lines == (Line("10:00\u202fAM", "Web Fetch × 12", "claude · alice", "−12"),)


def test_what_is_free_is_named_where_nothing_else_happened() -> None:
    book = Book.opened("2026-11-23 08:00")
    used(book, "2026-11-23 09:00", "chat-1", Usage(action="ai_response"))
    row = rows(book)[0]
    assert (row.credits, row.chips) == ("0", (Chip("AI Response", 7, ""),))


def test_a_conversation_tells_what_it_used_in_all() -> None:
    book = Book.opened("2026-11-23 08:00")
    used(book, "2026-11-23 09:05", "chat-1", *MEETING, title="A meeting")
    used(book, "2026-11-25 09:05", "chat-1", Usage(action="message"))
    conversation = fold({}, book.entries)["conversation#chat-1"]
    assert isinstance(conversation, Conversation)

    told = conversation_of(conversation, CATALOG, READER)
    assert (told.title, told.credits, told.since, told.until) == (
        "A meeting",
        "8 credits",
        "Nov 23, 2026",
        "Nov 25, 2026",
    )
    assert told.chips == (Chip("Message", 1, "2"), Chip("Agent Step", 2, "3"))


def test_an_empty_page_has_no_rows() -> None:
    assert rows_of([], CATALOG, READER, more=True) == ()


def test_every_kind_of_entry_is_usage_or_has_a_name_or_is_left_out() -> None:
    assert {kind.value for kind in EntryKind} - set(MOVEMENTS) - BOOKKEEPING <= {"charge", "capture"}


def test_what_is_only_kept_for_the_books_is_no_row() -> None:
    book = Book.opened("2026-11-23 08:00")
    confirmation = replace(book.entries[-1], kind=EntryKind.CONFIRMATION, credits=0)
    assert rows_of([confirmation], CATALOG, READER, more=False) == ()


def test_a_movement_says_what_it_does_to_the_balance_and_a_hold_only_sets_aside() -> None:
    book = Book.opened("2026-11-23 08:00")
    opened, allocation = book.entries
    entries = [
        replace(allocation, kind=EntryKind.RELEASE, credits=48, seq=5),
        replace(allocation, kind=EntryKind.HOLD, credits=-50, seq=4),
        replace(allocation, kind=EntryKind.EXPIRY, credits=-300, seq=3),
        allocation,
        opened,
    ]
    assert [(row.what, row.tag, row.gain) for row in rows_of(entries, CATALOG, READER, more=False)] == [
        ("Given back by a task", "Only set aside", False),
        ("Set aside for a task", "Only set aside", False),
        ("Credits expired", "Credits removed", False),
        ("Monthly credits", "Credits added", True),
        ("Account opened", "Not usage", False),
    ]
