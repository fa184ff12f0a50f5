"""`post` on DynamoDB (moto) beside a plain model, driven by hypothesis: requests, retries, lost replies and time.

The model is the simulator's oracle. What a failure shrinks to is the shortest story that goes wrong.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pynamodb.connection import Connection

from credits.domain.entry import Entry
from credits.domain.grant import GrantKind
from credits.errors import CreditsError, IdempotencyKeyReused
from credits.ledger.audit import audit
from credits.ledger.dynamo import DynamoStore
from credits.ledger.post import Receipt
from credits.ledger.read import account_now
from credits.ledger.store import AccountKey, Throttled, Unanswered
from tests.faults import FakeTime, Fault, FaultyStore, Reply
from tests.integration.conftest import tables_of_one_test
from tests.moves import CATALOG, NOON, opened, renewed
from tests.simulation.model import Line, Plain, Refused
from tests.simulation.requests import ChangePlan, Charge, Give, Request, Told

STORIES = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

actions = st.sampled_from(["message", "message", "agent_step", "deep_research", "ai_response", "no_such_action"])
lines = st.lists(st.tuples(actions, st.sampled_from([1, 1, 2, 7, 290]), st.none()), min_size=1, max_size=3).map(tuple)
models = st.sampled_from([None, "gpt-5.1", "claude-opus"])
plans = st.sampled_from([("free", 1), ("pro", 1), ("max", 1), ("team", 1), ("team", 3)])
troubles = st.sampled_from(
    [(), (), (), (Reply.LOST,), (Unanswered, Reply.LOST), (Throttled,), (Reply.LOST, Reply.LOST)]
)


@dataclass
class Sent:
    """A request under its key, when it was sent first, and the lines it wrote, once it did."""

    key: str
    request: Request
    fingerprint: str
    wrote: tuple[Line, ...] = field(default=())


class Life(RuleBasedStateMachine):
    """One account on tables of its own."""

    connection: Connection
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self._resources = ExitStack()
        self.store = DynamoStore(self._resources.enter_context(tables_of_one_test(self.connection)))
        self.now = NOON
        self.book = Plain.opened(NOON)
        self.lines = 2
        self.keys = 0

    def teardown(self) -> None:
        try:
            verdict = audit(self.store, "acme")
            assert (verdict.problems, verdict.entries) == ((), self.lines)
        finally:
            self._resources.close()

    @initialize()
    def opens(self) -> None:
        opened(self.store)

    @rule(target=sent, lines=lines, model=models, trouble=troubles)
    def charges(self, lines: Any, model: str | None, trouble: Any) -> Any:
        return self._new(Charge(lines, model, None), trouble)

    @rule(target=sent, leaving=st.sampled_from([-1, 0, 10, 11]), trouble=troubles)
    def charges_down_to_a_line(self, leaving: int, trouble: Any) -> Any:
        count = self.book.copied().renew(self.now).remaining - leaving
        return self._new(Charge((("message", count, None),), None, None), trouble) if count > 0 else multiple()

    @rule(target=sent, credits=st.sampled_from([1, 20, 300]), hours=st.sampled_from([None, -1, 5, 100]))
    def gives(self, credits: int, hours: int | None) -> Any:
        until = None if hours is None else self.now + timedelta(hours=hours)
        return self._new(Give(GrantKind.PROMOTION, credits, until), ())

    @rule(target=sent, plan=plans, trouble=troubles)
    def changes_plan(self, plan: tuple[str, int], trouble: Any) -> Any:
        return self._new(ChangePlan(*plan), trouble)

    @rule(again=sent, trouble=troubles)
    def sends_again(self, again: Sent, trouble: Any) -> None:
        self._post(again, trouble)

    @rule(other=sent)
    def uses_a_key_for_something_else(self, other: Sent) -> None:
        mistaken = Sent(other.key, Charge((("web_fetch", 1, None),), None, None), "something else")
        if not other.wrote:
            return
        try:
            self._answer(self.store, mistaken)
        except IdempotencyKeyReused:
            return
        raise AssertionError(f"{other.key} did two things")

    @rule(hours=st.sampled_from([1, 30, 24 * 8, 24 * 40]))
    def waits(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def waits_until_something_is_due(self) -> None:
        self.now = max(self.now, self.book.next_instant())

    @rule()
    def is_renewed_by_the_schedule(self) -> None:
        renewed(self.store, at=self.now)
        self._keep(self.book.copied().renew(self.now))

    @invariant()
    def the_account_is_what_the_model_says(self) -> None:
        (account,) = self.store.read(AccountKey("acme"))
        assert account
        has = [(each.kind.value, each.credits, each.remaining, each.expires_at) for each in account.grants]
        assert has == [(lot.kind, lot.given, lot.left, lot.until) for lot in self.book.lots]
        assert (account.plan, account.seats, account.used, account.seq) == (
            self.book.plan,
            self.book.seats,
            self.book.used,
            self.lines,
        )
        shown, should = account_now(self.store, CATALOG, "acme", self.now), self.book.copied().renew(self.now)
        assert (shown.remaining, shown.total) == (should.remaining, should.total)

    def _new(self, request: Request, trouble: tuple[Fault, ...]) -> Sent:
        self.keys += 1
        sent = Sent(f"k{self.keys}", request, f"f{self.keys}")
        self._post(sent, trouble)
        return sent

    def _post(self, sent: Sent, trouble: tuple[Fault, ...]) -> None:
        """Send it, and hold what it is answered against the model."""
        time = FakeTime()
        code, receipt = None, None
        try:
            receipt = self._answer(FaultyStore(self.store, commits=trouble, time=time), sent, time)
        except CreditsError as error:
            code = error.code
        if sent.wrote:
            assert receipt
            assert receipt.replayed
            assert tuple(map(_line, receipt.entries)) == sent.wrote
            return
        refused, book = None, self.book.copied()
        try:
            book = sent.request.plainly(book, self.now, sent.key)
        except Refused as no:
            refused = no.code
        assert code == refused
        if refused:
            return
        assert receipt
        assert tuple(map(_line, receipt.entries)) == book.own
        assert not receipt.replayed
        sent.wrote = book.own
        self._keep(book)

    def _answer(self, store: Any, sent: Sent, time: FakeTime | None = None) -> Receipt:
        patience = (time or FakeTime()).patience
        return sent.request.act(store, Told("acme", sent.key, sent.fingerprint, self.now, patience))

    def _keep(self, book: Plain) -> None:
        if book.lines:
            self.book = book
            self.lines += len(book.lines)


def _line(entry: Entry) -> Line:
    alert = entry.alert and entry.alert.value
    return Line(entry.at, entry.seq, "", entry.kind.value, entry.credits, entry.remaining, entry.total, alert)


def test_whatever_is_sent_and_lost_and_sent_again_the_ledger_says_what_the_model_says(
    moto_connection: Connection,
) -> None:
    class LifeOnMoto(Life):
        connection = moto_connection

    run_state_machine_as_test(LifeOnMoto, settings=STORIES)
