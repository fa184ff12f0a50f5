"""The world: a hundred accounts and their callers on a clock of its own, over a year and a month, all from one seed.

Each step, somebody does something: charges, is given credits, changes plan, reads, or the schedule comes by. Requests
fail, are sent again, twice, out of order, by callers whose clocks differ. The true store tells the world of every
commit, and the world holds it against the oracle (`model`); what callers hear is held against both.

Nothing here reads a clock, sleeps or throws dice of its own: a seed plays the same whoever runs it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from credits.domain.entry import AnyEntry
from credits.domain.grant import GrantKind
from credits.domain.instant import floor
from credits.domain.journal import Posting
from credits.errors import Contended, CreditsError, IdempotencyKeyReused, Unavailable
from credits.ledger.audit import audit
from credits.ledger.due import renew_due
from credits.ledger.memory import MemoryStore
from credits.ledger.post import Patience, Receipt, post
from credits.ledger.read import EntryFilter, account_at, account_now, entries
from credits.ledger.store import DUE_SHARDS, AccountKey, Cancelled, Span, StoreError, due_shard
from credits.usage.fold import Day, fold
from tests.moves import CATALOG
from tests.simulation.model import Line, Plain, Refused
from tests.simulation.requests import ChangePlan, Charge, Give, Open, Request, Rules
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
PLANS = (("free", 1), ("pro", 1), ("max", 1), ("team", 1), ("team", 2), ("team", 5))


class Broken(BaseException):
    """What the simulation looks for: the ledger and the rules say different things. No handler swallows it."""


@dataclass(eq=False, slots=True)
class Call:
    """One request on its way, in a process of its own. The schedule asks for nothing and has no account of its own.

    `seen` is the oracle's book when it last read the account, `heard` what it was told for good. What it sent (`sent`,
    by hash) is its own doing also where a twin of it, at the same millisecond, wrote the very same first.
    """

    request: Request | None
    account_id: str
    key: str
    fingerprint: str | None
    now: datetime
    seen: Plain | None = None
    landed: bool = False
    heard: str | None = None
    sent: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Done:
    """What a key did: whose call it was, and the lines it wrote."""

    call: Call
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that will be sent again: its caller heard nothing, or the network repeats itself."""

    account_id: str
    caller_key: str
    fingerprint: str | None
    request: Request


