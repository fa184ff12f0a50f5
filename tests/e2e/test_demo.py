"""`make demo`: what a stranger sees first."""

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.launch import environment


def test_the_two_worked_examples_come_to_3_and_7_and_then_the_credits_run_out(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local.demo"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = [
        (name, credits) for name, credits in re.findall(r"^  (.+?) \.+ +(\d+|refused)$", ended.stdout, re.MULTILINE)
    ]
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert lines == [
        ("Message", "1"),
        ("Gmail search", "2"),
        ("AI response", "0"),
        ("Total", "3"),
        ("Message", "1"),
        ("Find free time", "2"),
        ("Create event", "2"),
        ("Send email", "2"),
        ("Total", "7"),
        ("Message × 290", "290"),
        ("Message", "refused"),
        ("AI response", "0"),
    ]
    assert "290 of 300 credits are left" in ended.stdout
    assert list(tmp_path.iterdir()) == []  # its state is its own, and gone
