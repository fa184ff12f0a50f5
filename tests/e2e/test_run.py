"""`make run`: how it starts, what it says, and that nothing of it stays behind."""

import ctypes
import json
import os
import platform
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.launch import Launched, environment, launched

# The number of Linux's call that signals one thread of a process.
SYS_TGKILL = {"x86_64": 234, "aarch64": 131}

PLANS = ("free", "pro", "max", "team")


def descendants(pid: int) -> list[int]:
    """Every process that descends from `pid`, by what `ps` says."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [pid]
    for parent in found:
        found.extend(child for child, its_parent in parents if its_parent == parent)
    return found[1:]


def running(pids: list[int]) -> list[int]:
    def alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    return [pid for pid in pids if alive(pid)]


def started_on(port: int, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`make run` where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "local"],
        cwd=folder,
        env=environment(PORT=str(port), **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_answers_and_leaves_nothing_behind_when_it_is_stopped(
    tmp_path: Path, how: signal.Signals
) -> None:
    with launched(tmp_path) as stack:
        file = tmp_path / ".local" / "stack.json"
        facts = json.loads(file.read_text())
        client = stack.client
        accounts = [client.call("GET", f"/v1/accounts/{name}", expect=[200]).body for name in PLANS]
        processes = descendants(stack.process.pid)
        port = int(client.url.rpartition(":")[2])

        page_url = facts.pop("page_url")
        assert facts == {"api_url": client.url, "api_key": client.api_key}
        assert re.fullmatch(rf"{client.url}/usage\?session=[\w.-]+", page_url)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        # Weeks of history are behind each, and in this period always the same.
        assert [(each["plan"]["id"], each["seats"], each["credits"]["remaining"]) for each in accounts] == [
            ("free", 1, 286),
            ("pro", 1, 1_269),
            ("max", 1, 2_994),
            ("team", 3, 11_707),
        ]
        assert len(processes) >= 3  # moto, the zygote and an environment
        assert stack.stop(how) == 0

    assert not file.exists()
    assert running(processes) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert re.findall(r"  (\d+)  +\d+ ms  (GET|POST|PUT) +(\S+)", stack.output) == [
        ("200", "GET", f"/v1/accounts/{name}") for name in PLANS
    ]
    assert stack.output.endswith("\nStopped.\n")
    assert "Traceback" not in stack.output


@pytest.mark.skipif(platform.machine() not in SYS_TGKILL or sys.platform != "linux", reason="Linux names threads so")
def test_a_signal_that_the_system_gives_to_another_of_its_threads_stops_it_as_well(tmp_path: Path) -> None:
    with launched(tmp_path) as stack:
        pid = stack.process.pid
        (*_, another) = sorted(int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir())
        assert another != pid
        ctypes.CDLL(None).syscall(SYS_TGKILL[platform.machine()], pid, another, int(signal.SIGINT))

        assert stack.process.wait(20) == 0


def test_nothing_outlives_it_even_when_it_is_killed(tmp_path: Path) -> None:
    with launched(tmp_path) as stack:
        stack.client.call("GET", "/v1/accounts/free", expect=[200])
        processes = descendants(stack.process.pid)
        stack.stop(signal.SIGKILL)

    give_up_at = time.monotonic() + 10
    while running(processes) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert len(processes) >= 3
    assert running(processes) == []


def test_a_taken_port_is_said_in_one_line_that_names_port(stack: Launched, tmp_path: Path) -> None:
    port = int(stack.client.url.rpartition(":")[2])

    ended = started_on(port, tmp_path)

    assert ended.returncode == 1
    assert ended.stderr == f"Port {port} is taken. Choose another: make run PORT={port + 1}\n"
    assert ended.stdout == ""
    assert not (tmp_path / ".local" / "stack.json").exists()


def test_a_dynamodb_that_does_not_answer_is_said(tmp_path: Path) -> None:
    ended = started_on(0, tmp_path, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")

    assert (ended.returncode, ended.stderr) == (1, "No DynamoDB answers at http://127.0.0.1:9: Connection refused\n")


def test_a_port_that_is_none_is_said(tmp_path: Path) -> None:
    ended = started_on(65_536, tmp_path)

    assert (ended.returncode, ended.stderr) == (1, "PORT is a number from 0 to 65535, not '65536'\n")


@pytest.mark.usefixtures("dynamodb_local")  # not for its state: where DynamoDB Local cannot run, this cannot either
def test_a_folder_given_as_data_keeps_the_state_from_one_start_to_the_next(tmp_path: Path) -> None:
    with launched(tmp_path, DATA="kept") as first:
        charge = {"action": "message", "quantity": 40}
        first.client.call("POST", "/v1/accounts/pro/charges", charge, key="k1", expect=[201])
        old_key = first.client.api_key
        assert first.stop(signal.SIGINT) == 0

    with launched(tmp_path, DATA="kept") as second:
        account = second.client.call("GET", "/v1/accounts/pro", expect=[200]).body
        replay = second.client.call("POST", "/v1/accounts/pro/charges", charge, key="k1")
        team = second.client.call("GET", "/v1/accounts/team", expect=[200]).body

        assert (account["plan"]["id"], account["credits"]["remaining"]) == ("pro", 1_229)
        assert (replay.status, replay.body["balance"]["remaining"]) == (200, 1_229)
        assert (team["seats"], team["credits"]["remaining"]) == (3, 11_707)
        assert second.client.api_key != old_key
