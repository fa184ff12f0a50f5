"""template.yaml as the local stack reads it: the functions AWS SAM would deploy, what leads to them, what they use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"

# What AWS SAM deploys where the template says nothing, and API Gateway's quota for all APIs of an account together.
DEFAULT_TIMEOUT_SECONDS = 3
DEFAULT_MEMORY_MB = 128
ACCOUNT_RATE = 10_000
ACCOUNT_BURST = 5_000


class TemplateError(Exception):
    """template.yaml says something that the local stack cannot follow; the message names the place."""


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function: the module that has its `handler`, named from the root, and the limits it runs under."""

    name: str
    module: str
    timeout_seconds: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Route:
    """One HttpApi event. `method` is upper case or ANY; `path` may hold {variables} and end in a greedy {variable+}."""

    method: str
    path: str
    function: Function

    @property
    def key(self) -> str:
        """The route key API Gateway gives it, for example `GET /v1/accounts/{account_id}`."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event of a function that is no route: its type in AWS SAM (SQS, DynamoDB, ScheduleV2 …) and its properties.

    `name` says where it stands, for messages.
    """

    name: str
    kind: str
    properties: Mapping[str, Any]
    function: Function


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is no function, as the template has it."""

    kind: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """Every function, and every route and trigger that leads to one, in the order of the template in the folder `root`.

    Resources whose condition does not hold are left out. `variables` are what the functions' environments hold, each
    value as the template writes it. Throttling: each route takes `throttle_rate` requests a second for long and
    `throttle_burst` at once.
    """

    root: Path
    functions: tuple[Function, ...]
    routes: tuple[Route, ...]
    triggers: tuple[Trigger, ...]
    resources: Mapping[str, Resource]
    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    variables: Mapping[str, Any]
    throttle_rate: int
    throttle_burst: int


def load(path: Path = TEMPLATE) -> Template:
    """Reads a SAM template, its parameters at their defaults.

    Raises TemplateError where a function's file, handler or limits, a route, the throttling or a condition cannot be
    followed, and where two functions need different values of one variable: their processes share an environment.
    """
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader, see below
    defaults = document.get("Globals", {}).get("Function", {})
    parameters = {name: each["Default"] for name, each in document.get("Parameters", {}).items() if "Default" in each}
    conditions = document.get("Conditions", {})
    functions: list[Function] = []
    routes: list[Route] = []
    triggers: list[Trigger] = []
    resources: dict[str, Resource] = {}
    variables = dict(_variables(defaults))
    throttling = {"ThrottlingRateLimit": ACCOUNT_RATE, "ThrottlingBurstLimit": ACCOUNT_BURST}
    for logical_id, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        if "Condition" in resource and not holds({"Condition": resource["Condition"]}, conditions, parameters):
            continue
        if resource["Type"] == "AWS::Serverless::Function":
            function = _function(logical_id, defaults | properties, path.parent)
            functions.append(function)
            routes.extend(_routes(logical_id, properties, function))
            triggers.extend(_triggers(logical_id, properties, function))
            _add_variables(logical_id, properties, variables)
        else:
            resources[logical_id] = Resource(resource["Type"], properties)
        if resource["Type"] == "AWS::Serverless::HttpApi":
            settings = properties.get("DefaultRouteSettings", {})
            throttling |= {name: parameters.get(_ref(value), value) for name, value in settings.items()}
    return Template(
        path.parent,
        tuple(functions),
        tuple(routes),
        tuple(triggers),
        resources,
        parameters,
        conditions,
        variables,
        throttle_rate=_whole_number("HttpApi", "ThrottlingRateLimit", throttling["ThrottlingRateLimit"]),
        throttle_burst=_whole_number("HttpApi", "ThrottlingBurstLimit", throttling["ThrottlingBurstLimit"]),
    )


def holds(condition: Any, conditions: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a condition is true with these parameters; one that has no value is as good as empty."""
    match condition:
        case {"Condition": str(name)}:
            return holds(conditions[name], conditions, parameters)
        case {"Fn::Not": [inner]}:
            return not holds(inner, conditions, parameters)
        case {"Fn::And": list(inner)}:
            return all(holds(each, conditions, parameters) for each in inner)
        case {"Fn::Or": list(inner)}:
            return any(holds(each, conditions, parameters) for each in inner)
        case {"Fn::Equals": [one, other]}:
            left, right = (parameters.get(_ref(each), "") if _ref(each) else each for each in (one, other))
            return bool(left == right)
        case _:
            raise TemplateError(f"Conditions: the local stack cannot tell whether {condition!r} holds")


def _ref(value: Any) -> str:
    """The name that a !Ref names; empty for anything else."""
    return str(value["Ref"]) if isinstance(value, dict) and "Ref" in value else ""


def _function(logical_id: str, properties: Mapping[str, Any], root: Path) -> Function:
    folder = Path(properties["CodeUri"])
    file, _, attribute = properties["Handler"].rpartition(".")
    if attribute != "handler" or not (root / folder / f"{file}.py").is_file():
        raise TemplateError(f"{logical_id}: {properties['Handler']} is not a `handler` in a file of {folder}")
    return Function(
        name=folder.name,
        module=".".join([*folder.parts, file]),
        timeout_seconds=_whole_number(logical_id, "Timeout", properties.get("Timeout", DEFAULT_TIMEOUT_SECONDS)),
        memory_mb=_whole_number(logical_id, "MemorySize", properties.get("MemorySize", DEFAULT_MEMORY_MB)),
    )


def _whole_number(logical_id: str, name: str, value: Any) -> int:
    if not isinstance(value, int):
        raise TemplateError(f"{logical_id}.{name}: the local stack needs a number here, not {value!r}")
    return value


def _routes(logical_id: str, properties: Mapping[str, Any], function: Function) -> Iterator[Route]:
    for name, event in properties.get("Events", {}).items():
        if event["Type"] != "HttpApi":
            continue
        settings = event.get("Properties", {})
        match settings.get("Method"), settings.get("Path"):
            case None, None:
                yield Route("ANY", "$default", function)
            case str(method), str(path):
                yield Route(method.upper().replace("X-AMAZON-APIGATEWAY-ANY-METHOD", "ANY"), path, function)
            case _:
                raise TemplateError(f"{logical_id}.Events.{name}: a route has both a Path and a Method")


def _triggers(logical_id: str, properties: Mapping[str, Any], function: Function) -> Iterator[Trigger]:
    for name, event in properties.get("Events", {}).items():
        if event["Type"] != "HttpApi":
            yield Trigger(f"{logical_id}.Events.{name}", event["Type"], event.get("Properties", {}), function)


def _variables(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The variables of a function but for those that the stack has values of its own for."""
    for name, value in properties.get("Environment", {}).get("Variables", {}).items():
        if not name.startswith(("AWS_", "POWERTOOLS_")):
            yield name, value


def _add_variables(logical_id: str, properties: Mapping[str, Any], variables: dict[str, Any]) -> None:
    for name, value in _variables(properties):
        if variables.setdefault(name, value) != value:
            raise TemplateError(f"{logical_id}: {name} has another value than in another function")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags (!Ref, !Sub, !If …) as the one-key mappings that they abbreviate."""


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            raise TemplateError(f"!{suffix}: what is this?{node.start_mark}")
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)