class World:
    """One world. `store` and `rules` are what is under test: a test that plants a bug gives others."""

    def __init__(self, seed: int, *, store: MemoryStore | None = None, rules: Rules | None = None) -> None:
        self._dice = Random(seed)
        self._rules = rules or Rules()
        self.truth = store or MemoryStore()
        self.now = BEGINS
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._depth = 0
        self._books: dict[str, Plain] = {}
        self._past: dict[str, list[Plain]] = {}
        self._lines: Counter[str] = Counter()
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
            self._schedule()
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

    def _new_request(self, account_id: str) -> Waiting:
        self._keys += 1
        key, fingerprint = f"k{self._keys}", f"f{self._keys}"
        if account_id not in self._books and self._dice.random() < 0.8:
            return Waiting(account_id, key, None, Open())
        if (recent := self._recent.get(account_id)) and self._dice.random() < 0.01:
            key = recent.caller_key  # a caller that uses one key for two things
        request = self._wish(account_id)
        return Waiting(account_id, key, None if request.opens else fingerprint, request)

    def _wish(self, account_id: str) -> Request:
        throw = self._dice.random()
        if throw < 0.06:
            until = (
                None if self._dice.random() < 0.2 else floor(self.now + timedelta(hours=self._dice.uniform(-1, 900)))
            )
            kind = self._dice.choice((GrantKind.PROMOTION, GrantKind.ADJUSTMENT))
            return Give(kind, self._dice.choice((1, 5, 20, 300)), until)
        if throw < 0.10:
            return ChangePlan(*self._dice.choice(PLANS))
        if throw < 0.12:
            return Open()
        if throw < 0.22 and (book := self._books.get(account_id)):
            # Down to a line where something is said or refused.
            count = book.remaining - self._dice.choice((-1, 0, 0, 1, 10, 11))
            if 0 < count <= 10_000:
                return self._charge((("message", count),))
        several = 1 if self._dice.random() < 0.93 else self._dice.randint(2, 6)
        lines = tuple((self._dice.choice(ACTIONS), self._dice.choice(QUANTITIES)) for _ in range(several))
        return self._charge(lines)

    def _charge(self, lines: tuple[tuple[str, int], ...]) -> Charge:
        model = self._dice.choice((None, None, None, "gpt-5.1", "gpt-5.1", "claude-opus"))
        conversation = self._dice.choice((None, "chat-1", "chat-2", "chat-3"))
        return Charge(lines, model, conversation)

    # Requests

    def _send(self, sent: Waiting) -> None:
        self._recent[sent.account_id] = sent
        request = sent.request
        call = Call(
            request, sent.account_id, request.key(sent.caller_key), sent.fingerprint, self._clock_of_a_process()
        )
        try:
            receipt = post(
                self._store_of(call),
                call.key,
                [AccountKey(call.account_id)],
                request.rule(self._rules, call.key, call.account_id),
                now=call.now,
                fingerprint=call.fingerprint,
                opens=request.opens,
                patience=self._patience,
            )
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

        def saw(account_id: str) -> None:
            call.seen = self._books.get(account_id)

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
        where = (account_id, call.key)
        if call.heard:
            raise Broken(f"{where} was told {call.heard}, and its commit landed after that")
        if call.request and where in self._done:
            raise Broken(f"{where} acted twice")
        try:
            book = self._expected(call, self._books.get(account_id))
        except Refused as refused:
            raise Broken(f"{where} was let through, and the rules say {refused.code}") from None
        lines = [_line(entry) for entry in posting.entries]
        if lines != book.lines:
            raise Broken(f"{where} wrote {lines}, and the rules say {book.lines}")
        call.landed = True
        self._books[account_id] = book
        self._past.setdefault(account_id, []).append(book)
        self._lines[account_id] += len(lines)
        self._check_book(account_id)
        if book.own and call.request:
            self._done[where] = Done(call, book.own)
            self._count_use(account_id, call.request)

    def _count_use(self, account_id: str, request: Request) -> None:
        if isinstance(request, Charge):
            used = self._used.setdefault(account_id, Counter())
            for action, quantity in request.lines:
                used[action] += quantity
            self.counts["credits charged"] += sum(
                CATALOG.actions[name].credits * count for name, count in request.lines
            )

    def _expected(self, call: Call, book: Plain | None) -> Plain:
        """The oracle's book after the call, from this one. Raises Refused."""
        if book is None:
            if call.request and call.request.opens:
                return Plain.opened(call.now)
            raise Refused("account_not_found")
        return call.request.plainly(book.copied(), call.now) if call.request else book.copied().renew(call.now)

    def _check_book(self, account_id: str) -> None:
        """The account's item says what the oracle's book says."""
        (account,) = self.truth.read(AccountKey(account_id))
        book = self._books[account_id]
        has = {
            "plan": (account.plan, account.seats),
            "pending": account.pending and (account.pending.plan, account.pending.seats, account.pending.at),
            "figures": (account.remaining, account.total, account.used),
            "period": (account.anchor, account.period_number, account.period.end),
            "grants": [(each.kind.value, each.credits, each.remaining, each.expires_at) for each in account.grants],
            "at": account.at,
            "seq": account.seq,
        }
        should = {
            "plan": (book.plan, book.seats),
            "pending": book.pending,
            "figures": (book.remaining, book.total, book.used),
            "period": (book.anchor, book.number, book.ends),
            "grants": [(lot.kind, lot.given, lot.left, lot.until) for lot in book.lots],
            "at": book.at,
            "seq": self._lines[account_id],
        }
        if wrong := {name: (has[name], should[name]) for name in has if has[name] != should[name]}:
            raise Broken(f"the account {account_id} has, and should have: {wrong}")

    # What callers hear

    def _answered(self, call: Call, receipt: Receipt) -> None:
        where = (call.account_id, call.key)
        done = self._done.get(where)
        if not receipt.entries:
            if done or self._expected(call, call.seen).own:
                raise Broken(f"{where} was told that there was nothing to do")
        elif not done:
            raise Broken(f"{where} was told that it acted, and it did not")
        elif done.call.fingerprint != call.fingerprint:
            raise Broken(f"{where} was given the receipt of another request")
        elif tuple(_line(entry) for entry in receipt.entries) != done.lines:
            raise Broken(f"{where} was told {receipt.entries}, and did {done.lines}")
        elif done.call is call if receipt.replayed else receipt.entries[0].hash not in call.sent:
            raise Broken(f"{where} was told replayed={receipt.replayed}")
        call.heard = "done"
        self.counts["answered"] += 1

    def _refused(self, call: Call, error: CreditsError) -> None:
        where = (call.account_id, call.key)
        done = self._done.get(where)
        if isinstance(error, IdempotencyKeyReused):
            if done is None or done.call.fingerprint == call.fingerprint:
                raise Broken(f"{where} was told that its key did something else")
        elif done:
            raise Broken(f"{where} was told {error.code}, and its key has acted")
        else:
            try:
                self._expected(call, call.seen)
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
                raise Broken(f"{call.account_id, call.key} was told that nothing was written")
            call.heard = error.code
        self.counts["gave up"] += 1

    # The schedule, and readers

    def _schedule(self) -> None:
        """One worker on one shard, with more or less time; it may be killed, and so may the one after it."""
        call = Call(None, "", "renewal", None, self._clock_of_a_process())
        shard = f"{self._dice.randrange(DUE_SHARDS):02d}"
        looks = iter(range(self._dice.choice((0, 2, 100, 100)), 0, -1))
        try:
            run = renew_due(
                self._store_of(call),
                CATALOG,
                "account",
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
            late = [name for name, book in self._books.items() if due_shard(name) == shard and book.ends <= call.now]
            if late:
                raise Broken(f"the schedule came by at {call.now} and left {late}")

    def _reading[T](self, read: Callable[[Unreliable, Call], T], account_id: str) -> tuple[T, Call] | None:
        """What a reader is answered; None where there is no account, or no answer."""
        call = Call(None, account_id, "reading", None, self._clock_of_a_process())
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
            self._same_figures(account, self._expected(call, call.seen))

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
            written = (line for book in reversed(self._past.get(account_id, [])) for line in reversed(book.lines))
            page = answer[0].items
            if [_line(entry) for entry in page] != [line for line, _ in zip(written, page, strict=False)]:
                raise Broken(f"the history of {account_id} is not what was written")

    # Everything

    def check_all(self) -> None:
        """Every book against the oracle, every chain by the audit, and usage folded from the entries."""
        for account_id in self._books:
            self._check_book(account_id)
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
                    folded.update({action: tally.count for action, tally in quarter.items()})
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


def _line(entry: AnyEntry) -> Line:
    alert = entry.alert and entry.alert.value
    return Line(entry.kind.value, entry.at, entry.credits, entry.remaining, entry.total, alert)
