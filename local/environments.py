"""Lambda on one machine: execution environments, each a process that serves one request at a time.

As in Lambda, no two requests ever share an environment at once: what a handler or a library keeps in a module (the
event that Powertools is resolving, a client, a cache) belongs to one request until it is answered. An environment that
dies or overstays its function's timeout is replaced, and only its own request fails.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local.template import Function, Template

# Enough for the 128 callers at once that the stack promises, and as many again; each costs a few MB beyond its zygote.
MAX_ENVIRONMENTS = 256

# A start and a first invocation keep a processor busy for about this long: more at once would only slow down those that
# are there, which serve several short requests in that time.
START_INTERVAL_SECONDS = 0.05

# Lambda's limit on what a function is sent and on what it returns.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024

# API Gateway waits this long for a function, and not a moment longer (HTTP API quotas).
INTEGRATION_TIMEOUT_SECONDS = 30

# How long the handlers may take to be imported, and how long the zygote may take to fork one environment.
START_TIMEOUT_SECONDS = 60


class InvocationError(Exception):
    """An invocation that brought no result."""


class FunctionError(InvocationError):
    """The handler raised, returned what is not JSON, ended its process, or ran into its function's timeout."""


class PayloadTooLarge(InvocationError):
    """The event is larger than Lambda accepts. Nothing ran."""


class Throttled(InvocationError):
    """Every environment stayed busy for as long as API Gateway waits. Nothing ran."""


class IntegrationTimeout(InvocationError):
    """API Gateway stopped waiting for a function whose own timeout is longer."""


class HandlersNotImported(Exception):
    """The zygote ended before it was ready; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One process and the connection that it is spoken to over."""

    pid: int
    connection: Connection

    def is_alive(self) -> bool:
        """An idle environment has nothing to say, so that something to read can only be its end."""
        return not self.connection.poll()


class Environments:
    """A pool of execution environments: none at first, more while requests wait, at most `limit`, the last used first.

        with Environments(template, variables, limit=1, log=Path(".local/functions.log")) as environments:
            environments.wait_until_ready()
            result = environments.invoke(function, event, request_id="…", clock_offset=timedelta(0))

    `variables` are the whole environment of the handlers' processes. Their output goes to `log`.
    """

    def __init__(self, template: Template, variables: Mapping[str, str], *, limit: int, log: Path) -> None:
        self._limit = limit
        self._log = log
        self._idle: list[Environment] = []
        self._started = 0
        self._waiting = 0
        self._invocations = 0
        self._closed = False
        lock = threading.Lock()
        self._freed = threading.Condition(lock)
        self._wanted = threading.Condition(lock)
        self._starter = threading.Thread(target=self._start_on_demand, name="environments", daemon=True)
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_TIMEOUT_SECONDS)
        modules = [function.module for function in template.functions]
        with theirs, log.open("wb") as output:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "local.zygote", str(theirs.fileno()), *modules],
                cwd=template.root,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                # Ctrl-C reaches the terminal's whole group. The zygote is ended by us, when nobody needs it any more.
                start_new_session=True,
            )

    def __enter__(self) -> "Environments":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_until_ready(self) -> None:
        """Returns once the zygote has imported every handler. Raises HandlersNotImported with its last words."""
        if self._control.recv(1) != b"r":
            self._zygote.wait()
            raise HandlersNotImported(self._log.read_text(errors="replace").strip())
        self._starter.start()

    @property
    def invocations(self) -> int:
        """How many have ended so far, well or not. While it stands still, no function writes."""
        return self._invocations

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Holds an environment without using it: where the pool has only one, nothing runs meanwhile.

        Raises Throttled where none became free.
        """
        environment = self._acquire()
        try:
            yield
        finally:
            self._release(environment)

    def invoke(
        self,
        function: Function,
        event: Any,
        *,
        request_id: str,
        clock_offset: timedelta,
        patience_seconds: int = INTEGRATION_TIMEOUT_SECONDS,
    ) -> Any:
        """What the handler returned. Raises an InvocationError; then nothing is known of what the handler did.

        `patience_seconds` is how long the caller waits for it: API Gateway's, if nothing is said.
        """
        invocation = {
            "function": function.name,
            "memory_mb": function.memory_mb,
            "timeout_seconds": function.timeout_seconds,
            "request_id": request_id,
            "clock_offset_seconds": clock_offset.total_seconds(),
            "event": event,
        }
        message = json.dumps(invocation).encode()
        if len(message) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge(f"the event has {len(message)} bytes")
        environment = self._acquire()
        try:
            outcome = self._exchange(environment, function, message, patience_seconds)
        finally:
            with self._freed:
                self._invocations += 1
        self._release(environment)
        if error := outcome.get("error"):
            raise FunctionError(error)
        return outcome["result"]

    def close(self) -> None:
        """Ends every environment, busy ones too, and the zygote. Leaves no process behind."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
            self._freed.notify_all()
        self._control.close()
        try:
            self._zygote.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._zygote.kill()
            self._zygote.wait()

    def _exchange(
        self, environment: Environment, function: Function, message: bytes, patience_seconds: int
    ) -> dict[str, Any]:
        """Sends one invocation and waits for its outcome. An environment that brings none is given up."""
        try:
            environment.connection.send_bytes(message)
            if environment.connection.poll(min(function.timeout_seconds, patience_seconds)):
                outcome: dict[str, Any] = json.loads(environment.connection.recv_bytes())
                return outcome
        except (EOFError, OSError) as end:
            self._give_up(environment)
            raise FunctionError(f"{function.name}: the process ended before it answered") from end
        os.kill(environment.pid, signal.SIGKILL)
        self._give_up(environment)
        if function.timeout_seconds > patience_seconds:
            raise IntegrationTimeout(f"{function.name}: no answer in {patience_seconds} s")
        raise FunctionError(f"{function.name}: timed out after {function.timeout_seconds} s")

    def _acquire(self) -> Environment:
        give_up_at = time.monotonic() + INTEGRATION_TIMEOUT_SECONDS
        while True:
            with self._freed:
                self._waiting += 1
                self._wanted.notify()
                self._freed.wait_for(lambda: self._idle or self._closed, give_up_at - time.monotonic())
                self._waiting -= 1
                if self._closed:
                    raise FunctionError("the stack is stopping")
                if not self._idle:
                    raise Throttled(f"{self._started} environments are busy")
                environment = self._idle.pop()
            if environment.is_alive():
                return environment
            self._give_up(environment)

    def _start_on_demand(self) -> None:
        """Adds an environment, and after START_INTERVAL_SECONDS another, as long as requests wait for one."""
        while True:
            with self._wanted:
                self._wanted.wait_for(
                    lambda: self._closed or (self._waiting > len(self._idle) and self._started < self._limit)
                )
                if self._closed:
                    return
                self._started += 1
            self._release(self._fork())
            time.sleep(START_INTERVAL_SECONDS)

    def _fork(self) -> Environment:
        self._control.sendall(b"f")
        pid, descriptors, _, _ = socket.recv_fds(self._control, 4, 1)
        return Environment(struct.unpack("!I", pid)[0], Connection(descriptors[0]))

    def _release(self, environment: Environment) -> None:
        with self._freed:
            self._idle.append(environment)
            self._freed.notify()

    def _give_up(self, environment: Environment) -> None:
        environment.connection.close()
        with self._wanted:
            self._started -= 1
            self._wanted.notify()
