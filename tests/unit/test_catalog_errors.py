"""A catalog with a mistake is refused when it is loaded, in words that say where the mistake is."""

from pathlib import Path

import pytest

from credits.catalog import InvalidCatalog, load

SOUND = """\
version = "1"
currency = "usd"

[actions.message]
name = "Message"
credits = 1
description = "Each message you send"

[models."gpt-5.1"]
name = "GPT 5.1"

[plans.free]
name = "Free"
credits = 300
per_seat = false
price_cents = 0
models = ["gpt-5.1"]
knowledge_words = 50_000
workflows = 2
support = "basic"
excluded_actions = []

[plans.pro]
name = "Pro"
credits = 1_000
per_seat = false
price_cents = 2_900
models = ["*"]
knowledge_words = 1_000_000
workflows = 10
support = "priority"
excluded_actions = ["message"]

[packs.small]
name = "Small"
credits = 400
price_cents = 999

[policies]
low_threshold = 10
grace_days = 7
hold_default_seconds = 60
hold_longest_seconds = 120
session_seconds = 900
longest_batch = 50
largest_quantity = 10_000
most_grants = 20

[[upgrades]]
from_plan = "free"
to_plan = "pro"
bullets = [
    { field = "credits", text = "+700 a month" },
    { field = "models", text = "all models" },
    { field = "knowledge_words", text = "1M knowledge words" },
    { field = "workflows", text = "10 workflows" },
    { field = "support", text = "priority support" },
]

[[examples]]
prompt = "Say hello twice"
credits = 2
steps = [{ action = "message", name = "Hello" }, { action = "message", name = "Hello" }]

[tips.web_search]
text = "Turn web search on only when it is needed."
counted = true
"""


def refusal(tmp_path: Path, was: str, now: str) -> str:
    """What loading says about the sound catalog once `was`, which it must hold, has become `now`."""
    assert was in SOUND
    path = tmp_path / "catalog.toml"
    path.write_text(SOUND.replace(was, now, 1), encoding="utf-8")
    with pytest.raises(InvalidCatalog) as refused:
        load(path)
    return str(refused.value)


