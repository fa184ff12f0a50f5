"""The whole page: what its links lead to, what it offers to choose, what it escapes, and how large it is."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from credits.domain.account import Account
from credits.domain.member import Member
from credits.page.view import Choice, Filters, Members, View
from tests.pages import TOKEN, busy, laid_out, viewed
from tests.unit.books import Book, utc

NOW = utc("2026-11-26 10:00")
LARGEST_PAGE_BYTES = 60_000


def shown(book: Book, account: Account | None = None, **query: str) -> View:
    query = {name.rstrip("_"): value for name, value in query.items()}
    return viewed(account or book.account, book.entries, NOW, query)


def appointed(member_id: str) -> Member:
    return Member(account_id="acme", member_id=member_id, joined_at=NOW, counted_from=NOW, at=NOW)


def of_a_team(*members: Member, **query: str) -> Filters:
    """The filters of a team that made these its members, after two days of which alice and carol had some."""
    team = busy("team", 3, days=2)
    account = replace(team.account, members=len(members))
    return viewed(account, team.entries, NOW, query, members=members).history.filters


def asked(url: str | None) -> dict[str, str]:
    """The query of a link of the page, without its session."""
    assert url
    assert urlsplit(url).path.startswith("/usage")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query.pop("session") == TOKEN
    return query


def test_spans_keep_the_filters_and_leave_the_dates() -> None:
    filters = shown(busy(), type="message", from_="2026-11-03", to="2026-11-05").history.filters
    assert [(link.name, asked(link.url), link.current) for link in filters.spans] == [
        ("This period", {"type": "message"}, False),
        ("7 days", {"type": "message", "span": "7d"}, False),
        ("30 days", {"type": "message", "span": "30d"}, False),
        ("90 days", {"type": "message", "span": "90d"}, False),
        ("12 months", {"type": "message", "span": "12m"}, False),
    ]


def test_bars_can_be_days_weeks_or_months_of_the_same_selection() -> None:
    filters = shown(busy(), span="30d", by="week").history.filters
    assert [(link.name, asked(link.url), link.current) for link in filters.grains] == [
        ("Day", {"span": "30d", "by": "day"}, False),
        ("Week", {"span": "30d", "by": "week"}, True),
        ("Month", {"span": "30d", "by": "month"}, False),
    ]


def test_pages_follow_each_other_under_the_same_selection() -> None:
    first = shown(busy(), type="message", span="30d").history
    assert first.first_url is None
    assert first.next_url is None  # all of them fit

    long = shown(busy(), span="30d").history
    assert asked(long.next_url) == {"span": "30d", "cursor": "next"}
    assert asked(shown(busy(), span="30d", cursor="c").history.first_url) == {"span": "30d"}
    assert asked(long.csv_url) == {"span": "30d"}


def test_filters_can_be_cleared_and_the_time_stays() -> None:
    assert shown(busy()).history.filters.clear_url is None
    assert asked(shown(busy(), type="message", span="7d").history.filters.clear_url) == {"span": "7d"}


def test_types_are_what_was_used_and_other_movements() -> None:
    used, moved = shown(busy(), type="expiry").history.filters.types
    assert [choice.name for choice in used.choices][:2] == ["Message", "Agent Step"]
    assert Choice("expiry", "Credits expired", chosen=True) in moved.choices
    assert not any(choice.chosen for choice in used.choices)


def test_conversations_are_offered_with_what_they_used() -> None:
    filters = shown(busy(days=2), conversation="chat-0").history.filters
    assert filters.conversations == (
        Choice("chat-0", "Quarterly report: 6 credits", chosen=True),
        Choice("chat-2", "Gmail clean-up: 7 credits", chosen=False),
    )


def test_a_conversation_that_is_not_among_them_stays_chosen() -> None:
    filters = shown(busy(days=2), conversation="chat-of-yore").history.filters
    assert filters.conversations[-1] == Choice("chat-of-yore", "chat-of-yore", chosen=True)


def test_members_are_a_team_s_alone() -> None:
    assert shown(busy()).history.filters.members is None


def test_a_team_s_members_are_all_offered_those_that_were_removed_and_whoever_else_did_something_too() -> None:
    zoe, yan = appointed("zoe"), replace(appointed("yan"), removed=True)

    assert of_a_team(zoe, yan).members == Members(
        (
            Choice("alice", "alice", chosen=False),
            Choice("carol", "carol", chosen=False),
            Choice("yan", "yan", chosen=False),
            Choice("zoe", "zoe", chosen=False),
        ),
        complete=True,
    )
    # Nothing of zoe's is in the history, and she is chosen all the same.
    assert of_a_team(zoe, member="zoe").members == Members((Choice("zoe", "zoe", chosen=True),), complete=True)


def test_a_member_who_is_chosen_is_offered_wherever_they_stand() -> None:
    assert of_a_team(appointed("zoe"), member="dave").members == Members(
        (Choice("dave", "dave", chosen=True), Choice("zoe", "zoe", chosen=False)), complete=True
    )


def test_whom_a_team_made_no_member_can_be_typed() -> None:
    filters = of_a_team(member="dave")
    assert (filters.members, filters.member) == (
        Members((Choice("dave", "dave", chosen=True),), complete=False),
        "dave",
    )
    assert '<input name="member" value="dave" list="members"' in laid_out(shown(busy("team", 3), member="dave"))


@pytest.mark.parametrize(("count", "complete"), [(100, True), (101, False)])
def test_of_more_than_a_hundred_members_the_others_can_be_typed(count: int, complete: bool) -> None:
    team = busy("team", 3, days=2)
    account = replace(team.account, members=count)
    members = [appointed(f"m{number:03d}") for number in range(100)]

    view = viewed(account, team.entries, NOW, members=members)

    assert view.history.filters.members
    assert (view.history.filters.members.complete, len(view.history.filters.members.choices)) == (complete, 102)
    html = laid_out(view)
    assert ('<select name="member">' in html, '<datalist id="members">' in html) == (complete, not complete)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Nothing happened in this time. Send a message, and it will appear here."),
        ({"type": "image_edit"}, "Nothing fits these filters in this time."),
    ],
)
def test_an_empty_history_says_why(query: dict[str, str], words: str) -> None:
    history = shown(Book.opened("2026-11-02 09:00"), None, span="7d", **query).history
    assert (history.rows, history.empty) == ((), words)


def test_tips_say_what_they_would_have_saved() -> None:
    told = shown(busy(days=24)).tips
    assert [tip.saved for tip in told][1:] == ["", "Would have saved 56 credits", ""]
    quiet = shown(busy(days=0)).tips
    assert [tip.saved for tip in quiet] == ["Nothing to save here", "", "Nothing to save here", ""]


def test_what_people_named_is_text_wherever_it_stands() -> None:
    html = laid_out(shown(busy(), conversation="chat-4"))
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(&#39;hi&#39;)&lt;/script&gt;") > 3


def test_an_address_that_was_tampered_with_is_text_too() -> None:
    html = laid_out(shown(busy("team", 3), conversation='"><img src=x>', member="'\"<b>"))
    assert "<img" not in html
    assert "<b>'" not in html


@pytest.mark.parametrize("query", [{}, {"span": "90d", "by": "day"}, {"from": "2026-09-26", "to": "2026-11-26"}])
def test_the_page_of_a_busy_team_of_a_hundred_is_at_most_60_kb(query: dict[str, str]) -> None:
    team = busy("team", 5)
    account = replace(team.account, subscription_id="sub_1", knowledge_words=1_000_000, members=100)
    # Their ids are as long as ids may be.
    members = [appointed(f"{number:064d}") for number in range(100)]
    view = viewed(account, team.entries, NOW, query, members=members)
    assert len(laid_out(view).encode()) <= LARGEST_PAGE_BYTES
