"""A life: one account as hypothesis plays it, through everything that can happen to a balance, beside the simulator's
oracle.

Each rule sends a request, or lets time or the schedule come; many meet trouble on the way. What the ledger commits is
held against the oracle there and then, what the caller is answered afterwards, and every book after every step.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from credits.domain.entry import EntryKind
from credits.domain.grant import GrantKind
from credits.domain.hold import hold_book
from credits.domain.journal import Posting
from credits.errors import Contended, CreditsError, Unavailable
from credits.ledger.audit import audit
from credits.ledger.due import renew_due
from credits.ledger.post import Receipt
from credits.ledger.read import account_now
from credits.ledger.spend import MOST_SWEPT
from credits.ledger.store import BookKey, EntryKey, Ledger, Throttled, Unanswered, due_shard
from tests.faults import FakeTime, Fault, FaultyStore, Reply
from tests.moves import CATALOG, NOON, opened
from tests.simulation.books import differences, line
from tests.simulation.model import Line, Plain, Refused
from tests.simulation.requests import (
    Adjust,
    Appoint,
    Capture,
    ChangePlan,
    Charge,
    CloseHold,
    ExtendHold,
    Give,
    MoveWorkflows,
    OpenHold,
    Refund,
    Remove,
    Request,
    SetWords,
    Told,
)

WANT_OF_CREDITS = ("insufficient_credits", "credits_exhausted", "member_cap_reached")
"""Refusals before which whoever asks for credits settles the holds whose time is over."""

BEFORE_THE_KEY = {ExtendHold: ("hold_not_found",), Refund: ("not_refundable", "charge_not_found", "invalid_request")}
"""What makes no sense of any key, and is refused before it is asked what the key did."""

HOPELESS = 12
"""As many failures in a row outlast the patience of `post`."""

actions = st.sampled_from(
    ["message", "message", "message", "agent_step", "deep_research", "ai_response", "no_such_action"]
)
quantities = st.sampled_from([1, 1, 1, 2, 7, 290])
members = st.sampled_from([None, None, None, "ada", "bob"])
people = st.sampled_from(["ada", "bob"])
lines = st.lists(st.tuples(actions, quantities, members), min_size=1, max_size=3).map(tuple)
models = st.sampled_from([None, None, "gpt-5.1", "claude-opus"])
plans = st.sampled_from([("free", 1), ("pro", 1), ("max", 1), ("team", 1), ("team", 2), ("team", 3)])
parts = st.sampled_from([None, None, 1, 1, 3, 5_000])
troubles: st.SearchStrategy[tuple[Fault, ...]] = st.sampled_from(
    [
        *[()] * 10,
        (Reply.LOST,),
        (Unanswered, Reply.LOST),
        (Throttled,),
        (Reply.LOST, Reply.LOST),
        (Throttled,) * HOPELESS,
        (Reply.LOST, *[Unanswered] * HOPELESS),
    ]
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request under its caller's key; sent again, it is the same one."""

    key: str
    request: Request
    fingerprint: str | None

    @property
    def places(self) -> list[tuple[str, str]]:
        """The books in which it writes an entry under its key, and that key: the first owns it."""
        book_id, key = self.request.place("acme", self.key)
        places = [(book_id, key)]
        if isinstance(self.request, OpenHold):
            places.append((hold_book("acme", self.key), key))
        if isinstance(self.request, ExtendHold):
            places.append((hold_book("acme", self.request.hold_id), key))
        return places

    def charge_id(self, index: int) -> str:
        """Of one of its lines, where it is a charge; or of the capture that it is."""
        if isinstance(self.request, Capture):
            return f"{self.request.hold_id}!{self.key}"
        assert isinstance(self.request, Charge)
        index %= len(self.request.lines)
        return f"{self.key}~{index:02d}" if index else self.key


@dataclass(frozen=True, slots=True)
class Done:
    """What a key did: for whom, the lines it wrote in the book that owns it, and the one in a hold's book beside it."""

    fingerprint: str | None
    own: tuple[Line, ...]
    beside: Line | None


class Witnessed:
    """A ledger that tells of each commit that it made."""

    def __init__(self, ledger: Ledger, tell: Callable[[Posting], None]) -> None:
        self._ledger = ledger
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def read(self, *keys: BookKey | EntryKey) -> Sequence[Any]:
        found: Sequence[Any] = self._ledger.read(*keys)
        return found

    def commit(self, posting: Posting) -> None:
        self._ledger.commit(posting)
        self._tell(posting)


