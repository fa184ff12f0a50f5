"""A built function under the Lambda Runtime Interface Emulator, which ships with the SAM CLI, and AWS's runtime client.

As in Lambda, the function finds its own folder, its layers and the runtime on its path, and nothing else: a package
that is missing from the layers is missing here, though the tests themselves have it.
"""

import contextlib
import http.client
import importlib.metadata
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.dynamodb import free_port
from tests.runtime.build import BuiltFunction, architecture

START_TIMEOUT_SECONDS = 20
INVOKE = "/2015-03-31/functions/function/invocations"
RUNTIME_CLIENT = "awslambdaric"


class Unavailable(Exception):
    """The emulator cannot run on this machine; the message says what is missing."""


class NoAnswer(Exception):
    """The function brought no result; the message is what it wrote."""


class Emulator:
    """One execution environment of one function."""

    def __init__(self, port: int, timeout_seconds: int, output: Path) -> None:
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._output = output

    def invoke(self, event: dict[str, Any]) -> Any:
        """What the handler returned. Raises NoAnswer where it raised, or ended its process."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_seconds)
        with contextlib.closing(connection):
            connection.request("POST", INVOKE, json.dumps(event), {"Content-Type": "application/json"})
            result = json.loads(connection.getresponse().read())
        if isinstance(result, dict) and "errorType" in result:
            raise NoAnswer(f"{result}\n{self.output()}")
        return result

    def output(self) -> str:
        """What the function has written so far: its log."""
        return self._output.read_text(errors="replace")


def program() -> Path:
    """The emulator for this machine's processor. Raises Unavailable."""
    if sys.platform != "linux":
        raise Unavailable("the Lambda Runtime Interface Emulator runs on Linux only")
    for module in ("samcli", RUNTIME_CLIENT):
        if importlib.util.find_spec(module) is None:
            raise Unavailable(f"{module} is not installed; `make check` installs it")
    samcli = importlib.util.find_spec("samcli")
    assert samcli is not None
    assert samcli.origin is not None
    found = Path(samcli.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{architecture()}"
    if not found.is_file():
        raise Unavailable(f"this SAM CLI has no {found.name}")
    return found


def link_runtime(folder: Path) -> None:
    """Fills `folder` with the runtime client and what it requires, and with nothing else that is installed here."""
    folder.mkdir()
    required = importlib.metadata.requires(RUNTIME_CLIENT) or []
    for name in (RUNTIME_CLIENT, *(re.split(r"[^\w.-]", each)[0] for each in required)):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}}
        for top in tops:
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))))


@contextmanager
def emulated(function: BuiltFunction, *, runtime: Path, variables: dict[str, str], output: Path) -> Iterator[Emulator]:
    """Starts the function's environment; `variables` are added to those of the template. It ends with the block."""
    port, runtime_api_port = free_port(), free_port()
    command = [str(program()), "--log-level", "error"]
    command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{runtime_api_port}"]
    # -S: nothing but the path below and Python's own library.
    command += [sys.executable, "-S", "-m", RUNTIME_CLIENT, "app.handler"]
    path = [function.folder, *(layer / "python" for layer in function.layers), runtime]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAMBDA_TASK_ROOT": str(function.folder),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),
        **function.variables,
        **variables,
    }
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=function.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(process, port, output)
        yield Emulator(port, function.timeout_seconds + 5, output)
    finally:
        # The whole group: the emulator and the runtime that it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise NoAnswer(f"the emulator did not start:\n{output.read_text(errors='replace')}")
