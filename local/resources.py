"""The tables, queues, buses and secrets of template.yaml: made where they are missing, and what refers to them."""

import contextlib
import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from local.template import Resource, Template, TemplateError, holds

ACCOUNT_ID = "123456789012"

TABLE = "AWS::DynamoDB::Table"
QUEUE = "AWS::SQS::Queue"
BUS = "AWS::Events::EventBus"
RULE = "AWS::Events::Rule"
SECRET = "AWS::SecretsManager::Secret"

# What a table is made of. The rest (recovery, encryption, protection) is AWS's.
TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode", "StreamSpecification")

QUEUE_PROPERTIES = (
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "RedrivePolicy",
    "DelaySeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
)

# How long a secret is that the template does not say it of, as in Secrets Manager.
SECRET_LENGTH = 32

# The stack's own subscription to every bus: a queue that it shows the events from.
EVENTS_QUEUE = "local-events"
EVERY_EVENT = {"source": [{"prefix": ""}]}


@dataclass(frozen=True, slots=True)
class Aws:
    """The clients of the stack's own AWS: DynamoDB wherever its state is kept, the others on moto.

    `endpoint` is moto's. Credentials are dummies, which each of them takes.
    """

    region: str
    endpoint: str
    dynamodb: Any
    streams: Any
    sqs: Any
    events: Any
    secrets: Any

    @classmethod
    def at(cls, *, dynamodb: str, moto: str, region: str) -> "Aws":
        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)
        return cls(
            region,
            moto,
            session.client("dynamodb", endpoint_url=dynamodb),
            session.client("dynamodbstreams", endpoint_url=dynamodb),
            session.client("sqs", endpoint_url=moto),
            session.client("events", endpoint_url=moto),
            session.client("secretsmanager", endpoint_url=moto),
        )


class Resources:
    """What the template declares, under names of this machine.

    `parameters` are values for parameters, in the place of their defaults.
    """

    def __init__(self, template: Template, *, region: str, endpoint: str, parameters: Mapping[str, str]) -> None:
        self._resources = template.resources
        self._conditions = template.conditions
        self._parameters = {**template.parameters, **parameters, "AWS::Region": region, "AWS::AccountId": ACCOUNT_ID}
        self._variables = template.variables
        self._region = region
        self._endpoint = endpoint

    @property
    def variables(self) -> dict[str, str]:
        """The functions' environment variables; one that is empty is absent, as it is to the functions' settings."""
        values = {name: self.value(each) for name, each in self._variables.items()}
        return {name: str(value) for name, value in values.items() if value not in {None, ""}}

    def value(self, written: Any) -> Any:
        """What a value of the template is on this machine.

        Raises TemplateError for a reference or a function of CloudFormation's that the local stack does not know.
        """
        match written:
            case {"Ref": str(name)}:
                followed = self._reference(name)
            case {"Fn::GetAtt": str(path)}:
                followed = self._attribute(*path.split(".", 1))
            case {"Fn::If": [str(condition), then, otherwise]}:
                true = holds({"Condition": condition}, self._conditions, self._parameters)
                followed = self.value(then if true else otherwise)
            case dict():
                if unknown := [name for name in written if name.startswith("Fn::")]:
                    raise TemplateError(f"the local stack does not know {unknown[0]}: {written}")
                values = {name: self.value(each) for name, each in written.items()}
                followed = {name: each for name, each in values.items() if each is not None}
            case list():
                followed = [each for each in map(self.value, written) if each is not None]
            case _:
                followed = written
        return followed

    def queue_url(self, logical_id: str) -> str:
        return f"{self._endpoint}/{ACCOUNT_ID}/{self._queue_name(logical_id)}"

    def queue_arn(self, logical_id: str) -> str:
        return f"arn:aws:sqs:{self._region}:{ACCOUNT_ID}:{self._queue_name(logical_id)}"

    def queue_url_of(self, arn: str) -> str:
        return self.queue_url(arn.rpartition(":")[2])

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """The properties of a resource, with every reference in them followed."""
        properties: Mapping[str, Any] = self.value(dict(self._resource(logical_id).properties))
        return properties

    def create_missing(self, aws: Aws) -> None:
        """Makes the tables, queues, buses, rules and secrets that are not there, and a queue for every event."""
        for logical_id in self._of(TABLE):
            _create_table(aws, local_name(logical_id), self._resource(logical_id).properties)
        # Dead letter queues have no redrive policy. They come first: the others name them.
        queues = sorted(self._of(QUEUE), key=lambda name: "RedrivePolicy" in self._resource(name).properties)
        for logical_id in queues:
            _create_queue(aws, self._queue_name(logical_id), self.properties(logical_id))
        aws.sqs.create_queue(QueueName=EVENTS_QUEUE)
        for logical_id in self._of(BUS):
            with contextlib.suppress(aws.events.exceptions.ResourceAlreadyExistsException):
                aws.events.create_event_bus(Name=local_name(logical_id))
            self._subscribe(aws, local_name(logical_id))
        for logical_id in self._of(RULE):
            _create_rule(aws, logical_id, self.properties(logical_id))
        for logical_id in self._of(SECRET):
            _create_secret(aws, local_name(logical_id), self.properties(logical_id))

    @property
    def events_queue_url(self) -> str:
        """The queue that every event of every bus comes to."""
        return self.queue_url(EVENTS_QUEUE)

    def stream_arn(self, aws: Aws, stream: Any) -> str:
        """The stream that `!GetAtt Table.StreamArn` names. Its table was made."""
        reference = stream.get("Fn::GetAtt", "") if isinstance(stream, dict) else ""
        logical_id, _, attribute = (".".join(reference) if isinstance(reference, list) else reference).partition(".")
        if attribute != "StreamArn":
            raise TemplateError(f"the local stack reads a stream of a table of the template, not {stream!r}")
        arn: str = aws.dynamodb.describe_table(TableName=local_name(logical_id))["Table"]["LatestStreamArn"]
        return arn

    def _subscribe(self, aws: Aws, bus: str) -> None:
        aws.events.put_rule(Name=EVENTS_QUEUE, EventBusName=bus, EventPattern=json.dumps(EVERY_EVENT))
        target = {"Id": EVENTS_QUEUE, "Arn": self.queue_arn(EVENTS_QUEUE)}
        aws.events.put_targets(Rule=EVENTS_QUEUE, EventBusName=bus, Targets=[target])

    def _queue_name(self, logical_id: str) -> str:
        """SQS asks for the ending of a FIFO queue; one of the stack's own that the template does not have is none."""
        resource = self._resources.get(logical_id)
        return f"{logical_id}.fifo" if resource and resource.properties.get("FifoQueue") else logical_id

    def _of(self, kind: str) -> list[str]:
        return [logical_id for logical_id, resource in self._resources.items() if resource.kind == kind]

    def _resource(self, logical_id: str) -> Resource:
        if logical_id not in self._resources:
            raise TemplateError(f"the local stack does not know what {logical_id} is")
        return self._resources[logical_id]

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return None
        if name in self._parameters:
            return self._parameters[name]
        return self.queue_url(name) if self._resource(name).kind == QUEUE else local_name(name)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        kind = self._resource(logical_id).kind
        if kind == QUEUE:
            attributes = {"Arn": self.queue_arn(logical_id), "QueueName": self._queue_name(logical_id)}
        elif kind == BUS:
            name = local_name(logical_id)
            attributes = {"Arn": f"arn:aws:events:{self._region}:{ACCOUNT_ID}:event-bus/{name}", "Name": name}
        else:
            attributes = {}
        if attribute not in attributes:
            raise TemplateError(f"the local stack does not know {logical_id}.{attribute}")
        return attributes[attribute]


