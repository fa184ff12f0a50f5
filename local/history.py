"""What the seeded accounts did in the last weeks, so that their Usage pages have something to show.

A history is made of chats, each charged in one batch as the product would. It is the same at every start, as many days
before it. Accounts are opened OPENED_DAYS_AGO, so their current period began nine to twelve days ago, whatever the
lengths of the months between: nothing happens on those days, and what is left today is always the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from credits import catalog
from credits.domain.charge import Usage

OPENED_DAYS_AGO: Final = 40

ADVANCED_MODEL = "claude-opus-4.5"
SIMPLE_MODEL = "gpt-5.1"


@dataclass(frozen=True, slots=True)
class Step:
    """What the AI did for a message: an action, with its tool where it is one, `quantity` times."""

    action: str
    description: str
    tool: str | None = None
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation: its title, what was asked, what the AI did for it and what it said."""

    title: str
    prompt: str
    steps: tuple[Step, ...]
    reply: str
    model: str = SIMPLE_MODEL

    def lines(
        self, conversation_id: str, *, times: int = 1, model: str | None = None, member_id: str | None = None
    ) -> list[Usage]:
        """The whole chat as the lines of one charge; what the AI makes or reads for it, it does so many `times`."""
        line = partial(
            Usage,
            conversation_id=conversation_id,
            conversation_title=self.title,
            member_id=member_id,
            model=model or self.model,
        )
        return [
            line(action="message", description=self.prompt),
            *(
                line(
                    action=step.action,
                    quantity=step.quantity if step.tool else step.quantity * times,
                    tool=step.tool,
                    description=step.description,
                )
                for step in self.steps
            ),
            line(action="ai_response", description=self.reply),
        ]


@dataclass(frozen=True, slots=True)
class Happening:
    """A chat of an account, so long ago."""

    ago: timedelta
    lines: list[Usage]


def tool(name: str, description: str) -> Step:
    return Step("agent_step", description, tool=name)


def pages(quantity: int) -> Step:
    return Step("web_fetch", "Pages read", quantity=quantity)


EMAILS, MEETING = (each.prompt for each in catalog.load().examples)

CHATS: Final = (
    Chat(
        "Emails from John",
        EMAILS,
        (tool("gmail_search", "Gmail search"),),
        "John wrote three times: the budget is approved, the kick-off moves to Thursday, and he needs the brief.",
    ),
    Chat(
        "Team meeting next week",
        MEETING,
        (
            tool("calendar_find_free_time", "Find free time"),
            tool("calendar_create_event", "Create event"),
            tool("gmail_send", "Send email"),
        ),
        "Tuesday 14:00 suits everyone. The meeting is in the calendar and the team has an email.",
    ),
    Chat(
        "Competitor pricing",
        "Compare the prices of our three closest competitors",
        (tool("web_search", "Web search"), pages(6)),
        "Two of them charge by seat, one by use. Ours is the only plan with a free tier.",
        ADVANCED_MODEL,
    ),
    Chat(
        "Launch illustration",
        "Draw a calm illustration of a lighthouse at dawn for the launch post",
        (Step("image_generation", "Lighthouse at dawn"), Step("image_edit", "A warmer sky")),
        "Here is the lighthouse, with a warmer sky.",
    ),
    Chat(
        "Market for home batteries",
        "Research the European market for home batteries in depth",
        (Step("deep_research", "Home batteries in Europe"), pages(9)),
        "The market grows by a third each year. The report has twelve pages and forty sources.",
        ADVANCED_MODEL,
    ),
    Chat(
        "Quarterly numbers",
        "Summarise the quarterly numbers in our sheet",
        (tool("sheets_read", "Read spreadsheet"),),
        "Revenue is up 12%, and costs are flat. Churn fell in the last month.",
    ),
    Chat(
        "Thank-you note",
        "Write a short thank-you note to the speakers",
        (),
        "Done: four sentences, warm and plain.",
    ),
    Chat(
        "Weekly digest",
        "What did I miss in Slack this week?",
        (tool("slack_search", "Slack search"), tool("slack_read", "Read threads")),
        "Five threads need you. The one about the release is urgent.",
    ),
    Chat(
        "Flights to Lisbon",
        "Find flights to Lisbon for the conference",
        (tool("web_search", "Web search"), pages(4), tool("calendar_read", "Read calendar")),
        "The 9:40 on Wednesday leaves you an afternoon to settle in.",
    ),
    Chat(
        "Landing page headline",
        "Give me ten headlines for the landing page",
        (),
        "Here are ten. I would take the third: it says what people get.",
        ADVANCED_MODEL,
    ),
    Chat(
        "Interview questions",
        "Prepare questions for the design interview on Monday",
        (tool("calendar_read", "Read calendar"), tool("docs_read", "Read document")),
        "Eight questions, from her portfolio to how she takes feedback.",
    ),
    Chat(
        "Release notes",
        "Turn this week's merged changes into release notes",
        (tool("github_list", "List changes"),),
        "Eleven changes in three groups, the breaking one first.",
    ),
    Chat(
        "Icon set",
        "Create icons for the six features on our website",
        (Step("image_generation", "Feature icons", quantity=2),),
        "Here are the icons, in one style.",
    ),
    Chat(
        "Contract summary",
        "Summarise the supplier contract and list what we must do by when",
        (tool("docs_read", "Read document"),),
        "Four duties, two of them due this year. The notice period is ninety days.",
        ADVANCED_MODEL,
    ),
    Chat(
        "Grant programmes",
        "Which public grants could fund our pilot?",
        (tool("web_search", "Web search"), pages(5)),
        "Three fit. The deadline of the best one is in six weeks.",
    ),
    Chat(
        "Workshop agenda",
        "Draft an agenda for the half-day workshop",
        (),
        "Three blocks of an hour, with breaks, and an end that everybody can name.",
    ),
    Chat(
        "Newsletter",
        "Write the November newsletter from our last posts",
        (tool("web_search", "Web search"), pages(2), Step("image_generation", "Header image")),
        "The newsletter is ready, with a header image.",
    ),
)


