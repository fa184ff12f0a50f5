"""What people see of what they did: charged through the API, counted by the stream, and shown by the running stack."""

import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from playwright.sync_api import Page

from local.client import Client
from local.seed import usage_page
from tests.e2e.launch import Launched
from tests.e2e.visitor import PHONE, Visitor, screenshot, violations

DEADLINE_SECONDS = 30

GMAIL = ("message", None), ("agent_step", "Gmail search"), ("ai_response", None)
MEETING = (
    ("message", None),
    ("agent_step", "Find free time"),
    ("agent_step", "Create event"),
    ("agent_step", "Send email"),
)


class Person:
    """Somebody with an account of their own, who does things and looks at the page."""

    def __init__(self, client: Client, plan: str = "free", seats: int = 1) -> None:
        self.client = client
        self.account_id = f"p{uuid4().hex[:12]}"
        client.call("POST", "/v1/accounts", {"account_id": self.account_id}, expect=[201])
        if plan != "free":
            change = {"plan": plan, "seats": seats}
            client.call("PUT", f"/v1/accounts/{self.account_id}/plan", change, key=self._key(), expect=[200])

    def does(self, *actions: tuple[str, str | None], in_chat: str | None = None, member: str | None = None) -> None:
        """These actions, each an action and its tool, in a conversation of this title."""
        chat = (
            {"conversation_id": re.sub(r"\W", "-", in_chat).strip("-"), "conversation_title": in_chat}
            if in_chat
            else {}
        )
        charges = [_told({"action": action, "tool": tool, "member_id": member} | chat) for action, tool in actions]
        path = f"/v1/accounts/{self.account_id}/charges/batch"
        for first in range(0, len(charges), 50):
            self.client.call("POST", path, {"charges": charges[first : first + 50]}, key=self._key(), expect=[201])

    def spends(self, messages: int) -> None:
        """So many messages at once."""
        charge = {"action": "message", "quantity": messages}
        self.client.call("POST", f"/v1/accounts/{self.account_id}/charges", charge, key=self._key(), expect=[201])

    def is_counted(self, credits: int) -> None:
        """Waits until the read models have so many credits."""
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        while self.client.call("GET", f"/v1/accounts/{self.account_id}/usage", expect=[200]).body["total"] != credits:
            assert time.monotonic() < give_up_at, "it was not counted"
            time.sleep(0.05)

    def link(self, **selection: str) -> str:
        """A new link to the page, with this selection."""
        query = "".join(f"&{name.rstrip('_')}={value}" for name, value in selection.items())
        return usage_page(self.client, self.account_id) + query

    @staticmethod
    def _key() -> str:
        return f"k{uuid4().hex}"


def _told(charge: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in charge.items() if value is not None}


def rows(page: Page) -> list[tuple[str, str]]:
    """Each row of the history: what it is, and its credits."""
    names = page.locator(".rows tbody > tr:first-child .what summary, .rows tbody > tr:first-child .what > span")
    numbers = page.locator(".rows tbody > tr:first-child td.number")
    return list(zip(names.all_inner_texts(), numbers.all_inner_texts(), strict=True))


def apply(page: Page, **chosen: str) -> None:
    """Fills in the filters and sends them."""
    for name, value in chosen.items():
        field = page.locator(f".filters [name={name.rstrip('_')}]")
        field.select_option(value) if field.evaluate("field => field.tagName") == "SELECT" else field.fill(value)
    page.get_by_role("button", name="Apply").click()


@pytest.fixture(scope="module")
def worked(stack: Launched) -> Person:
    """Somebody who did the product's two worked examples, and something else."""
    person = Person(stack.client)
    person.does(*GMAIL, in_chat="Emails from John")
    person.does(*MEETING, in_chat="A meeting next week")
    person.does(("image_generation", None), ("web_fetch", None), in_chat="<script>alert(1)</script>")
    person.is_counted(16)
    return person


def test_the_two_worked_examples_are_in_the_history_at_three_and_seven_credits(
    worked: Person, visitor: Visitor
) -> None:
    page = visitor.page(worked.link())

    assert page.locator(".hero").inner_text().split() == ["284", "of", "300", "left"]
    assert rows(page) == [
        ("<script>alert(1)</script>", "−6"),
        ("A meeting next week", "−7"),
        ("Emails from John", "−3"),
        ("Monthly credits", "+300"),
        ("Account opened", "0"),
    ]
    meeting = page.locator(".rows tbody").nth(1)
    meeting.get_by_text("A meeting next week").click()
    assert meeting.locator("li b").all_inner_texts() == ["Message", "Find free time", "Create event", "Send email"]
    assert meeting.locator("li .number").all_inner_texts() == ["−1", "−2", "−2", "−2"]
    assert page.locator(".example figcaption").all_inner_texts() == ["3 credits", "7 credits"]
    screenshot(page, "stack-history")
    assert violations(page) == []


