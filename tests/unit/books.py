"""A book without a ledger: decisions are sealed and kept as the ledger would, and their entries read as short lines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from credits.catalog import Catalog, load
from credits.domain.account import Account
from credits.domain.charge import Usage, charge
from credits.domain.cycle import period_at
from credits.domain.entry import Entry
from credits.domain.give import give
from credits.domain.grant import Grant, GrantKind
from credits.domain.journal import Posting, seal
from credits.domain.open import open_account
from credits.domain.renew import renewal
from credits.domain.subscribe import change_plan

CATALOG = load()


def utc(text: str) -> datetime:
    """`2026-01-31` or `2026-01-31 09:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def minute(instant: datetime) -> str:
    """The inverse of `utc`, to the minute."""
    return f"{instant:%Y-%m-%d %H:%M}"


def free_account(*grants: Grant, at: str = "2026-01-10 09:00", opened: str = "2026-01-10 09:00") -> Account:
    """An account on Free that holds just these grants at `at`, with the allocation of its period behind it."""
    number = period_at(utc(opened), utc(at)).number
    return Account(
        account_id="acme",
        opened_at=utc(opened),
        plan="free",
        anchor=utc(opened),
        period_number=number,
        free_through=number,
        grants=grants,
        at=utc(at),
    )


def allocation(remaining: int, expires: str = "2026-02-10 09:00") -> Grant:
    """A Free allocation of 300 with `remaining` credits left."""
    return Grant("a1", GrantKind.ALLOCATION, 300, remaining, expires_at=utc(expires))


def excluding(action: str, *plans: str) -> Catalog:
    """The catalog, with the action left out of these plans."""
    changed = {plan: replace(CATALOG.plans[plan], excluded_actions=frozenset({action})) for plan in plans}
    return replace(CATALOG, plans={**CATALOG.plans, **changed})


class Book:
    """One account that decisions are posted to, and every entry they wrote. One that raises leaves it as it was."""

    def __init__(self, account: Account, catalog: Catalog = CATALOG) -> None:
        self.account = account
        self.entries: list[Entry] = []
        self.catalog = catalog
        self._keys = 0

    @classmethod
    def opened(cls, at: str, catalog: Catalog = CATALOG) -> "Book":
        """A book just opened, with its two entries."""
        posting = seal(open_account(None, catalog, now=utc(at), account_id="acme"), "opened", None)
        book = cls(posting.books[0], catalog)
        book.entries += posting.entries
        return book

    def post(self, decide: Callable[[Account, str], Posting]) -> tuple[Entry, ...]:
        """The sealed entries of a decision that is given the account and a key: `c#k1`, `c#k2`, …"""
        self._keys += 1
        key = f"c#k{self._keys}"
        posting = seal(decide(self.account, key), key, "f" * 64)
        (self.account,) = posting.books
        self.entries += posting.entries
        return posting.entries

    def charge(self, action: str = "message", quantity: int = 1, *, at: str) -> tuple[Entry, ...]:
        return self.batch((action, quantity), at=at)

    def batch(self, *lines: tuple[str, int], at: str) -> tuple[Entry, ...]:
        usage = [Usage(action=action, quantity=quantity) for action, quantity in lines]
        return self.post(lambda account, key: charge(account, self.catalog, now=utc(at), key=key, lines=usage))

    def give(
        self, credits: int, *, at: str, expires: str | None = None, kind: GrantKind = GrantKind.PROMOTION
    ) -> tuple[Entry, ...]:
        return self.post(
            lambda account, key: give(
                account,
                self.catalog,
                now=utc(at),
                key=key,
                kind=kind,
                credits=credits,
                reason="welcome",
                expires_at=utc(expires) if expires else None,
            )
        )

    def change_plan(self, plan: str, seats: int = 1, *, at: str) -> tuple[Entry, ...]:
        return self.post(
            lambda account, key: change_plan(account, self.catalog, now=utc(at), key=key, plan=plan, seats=seats)
        )

    def renew(self, at: str) -> tuple[Entry, ...]:
        return self.post(lambda account, _: renewal(account, self.catalog, now=utc(at)))


def told(entries: Sequence[Entry]) -> list[tuple[str, str, int, int]]:
    """Each entry as its key, its instant to the minute, its credits and what remained."""
    return [(entry.key, minute(entry.at), entry.credits, entry.remaining) for entry in entries]


def drawn(entry: Entry) -> list[tuple[str, str, int]]:
    """Each draw as its grant's id and kind, and its credits."""
    return [(draw.grant_id, draw.kind.value, draw.credits) for draw in entry.draws]


def grants(account: Account) -> list[tuple[str, int, str | None]]:
    """Each open grant as its kind, what remains of it, and its expiry to the minute."""
    return [
        (grant.kind.value, grant.remaining, minute(grant.expires_at) if grant.expires_at else None)
        for grant in account.grants
    ]
