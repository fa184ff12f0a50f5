"""The process that every execution environment is forked from: `python -m local.zygote FD MODULE …`.

It imports each function's module once and then only forks, so that an environment starts in milliseconds and shares the
memory of what was imported. It has one thread and opens no connection, which is what makes forking it safe. Over FD it
says `r` when the handlers are imported, and for every `f` it reads it sends back a new environment's pid and socket.
When its parent ends, however it ends, FD closes: it ends its environments and itself.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from credits.runtime import clock

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True, slots=True)
class Context:
    """Lambda's context object, as far as handlers and Powertools read it."""

    function_name: str
    memory_limit_in_mb: int
    aws_request_id: str
    deadline: float
    function_version: str = "$LATEST"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{os.environ['AWS_REGION']}:123456789012:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def main(control: socket.socket, modules: list[str]) -> None:
    # In Lambda each of them is the module `app`. Named from the root they do not collide.
    handlers: dict[str, Handler] = {name.split(".")[-2]: importlib.import_module(name).handler for name in modules}
    # Nothing imported is garbage. Frozen, it is not touched by a collection in an environment, and so stays shared.
    gc.collect()
    gc.freeze()
    # An environment that ends needs nobody to wait for it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.sendall(b"r")
    while control.recv(1):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            theirs.close()
            undisturbed()
            serve(Connection(ours.detach()), handlers)
        with ours, theirs:
            socket.send_fds(control, [struct.pack("!I", pid)], [theirs.fileno()])
    # The group is this process, which leads it, and its environments, however busy. They are gone when it ends.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        os.wait()


def undisturbed() -> None:
    """Lets this process finish what it is at before another gets its processor (Linux only; elsewhere nothing happens).

    In Lambda an environment has a processor of its own. Here a hundred of them share a few with DynamoDB, and a commit
    that is interrupted between its read and its write has mostly lost its race by then.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def serve(connection: Connection, handlers: Mapping[str, Handler]) -> None:
    """An execution environment: one invocation after another until the gateway closes the connection. Never returns."""
    status = 1
    try:
        while True:
            outcome = invoke(handlers, json.loads(connection.recv_bytes()))
            sys.stdout.flush()
            connection.send_bytes(outcome)
    except EOFError:
        status = 0
    finally:
        # The exit handlers are the zygote's.
        os._exit(status)


def invoke(handlers: Mapping[str, Handler], invocation: Mapping[str, Any]) -> bytes:
    clock.shift(timedelta(seconds=invocation["clock_offset_seconds"]))
    context = Context(
        function_name=invocation["function"],
        memory_limit_in_mb=invocation["memory_mb"],
        aws_request_id=invocation["request_id"],
        deadline=time.monotonic() + invocation["timeout_seconds"],
    )
    try:
        return json.dumps({"result": handlers[context.function_name](invocation["event"], context)}).encode()
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is, to Lambda, its outcome
        traceback.print_exc()
        return json.dumps({"error": f"{context.function_name}: {type(error).__name__}: {error}"}).encode()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
