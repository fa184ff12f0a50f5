"""The host shell: a chat that spends credits, the Usage page in its settings, and the badge in its sidebar."""

import http.client
import json
import re
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.e2e.launch import Launched
from tests.e2e.visitor import PHONE, Visitor, screenshot, violations

EMAILS = "Search my Gmail for emails from John about the project and summarize them"
MEETING = "Find a free time slot next week, create a meeting, and email the team about it"


@pytest.fixture
def shell(stack: Launched, visitor: Visitor) -> Page:
    """The shell, with the account whose page is shown first."""
    page = visitor.page(stack.client.url)
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    return page


def of(stack: Launched, visitor: Visitor, account_id: str, **screen: object) -> Page:
    """The shell with this account."""
    page = visitor.page(f"{stack.client.url}/?account={account_id}", **screen)  # type: ignore[arg-type]
    expect(page.get_by_role("heading", name="What shall we do today?")).to_be_visible()
    return page


def badge(page: Page) -> Locator:
    return page.get_by_role("meter", name="Credits")


def remaining(page: Page) -> int:
    """What the badge says is left."""
    expect(badge(page)).to_be_visible()
    return int(badge(page).get_attribute("aria-valuenow") or "-1")


def ask(page: Page, text: str) -> Locator:
    """Sends a message, and returns what came of it once it is there."""
    answers = page.locator(".theirs:not(:has-text('Working'))")
    before = answers.count()
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()
    expect(answers).to_have_count(before + 1)
    return answers.last


def usage(page: Page) -> FrameLocator:
    """The Usage page, by profile → Settings → Usage."""
    page.locator("#profile").click()
    page.get_by_role("button", name="Settings", exact=True).click()
    expect(page.get_by_role("tab", name="Usage")).to_have_attribute("aria-selected", "true")
    return page.frame_locator("iframe[title='Usage']")


def activity(frame: FrameLocator) -> Locator:
    """The table of the page's history."""
    return frame.get_by_role("table", name=re.compile("^Activity"))


def test_the_worked_examples_are_sent_with_a_click_and_come_to_3_and_7(shell: Page) -> None:
    before = remaining(shell)

    shell.get_by_role("button", name=EMAILS).click()
    expect(shell.get_by_text(f"3 credits · {before - 3:,} left")).to_be_visible()
    expect(shell.locator(".steps li")).to_have_text(["Gmail search · 2 credits"])
    expect(badge(shell)).to_have_attribute("aria-valuenow", str(before - 3))

    shell.get_by_role("button", name="New chat").click()
    shell.get_by_role("button", name=MEETING).click()
    expect(shell.get_by_text(f"7 credits · {before - 10:,} left")).to_be_visible()
    expect(shell.locator(".steps li")).to_have_text(
        ["Find free time · 2 credits", "Create event · 2 credits", "Send email · 2 credits"]
    )
    screenshot(shell, "shell-chat", whole=False)


def test_what_was_done_in_the_chat_is_in_the_history_of_the_page(shell: Page) -> None:
    answer = ask(shell, "Draw a fox in the snow for the winter issue")
    expect(answer).to_contain_text("6 credits")
    # It is counted by the stream, a moment later.
    counted = shell.locator("#conversations").get_by_role("button", name=re.compile(r"Draw a fox in the snow.* 6$"))
    expect(counted).to_be_visible(timeout=20_000)

    frame = usage(shell)

    expect(frame.get_by_role("heading", level=1, name="Usage")).to_be_visible()
    row = activity(frame).get_by_role("row").nth(1)
    expect(row).to_contain_text("Draw a fox in the snow for the winter issue")
    expect(row).to_contain_text("−6")
    screenshot(shell, "shell-usage", whole=False)


def test_an_old_conversation_opens_with_what_the_ledger_knows_of_it(shell: Page) -> None:
    shell.locator("#conversations").get_by_role("button", name="Flights to Lisbon").first.click()

    expect(shell.get_by_role("heading", level=1, name="Flights to Lisbon")).to_be_visible()
    expect(shell.locator(".mine")).to_have_text(["Find flights to Lisbon for the conference"])
    expect(shell.locator(".steps li").first).to_contain_text("Web search · 2 credits")


def test_buttons_add_tools_to_a_message(shell: Page) -> None:
    shell.get_by_text("Deep research", exact=True).click()

    answer = ask(shell, "Heat pumps")

    expect(answer).to_contain_text("Deep research · 20 credits")
    expect(answer).to_contain_text("21 credits")


def test_a_message_is_text_and_never_markup(shell: Page) -> None:
    bold = "<b id=bold>bold</b><img src=x onerror=alert(1)><script>alert(2)</script>"

    ask(shell, bold)

    expect(shell.locator(".mine p").last).to_have_text(bold)
    expect(shell.locator("#bold")).to_have_count(0)
    expect(activity(usage(shell)).get_by_text("<b id=bold>").first).to_be_visible()


def test_an_exhausted_account_is_refused_and_told_when_its_credits_come_back_and_how_to_upgrade(
    stack: Launched, visitor: Visitor
) -> None:
    page = of(stack, visitor, "exhausted")
    notice = page.locator("#notice")
    expect(notice).to_contain_text(re.compile(r"You have used all your credits\. They reset on \w+ \d+, \d{4}\."))

    answer = ask(page, "One more thing")
    expect(answer).to_have_text("No credits are left for this.")
    expect(badge(page)).to_have_attribute("aria-valuenow", "0")
    screenshot(page, "shell-exhausted", whole=False)

    notice.get_by_role("button", name="Upgrade").click()
    expect(page.frame_locator("iframe").get_by_role("heading", level=1, name="Usage")).to_be_visible()