def local_name(logical_id: str) -> str:
    """What the stack calls a table, a bus or a secret: `credits-entries` for EntriesTable."""
    return f"credits-{logical_id.removesuffix('Table').lower()}"


def _create_table(aws: Aws, name: str, properties: Mapping[str, Any]) -> None:
    table = {each: properties[each] for each in TABLE_PROPERTIES if each in properties}
    if "StreamSpecification" in table:
        table["StreamSpecification"] = {"StreamEnabled": True, **table["StreamSpecification"]}
    with contextlib.suppress(aws.dynamodb.exceptions.ResourceInUseException):  # it is there
        aws.dynamodb.create_table(TableName=name, **table)
    aws.dynamodb.get_waiter("table_exists").wait(TableName=name)


def _create_queue(aws: Aws, name: str, properties: Mapping[str, Any]) -> None:
    attributes = {each: properties[each] for each in QUEUE_PROPERTIES if each in properties}
    texts = {each: _text(value) for each, value in attributes.items()}
    aws.sqs.create_queue(QueueName=name, Attributes=texts)


def _create_secret(aws: Aws, name: str, properties: Mapping[str, Any]) -> None:
    length = properties.get("GenerateSecretString", {}).get("PasswordLength", SECRET_LENGTH)
    generated = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
    with contextlib.suppress(aws.secrets.exceptions.ResourceExistsException):
        aws.secrets.create_secret(Name=name, SecretString=properties.get("SecretString", generated))


def _create_rule(aws: Aws, name: str, properties: Mapping[str, Any]) -> None:
    bus = properties["EventBusName"]
    aws.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(properties["EventPattern"]))
    targets = [{"Id": each["Id"], "Arn": each["Arn"]} for each in properties["Targets"]]
    aws.events.put_targets(Rule=name, EventBusName=bus, Targets=targets)


def _text(value: Any) -> str:
    """An attribute of a queue as SQS takes it."""
    return value if isinstance(value, str) else json.dumps(value)
