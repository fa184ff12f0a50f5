"""What operators rely on: parameters that do something, alarms that can go off, throttling, access logs, settings."""

import json
import tomllib
from typing import Any

import pytest

from local.resources import Resources
from local.stack import PARAMETERS, VARIABLES
from local.template import ROOT, load
from tests.template.document import document, functions, references, resources

ALARMS = resources("AWS::CloudWatch::Alarm")

each_alarm = pytest.mark.parametrize("alarm", ALARMS)
each_parameter = pytest.mark.parametrize("parameter", document()["Parameters"])

# Which dimensions a metric is published with, the type of the resource whose name is the first one's value, and how its
# values of a minute are made one: events are counted, a level is taken at its highest.
PUBLISHED = {
    ("AWS/Lambda", "Errors"): (["FunctionName"], "AWS::Serverless::Function", "Sum"),
    ("AWS/Lambda", "Throttles"): (["FunctionName"], "AWS::Serverless::Function", "Sum"),
    ("InfuseOSCredits", "StripeDrift"): (["FunctionName"], "AWS::Serverless::Function", "Sum"),
    ("AWS/ApiGateway", "5xx"): (["ApiId", "Stage"], "AWS::Serverless::HttpApi", "Sum"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): (["QueueName"], "AWS::SQS::Queue", "Maximum"),
}


@each_parameter
def test_a_parameter_is_used(parameter: str) -> None:
    used = set(references([document()[part] for part in ("Conditions", "Globals", "Resources", "Outputs")]))
    assert parameter in used


@each_parameter
def test_a_parameter_says_what_it_is_for_and_what_it_takes(parameter: str) -> None:
    properties = document()["Parameters"][parameter]
    assert properties["Description"]
    assert {"AllowedValues", "AllowedPattern", "MinValue"} & set(properties)


@pytest.mark.parametrize("condition", document()["Conditions"])
def test_a_condition_is_used(condition: str) -> None:
    assert condition in set(references([document()["Resources"], document()["Outputs"]])) | {
        resource.get("Condition") for resource in document()["Resources"].values()
    }


@each_alarm
def test_an_alarm_watches_a_metric_that_is_published_for_a_resource_that_exists(alarm: str) -> None:
    properties = ALARMS[alarm]
    names, kind, statistic = PUBLISHED[properties["Namespace"], properties["MetricName"]]
    dimensions = properties["Dimensions"]
    assert [dimension["Name"] for dimension in dimensions] == names
    assert properties["Statistic"] == statistic
    if names == ["QueueName"]:  # a queue's Ref is its URL
        logical_id, attribute = dimensions[0]["Value"]["Fn::GetAtt"].split(".")
        assert logical_id in resources(kind)
        assert attribute == "QueueName"
    else:
        assert dimensions[0]["Value"]["Ref"] in resources(kind)
    if names == ["ApiId", "Stage"]:
        assert dimensions[1]["Value"] == resources(kind)[dimensions[0]["Value"]["Ref"]]["StageName"]


@each_alarm
def test_an_alarm_says_what_happened_and_tells_it_when_somebody_wants_to_know(alarm: str) -> None:
    properties = ALARMS[alarm]
    topic = {"Fn::If": ["AlarmsAreMailed", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    assert properties["AlarmDescription"]["Fn::Sub"].startswith("${Stage}: ")
    assert properties["AlarmActions"] == topic
    assert properties["OKActions"] == topic
    assert properties["TreatMissingData"] == "notBreaching"
    assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert properties["Threshold"] > 0


def test_two_alarms_never_watch_the_same() -> None:
    watched = [json.dumps([each["Namespace"], each["MetricName"], each["Dimensions"]]) for each in ALARMS.values()]
    assert sorted(watched) == sorted(set(watched))


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_has_an_alarm(metric: str) -> None:
    watched = {alarm["Dimensions"][0]["Value"]["Ref"] for alarm in ALARMS.values() if alarm["MetricName"] == metric}
    assert watched == set(resources("AWS::Serverless::Function"))
    assert len(watched) == len(functions())


@pytest.mark.parametrize("name", [*document()["Parameters"], *ALARMS])
def test_operators_can_read_what_a_parameter_or_an_alarm_is(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_api_is_throttled_and_logs_ids_and_codes_only() -> None:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    assert api["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
    }
    access_log = api["AccessLogSettings"]
    assert resources("AWS::Logs::LogGroup")[access_log["DestinationArn"]["Fn::GetAtt"].split(".")[0]]
    assert set(json.loads(access_log["Format"])) == {
        "request_id",
        "time",
        "route",
        "status",
        "latency_ms",
        "bytes",
        "ip",
        "error",
        "integration_error",
    }


def test_every_log_group_forgets_after_the_days_of_the_parameter() -> None:
    for log_group in resources("AWS::Logs::LogGroup").values():
        assert log_group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_prod_is_protected_and_asks_before_it_changes_anything() -> None:
    prod = _config()["prod"]["deploy"]["parameters"]
    assert prod["confirm_changeset"] is True
    overrides = dict(each.split("=", 1) for each in prod["parameter_overrides"])
    assert overrides["Stage"] == "prod"
    assert overrides["DeletionProtection"] == "true"
    assert overrides["PointInTimeRecovery"] == "true"
    assert overrides["LogRetentionDays"] == "365"
    assert overrides["StripeLivemode"] == "true"


@pytest.mark.parametrize("environment", ["default", "prod"])
def test_a_configuration_sets_only_parameters_that_exist(environment: str) -> None:
    overrides = _config()[environment]["deploy"]["parameters"]["parameter_overrides"]
    assert {each.split("=")[0] for each in overrides} <= set(document()["Parameters"])


def test_sam_local_sets_only_variables_that_the_functions_are_given() -> None:
    assert set(_sam_local()) <= set(document()["Globals"]["Function"]["Environment"]["Variables"])


def test_sam_local_uses_the_tables_that_the_local_stack_makes() -> None:
    given = _sam_local()
    del given["AWS_ENDPOINT_URL_DYNAMODB"]
    template = load()
    nowhere = "http://127.0.0.1:9"  # nothing is called
    made = Resources(template, region=VARIABLES["AWS_REGION"], endpoint=nowhere, parameters=PARAMETERS).variables
    assert given.items() <= {**VARIABLES, **made}.items()


def _sam_local() -> dict[str, str]:
    given: dict[str, str] = json.loads((ROOT / "sam-local.json").read_text(encoding="utf-8"))["Parameters"]
    return given


def _config() -> dict[str, Any]:
    return tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