def test_an_account_that_runs_low_is_warned_and_its_badge_says_so(stack: Launched, visitor: Visitor) -> None:
    page = of(stack, visitor, "low", size=PHONE)

    # It begins with 8, and another test sends one message.
    expect(page.locator("#notice")).to_contain_text(re.compile(r"[78] credits left until \w+ \d+, \d{4}\."))
    screenshot(page, "shell-low-phone", whole=False)
    page.get_by_role("button", name="Sidebar").click()
    expect(page.locator("infuseos-credits")).to_contain_text(re.compile(r"[78] / 300 credits"))
    expect(page.locator("infuseos-credits")).to_contain_text("Low")
    screenshot(page, "shell-sidebar-phone", whole=False)


def test_a_message_that_needs_more_than_is_left_says_what_is_missing(stack: Launched, visitor: Visitor) -> None:
    page = of(stack, visitor, "low")

    answer = ask(page, "A deep research, please")

    expect(answer).to_contain_text("This needs 20 credits and you have 7.")
    expect(answer.get_by_role("button", name="Upgrade")).to_be_visible()


def test_a_model_outside_the_plan_is_refused(stack: Launched, visitor: Visitor) -> None:
    page = of(stack, visitor, "free")
    page.get_by_label("Model").select_option("Claude Opus 4.5")

    answer = ask(page, "Hello")

    expect(answer).to_contain_text("This model is not part of your plan.")
    expect(answer.get_by_role("button", name="Upgrade")).to_be_visible()


def test_the_account_is_switched_in_the_profile_menu(shell: Page) -> None:
    shell.locator("#profile").click()
    shell.locator("#accounts").get_by_role("button", name="Harbour Studio").click()

    expect(shell.locator("#profile")).to_contain_text("Harbour Studio")
    expect(shell.locator("#profile")).to_contain_text("Team plan")


def test_an_address_leads_back_to_the_usage_tab_as_after_a_payment(stack: Launched, visitor: Visitor) -> None:
    page = visitor.page(f"{stack.client.url}/?account=max#settings/usage")

    expect(page.frame_locator("iframe").get_by_role("heading", level=1, name="Usage")).to_be_visible()
    page.get_by_role("button", name="Close settings").click()
    expect(page.locator("iframe")).to_have_count(0)
    assert page.url == f"{stack.client.url}/?account=max"


def test_settings_are_used_with_the_keyboard(shell: Page) -> None:
    usage(shell)
    shell.get_by_role("tab", name="Usage").focus()
    shell.keyboard.press("ArrowUp")
    expect(shell.get_by_role("tab", name="Account")).to_be_focused()
    expect(shell.get_by_role("tabpanel", name="Account")).to_contain_text("Ada Marsh")

    shell.keyboard.press("Escape")
    expect(shell.locator("#settings")).not_to_be_visible()


def test_the_key_of_the_product_never_reaches_the_browser(stack: Launched, shell: Page) -> None:
    expect(badge(shell)).to_be_visible()
    state = shell.evaluate("fetch('/__local__/shell/state?account=pro').then((answer) => answer.text())")

    assert stack.client.api_key not in shell.content() + state


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_the_shell(
    stack: Launched, visitor: Visitor, theme: Literal["light", "dark"]
) -> None:
    page = of(stack, visitor, "low", theme=theme)
    expect(badge(page)).to_be_visible()
    assert violations(page) == []

    page.locator("#profile").click()
    assert violations(page) == []
    page.keyboard.press("Escape")

    page.locator("#conversations").get_by_role("button", name="Brand book").click()
    expect(page.locator(".steps")).to_be_visible()
    assert violations(page) == []
    screenshot(page, f"shell-conversation-{theme}", whole=False)

    usage(page)
    expect(page.frame_locator("iframe").get_by_role("heading", level=1, name="Usage")).to_be_visible()
    assert violations(page) == []
    screenshot(page, f"shell-settings-{theme}", whole=False)


# Its back end


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "state?account=pro", None, 200),
        ("GET", "state?account=nobody", None, 400),
        ("GET", "conversation?account=pro", None, 400),
        ("GET", "nothing", None, 404),
        ("GET", "../server.py", None, 404),
        ("POST", "sessions", {"account": "nobody", "time_zone": "UTC", "locale": "en-US"}, 400),
        ("POST", "messages", {"account": "pro"}, 400),
        ("POST", "messages", {"account": "pro", "message_id": "m", "text": " ", "model": "gpt-5.1", "added": []}, 400),
    ],
)
def test_its_back_end_answers_its_own_script_and_nothing_else(
    stack: Launched, method: str, path: str, body: object, status: int
) -> None:
    assert stack.client.call(method, f"/__local__/shell/{path}", body).status == status


def test_no_form_of_another_site_spends_anything(stack: Launched) -> None:
    connection = http.client.HTTPConnection(urlsplit(stack.client.url).netloc, timeout=30)
    message = {"account": "pro", "message_id": "forged", "text": "Hello", "model": "gpt-5.1", "added": []}
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        connection.request("POST", "/__local__/shell/messages", json.dumps(message), {"content-type": content_type})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (400, {"message": "the body is JSON"})
    connection.close()


def test_a_message_that_is_sent_again_costs_nothing_again(stack: Launched) -> None:
    message = {"account": "max", "message_id": "once", "text": "Hello", "model": "gpt-5.1", "added": []}

    first, second = (stack.client.call("POST", "/__local__/shell/messages", message, expect=[200]) for _ in range(2))

    assert first.body["credits"] == 1
    assert second.body == first.body