class Life(RuleBasedStateMachine):
    """One account on an empty ledger of its own. `met` counts what happened: what was written, and who was answered
    what."""

    sent = Bundle("sent")
    charges_sent = Bundle("charges_sent")
    holds = Bundle("holds")
    captures_sent = Bundle("captures_sent")
    refunds_sent = Bundle("refunds_sent")

    def __init__(self, ledger: Callable[[], AbstractContextManager[Ledger]], met: Counter[str]) -> None:
        super().__init__()
        self._resources = ExitStack()
        self.store = self._resources.enter_context(ledger())
        opened(self.store)
        self.met = met
        self.now = NOON
        self.book = self.checked = Plain.opened(NOON)
        self.lines = len(self.book.lines)
        self.done: dict[tuple[str, str], Done] = {}
        self.acting: Sent | None = None
        self.refusal: str | None = None
        self.keys = 0

    def teardown(self) -> None:
        try:
            if sys.exception() is None:  # a story that went wrong before its end is told by what went wrong first
                verdict = audit(self.store, "acme")
                assert (verdict.problems, verdict.entries) == ((), self.lines)
        finally:
            self._resources.close()

    @initialize(targets=(sent, charges_sent))
    def has_charged(self) -> Sent:
        return self._asks(Charge((("message", 3, None), ("agent_step", 1, "ada")), None, None))

    @initialize(target=sent)
    def has_a_member(self) -> Sent:
        return self._asks(Appoint("ada", 30))

    @initialize(targets=(sent, holds))
    def has_a_hold(self) -> Sent:
        return self._asks(OpenHold(100, 86_400, None))

    # The balance itself

    @rule(
        target=sent, credits=st.sampled_from([1, 20, 300]), hours=st.sampled_from([None, -1, 5, 100]), trouble=troubles
    )
    def gives(self, credits: int, hours: int | None, trouble: Any) -> Sent:
        until = None if hours is None else self.now + timedelta(hours=hours)
        return self._asks(Give(GrantKind.PROMOTION, credits, until), trouble)

    @rule(target=sent, credits=st.sampled_from([-5_000, -5, 1, 50]), force=st.booleans(), trouble=troubles)
    def adjusts(self, credits: int, force: bool, trouble: Any) -> Sent:
        return self._asks(Adjust(credits, force), trouble)

    @rule(target=sent, plan=plans, trouble=troubles)
    def changes_plan(self, plan: tuple[str, int], trouble: Any) -> Sent:
        return self._asks(ChangePlan(*plan), trouble)

    @rule(targets=(sent, charges_sent), lines=lines, model=models, trouble=troubles)
    def charges(self, lines: Any, model: str | None, trouble: Any) -> Sent:
        return self._asks(Charge(lines, model, None), trouble)

    @rule(targets=(sent, charges_sent), leaving=st.sampled_from([-1, 0, 10, 11]), member=members, trouble=troubles)
    def charges_down_to_a_line(self, leaving: int, member: str | None, trouble: Any) -> Sent:
        count = max(self._book_now().remaining - leaving, 1)
        return self._asks(Charge((("message", count, member),), None, None), trouble)

    @rule(target=sent, leaving=st.sampled_from([0, 5]), trouble=troubles)
    def charges_what_holds_keep(self, leaving: int, trouble: Any) -> Sent:
        """Which is there for whoever asks, once their time is over."""
        book = self._book_now()
        count = max(book.remaining + book.held - leaving, 1)
        return self._asks(Charge((("message", count, None),), None, None), trouble)

    # Holds

    @rule(
        targets=(sent, holds),
        credits=st.sampled_from([20, 75, 75, 300, 1, None]),
        seconds=st.sampled_from([86_400, 86_400, None, 60, 86_401]),
        member=members,
        trouble=troubles,
    )
    def opens_a_hold(self, credits: int | None, seconds: int | None, member: str | None, trouble: Any) -> Sent:
        everything = max(self._book_now().remaining, 1)
        return self._asks(OpenHold(credits or everything, seconds, member), trouble)

    @rule(
        target=sent,
        hold=holds,
        credits=st.sampled_from([0, 5, 60, 400]),
        seconds=st.sampled_from([None, 3_600, 80_000, 86_401]),
        trouble=troubles,
    )
    def extends_a_hold(self, hold: Sent, credits: int, seconds: int | None, trouble: Any) -> Sent:
        return self._asks(ExtendHold(self._alive(hold), credits, seconds), trouble)

    @rule(
        targets=(sent, captures_sent),
        hold=holds,
        action=actions,
        quantity=st.sampled_from([1, 1, 1, 2, 7]),
        model=models,
        trouble=troubles,
    )
    def captures(self, hold: Sent, action: str, quantity: int, model: str | None, trouble: Any) -> Sent:
        return self._asks(Capture(self._alive(hold), action, quantity, model), trouble)

    @rule(targets=(sent, captures_sent), hold=holds, more=st.sampled_from([-3, -3, 0, 1]), trouble=troubles)
    def captures_what_is_left(self, hold: Sent, more: int, trouble: Any) -> Sent:
        left = self.book.holds[hold.key].left if hold.key in self.book.holds else 0
        return self._asks(Capture(hold.key, "message", max(left + more, 1), None), trouble)

    @rule(
        targets=(sent, captures_sent),
        member=members,
        quantities=st.lists(st.sampled_from([1, 2, 7]), min_size=1, max_size=3),
        more=st.sampled_from([0, 0, 10]),
        refunded=parts,
        closed=st.booleans(),
        trouble=troubles,
    )
    def an_agent_runs(
        self, member: str | None, quantities: list[int], more: int, refunded: int | None, closed: bool, trouble: Any
    ) -> Any:
        """A hold, perhaps with more put into it; captures of it, and one of them given back twice."""
        hold = self._asks(OpenHold(30, None, member))
        if more:
            self._asks(ExtendHold(hold.key, more, 7_200), trouble)
        captured = [self._asks(Capture(hold.key, "agent_step", each, None), trouble) for each in quantities]
        if closed:
            self._asks(CloseHold(hold.key), trouble)
        refund = self._asks(Refund(captured[0].charge_id(0), refunded), trouble)
        self._send(refund, ())
        return multiple(*captured)

    @rule(target=sent, hold=consumes(holds), trouble=troubles)
    def closes_a_hold(self, hold: Sent, trouble: Any) -> Sent:
        return self._asks(CloseHold(hold.key), trouble)

    # Refunds

    @rule(targets=(sent, refunds_sent), charge=charges_sent, index=st.integers(0, 2), credits=parts, trouble=troubles)
    def refunds(self, charge: Sent, index: int, credits: int | None, trouble: Any) -> Sent:
        return self._asks(Refund(charge.charge_id(index), credits), trouble)

    @rule(targets=(sent, refunds_sent), capture=captures_sent, credits=parts, trouble=troubles)
    def refunds_a_capture(self, capture: Sent, credits: int | None, trouble: Any) -> Sent:
        return self._asks(Refund(capture.charge_id(0), credits), trouble)

    @rule(target=sent, refund=refunds_sent, itself=st.sampled_from([False, False, True]), credits=parts)
    def refunds_once_more(self, refund: Sent, itself: bool, credits: int | None) -> Sent:
        """The same charge, under another key: once is once. Or the refund itself."""
        assert isinstance(refund.request, Refund)
        charge_id = refund.request.charge_id
        return self._asks(Refund(f"{charge_id}~refund" if itself else charge_id, credits))

    # Members and meters

    @rule(target=sent, member=people, cap=st.sampled_from([None, 0, 30, 400]), trouble=troubles)
    def appoints(self, member: str, cap: int | None, trouble: Any) -> Sent:
        return self._asks(Appoint(member, cap), trouble)

    @rule(target=sent, member=people, trouble=troubles)
    def removes(self, member: str, trouble: Any) -> Sent:
        return self._asks(Remove(member), trouble)

    @rule(target=sent, words=st.sampled_from([0, 40_000, 50_001, 900_000, 20_000_000]), trouble=troubles)
    def sets_words(self, words: int, trouble: Any) -> Sent:
        return self._asks(SetWords(words), trouble)

    @rule(target=sent, change=st.sampled_from([-3, -1, 1, 2, 9]), trouble=troubles)
    def begins_and_ends_workflows(self, change: int, trouble: Any) -> Sent:
        return self._asks(MoveWorkflows(change), trouble)

    # Callers who repeat themselves

    @rule(again=sent, trouble=troubles)
    def sends_again(self, again: Sent, trouble: Any) -> None:
        self._send(again, trouble)

    @rule(target=sent, other=sent, hold=holds, wish=st.sampled_from([Charge, OpenHold, Capture, ExtendHold]))
    def uses_a_key_for_something_else(self, other: Sent, hold: Sent, wish: type[Request]) -> Sent:
        wishes: dict[type[Request], Request] = {
            Charge: Charge((("web_fetch", 1, None),), None, None),
            OpenHold: OpenHold(2, None, None),
            Capture: Capture(hold.key, "web_fetch", 1, None),
            ExtendHold: ExtendHold(hold.key, 2, None),
        }
        return self._asks(wishes[wish], key=other.key)

    # Time

    @rule(minutes=st.sampled_from([1, 1, 1, 20, 20, 70, 60 * 6, 60 * 30, 60 * 24 * 8, 60 * 24 * 40]))
    def waits(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def waits_until_something_is_due(self) -> None:
        self.now = max(self.now, self.book.next_instant())

    @rule(kinds=st.permutations(["account", "hold"]), late=st.sampled_from([None, 0, 60 * 26]), trouble=troubles)
    def the_schedule_comes_by(self, kinds: list[str], late: int | None, trouble: Any) -> None:
        """Now; or when something is due, or so many minutes later."""
        if late is not None:
            self.now = max(self.now, self.book.next_instant() + timedelta(minutes=late))
        for kind in kinds:
            self._schedule(kind, trouble)

    # What holds whatever happens

    @invariant()
    def every_book_is_what_the_oracle_says(self) -> None:
        if self.book is not self.checked:
            assert differences(self.store, "acme", self.book, self.book.holds) == {}
            self.checked = self.book

    @invariant()
    def what_is_held_is_in_open_holds(self) -> None:
        assert self.book.held == sum(hold.credits for hold in self.book.holds.values() if not hold.closed)

    @invariant()
    def a_reader_sees_what_time_has_done(self) -> None:
        shown, should = account_now(self.store, CATALOG, "acme", self.now), self._book_now()
        assert (shown.remaining, shown.held, shown.total) == (should.remaining, should.held, should.total)

    # How a request is sent and judged

    def _asks(self, request: Request, trouble: tuple[Fault, ...] = (), key: str | None = None) -> Sent:
        """A new request, under a key of its own unless one is given."""
        self.keys += 1
        sent = Sent(key or f"k{self.keys}", request, f"f{self.keys}" if request.has_a_body else None)
        self._send(sent, trouble)
        return sent

    def _send(self, sent: Sent, trouble: tuple[Fault, ...]) -> None:
        """Send it, and hold what it is answered against the oracle."""
        name = type(sent.request).__name__
        acted, *beside = map(self.done.get, sent.places)
        self.refusal = self._refusal(sent)
        senseless = self.refusal in BEFORE_THE_KEY.get(type(sent.request), ())
        over = self._over()
        answer = self._answer(sent, trouble)
        acts = self.done.get(sent.places[0])
        if isinstance(answer, Contended | Unavailable):
            # The one promises that nothing was written; the other, nothing.
            assert len(trouble) >= HOPELESS
            assert acts is acted or isinstance(answer, Unavailable)
            outcome = "gave up" if acts is acted else "gave up and acted"
        elif isinstance(answer, CreditsError):
            assert acts is acted
            outcome = answer.code
            if acted and not senseless:
                assert acted.fingerprint != sent.fingerprint
                assert outcome == ("already_refunded" if isinstance(sent.request, Refund) else "idempotency_key_reused")
            else:
                # A key that only the hold's book knows is met in the commit, once the rules have nothing against it.
                assert outcome == (self._refusal(sent) or (any(beside) and "idempotency_key_reused"))
            if outcome in WANT_OF_CREDITS and isinstance(sent.request, Charge | OpenHold | ExtendHold):
                assert len(trouble) >= HOPELESS or len(self._over()) <= max(len(over) - MOST_SWEPT, 0)
        elif acts is None:
            assert not answer.entries
            assert not self._wished(sent).lines
            outcome = "nothing to do"
        else:
            assert acts.fingerprint == sent.fingerprint
            assert tuple(map(line, answer.entries)) == acts.own
            assert (answer.hold and (answer.hold.seq, answer.hold.remaining, answer.hold.credits)) == (
                acts.beside and (acts.beside.seq, acts.beside.remaining, acts.beside.total)
            )
            assert answer.replayed == (acts is acted)
            outcome = "replayed" if answer.replayed else "acted"
        self.met[f"{name}: {outcome}"] += 1

    def _answer(self, sent: Sent, trouble: tuple[Fault, ...]) -> Receipt[Any] | CreditsError:
        time = FakeTime()
        told = Told("acme", sent.key, sent.fingerprint, self.now, time.patience)
        self.acting = sent
        try:
            return sent.request.act(self._through(trouble, time), told)
        except CreditsError as error:
            return error
        finally:
            self.acting = None

    def _through(self, trouble: tuple[Fault, ...], time: FakeTime) -> FaultyStore:
        return FaultyStore(Witnessed(self.store, self._landed), commits=trouble, time=time)

    def _landed(self, posting: Posting) -> None:
        """The ledger has written this. The oracle does the same, and comes to the same lines."""
        sent = self.acting
        released = next((entry.hold_id for entry in posting.entries if entry.kind is EntryKind.RELEASE), None)
        if released and not (sent and sent.request == CloseHold(released)):
            # The schedule settles it, or one who was refused without what it keeps, or an operator who insists.
            assert released in self._over()
            insists = sent is not None and isinstance(sent.request, Adjust) and sent.request.force
            assert sent is None or insists or self.refusal in (*WANT_OF_CREDITS, "hold_closed")
            self.met[f"{type(sent.request).__name__ if sent else 'schedule'}: settles a hold"] += 1
            sent = Sent("", CloseHold(released), None)
        book = self._wished(sent) if sent else self._book_now()
        where, lines = sent.places[0] if sent else ("acme", "renewal"), [line(entry) for entry in posting.entries]
        assert lines == book.lines, f"{where} wrote {lines}, and the rules say {book.lines}"
        if sent and book.own:
            beside = next((each for each in book.lines if each.hold and each not in book.own), None)
            assert not self.done.keys() & set(sent.places), f"{where} acted twice"
            self.done |= dict.fromkeys(sent.places, Done(sent.fingerprint, book.own, beside))
        self.met.update(f"{'hold' if each.hold else 'account'}: {each.kind}" for each in book.lines)
        self.lines += len(book.lines)
        self.book = book

    def _schedule(self, kind: str, trouble: tuple[Fault, ...]) -> None:
        """Its workers find what is due, and nothing else."""
        books = ["acme"] if kind == "account" else [hold_book("acme", hold_id) for hold_id in self.book.holds]
        due = len(self._over()) if kind == "hold" else bool(self._book_now().lines)
        time = FakeTime()
        store = self._through(trouble, time)
        failed: list[Exception] = []
        for shard in sorted(set(map(due_shard, books))):
            run = renew_due(store, CATALOG, kind, shard, now=self.now, time_left=lambda: 1, patience=time.patience)
            failed += [failure.error for failure in run.failed]
            due -= run.renewed + len(run.failed)
            self.met[f"schedule: {kind}"] += run.renewed
        for error in failed:
            if not isinstance(error, Contended | Unavailable):
                raise error
        assert due == 0
        assert len(trouble) >= HOPELESS or not failed

    def _wished(self, sent: Sent) -> Plain:
        """The oracle's book after this request. Raises Refused."""
        return sent.request.plainly(self.book.copied(), self.now, sent.key)

    def _refusal(self, sent: Sent) -> str | None:
        try:
            self._wished(sent)
        except Refused as refused:
            return refused.code
        return None

    def _alive(self, hold: Sent) -> str:
        """The hold; or another that can be captured, where that cannot and there is one."""
        alive = [name for name, each in self.book.holds.items() if not each.is_over(self.now)]
        return hold.key if hold.key in alive or not alive else alive[-1]

    def _book_now(self) -> Plain:
        return self.book.copied().renew(self.now)

    def _over(self) -> list[str]:
        """The holds whose time is over, and which nobody has closed."""
        return [name for name, hold in self.book.holds.items() if not hold.closed and hold.is_over(self.now)]
