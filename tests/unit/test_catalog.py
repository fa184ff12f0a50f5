"""The catalog that is deployed, held against the product's own tables, figure by figure."""

import dataclasses
import doctest
import hashlib
import json
from collections import Counter

import pytest

import credits.catalog
from credits.catalog import Bullet, Catalog, Example, Model, Plan, Step, Tip, Upgrade, load

DIGESTS = {
    "2026-11-23": "ab8af98ac694aab1ab0453d26e2b11946280bf7a7fe6dce01851ce4e3bb23009",
}
"""The content of every version that was ever deployed. A line here is never edited: a change adds a version."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load()


def test_every_action_costs_and_reads_as_the_product_says(catalog: Catalog) -> None:
    assert [(a.id, a.name, a.credits, a.description) for a in catalog.actions.values()] == [
        ("message", "Message", 1, "Each message you send"),
        ("agent_step", "Agent Step", 2, "Each tool the AI uses (search, email, etc.)"),
        ("web_fetch", "Web Fetch", 1, "Each URL fetched during web search"),
        ("image_generation", "Image Generation", 5, "Creating an AI-generated image"),
        ("image_edit", "Image Edit", 5, "Editing an existing image"),
        ("deep_research", "Deep Research", 20, "Comprehensive multi-source research"),
        ("ai_response", "AI Response", 0, "Responses are free"),
    ]


def test_every_plan_gives_and_costs_what_the_product_says(catalog: Catalog) -> None:
    assert list(catalog.plans.values()) == [
        Plan("free", "Free", 300, False, 0, ("gpt-5.1",), 50_000, 2, "basic", frozenset()),
        Plan("pro", "Pro", 1_000, False, 2_900, ("*",), 1_000_000, 10, "priority", frozenset()),
        Plan("max", "Max", 3_000, False, 4_900, ("*",), 5_000_000, 50, "24/7", frozenset()),
        Plan("team", "Team", 4_000, True, 4_900, ("*",), 5_000_000, 25, "24/7", frozenset()),
    ]


def test_every_pack_gives_and_costs_what_the_product_says(catalog: Catalog) -> None:
    assert [(p.id, p.name, p.credits, p.price_cents) for p in catalog.packs.values()] == [
        ("small", "Small", 400, 999),
        ("medium", "Medium", 1_200, 2_999),
        ("large", "Large", 2_500, 5_999),
    ]
    assert catalog.currency == "usd"


def test_the_one_model_that_a_plan_lists_is_gpt_5_1(catalog: Catalog) -> None:
    assert dict(catalog.models) == {"gpt-5.1": Model("gpt-5.1", "GPT 5.1")}


def test_policies_are_the_products_limits_and_lifetimes(catalog: Catalog) -> None:
    assert dataclasses.asdict(catalog.policies) == {
        "low_threshold": 10,
        "grace_days": 7,
        "hold_default_seconds": 3_600,
        "hold_longest_seconds": 86_400,
        "session_seconds": 900,
        "longest_batch": 50,
        "largest_quantity": 10_000,
        "most_grants": 20,
    }


def test_upgrades_read_as_the_product_shows_them(catalog: Catalog) -> None:
    assert catalog.upgrades == (
        Upgrade(
            "free",
            "pro",
            (
                Bullet("credits", "+700 a month"),
                Bullet("models", "all models"),
                Bullet("knowledge_words", "1M knowledge words"),
                Bullet("workflows", "10 workflows"),
            ),
        ),
        Upgrade(
            "pro",
            "max",
            (
                Bullet("credits", "+2,000 a month"),
                Bullet("knowledge_words", "5M knowledge words"),
                Bullet("workflows", "50 workflows"),
                Bullet("support", "24/7 support"),
            ),
        ),
    )


def test_searching_gmail_and_summarizing_comes_to_3_credits(catalog: Catalog) -> None:
    example = catalog.examples[0]

    assert example == Example(
        "Search my Gmail for emails from John about the project and summarize them",
        3,
        (Step("message", "Message"), Step("agent_step", "Gmail search"), Step("ai_response", "AI response")),
    )
    assert [catalog.actions[step.action].credits for step in example.steps] == [1, 2, 0]


def test_finding_a_slot_making_a_meeting_and_emailing_the_team_comes_to_7_credits(catalog: Catalog) -> None:
    example = catalog.examples[1]

    assert example == Example(
        "Find a free time slot next week, create a meeting, and email the team about it",
        7,
        (
            Step("message", "Message"),
            Step("agent_step", "Find free time"),
            Step("agent_step", "Create event"),
            Step("agent_step", "Send email"),
        ),
    )
    assert [catalog.actions[step.action].credits for step in example.steps] == [1, 2, 2, 2]


def test_the_first_and_third_tip_can_be_counted_in_credits(catalog: Catalog) -> None:
    assert list(catalog.tips.values()) == [
        Tip(
            "combine_requests",
            "Combine related requests into one message: "
            "three messages cost 3 and more, one combined message costs 1 plus tools.",
            True,
        ),
        Tip("simple_model", "Use GPT 5.1 for simple tasks; keep advanced models for complex reasoning.", False),
        Tip("web_search", "Turn web search on only when it is needed: each URL costs a credit.", True),
        Tip("weekly_look", "Look at usage weekly, to know the pattern before running out.", False),
    ]


def test_nothing_changes_without_a_new_version(catalog: Catalog) -> None:
    served = catalog.to_json_dict()
    content = json.dumps(served, sort_keys=True, separators=(",", ":")).encode()

    assert hashlib.sha256(content).hexdigest() == DIGESTS.get(catalog.version), (
        "the catalog's content changed: give catalog.toml a new version, and add that version's digest to DIGESTS"
    )


def test_no_version_of_the_catalog_repeats_another() -> None:
    assert [count for count in Counter(DIGESTS.values()).values() if count > 1] == []


@pytest.mark.parametrize(
    ("plan", "seats", "limits"),
    [
        ("free", 1, (300, 50_000, 2)),
        ("pro", 1, (1_000, 1_000_000, 10)),
        ("pro", 3, (1_000, 1_000_000, 10)),
        ("max", 1, (3_000, 5_000_000, 50)),
        ("team", 1, (4_000, 5_000_000, 25)),
        ("team", 3, (12_000, 15_000_000, 75)),
    ],
)
def test_credits_words_and_workflows_multiply_by_the_seats_of_a_team_and_of_no_other_plan(
    catalog: Catalog, plan: str, seats: int, limits: tuple[int, int, int]
) -> None:
    sold = catalog.plans[plan]

    assert (sold.allocation(seats), sold.knowledge_words_limit(seats), sold.workflows_limit(seats)) == limits


def test_free_has_gpt_5_1_and_no_other_model(catalog: Catalog) -> None:
    assert catalog.plans["free"].allows_model("gpt-5.1")
    assert not catalog.plans["free"].allows_model("claude-opus")
    assert catalog.plans_with_model("gpt-5.1") == ("free", "pro", "max", "team")


def test_a_model_nobody_has_heard_of_is_in_every_plan_but_free(catalog: Catalog) -> None:
    assert catalog.plans["pro"].allows_model("released-tomorrow")
    assert catalog.plans_with_model("released-tomorrow") == ("pro", "max", "team")


def test_no_plan_excludes_an_action_today(catalog: Catalog) -> None:
    assert catalog.plans_with_action("deep_research") == ("free", "pro", "max", "team")


def test_a_plan_leaves_out_the_actions_it_excludes(catalog: Catalog) -> None:
    free = dataclasses.replace(catalog.plans["free"], excluded_actions=frozenset({"deep_research"}))
    changed = dataclasses.replace(catalog, plans={**catalog.plans, "free": free})

    assert not free.allows_action("deep_research")
    assert free.allows_action("message")
    assert changed.plans_with_action("deep_research") == ("pro", "max", "team")


def test_the_served_catalog_survives_json_and_lists_things_in_the_order_of_the_file(catalog: Catalog) -> None:
    served = json.loads(json.dumps(catalog.to_json_dict()))

    assert served == catalog.to_json_dict()
    assert list(served) == [
        "version",
        "currency",
        "actions",
        "models",
        "plans",
        "packs",
        "policies",
        "upgrades",
        "examples",
        "tips",
    ]
    assert [plan["id"] for plan in served["plans"]] == ["free", "pro", "max", "team"]


def test_the_served_catalog_is_flat_objects_with_descriptions(catalog: Catalog) -> None:
    served = json.loads(json.dumps(catalog.to_json_dict()))

    assert served["version"] == "2026-11-23"
    assert served["actions"][1] == {
        "id": "agent_step",
        "name": "Agent Step",
        "credits": 2,
        "description": "Each tool the AI uses (search, email, etc.)",
    }
    assert served["plans"][3] == {
        "id": "team",
        "name": "Team",
        "credits": 4000,
        "per_seat": True,
        "price_cents": 4900,
        "models": ["*"],
        "knowledge_words": 5000000,
        "workflows": 25,
        "support": "24/7",
        "excluded_actions": [],
    }
    assert served["packs"][0] == {"id": "small", "name": "Small", "credits": 400, "price_cents": 999}
    assert served["policies"]["low_threshold"] == 10
    assert served["upgrades"][0]["bullets"][0] == {"field": "credits", "text": "+700 a month"}
    assert served["examples"][0]["steps"][1] == {"action": "agent_step", "name": "Gmail search"}
    assert [tip["id"] for tip in served["tips"]] == ["combine_requests", "simple_model", "web_search", "weekly_look"]


def test_the_file_is_read_once_in_a_process() -> None:
    assert load() is load()


def test_a_shared_catalog_cannot_be_changed(catalog: Catalog) -> None:
    with pytest.raises(TypeError):
        catalog.plans["gift"] = catalog.plans["max"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalog.plans["free"].credits = 1_000_000  # type: ignore[misc]


def test_the_example_in_the_packages_docstring_runs() -> None:
    assert doctest.testmod(credits.catalog) == (0, 4)
