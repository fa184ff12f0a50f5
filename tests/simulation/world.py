"""The world: a hundred accounts and their callers on a clock of its own, over a year and a month, all from one seed.

Each step, somebody does something: charges, is given credits, changes plan, reads, or the schedule comes by. Requests
fail, are sent again, twice, out of order, by callers whose clocks differ. The true store tells the world of every
commit, and the world holds it against the oracle (`model`); what callers hear is held against both.

Here are the requests of callers, operators and the schedule, and what becomes of packs. What Stripe says of
subscriptions is played by `stripe_lives` (lives in any order), `stripe_faults` (heard of by processes that fail) and
`test_stripe_loops` (whatever a customer does, with holds); automatic top-ups by `tests/integration/test_top_ups.py`.

Nothing here reads a clock, sleeps or throws dice of its own: a seed plays the same whoever runs it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from credits.domain.entry import EntryKind
from credits.domain.grant import GrantKind
from credits.domain.hold import Hold, hold_book
from credits.domain.instant import floor
from credits.domain.journal import Posting
from credits.errors import AlreadyRefunded, Contended, CreditsError, IdempotencyKeyReused, Unavailable
from credits.ledger.audit import audit
from credits.ledger.due import renew_due
from credits.ledger.memory import MemoryStore
from credits.ledger.post import Patience, Receipt
from credits.ledger.read import EntryFilter, account_at, account_now, entries
from credits.ledger.store import (
    DUE_SHARDS,
    AccountKey,
    Cancelled,
    Span,
    StoreError,
    due_shard,
)
from credits.usage.fold import Day, fold
from tests.moves import CATALOG
from tests.simulation.books import differences, line
from tests.simulation.model import Line, Plain, Refused
from tests.simulation.requests import (
    Adjust,
    Appoint,
    Buy,
    Capture,
    ChangePlan,
    Charge,
    CloseHold,
    Dispute,
    ExtendHold,
    Give,
    LoseDispute,
    MoveWorkflows,
    Open,
    OpenHold,
    PayBack,
    PayBackFails,
    Refund,
    Remove,
    Request,
    SetWords,
    Told,
    WinDispute,
)
from tests.simulation.unreliable import Crash, Odds, Unreliable

BEGINS = datetime(2027, 1, 29, 6, tzinfo=UTC)
"""Two days before the end of a January, so that many accounts have a billing date that February lacks."""

STEPS = 20_000
"""Of a whole world; at half an hour each, a year and a month."""

ACCOUNTS = 100
CHECK_EVERY = 10_000
DEEPEST = 3
"""How many callers can be between two calls of each other at once."""

MOST_IN_FLIGHT = 20
MOST_WAITING = 200

ACTIONS = (
    "message",
    "message",
    "message",
    "agent_step",
    "web_fetch",
    "image_generation",
    "deep_research",
    "ai_response",
)
QUANTITIES = (1, 1, 1, 1, 2, 3, 7, 50)
MEMBERS = ("ada", "bob")
PLANS = (("free", 1), ("pro", 1), ("max", 1), ("team", 1), ("team", 2), ("team", 5))


class Broken(BaseException):
    """What the simulation looks for: the ledger and the rules say different things. No handler swallows it."""


@dataclass(eq=False, slots=True)
class Call:
    """One request on its way, in a process of its own. The schedule asks for nothing and has no account of its own.

    `where` is the book and the key that it acts under. `seen` is the oracle's book when it last read the account or a
    hold of it (`looked`), `heard` what it was told for good. What it sent (`sent`, by hash) is its own doing also where
    a twin of it, at the same millisecond, wrote the very same first.
    """

    request: Request | None
    account_id: str
    caller_key: str
    fingerprint: str | None
    now: datetime
    where: tuple[str, str] = ("", "")
    looked: bool = False
    seen: Plain | None = None
    landed: bool = False
    heard: str | None = None
    sent: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Done:
    """What a key did: whose call it was, for what request, and the lines it wrote."""

    call: Call
    fingerprint: str | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that will be sent again: its caller heard nothing, or the network repeats itself."""

    account_id: str
    caller_key: str
    fingerprint: str | None
    request: Request


