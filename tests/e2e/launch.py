"""Starts the local stack as a person does, in a process of its own, and waits until it says where it is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.client import Client
from local.template import ROOT

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Launched:
    """A stack that answers, and the folder it was started in."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    client: Client

    def stop(self, how: signal.Signals) -> int:
        """Sends the signal and returns the exit status."""
        self.process.send_signal(how)
        return self.process.wait(STOP_TIMEOUT_SECONDS)

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()


def environment(**variables: str) -> dict[str, str]:
    """As `make` sets it: our package on the module path."""
    path = os.pathsep.join([str(ROOT / "layers" / "credits"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "PORT": "0", **variables}


@contextmanager
def launched(folder: Path, **variables: str) -> Iterator[Launched]:
    """`make run` on a free port, in `folder`, which gets its .local/. Whatever the test does, it is gone afterwards."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local"], cwd=folder, env=environment(**variables), stdout=output, stderr=output
        )
    try:
        announced = folder / ".local" / "stack.json"
        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        while not announced.exists():
            said = (folder / "output").read_text()
            assert process.poll() is None, f"it ended with {process.returncode}:\n{said}"
            assert time.monotonic() < give_up_at, f"it did not answer:\n{said}"
            time.sleep(0.05)
        facts = json.loads(announced.read_text())
        yield Launched(process, folder, Client(facts["api_url"], facts["api_key"]))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_SECONDS)