def test_the_sound_catalog_loads(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(SOUND, encoding="utf-8")

    catalog = load(path)

    assert catalog.version == "1"
    assert catalog.plans["pro"].excluded_actions == frozenset({"message"})
    assert catalog.plans_with_action("message") == ("free",)


FIELDS = [
    pytest.param(
        'support = "basic"',
        'support = "basic"\nsuport = "basic"',
        "catalog.toml: plans.free.suport: is not a field here; the fields are name, credits, per_seat, price_cents, "
        "models, knowledge_words, workflows, support, excluded_actions",
        id="unknown field",
    ),
    pytest.param(
        'currency = "usd"',
        'currency = "usd"\n[coupons]',
        "catalog.toml: coupons: is not a field here; the fields are version, currency, actions, models, plans, packs, "
        "policies, upgrades, examples, tips",
        id="unknown table",
    ),
    pytest.param(
        'name = "Hello" }]',
        'name = "Hello", count = 2 }]',
        "catalog.toml: examples[0].steps[1].count: is not a field here; the fields are action, name",
        id="unknown field in an array",
    ),
    pytest.param("price_cents = 2_900\n", "", "catalog.toml: plans.pro.price_cents: is missing", id="missing field"),
    pytest.param("grace_days = 7\n", "", "catalog.toml: policies.grace_days: is missing", id="missing policy"),
    pytest.param('version = "1"\n', "", "catalog.toml: version: is missing", id="missing version"),
    pytest.param(
        '[packs.small]\nname = "Small"\ncredits = 400\nprice_cents = 999\n',
        "",
        "catalog.toml: packs: is missing",
        id="missing table",
    ),
    pytest.param(
        "price_cents = 2_900",
        "price_cents = -1",
        "catalog.toml: plans.pro.price_cents: must be 0 or more, is -1",
        id="negative price",
    ),
    pytest.param(
        "credits = 1\n",
        "credits = -2\n",
        "catalog.toml: actions.message.credits: must be 0 or more, is -2",
        id="negative credits",
    ),
    pytest.param(
        "credits = 400",
        "credits = 0",
        "catalog.toml: packs.small.credits: must be 1 or more, is 0",
        id="pack of nothing",
    ),
    pytest.param(
        "session_seconds = 900",
        "session_seconds = 0",
        "catalog.toml: policies.session_seconds: must be 1 or more, is 0",
        id="lifetime of nothing",
    ),
    pytest.param(
        "credits = 1\n",
        "credits = true\n",
        "catalog.toml: actions.message.credits: must be a whole number, is True",
        id="bool for a number",
    ),
    pytest.param(
        "price_cents = 999",
        "price_cents = 9.99",
        "catalog.toml: packs.small.price_cents: must be a whole number, is 9.99",
        id="fraction for a number",
    ),
    pytest.param(
        "workflows = 10",
        'workflows = "10"',
        "catalog.toml: plans.pro.workflows: must be a whole number, is '10'",
        id="text for a number",
    ),
    pytest.param(
        "per_seat = false",
        "per_seat = 0",
        "catalog.toml: plans.free.per_seat: must be true or false, is 0",
        id="number for a bool",
    ),
    pytest.param(
        'name = "GPT 5.1"',
        "name = 5.1",
        'catalog.toml: models."gpt-5.1".name: must be a text, is 5.1',
        id="number for a text",
    ),
    pytest.param(
        'name = "Small"', 'name = " "', "catalog.toml: packs.small.name: must not be empty", id="text of spaces"
    ),
    pytest.param(
        'models = ["*"]',
        'models = "*"',
        "catalog.toml: plans.pro.models: must be an array, is '*'",
        id="text for an array",
    ),
    pytest.param(
        '[tips.web_search]\ntext = "Turn web search on only when it is needed."\ncounted = true\n',
        '[tips]\nweb_search = "Turn it off."\n',
        "catalog.toml: tips.web_search: must be a table, is 'Turn it off.'",
        id="text for a table",
    ),
]

IDS = [
    pytest.param(
        "[packs.small]",
        '[packs.""]',
        'catalog.toml: packs."": '
        "must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is ''",
        id="empty id",
    ),
    pytest.param(
        "[packs.small]",
        '[packs."small#1"]',
        'catalog.toml: packs."small#1": '
        "must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is 'small#1'",
        id="id with a sign that joins keys",
    ),
    pytest.param(
        "[packs.small]",
        '[packs."small\\n"]',
        'catalog.toml: packs."small\n": '
        "must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is 'small\\n'",
        id="id that ends its line",
    ),
    pytest.param(
        "[packs.small]",
        "[packs.-small]",
        "catalog.toml: packs.-small: "
        "must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is '-small'",
        id="id that opens with a sign",
    ),
    pytest.param(
        'version = "1"',
        f'version = "{"1" * 65}"',
        "catalog.toml: version: must be an id (a letter or digit, then up to 63 of letters, digits, . _ : @ -), is "
        "'11111111111111111111111111111111111111111111111111111111111111111'",
        id="id of 65 characters",
    ),
    pytest.param(
        "[plans.pro]",
        "[plans.free]",
        "catalog.toml: cannot be read: Cannot declare ('plans', 'free') twice (at line 23, column 12)",
        id="plan declared twice",
    ),
    pytest.param(
        'models = ["gpt-5.1"]',
        'models = ["gpt-5.1", "gpt-5.1"]',
        "catalog.toml: plans.free.models[1]: is listed twice: 'gpt-5.1'",
        id="model listed twice",
    ),
    pytest.param(
        'excluded_actions = ["message"]',
        'excluded_actions = ["message", "message"]',
        "catalog.toml: plans.pro.excluded_actions[1]: is listed twice: 'message'",
        id="action excluded twice",
    ),
]

TABLES_THAT_DISAGREE = [
    pytest.param(
        'models = ["gpt-5.1"]',
        'models = ["gpt-5.1", "gpt-6"]',
        "catalog.toml: plans.free.models: there is no model 'gpt-6'",
        id="unknown model",
    ),
    pytest.param(
        'models = ["*"]',
        'models = ["*", "gpt-5.1"]',
        "catalog.toml: plans.pro.models: '*' is every model, and must stand alone",
        id="every model and one more",
    ),
    pytest.param(
        'excluded_actions = ["message"]',
        'excluded_actions = ["mesage"]',
        "catalog.toml: plans.pro.excluded_actions: there is no action 'mesage'",
        id="unknown excluded action",
    ),
    pytest.param(
        "hold_default_seconds = 60",
        "hold_default_seconds = 121",
        "catalog.toml: policies.hold_default_seconds: must be at most hold_longest_seconds, 120, is 121",
        id="hold longer than the longest",
    ),
    pytest.param(
        'from_plan = "free"',
        'from_plan = "basic"',
        "catalog.toml: upgrades[0].from_plan: there is no plan 'basic'",
        id="upgrade from an unknown plan",
    ),
    pytest.param(
        'to_plan = "pro"',
        'to_plan = "gold"',
        "catalog.toml: upgrades[0].to_plan: there is no plan 'gold'",
        id="upgrade to an unknown plan",
    ),
    pytest.param(
        'field = "workflows"',
        'field = "price"',
        "catalog.toml: upgrades[0].bullets[3].field: "
        "must be one of credits, models, knowledge_words, workflows, support, is 'price'",
        id="bullet on nothing an upgrade brings",
    ),
    pytest.param(
        "+700 a month",
        "+750 a month",
        "catalog.toml: upgrades[0].bullets[0].text: must open with what the plans say, '+700', is '+750 a month'",
        id="bullet with other credits",
    ),
    pytest.param(
        "credits = 1_000",
        "credits = 1_200",
        "catalog.toml: upgrades[0].bullets[0].text: must open with what the plans say, '+900', is '+700 a month'",
        id="plan changed without its bullet",
    ),
    pytest.param(
        'models = ["*"]',
        'models = ["gpt-5.1"]',
        "catalog.toml: upgrades[0].bullets[1].text: must open with what the plans say, 'gpt-5.1', is 'all models'",
        id="bullet with other models",
    ),
    pytest.param(
        "1M knowledge words",
        "10M knowledge words",
        "catalog.toml: upgrades[0].bullets[2].text: must open with what the plans say, '1M', is '10M knowledge words'",
        id="bullet with other words",
    ),
    pytest.param(
        "10 workflows",
        "100 workflows",
        "catalog.toml: upgrades[0].bullets[3].text: must open with what the plans say, '10', is '100 workflows'",
        id="bullet with other workflows",
    ),
    pytest.param(
        "priority support",
        "24/7 support",
        "catalog.toml: upgrades[0].bullets[4].text: must open with what the plans say, 'priority', is '24/7 support'",
        id="bullet with other support",
    ),
    pytest.param(
        '{ action = "message", name = "Hello" }]',
        '{ action = "wave", name = "Hello" }]',
        "catalog.toml: examples[0].steps[1].action: there is no action 'wave'",
        id="example with an unknown action",
    ),
    pytest.param(
        "credits = 2\n",
        "credits = 3\n",
        "catalog.toml: examples[0].credits: must be 2, which the steps come to, is 3",
        id="example that does not add up",
    ),
]


@pytest.mark.parametrize(("was", "now", "message"), FIELDS)
def test_a_field_that_is_wrong_in_itself_is_named(tmp_path: Path, was: str, now: str, message: str) -> None:
    assert refusal(tmp_path, was, now) == message


@pytest.mark.parametrize(("was", "now", "message"), IDS)
def test_an_id_that_is_malformed_or_repeated_is_named(tmp_path: Path, was: str, now: str, message: str) -> None:
    assert refusal(tmp_path, was, now) == message


@pytest.mark.parametrize(("was", "now", "message"), TABLES_THAT_DISAGREE)
def test_a_field_that_another_table_contradicts_is_named(tmp_path: Path, was: str, now: str, message: str) -> None:
    assert refusal(tmp_path, was, now) == message


def test_an_error_carries_file_place_and_problem_as_data(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(SOUND.replace("price_cents = 2_900", "price_cents = -1"), encoding="utf-8")

    with pytest.raises(InvalidCatalog) as refused:
        load(path)

    assert (refused.value.file, refused.value.place, refused.value.problem) == (
        "prices.toml",
        "plans.pro.price_cents",
        "must be 0 or more, is -1",
    )


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'version = "1"', "version = ") == (
        "catalog.toml: cannot be read: Invalid value (at line 1, column 11)"
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalog, match=r"^catalog\.toml: cannot be read: .*No such file or directory"):
        load(tmp_path / "catalog.toml")
