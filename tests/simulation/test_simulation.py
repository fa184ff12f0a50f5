"""The simulator: the ledger as it is passes, a seed plays the same everywhere, and planted bugs are found."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime

import pytest

from credits.ledger.export import lines
from tests.e2e.launch import environment
from tests.simulation.__main__ import main
from tests.simulation.planted import (
    Forgetful,
    play_without_the_once_rule_of_refunds,
    refunds_without_their_once_rule,
    renewals_without_their_key,
)
from tests.simulation.world import Broken, World
from tests.verifier import said_of


def simulated(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`make simulate`, without make."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )


def test_a_year_of_a_hundred_accounts_under_every_fault_is_right_to_the_credit() -> None:
    world = World(20261125)

    world.run(20_000)

    assert (world.now - datetime.fromisoformat("2027-01-29T06:00:00Z")).days > 365
    assert world.counts["commits"] > 10_000
    # Half way and at the end, of a hundred accounts that were all opened by then.
    assert world.counts["audits"] == 200
    for account in world.truth.accounts(limit=1_000):
        assert said_of(lines(world.truth, account.account_id)) == "holds", account.account_id
    for fault in ("lost", "late", "collided", "throttled", "unanswered", "crash before", "crash after", "meanwhile"):
        assert world.counts[fault] > 50, fault
    for outcome in ("answered", "refused", "gave up", "renewed", "landed too late"):
        assert world.counts[outcome] > 50, outcome
    for request in ("OpenHold", "Capture", "CloseHold", "Refund", "Adjust", "Appoint", "SetWords", "MoveWorkflows"):
        assert world.counts[request] > 50, request
    for request in ("Buy", "PayBack", "PayBackFails", "Dispute", "WinDispute", "LoseDispute", "ExtendHold"):
        assert world.counts[request] > 20, request
    assert world.counts["Remove"] > 20


def test_a_seed_plays_the_same_in_any_process_and_another_seed_another_way() -> None:
    prints = []
    for seed, hash_seed in (("7", "0"), ("7", "1"), ("8", "0")):
        done = simulated("--seed", seed, "--steps", "1500", PYTHONHASHSEED=hash_seed)
        assert done.returncode == 0, done.stdout + done.stderr
        prints.append(done.stdout.split()[-1])

    assert prints[0] == prints[1] != prints[2]


def test_a_world_that_breaks_is_told_with_the_command_that_breaks_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    steps = "1000"
    for _ in range(2):
        assert main(["--seed", "1", "--steps", steps], play_without_the_once_rule_of_refunds) == 1
        said.append(capsys.readouterr().out)
        (steps,) = re.findall(r"Again:\n  make simulate SEED=1 STEPS=([0-9]+)\n$", said[-1])

    assert said[0] == said[1]
    assert "acted twice" in said[0]
    assert int(steps) < 1000


# Planted bugs


def breaks(make: Callable[[int], World], within: int) -> tuple[World, str]:
    """The first of three worlds that breaks within so many steps, and what is said of it."""
    for seed in (1, 2, 3):
        world = make(seed)
        try:
            world.run(within)
        except Broken as broken:
            return world, str(broken)
    pytest.fail(f"nothing was found in three worlds of {within} steps")


def test_a_store_that_skips_the_version_condition_is_found_at_the_first_commit_that_needed_it() -> None:
    world, said = breaks(lambda seed: World(seed, store=Forgetful()), within=1_000)

    assert isinstance(world.truth, Forgetful)
    assert world.truth.overtaken
    assert re.search(r"\) (wrote \[Line|was let through, and the rules say )", said), said


def test_a_renewal_without_its_key_is_found_by_the_allocation_that_nothing_was_due_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewals_without_their_key(monkeypatch)

    _, said = breaks(World, within=10_000)

    one_line = r"\[Line\((?:(?!Line).)*kind='allocation', credits=(?:300|\d+000), (?:(?!Line).)*\)\]"
    assert re.fullmatch(rf"\('a\d+', 'renewal'\) wrote {one_line}, and the rules say \[\]", said), said


def test_a_refund_without_its_once_rule_is_found_by_the_charge_that_is_refunded_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refunds_without_their_once_rule(monkeypatch)

    _, said = breaks(World, within=1_000)

    assert re.fullmatch(r"\('a\d+', 'refund#(k\d+#)?c#k\d+'\) acted twice", said), said