def test_the_chart_is_stacked_by_action_says_its_values_and_has_a_table(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link(by="week"))

    assert [" ".join(words.split()) for words in page.locator(".legend li").all_inner_texts()] == [
        "Show only Message 2 ×2",
        "Show only Agent Step 8 ×4",
        "Show only Web Fetch 1 ×1",
        "Show only Image Generation 5 ×1",
        "Show only AI Response 0 ×1",
    ]
    said = [title.split("\n")[1:] for title in page.locator("svg.bars title").all_text_contents()]
    assert ["16 credits", "Message 2", "Agent Step 8", "Web Fetch 1", "Image Generation 5"] in said
    page.get_by_text("Show as a table").click()
    assert page.locator(".data tbody tr").count() == 1
    assert page.locator(".data tbody td").all_inner_texts() == ["2", "8", "1", "5", "0", "16"]


def test_the_history_can_be_narrowed_by_type_by_conversation_and_by_time(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link())

    apply(page, type="agent_step")
    assert rows(page) == [("A meeting next week", "−6"), ("Emails from John", "−2")]
    assert page.locator("#chart-title b").inner_text() == "8"
    apply(page, conversation="Emails-from-John")
    assert rows(page) == [("Emails from John", "−2")]
    assert page.locator(".one h3").inner_text() == "Emails from John"
    page.get_by_role("link", name="Clear").click()
    assert len(rows(page)) == 5
    apply(page, type="allocation")
    assert rows(page) == [("Monthly credits", "+300")]

    page.get_by_role("link", name="Clear").click()
    day = datetime.fromisoformat(page.locator(".rows time").first.get_attribute("datetime") or "").date()
    apply(page, from_=f"{day - timedelta(days=9)}", to=f"{day - timedelta(days=3)}")
    assert rows(page) == []
    assert (
        page.locator(".empty").inner_text() == "Nothing happened in this time. Send a message, and it will appear here."
    )
    page.get_by_role("link", name="7 days").click()
    assert len(rows(page)) == 5
    assert page.locator(".segments [aria-current]").first.inner_text() == "7 days"


def test_a_row_and_the_legend_narrow_the_history_too(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link())
    page.get_by_role("button", name="Show only Image Generation").click()
    assert rows(page) == [("<script>alert(1)</script>", "−5")]

    page = visitor.page(worked.link())
    page.get_by_text("Emails from John", exact=True).locator("visible=true").last.click()
    page.get_by_role("button", name="Only this conversation").locator("visible=true").click()
    assert rows(page) == [("Emails from John", "−3")]


def test_without_scripts_filters_rows_and_pages_work_the_same(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link(), scripts=False)
    apply(page, type="web_fetch")
    assert rows(page) == [("<script>alert(1)</script>", "−1")]
    page.locator(".rows summary").click()
    assert page.locator(".opened li b").inner_text() == "Web Fetch"


def test_the_history_is_downloaded_with_the_filters_of_the_page(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link(type="agent_step"))
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()

    download = downloading.value
    assert download.suggested_filename.startswith("credits ")
    lines = list(csv.DictReader(io.StringIO(download.path().read_text())))
    assert [(line["action"], line["tool"], line["credits"]) for line in lines] == [
        ("agent_step", "Send email", "-2"),
        ("agent_step", "Create event", "-2"),
        ("agent_step", "Find free time", "-2"),
        ("agent_step", "Gmail search", "-2"),
    ]


def test_pages_of_the_history_follow_each_other_without_a_gap(stack: Launched, visitor: Visitor) -> None:
    person = Person(stack.client)
    for chat in range(4):
        person.does(*[("message", None)] * 32, in_chat=f"chat {chat}")
    page = visitor.page(person.link())

    seen = _messages(page)
    page.get_by_role("link", name="Older").click()
    seen += _messages(page)
    page.get_by_role("link", name="Older").click()
    seen += _messages(page)
    assert seen == 128
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_role("link", name="Newest").click()
    assert _messages(page) == 50


def _messages(page: Page) -> int:
    return page.locator(".opened li").count()