def spree(credits: int) -> Chat:
    """A chat that costs this much: 251, and a credit for each page."""
    steps = (
        Step("image_generation", "Brand illustrations", quantity=30),
        Step("deep_research", "History of the brand", quantity=5),
        pages(credits - 251),
    )
    return Chat("Brand book", "Write and illustrate the whole brand book", steps, "The brand book is in the folder.")


# How many days ago each account chatted. None is from 8 to 13 days, where a period may begin.
DAYS: Final = {
    "pro": (39, 38, 37, 34, 33, 32, 30, 27, 26, 25, 23, 20, 19, 18, 16, 14, 7, 6, 6, 5, 4, 4, 3, 2, 1),
    "free": (38, 31, 24, 17, 5, 2),
    "max": (35, 28, 22, 7, 3),
    "team": (36, 32, 28, 25, 21, 18, 14, 7, 6, 4, 3, 1),
    "low": (7, 4, 2),
    "exhausted": (7, 4, 2),
}

# The last chat of these accounts, which are on Free and have spent 10: 8 credits are left, and none.
SPREES: Final = {"low": spree(282), "exhausted": spree(290)}

# How much more some of them have done at once: their plans give more.
TIMES: Final = {"pro": 2, "max": 8, "team": 12}

# Free has this one model.
ON_FREE: Final = ("free", "low", "exhausted")

# Knowledge words and active workflows of each account.
METERS: Final = {
    "pro": (412_000, 6),
    "free": (21_500, 1),
    "max": (1_930_000, 14),
    "team": (4_260_000, 31),
    "low": (12_800, 1),
    "exhausted": (47_600, 2),
}

# Who has bought a pack, which, and how many days ago.
PACKS: Final = {"pro": ("small", 5.6)}

MEMBERS: Final = ("ana", "ben", "chloe")


def happenings(account_id: str) -> Iterator[Happening]:
    """Every chat of an account, the oldest first: through the working day, and each account a different mix."""
    shift = 0 if account_id in SPREES else 3 * list(DAYS).index(account_id)
    days = DAYS[account_id]
    for count, day in enumerate(days):
        last = count == len(days) - 1
        chat = SPREES[account_id] if last and account_id in SPREES else CHATS[(count + shift) % len(CHATS)]
        lines = chat.lines(
            f"{account_id}-{count + 1:02}",
            times=TIMES.get(account_id, 1),
            model=SIMPLE_MODEL if account_id in ON_FREE else None,
            member_id=MEMBERS[count % len(MEMBERS)] if account_id == "team" else None,
        )
        yield Happening(timedelta(days=day) - timedelta(minutes=count * 37 % 720), lines)