class World:
    """One world. `store` is what is under test: a test that plants a bug gives another, or changes a rule."""

    def __init__(self, seed: int, *, store: MemoryStore | None = None) -> None:
        self._dice = Random(seed)
        self.truth = store or MemoryStore()
        self.now = BEGINS
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._depth = 0
        self._books: dict[str, Plain] = {}
        self._past: dict[str, list[Plain]] = {}
        self._lines: Counter[str] = Counter()
        self._open: list[tuple[str, str]] = []
        self._done: dict[tuple[str, str], Done] = {}
        self._used: dict[str, Counter[str]] = {}
        self._waiting: list[Waiting] = []
        self._in_flight: list[tuple[Call, Posting]] = []
        self._recent: dict[str, Waiting] = {}
        self._keys = 0
        self._patience = Patience(monotonic=lambda: self._seconds, sleep=self._sleep, uniform=self._dice.uniform)
        names = [f"a{number}" for number in range(ACCOUNTS)]
        # Some are touched all day, some once a month.
        self._names = names
        self._weights = [(1, 4, 10, 10, 20)[number % 5] for number in range(ACCOUNTS)]

    # Time

    def _sleep(self, seconds: float) -> None:
        self._seconds += seconds
        self.now += timedelta(seconds=seconds)
        if self._dice.random() < 0.2:
            self._others_act(None)

    def _call_takes_time(self) -> None:
        self._seconds += 0.005

    def _time_passes(self) -> None:
        """Half an hour on the average; now and then to the very instant at which an account is due."""
        if self._books and self._dice.random() < 0.05:
            instant = self._books[self._dice.choice(list(self._books))].next_instant()
            if timedelta(0) < instant - self.now < timedelta(hours=12):
                self.now = instant
                return
        self.now += timedelta(milliseconds=self._dice.randrange(2 * 30 * 60 * 1000))

    def _clock_of_a_process(self) -> datetime:
        """The processes' clocks differ by up to two seconds; one time in three they are right."""
        skew = self._dice.choice((0, 0, 0, -2_000, -1, 1, 250, 2_000))
        return floor(self.now + timedelta(milliseconds=skew))

    # Steps

    def run(self, steps: int = STEPS, progress: Callable[[int], None] = lambda _: None) -> None:
        """So many steps, and a last look at everything. Raises Broken at the first that goes wrong."""
        while self.steps < steps:
            self.step()
            if self.steps % 500 == 0:
                progress(500)
            if self.steps % CHECK_EVERY == 0 and self.steps < steps:
                self.check_all()
        progress(steps % 500)
        self.check_all()

    def step(self) -> None:
        """One thing happens, and the books it touched are right."""
        self.steps += 1
        self._time_passes()
        self._late_ones_land()
        self._something_happens(self._an_account())

    def _something_happens(self, account_id: str) -> None:
        throw = self._dice.random()
        if throw < 0.05:
            self._schedule("account" if self._dice.random() < 0.6 else "hold")
        elif throw < 0.11:
            self._read_now(account_id)
        elif throw < 0.13:
            self._read_at(account_id)
        elif throw < 0.135:
            self._read_history(account_id)
        elif self._waiting and throw < 0.3:
            index = self._dice.randrange(len(self._waiting))
            self._waiting[index], self._waiting[-1] = self._waiting[-1], self._waiting[index]
            self._send(self._waiting.pop())
        elif self._open and throw < 0.45:
            self._send(self._new_request(*self._dice.choice(self._open)))
        else:
            self._send(self._new_request(account_id))

    def _others_act(self, call: Call | None) -> None:
        """Others come between two calls of a process: on the same account mostly, at times with the same request."""
        if self._depth >= DEEPEST:
            return
        self._depth += 1
        try:
            account_id = (
                call.account_id if call and call.account_id and self._dice.random() < 0.8 else self._an_account()
            )
            if (twin := self._recent.get(account_id)) and self._dice.random() < 0.25:
                self._send(twin)
            else:
                self._something_happens(account_id)
        finally:
            self._depth -= 1

    def _an_account(self) -> str:
        return self._dice.choices(self._names, self._weights)[0]

    def _new_request(self, account_id: str, hold_id: str | None = None) -> Waiting:
        self._keys += 1
        key, fingerprint = f"k{self._keys}", f"f{self._keys}"
        if account_id not in self._books and self._dice.random() < 0.8:
            return Waiting(account_id, key, None, Open())
        if (recent := self._recent.get(account_id)) and self._dice.random() < 0.01:
            key = recent.caller_key  # a caller that uses one key for two things
        request = self._wish_of_a_hold(account_id, hold_id) if hold_id else self._wish(account_id)
        return Waiting(account_id, key, fingerprint if request.has_a_body else None, request)

    def _wish(self, account_id: str) -> Request:
        """What somebody may want of an account; the book says what there is to want it of."""
        book = self._books.get(account_id)
        wishes: list[tuple[int, Callable[[], Request]]] = [
            (6, self._give),
            (4, lambda: ChangePlan(*self._dice.choice(PLANS))),
            (2, Open),
            (3, lambda: Adjust(self._dice.choice((-1_000, -5, -1, 1, 50)), force=self._dice.random() < 0.5)),
            (2, lambda: SetWords(self._dice.choice((0, 40_000, 50_000, 50_001, 900_000, 5_000_001)))),
            (2, lambda: MoveWorkflows(self._dice.choice((-3, -1, 1, 1, 2, 9)))),
            (3, lambda: Appoint(self._dice.choice(MEMBERS), self._dice.choice((None, 0, 30, 400)))),
            (1, lambda: Remove(self._dice.choice(MEMBERS))),
            (3, lambda: Buy(self._dice.choice(("small", "small", "medium")))),
            (50, self._use),
        ]
        if book:
            wishes += [(7, lambda: self._nearly_all(book)), (13, lambda: self._hold(book))]
            if book.packs:
                wishes.append((4, lambda: self._pack_step(book)))
            if book.charged:
                wishes.append((8, lambda: self._refund(book, list(book.charged))))
        (wish,) = self._dice.choices([wish for _, wish in wishes], [weight for weight, _ in wishes])
        return wish()

    def _give(self) -> Request:
        until = None if self._dice.random() < 0.2 else floor(self.now + timedelta(hours=self._dice.uniform(-1, 900)))
        kind = self._dice.choice((GrantKind.PROMOTION, GrantKind.ADJUSTMENT))
        return Give(kind, self._dice.choice((1, 5, 20, 300)), until)

    def _use(self) -> Request:
        several = 1 if self._dice.random() < 0.93 else self._dice.randint(2, 6)
        return self._charge(
            tuple((self._dice.choice(ACTIONS), self._dice.choice(QUANTITIES), self._member()) for _ in range(several))
        )

    def _nearly_all(self, book: Plain) -> Request:
        """Down to a line where something is said or refused."""
        count = book.remaining - self._dice.choice((-1, 0, 0, 1, 10, 11))
        return self._charge((("message", min(max(count, 1), 10_000), None),))

    def _hold(self, book: Plain) -> Request:
        most = self._dice.choice((5, 20, 75, book.remaining, book.remaining, book.remaining + 1))
        seconds = self._dice.choice((None, 60, 20_000, 86_400, 86_400, 86_401))
        return OpenHold(max(most, 1), seconds, self._member())

    def _refund(self, book: Plain, charges: Sequence[str]) -> Request:
        charge_id = self._dice.choice(charges)
        return Refund(charge_id, self._dice.choice((None, None, 1, 3, book.charged[charge_id].credits + 1)))

    def _pack_step(self, book: Plain) -> Request:
        """Of a pack that a hold has some of, where there is one; or else of one that was bought lately, mostly, since
        the others are spent."""
        held = {lot.number for lot in book.lots if lot.held}
        payments = list(book.packs)
        lately = [payment for payment in payments if book.packs[payment] in held] or payments[-2:]
        payment = self._dice.choice(lately if self._dice.random() < 0.8 else payments)
        credits, missing = self._dice.choice((1, 50, 133, 400)), self._dice.choice((0, 0, 30, 200))
        throw = self._dice.randrange(6)
        if throw == 0 and book.paid_back:
            refund = self._dice.choice([*book.paid_back][-3:])
            return PayBackFails(book.paid_back[refund][0], refund)
        if throw == 1:
            return LoseDispute(payment, credits, missing)
        return self._dice.choice((PayBack, PayBack, Dispute, WinDispute))(payment, credits)

    def _wish_of_a_hold(self, account_id: str, hold_id: str) -> Request:
        throw = self._dice.random()
        if throw < 0.15:
            return CloseHold(hold_id)
        if throw < 0.25:
            return ExtendHold(hold_id, self._dice.choice((0, 5, 60)), self._dice.choice((None, 3_600, 80_000, 86_401)))
        book = self._books[account_id]
        if throw < 0.35 and any(lot.held and lot.kind == "pack" for lot in book.lots):
            return self._pack_step(book)
        if throw < 0.40 and (mine := [name for name in book.charged if name.startswith(f"{hold_id}!")]):
            return self._refund(book, mine)
        model = self._dice.choice((None, None, "gpt-5.1", "claude-opus"))
        return Capture(hold_id, self._dice.choice(ACTIONS), self._dice.choice((1, 1, 1, 2, 7)), model)

    def _member(self) -> str | None:
        return self._dice.choice((None, None, None, *MEMBERS))

    def _charge(self, lines: tuple[tuple[str, int, str | None], ...]) -> Charge:
        model = self._dice.choice((None, None, None, "gpt-5.1", "gpt-5.1", "claude-opus"))
        conversation = self._dice.choice((None, "chat-1", "chat-2", "chat-3"))
        return Charge(lines, model, conversation)

    # Requests

    def _send(self, sent: Waiting) -> None:
        self._recent[sent.account_id] = sent
        request = sent.request
        call = Call(
            request,
            sent.account_id,
            sent.caller_key,
            sent.fingerprint,
            self._clock_of_a_process(),
            request.place(sent.account_id, sent.caller_key),
        )
        told = Told(call.account_id, call.caller_key, call.fingerprint, call.now, self._patience)
        try:
            receipt = request.act(self._store_of(call), told)
        except Crash:
            self._send_again(sent, 0.9)
        except (Contended, Unavailable) as error:
            self._gave_up(call, error)
            self._send_again(sent, 0.9)
        except CreditsError as error:
            self._refused(call, error)
            self._send_again(sent, 0.05)
        else:
            self._answered(call, receipt)
            self._send_again(sent, 0.05)

    def _send_again(self, sent: Waiting, odds: float) -> None:
        if self._dice.random() < odds and len(self._waiting) < MOST_WAITING:
            self._waiting.append(sent)

    def _store_of(self, call: Call) -> Unreliable:
        """The store of the call's process: nobody waits for its turn there, all meet at the true one."""

        def fate(odds: Odds) -> str | None:
            self._call_takes_time()
            throw = self._dice.random()
            for name, share in odds.items():
                throw -= share
                if throw < 0:
                    self.counts[name] += 1
                    return name
            return None

        def saw(account_id: str, members_alone: bool) -> None:
            book = self._books.get(account_id)
            if members_alone and call.seen and book:
                # A second look for a member who has come since the account was read.
                call.seen = call.seen.copied()
                call.seen.people = book.people
            else:
                call.looked = True
                call.seen = book

        return Unreliable(
            self.truth,
            fate=fate,
            meanwhile=lambda: self._others_act(call),
            saw=saw,
            sends=lambda posting: call.sent.update(entry.hash for entry in posting.entries),
            land=lambda posting: self._land(call, posting),
            in_flight=lambda posting: self._late(call, posting),
            in_a_storm=self._dice.random() < 0.01,
        )

    # Commits

    def _late(self, call: Call, posting: Posting) -> None:
        if len(self._in_flight) < MOST_IN_FLIGHT:
            self._in_flight.append((call, posting))

    def _late_ones_land(self) -> None:
        for each in list(self._in_flight):
            if self._dice.random() < 0.5:
                self._in_flight.remove(each)
                try:
                    self._land(*each)
                except Cancelled:
                    self.counts["landed too late"] += 1

    def _land(self, call: Call, posting: Posting) -> None:
        """The true store commits, and the oracle does the same. Raises what the true store raises."""
        self.truth.commit(posting)
        self.counts["commits"] += 1
        self.counts["entries"] += len(posting.entries)
        account_id = posting.books[0].account_id
        # Whoever is refused for want of credits, or refunds a capture of a hold that is over, settles holds on the way.
        settled = next((each.hold_id for each in posting.entries if each.kind is EntryKind.RELEASE), None)
        request: Request | None = CloseHold(settled) if settled else call.request
        where = request.place(account_id, call.caller_key) if request else (account_id, "renewal")
        own = where == call.where
        if own and call.heard:
            raise Broken(f"{where} was told {call.heard}, and its commit landed after that")
        if request and where in self._done:
            raise Broken(f"{where} acted twice")
        try:
            book = self._after(request, self._books.get(account_id), call)
        except Refused as refused:
            raise Broken(f"{where} was let through, and the rules say {refused.code}") from None
        lines = [line(entry) for entry in posting.entries]
        if lines != book.lines:
            raise Broken(f"{where} wrote {lines}, and the rules say {book.lines}")
        call.landed = call.landed or own
        self._books[account_id] = book
        self._past.setdefault(account_id, []).append(book)
        self._lines[account_id] += len(lines)
        self._check(account_id, [each.hold_id for each in posting.books if isinstance(each, Hold)])
        if book.own and request:
            done = self._done[where] = Done(call, call.fingerprint if own else None, book.own)
            if isinstance(request, OpenHold | ExtendHold):
                # Its entry in the hold's book has the same key.
                hold_id = request.hold_id if isinstance(request, ExtendHold) else call.caller_key
                self._done[hold_book(account_id, hold_id), where[1]] = done
            self.counts[type(request).__name__] += 1
            self._keep_count(account_id, request, call.caller_key)

    def _keep_count(self, account_id: str, request: Request, caller_key: str) -> None:
        """Of the holds that are open, and of what was used: how often, and for how many credits."""
        used = self._used.setdefault(account_id, Counter())
        book = self._books[account_id]
        match request:
            case OpenHold():
                self._open.append((account_id, caller_key))
            case CloseHold(hold_id):
                self._open.remove((account_id, hold_id))
            case Charge(lines):
                for action, quantity, _ in lines:
                    used[action] += quantity
                    used[f"{action} credits"] += CATALOG.actions[action].credits * quantity
            case Capture(_, action, quantity):
                used[action] += quantity
                used[f"{action} credits"] += CATALOG.actions[action].credits * quantity
            case Refund(charge_id, credits):
                charged = book.charged[charge_id]
                used[f"{charged.action} credits"] -= credits or charged.credits

    def _after(self, request: Request | None, book: Plain | None, call: Call) -> Plain:
        """The oracle's book after a request, from this one. Raises Refused."""
        if book is None:
            if request and request.opens:
                return Plain.opened(call.now)
            raise Refused("account_not_found")
        if request is None:
            return book.copied().renew(call.now)
        return request.plainly(book.copied(), call.now, call.caller_key)

    def _expected(self, call: Call) -> Plain:
        """What the oracle makes of the call, from what it last saw. Raises Refused."""
        return self._after(call.request, call.seen if call.looked else self._books.get(call.account_id), call)

    def _check(self, account_id: str, hold_ids: Iterable[str]) -> None:
        """The items of the account, its members and these holds say what the oracle's book says."""
        if wrong := differences(self.truth, account_id, self._books[account_id], hold_ids):
            raise Broken(f"the account {account_id} has, and should have: {wrong}")

    # What callers hear

    def _answered(self, call: Call, receipt: Receipt) -> None:
        where = call.where
        done = self._done.get(where)
        if not receipt.entries:
            if done or self._expected(call).own:
                raise Broken(f"{where} was told that there was nothing to do")
        elif not done:
            raise Broken(f"{where} was told that it acted, and it did not")
        elif done.fingerprint != call.fingerprint:
            raise Broken(f"{where} was given the receipt of another request")
        elif tuple(line(entry) for entry in receipt.entries) != done.lines:
            raise Broken(f"{where} was told {receipt.entries}, and did {done.lines}")
        elif done.call is call if receipt.replayed else receipt.entries[0].hash not in call.sent:
            raise Broken(f"{where} was told replayed={receipt.replayed}")
        call.heard = "done"
        self.counts["answered"] += 1

    def _refused(self, call: Call, error: CreditsError) -> None:
        where = call.where
        done = self._done.get(where)
        if isinstance(error, IdempotencyKeyReused | AlreadyRefunded):
            if done is None and isinstance(call.request, ExtendHold):
                done = self._done.get((hold_book(call.account_id, call.request.hold_id), where[1]))
            if done is None or done.fingerprint == call.fingerprint:
                raise Broken(f"{where} was told that its key did something else")
        elif done and not (isinstance(call.request, Refund) and error.code == "invalid_request"):
            # A refund of more than was charged is refused whatever was refunded before.
            raise Broken(f"{where} was told {error.code}, and its key has acted")
        else:
            try:
                self._expected(call)
            except Refused as refused:
                if refused.code != error.code:
                    raise Broken(f"{where} was told {error.code}, and the rules say {refused.code}") from error
            else:
                raise Broken(f"{where} was told {error.code}, and the rules allow it") from error
        call.heard = error.code
        self.counts["refused"] += 1

    def _gave_up(self, call: Call, error: CreditsError) -> None:
        """Contended promises that nothing was written, and that nothing will be; Unavailable promises nothing."""
        if isinstance(error, Contended):
            if call.landed:
                raise Broken(f"{call.where} was told that nothing was written")
            call.heard = error.code
        self.counts["gave up"] += 1

    # The schedule, and readers

    def _schedule(self, kind: str) -> None:
        """One worker on one shard, with more or less time; it may be killed, and so may the one after it."""
        call = Call(None, "", "", None, self._clock_of_a_process())
        shard = f"{self._dice.randrange(DUE_SHARDS):02d}"
        looks = iter(range(self._dice.choice((0, 2, 100, 100)), 0, -1))
        try:
            run = renew_due(
                self._store_of(call),
                CATALOG,
                kind,
                shard,
                now=call.now,
                time_left=lambda: next(looks, 0),
                patience=self._patience,
            )
        except (Crash, StoreError):
            return
        self.counts["renewed"] += run.renewed
        for failure in run.failed:
            if not isinstance(failure.error, Contended | Unavailable):
                raise Broken(f"{failure.book_id} could not be renewed") from failure.error
        if run.finished and not run.failed:
            late = [
                name for name, ends in self._waiting_for_time(kind) if due_shard(name) == shard and ends <= call.now
            ]
            if late:
                raise Broken(f"the schedule came by at {call.now} and left {late}")

    def _waiting_for_time(self, kind: str) -> Iterator[tuple[str, datetime]]:
        if kind == "account":
            yield from ((name, book.ends) for name, book in self._books.items())
        else:
            for account_id, hold_id in self._open:
                yield hold_book(account_id, hold_id), self._books[account_id].holds[hold_id].until

    def _reading[T](self, read: Callable[[Unreliable, Call], T], account_id: str) -> tuple[T, Call] | None:
        """What a reader is answered; None where there is no account, or no answer."""
        call = Call(None, account_id, "", None, self._clock_of_a_process())
        self.counts["readings"] += 1
        try:
            return read(self._store_of(call), call), call
        except (Crash, Unavailable):
            return None
        except CreditsError as error:
            if error.code != "account_not_found" or call.seen:
                raise Broken(f"{account_id} could not be read: {error.code}") from error
            return None

    def _read_now(self, account_id: str) -> None:
        answer = self._reading(lambda store, call: account_now(store, CATALOG, account_id, call.now), account_id)
        if answer:
            account, call = answer
            self._same_figures(account, self._expected(call))

    def _read_at(self, account_id: str) -> None:
        """The account as it was at some time in its past."""
        past = self._past.get(account_id)
        if not past:
            return
        at = floor(past[0].opened_at + self._dice.random() * (self.now - past[0].opened_at))
        answer = self._reading(
            lambda store, call: account_at(store, CATALOG, account_id, at=at, now=max(call.now, at)), account_id
        )
        if answer:
            last = [book for book in past if book.at <= at]
            self._same_figures(answer[0], last[-1].copied().renew(at))

    def _same_figures(self, account: Any, book: Plain) -> None:
        has = (account.plan, account.seats, account.remaining, account.total, account.used, account.period.end)
        should = (book.plan, book.seats, book.remaining, book.total, book.used, book.ends)
        if has != should:
            raise Broken(f"a reader of {account.account_id} was told {has}, and the rules say {should}")

    def _read_history(self, account_id: str) -> None:
        """A page of the ledger is what was written last, newest first."""
        before = self._lines[account_id]
        answer = self._reading(lambda store, _: entries(store, account_id, EntryFilter(), limit=10), account_id)
        if answer and self._lines[account_id] == before:
            written = sorted((line[:3], line) for book in self._past.get(account_id, ()) for line in book.lines)
            newest = [line for _, line in reversed(written[-10:])]
            if [line(entry) for entry in answer[0].items] != newest:
                raise Broken(f"the history of {account_id} is not what was written")

    # Everything

    def check_all(self) -> None:
        """Every book against the oracle, every chain by the audit, and usage folded from the entries."""
        for account_id in self._books:
            self._check(account_id, self._books[account_id].holds)
            verdict = audit(self.truth, account_id)
            if not verdict.ok or verdict.entries != self._lines[account_id]:
                raise Broken(f"the audit of {account_id} says {verdict}")
            self._check_usage(account_id)
        self.counts["audits"] += len(self._books)

    def _check_usage(self, account_id: str) -> None:
        history = self.truth.entries(Span(account_id), limit=1_000_000, newest_first=False)
        folded: Counter[str] = Counter()
        for rollup in fold({}, history).values():
            if isinstance(rollup, Day) and rollup.key.startswith("day#"):
                for quarter in rollup.quarters.values():
                    for action, tally in quarter.items():
                        folded[action] += tally.count
                        folded[f"{action} credits"] += tally.credits
        if folded != self._used.get(account_id, Counter()):
            raise Broken(f"usage of {account_id} is {folded}, and was {self._used.get(account_id)}")

    def fingerprint(self) -> str:
        """Every book and every entry of this world in a few letters: two runs of one seed have the same."""
        heads = "".join(account.head for account in self._accounts())
        return sha256(f"{heads}{self.now}{sorted(self.counts.items())}".encode()).hexdigest()[:12]

    def _accounts(self) -> Iterator[Any]:
        for account_id in sorted(self._books):
            (account,) = self.truth.read(AccountKey(account_id))
            yield account
