"""What callers ask for: each request as the code under test does it, and as the oracle writes it down."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, override

from credits.domain.appoint import appoint, remove
from credits.domain.charge import Usage
from credits.domain.give import give
from credits.domain.grant import GrantKind
from credits.domain.hold import hold_book
from credits.domain.meter import Meter, change_meter, set_meter
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.pack import bring_back, freeze, give_pack, lose, take_back, thaw
from credits.domain.release import release_key
from credits.domain.subscribe import change_plan
from credits.ledger.post import Patience, Receipt, client_key, post
from credits.ledger.read import answering
from credits.ledger.spend import capture_from, extend, put_right, refund_charge, set_aside, settle, spend
from credits.ledger.store import AccountKey, BookKey, EntryKey, Ledger, MemberKey
from tests.moves import CATALOG
from tests.simulation.model import Plain


@dataclass(frozen=True, slots=True)
class Told:
    """The way in which a request comes: for which account, under which key, when by its process's clock."""

    account_id: str
    caller_key: str
    fingerprint: str | None
    now: datetime
    patience: Patience

    @property
    def usual(self) -> dict[str, Any]:
        return {"now": self.now, "fingerprint": self.fingerprint, "patience": self.patience}

    def post(self, store: Ledger, key: str, decide: Any, *beside: BookKey, opens: bool = False) -> Receipt[Any]:
        """A rule of one account, posted as the functions do."""
        rule = partial(decide, catalog=CATALOG)
        return post(store, key, [AccountKey(self.account_id), *beside], rule, opens=opens, **self.usual)


class Request(ABC):
    """What is asked of one account."""

    __slots__ = ()
    opens = False
    has_a_body = True

    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        """The book that owns the key it acts under, and the key as it is stored."""
        return account_id, client_key(caller_key)

    @abstractmethod
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        """Done by the code under test."""

    @abstractmethod
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        """The book of the oracle after it; Refused where the rules say no."""


@dataclass(frozen=True, slots=True)
class Open(Request):
    """The account opened, if it is not there."""

    opens = True
    has_a_body = False

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return account_id, OPENED_KEY

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return told.post(store, OPENED_KEY, partial(open_account, account_id=told.account_id), opens=True)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book


@dataclass(frozen=True, slots=True)
class Charge(Request):
    """One line, or a batch: (action, quantity, member) each."""

    lines: tuple[tuple[str, int, str | None], ...]
    model: str | None
    conversation_id: str | None

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        usage = [
            Usage(
                action=action,
                quantity=quantity,
                member_id=member,
                model=self.model,
                conversation_id=self.conversation_id,
            )
            for action, quantity, member in self.lines
        ]
        return spend(store, CATALOG, told.account_id, told.caller_key, usage, **told.usual)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.charge(now, self.lines, self.model, caller_key)


@dataclass(frozen=True, slots=True)
class OpenHold(Request):
    """Credits set aside; the caller's key is the hold's name."""

    credits: int
    seconds: int | None
    member: str | None

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return set_aside(
            store,
            CATALOG,
            told.account_id,
            told.caller_key,
            self.credits,
            expires_in_seconds=self.seconds,
            member_id=self.member,
            **told.usual,
        )

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.open_hold(now, caller_key, self.credits, self.seconds, self.member)


@dataclass(frozen=True, slots=True)
class ExtendHold(Request):
    """More credits in a hold, or a longer life."""

    hold_id: str
    credits: int
    seconds: int | None

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return extend(
            store,
            CATALOG,
            told.account_id,
            self.hold_id,
            told.caller_key,
            credits=self.credits,
            expires_in_seconds=self.seconds,
            **told.usual,
        )

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.extend_hold(now, self.hold_id, self.credits, self.seconds)


@dataclass(frozen=True, slots=True)
class Capture(Request):
    """One action out of a hold."""

    hold_id: str
    action: str
    quantity: int
    model: str | None

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return hold_book(account_id, self.hold_id), client_key(caller_key)

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        usage = Usage(action=self.action, quantity=self.quantity, model=self.model)
        return capture_from(store, CATALOG, told.account_id, self.hold_id, told.caller_key, usage, **told.usual)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        name = f"{self.hold_id}!{caller_key}"
        return book.capture(now, self.hold_id, self.action, self.quantity, self.model, name)


@dataclass(frozen=True, slots=True)
class CloseHold(Request):
    """A hold closed, by its caller; or by whoever finds that its time is over."""

    has_a_body = False

    hold_id: str

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return account_id, release_key(self.hold_id)

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return settle(store, CATALOG, told.account_id, self.hold_id, now=told.now, patience=told.patience)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.close_hold(now, self.hold_id)


@dataclass(frozen=True, slots=True)
class Refund(Request):
    """A charge or a capture given back, whole (None) or in part; once, under whatever key."""

    charge_id: str
    credits: int | None

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        hold_id, captured, own = self.charge_id.rpartition("!")
        key = client_key(own.replace("~", "#"))
        return account_id, f"refund#{hold_id}#{key}" if captured else f"refund#{key}"

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return refund_charge(store, CATALOG, told.account_id, self.charge_id, self.credits, "simulated", **told.usual)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.refund(now, self.charge_id, self.credits)


