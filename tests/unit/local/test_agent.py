"""The shell's AI: what it would do for a message, and what that costs."""

import pytest

from credits import catalog
from local.shell.agent import Step, planned, title_of

PRICES = {name: action.credits for name, action in catalog.load().actions.items()}


def cost(text: str, *added: str) -> int:
    """The credits of a message and all that is done for it."""
    return 1 + sum(PRICES[step.action] * step.quantity for step in planned(text, added).steps)


def test_the_worked_examples_cost_3_and_7() -> None:
    john, meeting = (each.prompt for each in catalog.load().examples)

    assert (cost(john), cost(meeting)) == (3, 7)
    assert [step.name for step in planned(john, []).steps] == ["Gmail search"]
    assert [step.name for step in planned(meeting, []).steps] == ["Find free time", "Create event", "Send email"]


@pytest.mark.parametrize(
    ("text", "credits"),
    [
        ("Hello", 1),
        ("Draw a lighthouse", 6),
        ("Please make an image of a lighthouse", 6),
        ("Edit the picture: a warmer sky", 6),
        ("A deep research on home batteries, please", 21),
        ("Search the web for flights", 6),
        ("Read https://a.example/x and https://b.example/y", 3),
        ("What is in my inbox?", 3),
        ("Is there a meeting in my calendar, or an email about it?", 5),
    ],
)
def test_words_are_heard(text: str, credits: int) -> None:
    assert cost(text) == credits


@pytest.mark.parametrize(("added", "credits"), [("web", 6), ("image", 6), ("research", 21)])
def test_buttons_add_what_they_say(added: str, credits: int) -> None:
    assert cost("Hello", added) == credits


def test_a_button_and_a_word_that_mean_the_same_are_done_once() -> None:
    assert planned("Draw a lighthouse", ["image"]).steps == (Step("image_generation", "Image"),)


def test_no_message_fetches_more_than_twenty_pages() -> None:
    assert cost(" ".join(f"https://a.example/{number}" for number in range(50))) == 21


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n lines ", "two lines"),
        ("Search my Gmail for emails from John about the project", "Search my Gmail for emails from John about the…"),
    ],
)
def test_a_conversation_is_called_by_its_first_words(text: str, title: str) -> None:
    assert title_of(text) == title
