"""`post` on DynamoDB (moto) beside a plain model, driven by hypothesis: what a failure shrinks to is the shortest story
that goes wrong.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from pynamodb.connection import Connection

from credits.ledger.dynamo import DynamoStore
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Ledger
from tests.integration.conftest import tables_of_one_test
from tests.integration.life import Life
from tests.simulation.planted import Plant, refunds_without_their_once_rule, releases_that_forget_what_was_captured

STORIES = settings(
    max_examples=10,
    stateful_step_count=50,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
"""Ten stories from one seed: after the tenth, hypothesis mostly repeats parts of earlier ones."""


def lived(seeds: range, ledger: Callable[[], AbstractContextManager[Ledger]]) -> Counter[str]:
    """The stories of these seeds, and what was met in them."""
    met: Counter[str] = Counter()
    for each in seeds:
        life = seed(each)(partial(Life, ledger, met))
        run_state_machine_as_test(cast("Any", life), settings=STORIES)
    return met


MET = {
    *("Adjust: acted", "Adjust: insufficient_credits", "Adjust: settles a hold"),
    *("Appoint: acted", "Appoint: nothing to do", "Remove: acted", "Remove: member_not_found"),
    *("Capture: acted", "Capture: replayed", "Capture: idempotency_key_reused", "Capture: hold_closed"),
    *("Capture: hold_exhausted", "Capture: hold_not_found", "Capture: gave up"),
    *("ChangePlan: acted", "ChangePlan: nothing to do"),
    *("Charge: acted", "Charge: replayed", "Charge: idempotency_key_reused", "Charge: gave up and acted"),
    *("Charge: insufficient_credits", "Charge: credits_exhausted", "Charge: member_cap_reached", "Charge: not_in_plan"),
    *("Charge: invalid_request", "Charge: settles a hold"),
    *("CloseHold: acted", "CloseHold: replayed", "CloseHold: hold_not_found"),
    *("ExtendHold: acted", "ExtendHold: hold_closed", "ExtendHold: invalid_request"),
    *("Give: acted", "Give: invalid_request"),
    *("MoveWorkflows: acted", "MoveWorkflows: limit_reached", "SetWords: acted", "SetWords: limit_reached"),
    *("OpenHold: acted", "OpenHold: replayed", "OpenHold: idempotency_key_reused", "OpenHold: insufficient_credits"),
    *("OpenHold: member_cap_reached", "OpenHold: settles a hold"),
    *("Refund: acted", "Refund: replayed", "Refund: already_refunded", "Refund: not_refundable"),
    *("Refund: charge_not_found", "Refund: invalid_request", "Refund: gave up and acted"),
    *("account: refund", "hold: refund", "account: extension", "account: expiry", "account: proration"),
    *("account: revocation", "schedule: account", "schedule: settles a hold"),
}
"""What these stories have to meet: a change of the rules or of the machine that leaves one of these out is told."""


def test_whatever_is_sent_and_lost_and_sent_again_the_ledger_says_what_the_model_says(
    moto_connection: Connection,
) -> None:
    @contextmanager
    def ledger() -> Iterator[Ledger]:
        with tables_of_one_test(moto_connection) as tables:
            yield DynamoStore(tables)

    met = lived(range(6), ledger)

    assert MET - set(met) == set()


# Planted bugs


def found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the shortest story that goes wrong with this bug."""
    plant(monkeypatch)
    with pytest.raises(AssertionError) as failure:
        lived(range(6), lambda: nullcontext(MemoryStore()))
    return str(failure.value).splitlines()[0]


def test_a_refund_without_its_once_rule_is_found_by_the_charge_that_is_refunded_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = found(refunds_without_their_once_rule, monkeypatch)

    assert re.fullmatch(r"\('acme', 'refund#(k\d+#)?c#k\d+'\) acted twice", said), said


def test_a_release_that_forgets_what_was_captured_is_found_by_the_total_that_misses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = found(releases_that_forget_what_was_captured, monkeypatch)

    wrote, should = said.split(" wrote ")[1].split(", and the rules say ")
    assert wrote != should
    assert "kind='release'" in wrote
    assert re.sub(r"total=\d+", "total", wrote) == re.sub(r"total=\d+", "total", should)