def test_members_of_a_team_are_told_apart(stack: Launched, visitor: Visitor) -> None:
    person = Person(stack.client, "team", 3)
    person.does(*MEETING, in_chat="Planning", member="alice")
    person.does(*GMAIL, in_chat="Mail", member="bob")
    person.is_counted(10)
    zoe = f"/v1/accounts/{person.account_id}/members/zoe"
    assert stack.client.call("PUT", zoe, {"credit_cap": 5}, key="zoe").status == 200
    page = visitor.page(person.link())
    assert page.locator(".plan").inner_text().startswith("Team, 3 seats")
    member = page.get_by_label("Member")
    assert member.locator("option").all_inner_texts() == ["Everybody", "alice", "bob", "zoe"]
    assert member.input_value() == ""

    apply(page, member="bob")
    assert rows(page) == [("Mail", "−3")]
    assert page.locator("#chart-title b").inner_text() == "3"
    assert member.input_value() == "bob"
    screenshot(page, "stack-members")
    assert violations(page) == []

    apply(page, member="Everybody")
    assert [name for name, _ in rows(page)[:2]] == ["Mail", "Planning"]


def test_a_team_that_made_nobody_a_member_types_whom_it_means(stack: Launched, visitor: Visitor) -> None:
    person = Person(stack.client, "team", 3)
    person.does(*GMAIL, in_chat="Mail", member="bob")
    person.is_counted(3)
    page = visitor.page(person.link())
    assert page.locator("#members option").all_text_contents() == ["bob"]

    apply(page, member="carol")
    assert rows(page) == []
    assert page.get_by_label("Member").input_value() == "carol"
    assert violations(page) == []


# Warnings


def test_people_are_warned_at_ten_and_told_what_to_do_at_none(stack: Launched, visitor: Visitor) -> None:
    person = Person(stack.client)
    person.spends(289)
    assert visitor.page(person.link()).locator(".notice").count() == 0

    person.spends(1)
    low = visitor.page(person.link())
    assert low.get_by_role("region", name="10 credits are left").is_visible()
    screenshot(low, "stack-low")

    person.spends(10)
    none = visitor.page(person.link())
    banner = none.get_by_role("region", name="You are out of credits")
    resets_at = stack.client.call("GET", f"/v1/accounts/{person.account_id}").body["resets_at"]
    assert f"until your credits reset on {_long(resets_at)}" in banner.inner_text()
    screenshot(none, "stack-exhausted")
    assert violations(none) == []


def _long(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(UTC):%B %-d, %Y}"


# Readers


@pytest.mark.parametrize(
    ("locale", "left", "price"),
    [
        ("en-US", "1,300 of 1,300 left", "$29.99"),
        ("de-DE", "1.300 of 1.300 left", "29,99\xa0$"),
        ("fr-FR", "1\u202f300 of 1\u202f300 left", "29,99\xa0$US"),
    ],
)
def test_figures_are_written_as_the_reader_s_browser_says(
    stack: Launched, visitor: Visitor, locale: str, left: str, price: str
) -> None:
    page = visitor.page(Person(stack.client, "pro").link(), locale=locale)
    assert page.locator(".hero").inner_text() == left
    assert price in page.locator(".packs").inner_text()


def test_days_are_the_reader_s_as_their_browser_says(worked: Person, visitor: Visitor) -> None:
    page = visitor.page(worked.link(), time_zone="Asia/Tokyo")
    page.wait_for_url("**tz=Asia%2FTokyo**")
    assert "Times are in Asia/Tokyo." in page.locator("footer").inner_text()
    page.get_by_role("link", name="30 days").click()
    assert "tz=Asia%2FTokyo" in page.url


def test_what_the_product_said_of_the_reader_goes_before_what_their_browser_says(
    worked: Person, visitor: Visitor
) -> None:
    path = f"/v1/accounts/{worked.account_id}/usage-sessions"
    body = {"time_zone": "America/New_York", "locale": "de-DE"}
    url = worked.client.call("POST", path, body, expect=[201]).body["url"]
    page = visitor.page(url, locale="fr-FR", time_zone="Asia/Tokyo")
    assert "Times are in America/New_York." in page.locator("footer").inner_text()
    assert "9,99\xa0$" in page.locator(".packs").inner_text()
    assert "tz=" not in page.url


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_the_stack_is_as_good_on_a_phone(
    worked: Person, visitor: Visitor, theme: Literal["light", "dark"]
) -> None:
    page = visitor.page(worked.link(), size=PHONE, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    screenshot(page, f"stack-phone-{theme}")
    assert violations(page) == []


def test_a_link_whose_time_is_over_is_told_kindly(stack: Launched, visitor: Visitor) -> None:
    link = usage_page(stack.client, "free")
    stack.client.call("POST", "/__local__/clock", {"advance": "PT16M"}, expect=[200])

    page = visitor.page(link)

    assert page.get_by_role("heading", level=1).inner_text() == "This link has expired"
    assert violations(page) == []
