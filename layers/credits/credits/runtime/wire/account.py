"""Accounts, as they are asked for and shown."""

from pydantic import Field

from credits.catalog import Catalog
from credits.domain.account import Account as Book
from credits.domain.account import Standing, warning_at
from credits.domain.instant import to_text
from credits.runtime.wire.entry import WarningName
from credits.runtime.wire.shape import Answer, Id, Instant, Request, Seats


class OpenAccount(Request):
    """A new account, under the product's own id for it."""

    account_id: Id


class ChangePlan(Request):
    """The plan and the seats an account shall have."""

    plan: Id
    seats: Seats = 1


class PlanName(Answer):
    """A plan, by its id and by the name people know."""

    id: str
    name: str


class Credits(Answer):
    """The balance. `remaining` can be spent now; `total` is what could be spent this period; `used` is what was.

    `held` is set aside by open holds, and `frozen` kept back until a payment or a dispute is settled:
    total = remaining + held + frozen + used.
    """

    remaining: int
    total: int
    used: int
    held: int
    frozen: int
    plan_remaining: int
    purchased_remaining: int


class Period(Answer):
    """The current period, [start, end)."""

    start: Instant
    end: Instant


class KnowledgeWords(Answer):
    """Words of knowledge, and how many the plan allows."""

    used: int
    limit: int


class Workflows(Answer):
    """Active workflows, and how many the plan allows."""

    active: int
    limit: int


class Pending(Answer):
    """A change of plan or seats that waits for its date."""

    plan: str
    seats: int
    at: Instant


class Account(Answer):
    """One account, as of one instant."""

    account_id: str
    plan: PlanName
    seats: int
    status: Standing
    credits: Credits
    period: Period
    resets_at: Instant = Field(description="When the next period begins, and with it the next allocation.")
    warning: WarningName | None
    knowledge_words: KnowledgeWords
    workflows: Workflows
    pending_change: Pending | None

    @classmethod
    def of(cls, account: Book, catalog: Catalog) -> "Account":
        """The account as it is shown; it must be as of now (or of the instant that was asked for)."""
        plan, period, pending = catalog.plans[account.plan], account.period, account.pending
        warning = warning_at(account.remaining, catalog.policies.low_threshold)
        return cls(
            account_id=account.account_id,
            plan=PlanName(id=plan.id, name=plan.name),
            seats=account.seats,
            status=account.standing,
            credits=Credits(
                remaining=account.remaining,
                total=account.total,
                used=account.used,
                held=account.held,
                frozen=account.frozen,
                plan_remaining=account.plan_remaining,
                purchased_remaining=account.purchased_remaining,
            ),
            period=Period(start=to_text(period.start), end=to_text(period.end)),
            resets_at=to_text(period.end),
            warning=warning and warning.value,
            knowledge_words=KnowledgeWords(
                used=account.knowledge_words, limit=plan.knowledge_words_limit(account.seats)
            ),
            workflows=Workflows(active=account.workflows, limit=plan.workflows_limit(account.seats)),
            pending_change=pending and Pending(plan=pending.plan, seats=pending.seats, at=to_text(pending.at)),
        )


class AccountPage(Answer):
    """Accounts, the last opened first, and where the next page begins; null at the end."""

    accounts: list[Account]
    cursor: str | None
