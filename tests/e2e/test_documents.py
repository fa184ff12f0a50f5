"""What the documents print is what happens: every request in them, sent by a shell as it stands, but for the port."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from local.template import ROOT
from tests.e2e.launch import Launched

DOCUMENTS = {"README.md": 3, "docs/holds.md": 7, "docs/embedding.md": 1, "docs/local-stripe.md": 8}
"""Those whose requests go to the stack of `make run`, and how many they have."""

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(curl |[A-Z_]+=\S+$|[A-Z_]+=[$\"])")
ANSWER = re.compile(r"# (\d{3}) (.*)")

END = "-- end of one --"

# Each request also tells its status, where it is not in the way of its answer.
SHELL = "curl() { command curl --fail-with-body -w '%{stderr}%{http_code}\\n' \"$@\"; }"


@dataclass
class Step:
    """A command, and what the document says is answered: the status, and the texts between the left-out parts."""

    command: str
    status: str = "2"
    parts: list[str] = field(default_factory=list)


def steps(document: str) -> Iterator[Step]:
    """The requests, and the variables they need. One with an id that nobody knows beforehand (`ch_…`) is left out."""
    step: Step | None = None
    for block in BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
        for line in block.replace("\\\n", "").splitlines():
            if step and (answer := ANSWER.fullmatch(line)):
                step.status, step.parts = answer[1], answer[2].split("…")
            elif COMMAND.match(line) and "…" not in line.partition("  #")[0]:
                if step:
                    yield step
                step = Step(line)
    if step:
        yield step


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_requests_of_a_document_are_answered_as_it_says(moving_stack: Launched, document: str) -> None:
    todo = list(steps(document))
    assert sum(step.command.startswith("curl ") for step in todo) == DOCUMENTS[document]
    port = moving_stack.client.url.rpartition(":")[2]
    script = "\n".join([SHELL, *(f"{step.command}\necho '\n{END}'; echo '{END}' >&2" for step in todo)])

    done = subprocess.run(
        ["bash", "-c", script.replace(":3000", f":{port}")],
        cwd=moving_stack.folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    for step, told, statuses in zip(todo, done.stdout.split(END), done.stderr.split(END), strict=False):
        assert statuses.split() or not step.command.startswith("curl "), step.command
        assert all(status.startswith(step.status) for status in statuses.split()), (step.command, statuses, told)
        assert all(part in told for part in step.parts), (step.command, told)
