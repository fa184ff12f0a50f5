"""What docs/ and CONTRIBUTING.md say of the template and of the rooms is so."""

import re
import tomllib

import pytest

from local.template import ROOT
from tests.template.document import document, resources

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

TABLES = resources("AWS::DynamoDB::Table")


def test_operators_read_which_tables_a_deleted_stack_leaves() -> None:
    left = {name for name in TABLES if document()["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"}
    said = " ".join(OPERATIONS.split())

    assert left == {"AccountsTable", "HoldsTable", "MembersTable", "EntriesTable"}
    assert "removes everything but the tables of accounts, holds, members and entries." in said
    assert TABLES.keys() - left == {"UsageTable", "KeysTable", "StripeEventsTable"}
    assert "it stops at the three others, those of usage, keys and Stripe's events;" in said


def test_operators_ask_only_for_outputs_that_the_stack_has() -> None:
    asked = set(re.findall(r"\$\(output (\w+)\)|OutputKey=='(\w+)'|output `(\w+)`", OPERATIONS))

    assert {name for names in asked for name in names if name} == {
        "AccountsTableName",
        "HoldsTableName",
        "MembersTableName",
        "EntriesTableName",
        "UsageTableName",
        "KeysTableName",
        "EventBusName",
        "SessionSecretArn",
        "StripeSecretArn",
        "StripeWebhookUrl",
    }
    assert {name for names in asked for name in names if name} <= document()["Outputs"].keys()


@pytest.mark.parametrize(
    ("command", "needs"),
    [
        ("credits.access create", ["KEYS_TABLE"]),
        ("credits.ledger audit", ["ACCOUNTS_TABLE", "HOLDS_TABLE", "MEMBERS_TABLE", "ENTRIES_TABLE"]),
        (
            "credits.usage redrive",
            ["ACCOUNTS_TABLE", "HOLDS_TABLE", "MEMBERS_TABLE", "ENTRIES_TABLE", "USAGE_TABLE", "EVENT_BUS_NAME"],
        ),
    ],
)
def test_a_command_stands_below_the_settings_that_it_needs(command: str, needs: list[str]) -> None:
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", OPERATIONS, flags=re.DOTALL) if command in block)
    before = block.partition(command)[0]

    assert [name for name in [*needs, "AWS_REGION"] if f"{name}=" not in before] == []


@pytest.mark.parametrize("table", TABLES)
def test_the_architecture_has_every_table_and_every_index(table: str) -> None:
    name = table.removesuffix("Table")
    indexes = [each["IndexName"] for each in TABLES[table].get("GlobalSecondaryIndexes", [])]
    (paragraph,) = (part for part in ARCHITECTURE.split("\n\n") if part.startswith("Indexes: "))
    said = [part for part in re.split(r"[:;] ", " ".join(paragraph.split())) if part.startswith(name)]

    assert f"\n| {name} |" in ARCHITECTURE
    assert len(said) == bool(indexes)
    assert [index for index in indexes if f"`{index}`" not in said[0]] == []


def test_the_order_of_the_rooms_is_written_as_it_is_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]

    assert contracts[0]["layers"] == [
        "runtime",
        "page",
        "(payments) | (usage) | access | alerts",
        "ledger",
        "domain",
        "catalog",
        "errors",
    ]
    beside = "payments{0}usage{0}alerts{0}access"
    order = "functions → page → {} → ledger → domain → catalog → errors"
    assert order.format(beside.format(" | ")) in ARCHITECTURE
    assert order.format(beside.format(", ")) in CONTRIBUTING
