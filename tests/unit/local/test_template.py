"""What the stack takes from a SAM template."""

from pathlib import Path

import pytest

from local.template import Function, Resource, Route, TemplateError, Trigger, load

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Rate: {Type: Number, Default: 7}
Globals:
  Function:
    Handler: app.handler
    Timeout: 29
    Layers: [!Ref SomeLayer]
Resources:
  Greeter:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/greeter
      MemorySize: 512
      Policies: [!Sub "${Table.Arn}/index"]
      Events:
        Hello: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: "/hello/{name}"}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
        Rest: {Type: HttpApi}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: {ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 9}
"""


def written(folder: Path, text: str = TEMPLATE) -> Path:
    app = folder / "functions" / "greeter" / "app.py"
    app.parent.mkdir(parents=True)
    app.write_text("def handler(event, context): ...\n")
    (folder / "template.yaml").write_text(text)
    return folder / "template.yaml"


def test_functions_routes_and_limits_are_read_with_the_parameters_defaults(tmp_path: Path) -> None:
    template = load(written(tmp_path))

    greeter = Function("greeter", "functions.greeter.app", timeout_seconds=29, memory_mb=512)
    assert template.functions == (greeter,)
    assert template.routes == (Route("GET", "/hello/{name}", greeter), Route("ANY", "$default", greeter))
    assert [route.key for route in template.routes] == ["GET /hello/{name}", "$default"]
    assert (template.throttle_rate, template.throttle_burst, template.root) == (7, 9, tmp_path)
    nightly = Trigger("Greeter.Events.Nightly", "ScheduleV2", {"ScheduleExpression": "rate(1 day)"}, greeter)
    assert template.triggers == (nightly,)


CONDITIONS = """
Conditions:
  Fast: !Equals [!Ref Rate, 7]
  Slow: !Not [!Condition Fast]
Resources:
  Quick: {Type: "AWS::SQS::Queue", Condition: Fast}
  Lazy: {Type: "AWS::SQS::Queue", Condition: Slow, Properties: {DelaySeconds: 9}}
  Sleeper: {Type: "AWS::Serverless::Function", Condition: Slow}
"""


def test_what_has_a_condition_that_does_not_hold_is_left_out(tmp_path: Path) -> None:
    template = load(written(tmp_path, TEMPLATE.replace("Resources:\n", CONDITIONS.lstrip("\n"))))

    assert template.resources["Quick"] == Resource("AWS::SQS::Queue", {})
    assert "Lazy" not in template.resources
    assert [function.name for function in template.functions] == ["greeter"]


def test_a_variable_that_two_functions_would_need_apart_is_refused(tmp_path: Path) -> None:
    here = "Environment: {Variables: {SIZE: 1, POWERTOOLS_SERVICE_NAME: here}}"
    there = "Environment: {Variables: {SIZE: 2, POWERTOOLS_SERVICE_NAME: there}}"
    text = TEMPLATE.replace("    Timeout: 29\n", f"    Timeout: 29\n    {here}\n")
    assert load(written(tmp_path / "one", text)).variables == {"SIZE": 1}

    with pytest.raises(TemplateError, match="Greeter: SIZE has another value than in another function"):
        load(
            written(
                tmp_path / "two", text.replace("      MemorySize: 512\n", f"      MemorySize: 512\n      {there}\n")
            )
        )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ("functions/greeter", "functions/gone"),
            "Greeter: app.handler is not a `handler` in a file of functions/gone",
        ),
        (("app.handler", "app.main"), "Greeter: app.main is not a `handler`"),
        (("Timeout: 29", "Timeout: !Ref Rate"), "Greeter.Timeout: the local stack needs a number here"),
        (("Method: get, ", ""), "Greeter.Events.Hello: a route has both a Path and a Method"),
    ],
)
def test_what_cannot_be_followed_is_named(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    template = written(tmp_path, TEMPLATE.replace(*change))

    with pytest.raises(TemplateError) as refused:
        load(template)
    assert str(refused.value).startswith(complaint)


def test_the_projects_own_template_routes_a_charge_to_the_charges_function() -> None:
    (charges,) = [route for route in load().routes if route.key == "POST /v1/accounts/{account_id}/charges"]

    assert charges.function.module == "functions.charges.app"
