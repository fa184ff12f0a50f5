"""The tables of template.yaml are the tables of the code, and are looked after."""

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pynamodb.models import Model

from credits.access.keys import KeyItem
from credits.ledger.tables import AccountItem, EntryItem, HoldItem, MemberItem, bind, connect, create_missing
from credits.payments.tables import StripeEventItem
from credits.usage.tables import UsageItem
from tests.template.document import document, resources

MODELS: dict[str, type[Model]] = {
    "AccountsTable": AccountItem,
    "EntriesTable": EntryItem,
    "HoldsTable": HoldItem,
    "KeysTable": KeyItem,
    "MembersTable": MemberItem,
    "StripeEventsTable": StripeEventItem,
    "UsageTable": UsageItem,
}

each_table = pytest.mark.parametrize("table", MODELS)


def test_every_table_of_the_template_has_a_model() -> None:
    assert set(resources("AWS::DynamoDB::Table")) == set(MODELS)


@each_table
def test_a_table_is_deployed_as_the_code_creates_it(table: str) -> None:
    with mock_aws():
        connection = connect(region="us-east-1")
        create_missing([bind(MODELS[table], table, connection)])
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        created: Any = dynamodb.describe_table(TableName=table)["Table"]
        created |= dynamodb.describe_time_to_live(TableName=table)
    assert _shape(resources("AWS::DynamoDB::Table")[table]) == _shape(created)


@each_table
def test_a_table_is_paid_by_the_request(table: str) -> None:
    assert resources("AWS::DynamoDB::Table")[table]["BillingMode"] == "PAY_PER_REQUEST"


@each_table
def test_a_table_is_protected_as_the_parameters_say(table: str) -> None:
    properties = resources("AWS::DynamoDB::Table")[table]
    assert properties["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": {"Fn::If": ["PointInTimeRecoveryOn", True, False]}
    }
    assert properties["SSESpecification"] == {"SSEEnabled": {"Fn::If": ["EncryptedWithOwnKey", True, False]}}
    assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["DeletionProtected", True, False]}


def test_tables_that_hold_money_outlive_their_stack() -> None:
    kept = {
        table: (document()["Resources"][table]["DeletionPolicy"], document()["Resources"][table]["UpdateReplacePolicy"])
        for table in MODELS
    }
    assert kept == {
        "AccountsTable": ("RetainExceptOnCreate", "Retain"),
        "EntriesTable": ("RetainExceptOnCreate", "Retain"),
        "HoldsTable": ("RetainExceptOnCreate", "Retain"),
        "KeysTable": ("Delete", "Retain"),
        "MembersTable": ("RetainExceptOnCreate", "Retain"),
        "StripeEventsTable": ("Delete", "Retain"),
        "UsageTable": ("Delete", "Delete"),
    }


@each_table
def test_a_table_has_no_name_that_a_kept_one_could_occupy(table: str) -> None:
    assert "TableName" not in resources("AWS::DynamoDB::Table")[table]


def _shape(table: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a table what it is, whoever wrote it down and in whatever order."""
    return {
        "keys": _keys(table["KeySchema"]),
        "attributes": {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]},
        "indexes": {
            index["IndexName"]: (_keys(index["KeySchema"]), index["Projection"]["ProjectionType"])
            for index in table.get("GlobalSecondaryIndexes", [])
        },
        "local indexes": table.get("LocalSecondaryIndexes", []),
        "stream": table.get("StreamSpecification", {}).get("StreamViewType"),
        "forgets by": _ttl(table).get("AttributeName"),
    }


def _ttl(table: Mapping[str, Any]) -> Mapping[str, Any]:
    ttl: Mapping[str, Any] = table.get("TimeToLiveSpecification") or table.get("TimeToLiveDescription") or {}
    return ttl


def _keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {each["KeyType"]: each["AttributeName"] for each in schema}
