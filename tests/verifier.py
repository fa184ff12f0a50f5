"""The tool that outsiders verify an export with: run as they run it, in a bare Python, and called from here."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from local.template import ROOT

TOOL = ROOT / "tools" / "verify_ledger.py"

# Runs in a bare Python: says of an export with each of many lines put in the place of another what the tool would.
IN_THE_PLACE_OF = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("tool", sys.argv[1])
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
export = json.loads(sys.stdin.readline())
for number, line in map(json.loads, sys.stdin):
    try:
        tool.verify([*export[:number], line, *export[number + 1:]], [])
        print(json.dumps("holds"))
    except tool.Wrong as wrong:
        print(json.dumps(str(wrong)))
"""


def verified(file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The tool as an outsider runs it: no site packages, no environment, nothing of ours on the path."""
    command = [sys.executable, "-I", "-S", str(TOOL), str(file), *arguments]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)


def said_with(export: Sequence[str], changes: Iterable[tuple[int, str]]) -> list[str]:
    """What a bare Python says of the export, once for each (number, line): with that line in the place of that one."""
    command = [sys.executable, "-I", "-S", "-c", IN_THE_PLACE_OF, str(TOOL)]
    told = "\n".join(json.dumps(each) for each in (export, *changes))
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def said_of(export: Iterable[str]) -> str:
    """What the tool says of an export, called in this process."""
    tool = _tool()
    try:
        tool.verify(export, [])
    except tool.Wrong as wrong:
        return str(wrong)
    return "holds"


@cache
def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("verify_ledger", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool
