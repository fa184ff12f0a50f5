"""The shell's AI: what it would do for a message. It reads words, not meaning; what it does costs what that costs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from credits import catalog

LONGEST_TITLE: Final = 48
MOST_URLS: Final = 20
"""Of one message; each costs a credit."""

URL: Final = re.compile(r"https?://[^\s<>\"]+")
NOT_SHOWN_AS_STEP: Final = ("message", "ai_response")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the AI does: an action of the catalog, under the name that people see it by."""

    action: str
    name: str
    tool: str | None = None
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a message: its steps in their order, and the answer that they end with."""

    steps: tuple[Step, ...]
    reply: str


SEARCH: Final = Step("agent_step", "Web search", tool="web_search")
PAGES: Final = Step("web_fetch", "Pages read", quantity=3)

# What a button adds to a message, whatever it says.
ADDED: Final = {
    "web": (SEARCH, PAGES),
    "image": (Step("image_generation", "Image"),),
    "research": (Step("deep_research", "Deep research"),),
}

# What words add to it. The first of each group of steps that fits is taken once.
HEARD: Final = (
    (r"\b(deep research|in depth|thorough)", ADDED["research"]),
    (r"\b(edit|change|retouch)\b.*\b(image|picture|photo)", (Step("image_edit", "Image edit"),)),
    (r"\b(draw|paint|illustrat\w+|(make|create|generate)\b.*\b(image|picture|logo))", ADDED["image"]),
    (r"\b(search the web|look up|find .*online|latest news)", ADDED["web"]),
    (r"\b(calendar|meeting|free time|schedule)\b", (Step("agent_step", "Read calendar", tool="calendar_read"),)),
    (r"\b(e-?mails?|gmail|inbox)\b", (Step("agent_step", "Gmail search", tool="gmail_search"),)),
    (r"\b(slack|threads?)\b", (Step("agent_step", "Slack search", tool="slack_search"),)),
    (r"\b(sheet|spreadsheet|numbers)\b", (Step("agent_step", "Read spreadsheet", tool="sheets_read"),)),
)

REPLIES: Final = {
    "image_generation": "Here is your image. Tell me what to change.",
    "image_edit": "I have changed the image as you asked.",
    "deep_research": "The report is ready: the findings first, every source at the end.",
    "web_fetch": "I have read the pages. In short: they agree on the main points.",
    "agent_step": "Done. I have put what I found together for you.",
}
PLAIN_REPLY: Final = "Here is a first thought. Ask on, and I will go deeper."

EXAMPLE_REPLIES: Final = (
    "John wrote three times: the budget is approved, the kick-off moves to Thursday, and he needs the brief by Friday.",
    "Tuesday 14:00 suits everyone. The meeting is in the calendar, and the team has an email.",
)


def planned(text: str, added: Sequence[str]) -> Plan:
    """What the AI does for this message, with what its buttons `added`. The catalog's examples go as they are told."""
    for example, reply in zip(catalog.load().examples, EXAMPLE_REPLIES, strict=True):
        if text.strip() == example.prompt and not added:
            told = [each for each in example.steps if each.action not in NOT_SHOWN_AS_STEP]
            return Plan(tuple(Step(each.action, each.name, tool=tool_of(each.name)) for each in told), reply)
    heard = [steps for words, steps in HEARD if re.search(words, text, re.IGNORECASE)]
    groups = dict.fromkeys([*(ADDED[each] for each in added), *heard])
    steps = [step for group in groups for step in group]
    if urls := len(URL.findall(text)[:MOST_URLS]):
        steps.append(Step("web_fetch", "Pages read", quantity=urls))
    reply = next((REPLIES[step.action] for step in reversed(steps)), PLAIN_REPLY)
    return Plan(tuple(steps), reply)


def title_of(text: str) -> str:
    """What a conversation that begins with this message is called."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1].rsplit(' ', 1)[0]}…"


def tool_of(name: str) -> str:
    return name.lower().replace(" ", "_")
