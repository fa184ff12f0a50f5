"""Execution environments: real processes, small functions."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.clock import Clock
from local.environments import Environments, FunctionError, HandlersNotImported, PayloadTooLarge
from local.gateway import Gateway
from local.payload import Request
from local.template import ROOT, Template, load

APP = """
import os, sys, time
from credits.runtime import clock

calls = 0

def handler(event, context):
    global calls
    calls += 1
    match event:
        case {"rawPath": path}: event = path.strip("/")
    match event:
        case "pid": return os.getpid()
        case "calls": return calls
        case "nap": time.sleep(0.3); return os.getpid()
        case "sleep": time.sleep(60)
        case "raise": raise RuntimeError("boom")
        case "exit": sys.exit(3)
        case "object": return object()
        case "now": return clock.now().isoformat()
        case "context": return [context.function_name, context.memory_limit_in_mb, context.aws_request_id,
                                0 < context.get_remaining_time_in_millis() <= 1000, context.invoked_function_arn]
        case _: return event
"""
TEMPLATE = """
Resources:
  Probe:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/probe
      Handler: app.handler
      Timeout: 1
      Events:
        All: {Type: HttpApi, Properties: {Method: GET, Path: "/{do}"}}
"""

Invoke = Callable[[Any], Any]


def written(folder: Path, app: str = APP) -> Template:
    (folder / "functions" / "probe").mkdir(parents=True)
    (folder / "functions" / "probe" / "app.py").write_text(app)
    (folder / "template.yaml").write_text(TEMPLATE)
    return load(folder / "template.yaml")


@contextmanager
def environments(template: Template, *, limit: int) -> Iterator[Environments]:
    path = os.pathsep.join([str(ROOT / "layers" / "credits"), str(ROOT)])
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "AWS_REGION": "eu-west-1"}
    with Environments(template, variables, limit=limit, log=template.root / "log") as started:
        started.wait_until_ready()
        yield started


def wait_until_gone(pid: int) -> None:
    for _ in range(1_000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} does not end")


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return written(tmp_path)


@pytest.fixture
def invoke(template: Template) -> Iterator[Invoke]:
    """Invokes the one function in a pool of one environment."""
    (function,) = template.functions
    with environments(template, limit=1) as pool:
        yield lambda event: pool.invoke(function, event, request_id="r-1", clock_offset=timedelta(0))


def test_an_environment_keeps_its_modules_from_one_invocation_to_the_next(invoke: Invoke) -> None:
    assert [invoke("calls"), invoke("calls"), invoke("calls")] == [1, 2, 3]


def test_a_handler_gets_its_event_and_lambdas_context(invoke: Invoke) -> None:
    assert invoke({"a": ["é", None]}) == {"a": ["é", None]}
    assert invoke("context") == ["probe", 128, "r-1", True, "arn:aws:lambda:eu-west-1:123456789012:function:probe"]


def test_a_handler_that_raises_fails_alone_and_its_environment_serves_on(invoke: Invoke, template: Template) -> None:
    pid = invoke("pid")

    with pytest.raises(FunctionError, match="probe: RuntimeError: boom"):
        invoke("raise")
    with pytest.raises(FunctionError, match="probe: TypeError"):
        invoke("object")

    assert invoke("pid") == pid
    assert 'raise RuntimeError("boom")' in (template.root / "log").read_text()


@pytest.mark.parametrize(
    ("event", "reason"),
    [("exit", "probe: the process ended before it answered"), ("sleep", "probe: timed out after 1 s")],
)
def test_an_environment_that_ends_or_overstays_is_replaced(invoke: Invoke, event: str, reason: str) -> None:
    pid = invoke("pid")

    with pytest.raises(FunctionError, match=reason):
        invoke(event)

    assert invoke("pid") != pid


def test_an_environment_that_died_while_idle_costs_nobody_a_request(invoke: Invoke) -> None:
    pid = invoke("pid")
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)

    assert invoke("pid") != pid


def test_an_event_over_6_mb_does_not_reach_the_function(invoke: Invoke) -> None:
    with pytest.raises(PayloadTooLarge):
        invoke("x" * (6 * 1024 * 1024))
    assert invoke("calls") == 1


def test_an_environment_serves_one_request_at_a_time_and_the_pool_grows_to_its_limit(template: Template) -> None:
    (function,) = template.functions
    with environments(template, limit=4) as pool, ThreadPoolExecutor(12) as callers:
        pids = list(
            callers.map(lambda _: pool.invoke(function, "nap", request_id="r", clock_offset=timedelta(0)), range(12))
        )

    assert len(pids) == 12
    assert len(set(pids)) == 4


def test_requests_one_after_the_other_need_one_environment(template: Template) -> None:
    (function,) = template.functions
    with environments(template, limit=4) as pool:
        pids = {pool.invoke(function, "pid", request_id="r", clock_offset=timedelta(0)) for _ in range(20)}

    assert len(pids) == 1


def test_the_clock_moves_with_the_invocation(template: Template) -> None:
    (function,) = template.functions
    with environments(template, limit=1) as pool:
        now = pool.invoke(function, "now", request_id="r", clock_offset=timedelta(0))
        later = pool.invoke(function, "now", request_id="r", clock_offset=timedelta(days=366))
        again = pool.invoke(function, "now", request_id="r", clock_offset=timedelta(0))

    assert int(later[:4]) == int(now[:4]) + 1
    assert again[:4] == now[:4]


def test_a_module_that_cannot_be_imported_is_said_with_its_traceback(tmp_path: Path) -> None:
    template = written(tmp_path, "import a_module_that_is_not_there\n")

    with (
        pytest.raises(HandlersNotImported, match="No module named 'a_module_that_is_not_there'"),
        environments(template, limit=1),
    ):
        pass


@pytest.mark.parametrize(
    ("path", "status", "body", "remark"),
    [
        ("/calls", 200, b"1", ""),
        ("/raise", 500, b'{"message":"Internal Server Error"}', "probe: RuntimeError: boom"),
        ("/sleep", 500, b'{"message":"Internal Server Error"}', "probe: timed out after 1 s"),
    ],
)
def test_what_a_caller_of_the_gateway_hears_of_it(
    template: Template, path: str, status: int, body: bytes, remark: str
) -> None:
    with environments(template, limit=1) as pool:
        gateway = Gateway(template, pool, Clock())
        answer, said = gateway.answer(Request("GET", path, (), b"", source_ip="127.0.0.1"))

    assert (answer.status, answer.body, said) == (status, body, remark)
    assert dict(answer.headers)["apigw-requestid"].endswith("=")


def asked(gateway: Gateway, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    answer, _ = gateway.answer(Request(method, path, (), body, source_ip="127.0.0.1"))
    return answer.status, answer.body


def test_a_route_that_is_asked_too_often_is_api_gateways_429(template: Template) -> None:
    with environments(template, limit=1) as pool:
        gateway = Gateway(replace(template, throttle_rate=1, throttle_burst=2), pool, Clock())
        answers = [asked(gateway, "GET", "/calls") for _ in range(3)]

    assert answers == [(200, b"1"), (200, b"2"), (429, b'{"message":"Too Many Requests"}')]


def test_the_clock_is_moved_over_http(template: Template) -> None:
    with environments(template, limit=1) as pool:
        clock = Clock()
        gateway = Gateway(template, pool, clock)
        before = asked(gateway, "GET", "/now")
        status, _ = asked(gateway, "POST", "/__local__/clock", b'{"advance": "P400D"}')
        after = asked(gateway, "GET", "/now")

    assert (status, clock.offset) == (200, timedelta(days=400))
    assert int(after[1][:4]) - int(before[1][:4]) in {1, 2}


def test_the_events_of_the_bus_are_shown_over_http(template: Template) -> None:
    with environments(template, limit=1) as pool:
        gateway = Gateway(template, pool, Clock(), lambda: [{"detail-type": "credits.low"}])
        answers = [asked(gateway, method, "/__local__/events") for method in ("GET", "DELETE")]

    assert answers == [(200, b'{"events":[{"detail-type":"credits.low"}]}'), (404, b'{"message":"Not Found"}')]


def test_while_the_only_environment_is_reserved_nothing_runs(template: Template) -> None:
    (function,) = template.functions
    with environments(template, limit=1) as pool, ThreadPoolExecutor(1) as caller:
        with pool.reserved():
            waiting = caller.submit(pool.invoke, function, "pid", request_id="r", clock_offset=timedelta(0))
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            assert pool.invocations == 0
        assert waiting.result(10) > 0
        assert pool.invocations == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"advance": 5}', b'{"advance": "P1M"}', b"\xff"])
def test_the_clock_is_not_moved_by_what_it_does_not_understand(template: Template, body: bytes) -> None:
    with environments(template, limit=1) as pool:
        clock = Clock()
        status, answer = asked(Gateway(template, pool, clock), "POST", "/__local__/clock", body)

    assert (status, clock.offset) == (400, timedelta(0))
    assert b"P31D" in answer
