"""What callers ask for: each request as the rule that the ledger runs, and as the oracle writes it down."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import override

from credits.domain.charge import Usage, charge
from credits.domain.give import give
from credits.domain.grant import GrantKind
from credits.domain.open import OPENED_KEY, open_account
from credits.domain.subscribe import change_plan
from credits.ledger.post import Decide, client_key
from tests.moves import CATALOG
from tests.simulation.model import Plain


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules under test. A test that plants a bug gives another."""

    charge: Decide = charge
    give: Decide = give
    change_plan: Decide = change_plan


class Request(ABC):
    """What is asked of one account."""

    __slots__ = ()
    opens = False

    def key(self, caller_key: str) -> str:
        """The stored key it acts under."""
        return client_key(caller_key)

    @abstractmethod
    def rule(self, rules: Rules, key: str, account_id: str) -> Decide:
        """The decision, for `post`."""

    @abstractmethod
    def plainly(self, book: Plain, now: datetime) -> Plain:
        """The book of the oracle after it; Refused where the rules say no."""


@dataclass(frozen=True, slots=True)
class Open(Request):
    """The account opened, if it is not there."""

    opens = True

    @override
    def key(self, caller_key: str) -> str:
        return OPENED_KEY

    @override
    def rule(self, rules: Rules, key: str, account_id: str) -> Decide:
        return partial(open_account, catalog=CATALOG, account_id=account_id)

    @override
    def plainly(self, book: Plain, now: datetime) -> Plain:
        return book


@dataclass(frozen=True, slots=True)
class Charge(Request):
    """One line, or a batch: (action, quantity) each."""

    lines: tuple[tuple[str, int], ...]
    model: str | None
    conversation_id: str | None

    @override
    def rule(self, rules: Rules, key: str, account_id: str) -> Decide:
        usage = [
            Usage(action=action, quantity=quantity, model=self.model, conversation_id=self.conversation_id)
            for action, quantity in self.lines
        ]
        return partial(rules.charge, catalog=CATALOG, key=key, lines=usage)

    @override
    def plainly(self, book: Plain, now: datetime) -> Plain:
        return book.charge(now, self.lines, self.model)


@dataclass(frozen=True, slots=True)
class Give(Request):
    """Credits by hand."""

    kind: GrantKind
    credits: int
    until: datetime | None

    @override
    def rule(self, rules: Rules, key: str, account_id: str) -> Decide:
        return partial(
            rules.give,
            catalog=CATALOG,
            key=key,
            kind=self.kind,
            credits=self.credits,
            reason="simulated",
            expires_at=self.until,
        )

    @override
    def plainly(self, book: Plain, now: datetime) -> Plain:
        return book.give(now, self.kind.value, self.credits, self.until)


@dataclass(frozen=True, slots=True)
class ChangePlan(Request):
    """Another plan, or another number of seats."""

    plan: str
    seats: int

    @override
    def rule(self, rules: Rules, key: str, account_id: str) -> Decide:
        return partial(rules.change_plan, catalog=CATALOG, key=key, plan=self.plan, seats=self.seats)

    @override
    def plainly(self, book: Plain, now: datetime) -> Plain:
        return book.change_plan(now, self.plan, self.seats)
