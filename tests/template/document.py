"""template.yaml as the house rules look at it: its resources, and what each function may do."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from local.template import TEMPLATE, _Loader

Permission = tuple[str, str]
"""An action and what it may be done to: `("dynamodb:Query", "EntriesTable/index/by_time")`."""


def read(template: Path) -> dict[str, Any]:
    """A whole template, its short tags (!Ref, !Sub …) written out."""
    loaded: dict[str, Any] = yaml.load(template.read_text(encoding="utf-8"), Loader=_Loader)
    return loaded


@cache
def document() -> dict[str, Any]:
    """The project's template."""
    return read(TEMPLATE)


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    found = document()["Resources"].items()
    return {logical_id: resource["Properties"] for logical_id, resource in found if resource["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """The properties of every function with what Globals gives them all, by the name of its folder."""
    shared = document()["Globals"]["Function"]
    return {
        properties["CodeUri"].removeprefix("functions/"): shared | properties
        for properties in resources("AWS::Serverless::Function").values()
    }


def variables(function: str) -> dict[str, Any]:
    """The environment variables that a function is given."""
    shared: dict[str, Any] = document()["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = functions()[function]["Environment"]["Variables"]
    return shared | own


def statements(function: str) -> list[dict[str, Any]]:
    """The statements of a function's own policies."""
    return [statement for policy in functions()[function]["Policies"] for statement in policy["Statement"]]


def permissions(function: str) -> set[Permission]:
    """Everything a function may do, one action and one resource each."""
    return {
        (action, _name(resource))
        for statement in statements(function)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def references(part: Any) -> Iterator[str]:
    """The names that a part of the template refers to, by !Ref, !GetAtt, !Sub, !If and conditions."""
    match part:
        case {"Ref": str(name)} | {"Condition": str(name)}:
            yield name
        case {"Fn::GetAtt": target}:
            yield target.split(".")[0] if isinstance(target, str) else target[0]
        case {"Fn::Sub": str(text)}:
            yield from (piece.split("}")[0].split(".")[0] for piece in text.split("${")[1:])
        case {"Fn::If": [condition, *branches]}:
            yield condition
            yield from references(branches)
        case Mapping():
            for each in part.values():
                yield from references(each)
        case list():
            for each in part:
                yield from references(each)


def listed(value: Any) -> list[Any]:
    """A list, also where one value stands for itself, as it may in a policy."""
    return value if isinstance(value, list) else [value]


def _name(resource: Any) -> str:
    """`EntriesTable` or `EntriesTable/index/by_time` for an ARN that is written as !Ref, !GetAtt or !Sub."""
    match resource:
        case {"Ref": str(target)}:
            return target
        case {"Fn::GetAtt": str(target)}:
            return target.removesuffix(".Arn")
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "")
    return str(resource)
