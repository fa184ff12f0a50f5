"""`make demo`: what a stranger sees first."""

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.launch import environment


def test_the_two_worked_examples_come_to_3_and_7_the_credits_run_out_and_a_month_brings_them_back(
    tmp_path: Path,
) -> None:
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
    events = re.findall(r"^  → (\S+): (\d+) of 300 credits left$", ended.stdout, re.MULTILINE)
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
        ("Message × 280", "280"),
        ("Message × 10", "10"),
        ("Message", "refused"),
        ("AI response", "0"),
        (lines[-1][0], "300"),
    ]
    assert re.fullmatch(r"\d+ \w+ \d{4}: allocation", lines[-1][0])
    assert events == [("credits.low", "10"), ("credits.exhausted", "0"), ("credits.renewed", "300")]
    assert "300 of 300 credits are there again" in ended.stdout
    assert "290 of 300 credits are left" in ended.stdout
    assert list(tmp_path.iterdir()) == []  # its state is its own, and gone