@dataclass(frozen=True, slots=True)
class Give(Request):
    """Credits by hand."""

    kind: GrantKind
    credits: int
    until: datetime | None

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        rule = partial(give, key=key, kind=self.kind, credits=self.credits, reason="simulated", expires_at=self.until)
        return told.post(store, key, rule)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.give(now, self.kind.value, self.credits, self.until)


@dataclass(frozen=True, slots=True)
class Adjust(Request):
    """A balance put right, up or down."""

    credits: int
    force: bool

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return put_right(
            store,
            CATALOG,
            told.account_id,
            told.caller_key,
            self.credits,
            reason="simulated",
            by="ops",
            force=self.force,
            **told.usual,
        )

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.adjust(now, self.credits, self.force)


@dataclass(frozen=True, slots=True)
class SetWords(Request):
    """So many words of knowledge."""

    words: int

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        return told.post(store, key, partial(set_meter, key=key, meter=Meter.KNOWLEDGE_WORDS, value=self.words))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.set_words(now, self.words)


@dataclass(frozen=True, slots=True)
class MoveWorkflows(Request):
    """Workflows begun, or ended."""

    change: int

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        return told.post(store, key, partial(change_meter, key=key, meter=Meter.WORKFLOWS, change=self.change))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.move_workflows(now, self.change)


@dataclass(frozen=True, slots=True)
class Appoint(Request):
    """Somebody made a member, with a cap or without."""

    member: str
    cap: int | None

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        rule = partial(appoint, key=key, member_id=self.member, credit_cap=self.cap)
        return told.post(store, key, rule, MemberKey(told.account_id, self.member))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.appoint(now, self.member, self.cap)


@dataclass(frozen=True, slots=True)
class Remove(Request):
    """A member no more."""

    member: str

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        rule = partial(remove, key=key, member_id=self.member)
        return told.post(store, key, rule, MemberKey(told.account_id, self.member))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.remove(now, self.member)


@dataclass(frozen=True, slots=True)
class ChangePlan(Request):
    """Another plan, or another number of seats."""

    plan: str
    seats: int

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = client_key(told.caller_key)
        return told.post(store, key, partial(change_plan, key=key, plan=self.plan, seats=self.seats))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.change_plan(now, self.plan, self.seats)


@dataclass(frozen=True, slots=True)
class Buy(Request):
    """A pack, paid for: Stripe tells of the payment, and the caller's key is its name."""

    has_a_body = False

    pack: str

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return account_id, f"pack#{caller_key}"

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        key = f"pack#{told.caller_key}"
        return told.post(store, key, partial(give_pack, key=key, pack=CATALOG.packs[self.pack]))

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.buy(now, caller_key, CATALOG.packs[self.pack].credits)


@dataclass(frozen=True, slots=True)
class PackStep(Request):
    """What becomes of a pack when its money goes back, or is fought over. `payment` is the name of its payment."""

    has_a_body = False

    payment: str
    credits: int

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return account_id, f"{type(self).__name__}#{caller_key}"

    def step(self, store: Ledger, told: Told, rule: Any, **facts: int) -> Receipt[Any]:
        """One step, on the grant that the pack was given as."""
        _, key = self.place(told.account_id, told.caller_key)
        (given,) = answering(store.read)(EntryKey(told.account_id, f"pack#{self.payment}"))
        assert given
        grant_id = given.draws[0].grant_id
        return told.post(
            store, key, partial(rule, key=key, grant_id=grant_id, credits=self.credits, reason="simulated", **facts)
        )


@dataclass(frozen=True, slots=True)
class PayBack(PackStep):
    """Money of a pack paid back."""

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return self.step(store, told, take_back)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.pay_back(now, caller_key, self.payment, self.credits)


@dataclass(frozen=True, slots=True)
class PayBackFails(Request):
    """Money that did not go back after all: what was asked for under the key `refund`. Once, whoever hears of it."""

    has_a_body = False

    payment: str
    refund: str

    @override
    def place(self, account_id: str, caller_key: str) -> tuple[str, str]:
        return account_id, f"PayBack#{self.refund}#failed"

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        keys = (EntryKey(told.account_id, f"pack#{self.payment}"), EntryKey(told.account_id, f"PayBack#{self.refund}"))
        given, taken = answering(store.read)(*keys)
        assert given
        assert taken
        rule = partial(bring_back, grant_id=given.draws[0].grant_id, taken=taken, reason="simulated")
        return told.post(store, f"PayBack#{self.refund}#failed", rule)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.bring_back(now, self.refund)


@dataclass(frozen=True, slots=True)
class Dispute(PackStep):
    """A payment fought over."""

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return self.step(store, told, freeze)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.dispute(now, self.payment, self.credits)


@dataclass(frozen=True, slots=True)
class WinDispute(PackStep):
    """A payment that stays."""

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return self.step(store, told, thaw)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.win(now, self.payment, self.credits)


@dataclass(frozen=True, slots=True)
class LoseDispute(PackStep):
    """A payment that goes; so many credits were missing when the dispute began."""

    missing: int

    @override
    def act(self, store: Ledger, told: Told) -> Receipt[Any]:
        return self.step(store, told, lose, missing=self.missing)

    @override
    def plainly(self, book: Plain, now: datetime, caller_key: str) -> Plain:
        return book.lose(now, self.payment, self.credits, self.missing)
