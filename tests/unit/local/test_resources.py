"""What the stack makes of the resources of a template, and what references to them mean on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.dynamodb import moto
from local.resources import Aws, Resources
from local.template import Template, TemplateError, load

TEMPLATE = """
Parameters:
  Url: {Type: String}
  Mail: {Type: String, Default: ""}
Conditions:
  Mailed: !Not [!Equals [!Ref Mail, ""]]
Globals:
  Function:
    Environment:
      Variables:
        LINES_TABLE: !Ref LinesTable
        URL: !Ref Url
        MAIL: !Ref Mail
        QUEUE_URL: !Ref Due
        QUEUE_ARN: !GetAtt Due.Arn
        BUS_NAME: !Ref EventBus
        MODE: !If [Mailed, loud, quiet]
        AWS_ENDPOINT_URL_DYNAMODB: ""
Resources:
  LinesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: k, AttributeType: S}]
      KeySchema: [{AttributeName: k, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [Mailed, true, false]}
  Due:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 540
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 3}
  DeadLetters: {Type: "AWS::SQS::Queue"}
  Ordered: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true, FifoThroughputLimit: perMessageGroupId,
    DeduplicationScope: messageGroup}}
  EventBus:
    Type: AWS::Events::EventBus
    Properties: {Name: !Ref AWS::StackName}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref EventBus
      EventPattern: {source: [tests], detail-type: [wanted]}
      Targets: [{Id: due, Arn: !GetAtt Due.Arn, DeadLetterConfig: {Arn: !GetAtt DeadLetters.Arn}}]
"""
MOTO = "http://127.0.0.1:5000"


@pytest.fixture
def template(tmp_path: Path) -> Template:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return load(tmp_path / "template.yaml")


@pytest.fixture
def resources(template: Template) -> Resources:
    return Resources(template, region="us-east-1", endpoint=MOTO, parameters={"Url": "http://127.0.0.1/upgrade"})


@pytest.fixture
def aws() -> Iterator[Aws]:
    with moto() as services:
        yield Aws.at(dynamodb=services.endpoint, moto=services.endpoint, region="us-east-1")


def test_variables_name_the_resources_of_this_machine_and_an_empty_one_is_absent(resources: Resources) -> None:
    assert resources.variables == {
        "LINES_TABLE": "credits-lines",
        "URL": "http://127.0.0.1/upgrade",
        "QUEUE_URL": "http://127.0.0.1:5000/123456789012/Due",
        "QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:Due",
        "BUS_NAME": "credits-eventbus",
        "MODE": "quiet",
    }


@pytest.mark.parametrize(
    "written", [{"Ref": "Nobody"}, {"Fn::GetAtt": "LinesTable.Arn"}, {"Fn::Sub": "${Url}"}, {"Fn::GetAtt": "Due.Size"}]
)
def test_a_reference_that_cannot_be_followed_is_refused(resources: Resources, written: Any) -> None:
    with pytest.raises(TemplateError, match="the local stack does not know"):
        resources.value(written)


def test_what_is_missing_is_made_and_what_is_there_is_left_alone(resources: Resources, aws: Aws) -> None:
    resources.create_missing(aws)
    aws.dynamodb.put_item(TableName="credits-lines", Item={"k": {"S": "kept"}})
    resources.create_missing(aws)
    event = {"Source": "tests", "DetailType": "seen", "Detail": "{}", "EventBusName": "credits-eventbus"}
    aws.events.put_events(Entries=[event])

    attributes = aws.sqs.get_queue_attributes(
        QueueUrl=aws.sqs.get_queue_url(QueueName="Due")["QueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "540"
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:DeadLetters",
        "maxReceiveCount": 3,
    }
    assert aws.dynamodb.scan(TableName="credits-lines")["Items"] == [{"k": {"S": "kept"}}]
    stream = resources.stream_arn(aws, {"Fn::GetAtt": "LinesTable.StreamArn"})
    assert stream.startswith("arn:aws:dynamodb:us-east-1:123456789012:table/credits-lines/stream/")
    seen = aws.sqs.get_queue_url(QueueName="local-events")["QueueUrl"]
    (message,) = aws.sqs.receive_message(QueueUrl=seen, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["detail-type"] == "seen"


def test_a_queue_that_keeps_the_order_has_the_name_that_sqs_asks_for(resources: Resources, aws: Aws) -> None:
    resources.create_missing(aws)

    assert resources.value({"Ref": "Ordered"}) == "http://127.0.0.1:5000/123456789012/Ordered.fifo"
    assert resources.value({"Fn::GetAtt": "Ordered.Arn"}) == "arn:aws:sqs:us-east-1:123456789012:Ordered.fifo"
    assert resources.value({"Fn::GetAtt": "Ordered.QueueName"}) == "Ordered.fifo"
    url = aws.sqs.get_queue_url(QueueName="Ordered.fifo")["QueueUrl"]
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (attributes["FifoQueue"], attributes["DeduplicationScope"]) == ("true", "messageGroup")


def test_a_rule_leads_what_it_wants_from_its_bus_to_its_queue(resources: Resources, aws: Aws) -> None:
    resources.create_missing(aws)
    for wanted in ("other", "wanted"):
        event = {"Source": "tests", "DetailType": wanted, "Detail": "{}", "EventBusName": "credits-eventbus"}
        aws.events.put_events(Entries=[event])

    url = aws.sqs.get_queue_url(QueueName="Due")["QueueUrl"]
    received = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"])["detail-type"] for message in received] == ["wanted"]
