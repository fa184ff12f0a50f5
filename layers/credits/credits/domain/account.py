"""The account: the book that holds a balance, and the figures people see of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from credits.domain.cycle import Period, period
from credits.domain.grant import PLAN_GRANTS, Draw, Grant, GrantKind

GENESIS = ""
"""What the hash of a chain's first entry stands on."""


class Standing(StrEnum):
    """What payment allows; the words are Stripe's for a subscription's status."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    INCOMPLETE = "incomplete"
    PAUSED = "paused"
    CANCELED = "canceled"


class CreditWarning(StrEnum):
    """How little is left: `low` at the policy's threshold or under, `exhausted` at 0."""

    LOW = "low"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change of plan or seats that waits for its boundary."""

    plan: str
    seats: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Term:
    """One period of a subscription, until it ends: what the plan gave for it.

    `given` are the credits given for it, less those that were taken back; what is recalled from holds counts until they
    give it back. `provisional` is the part of them that no paid invoice covers: given at a boundary ahead of the
    renewal's payment, or for a trial.

    A month of Free is a term too, named by that plan, where the clock began it and Stripe may yet say that the
    subscription goes on.
    """

    subscription_id: str
    ends_at: datetime
    given: int
    provisional: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account at one instant: everything a decision needs, and nothing it could derive.

    - `anchor` and `period_number` fix the current period (`period`).
    - `used` are the credits spent since the current period began, refunds taken off; or since `counted_from`, where the
      period had begun before: who comes back to a plan within one of its periods counts from then on.
    - `free_through` is the last period of the Free cycle (which runs from `opened_at`) whose allocation was given;
      `free_returned` where it was taken back whole, so that the period may have it once more.
    - `terms` are the periods that a subscription pays for and that have not ended: the current one, and those that an
      upgrade or a cancellation cut short. An account that no subscription pays for has none.
    - `paid_until` is how far beyond the current period the subscription is paid (a yearly one).
    - `owed` are credits that were spent before Stripe paid their time back: the next plan grant settles them.
    - `ticket` orders what was fetched from Stripe: nothing that was fetched earlier is applied any more.
    - `members` is how many members it has had.
    - `top_up_below` is the line below which the account buys a pack by itself, None where it does not; `top_up_due` is
      set from the entry that crossed it until the balance is at the line again.
    - `warned` is the worst warning already sent since the balance was last above its line.
    - `seq`, `head` and `at` are those of the last entry; `version` counts commits and belongs to the store.
    """

    account_id: str
    opened_at: datetime
    plan: str
    seats: int = 1
    standing: Standing = Standing.ACTIVE
    grace_ends_at: datetime | None = None
    subscription_id: str | None = None
    terms: tuple[Term, ...] = ()
    paid_until: datetime | None = None
    owed: int = 0
    ticket: int = 0
    anchor: datetime
    period_number: int = 0
    pending: PendingChange | None = None
    grants: tuple[Grant, ...] = ()
    used: int = 0
    counted_from: datetime | None = None
    free_through: int = -1
    free_returned: bool = False
    knowledge_words: int = 0
    workflows: int = 0
    members: int = 0
    warned: CreditWarning | None = None
    top_up_below: int | None = None
    top_up_due: bool = False
    at: datetime
    seq: int = 0
    head: str = GENESIS
    version: int = 0

    @property
    def book_id(self) -> str:
        """The name of this book in the ledger."""
        return self.account_id

    @property
    def period(self) -> Period:
        """The period the book stands in."""
        return period(self.anchor, self.period_number)

    @property
    def counts_from(self) -> datetime:
        """Since when `used` counts, and the members' counts with it. No two counts of an account have it in common."""
        return self.counted_from or self.period.start

    def recounted(self, at: datetime, before: datetime) -> "Account":
        """The account in the period it stands in, which is entered at `at`, with nothing used; but where the count that
        began at `before` began at the very same instant, it goes on."""
        at = max(at, self.at)
        again = self.period.start <= self.at and self.period.start < at
        entered = replace(self, counted_from=at if again else None)
        return entered if entered.counts_from == before else replace(entered, used=0)

    @property
    def remaining(self) -> int:
        """Credits that can be spent now: neither held nor frozen."""
        return sum(grant.remaining for grant in self.grants)

    @property
    def held(self) -> int:
        """Credits set aside by open holds."""
        return sum(grant.held for grant in self.grants)

    @property
    def frozen(self) -> int:
        """Credits that payment or a dispute keeps from being spent."""
        return sum(grant.frozen for grant in self.grants)

    @property
    def total(self) -> int:
        """What could be spent this period: what is left of every grant, and what was used of them since it began.

        An allocation, a proration or a pack counts from the moment it comes; credits that expired or were revoked
        count no longer, so that `used` is always what was really spent.
        """
        return self.remaining + self.held + self.frozen + self.used

    @property
    def purchased_remaining(self) -> int:
        """The part of `remaining` that was bought in packs; it outlives the reset."""
        return sum(grant.remaining for grant in self.grants if grant.bought)

    @property
    def plan_remaining(self) -> int:
        """The part of `remaining` that was not bought in packs."""
        return self.remaining - self.purchased_remaining

    @property
    def term(self) -> Term | None:
        """The current period's term."""
        current = (self.subscription_id, self.period.end)
        return next((term for term in self.terms if (term.subscription_id, term.ends_at) == current), None)

    def with_term(self, term: Term) -> "Account":
        """The account with this term in the place of the one it had; one that nothing was given for leaves it."""
        others = tuple(
            each for each in self.terms if (each.subscription_id, each.ends_at) != (term.subscription_id, term.ends_at)
        )
        return replace(self, terms=(*others, term) if term.given or term.provisional else others)

    def grants_of(self, term: Term) -> tuple[Grant, ...]:
        """The open grants that the plan gave for this term."""
        return tuple(each for each in self.grants if each.kind in PLAN_GRANTS and each.expires_at == term.ends_at)

    @property
    def freezable(self) -> int:
        """What the end of grace freezes: what is unspent of the provisional credits of an account past due."""
        if self.standing is not Standing.PAST_DUE or self.term is None:
            return 0
        grants = self.grants_of(self.term)
        unfrozen = self.term.provisional - sum(grant.frozen for grant in grants)
        return max(0, min(unfrozen, sum(grant.remaining for grant in grants)))

    def free_is_due(self, number: int) -> bool:
        """Whether this period of the Free cycle has not had its allocation yet."""
        return number > self.free_through or (number == self.free_through and self.free_returned)

    def due_at(self) -> datetime:
        """The next instant at which time itself changes this book: a period's end, a pending change, an expiry, the end
        of grace. What is held expires when its hold closes, and what cannot be frozen waits for no grace."""
        instants = [self.period.end]
        if self.pending:
            instants.append(self.pending.at)
        instants += [each.expires_at for each in self.grants if each.expires_at and (each.remaining or each.frozen)]
        if self.grace_ends_at and self.freezable:
            instants.append(self.grace_ends_at)
        return min(instants)

    def give(self, kind: GrantKind, credits: int, expires_at: datetime | None) -> tuple["Account", tuple[Draw, ...]]:
        """The account with a new grant, and the draw that says so. Its id names the entry about to be written."""
        grant = Grant(f"g{self.seq + 1}", kind, credits, credits, expires_at=expires_at)
        return replace(self, grants=(*self.grants, grant)), (Draw(grant.id, kind, credits, expires_at),)

    def grow(self, grant: Grant, credits: int) -> tuple["Account", tuple[Draw, ...]]:
        """The account with more credits in a grant that it holds, and the draw that says so."""
        grown = replace(grant, credits=grant.credits + credits, remaining=grant.remaining + credits)
        grants = tuple(grown if each is grant else each for each in self.grants)
        return replace(self, grants=grants), (Draw(grant.id, grant.kind, credits, grant.expires_at),)

    def put(self, grant: Grant) -> "Account":
        """The account with the grant as it is now: where it stood, or, where it had left the book, in its place by
        age. One that is empty is not there."""
        grants = {each.id: each for each in self.grants} | {grant.id: grant}
        by_age = sorted(grants.values(), key=lambda each: each.age)
        return replace(self, grants=tuple(each for each in by_age if not each.empty))


def warning_at(remaining: int, low_threshold: int) -> CreditWarning | None:
    """The warning that a balance of `remaining` calls for."""
    if remaining <= 0:
        return CreditWarning.EXHAUSTED
    return CreditWarning.LOW if remaining <= low_threshold else None


def below_top_up_line(account: Account) -> bool:
    """Whether so little is left that the account buys a pack by itself; what holds set aside counts as there."""
    return account.top_up_below is not None and account.remaining + account.held < account.top_up_below
