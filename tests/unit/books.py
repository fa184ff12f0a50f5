"""A book without a ledger: decisions are sealed and kept as the ledger would, and their entries read as short lines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from credits.catalog import Catalog, load
from credits.domain.account import Account
from credits.domain.capture import capture
from credits.domain.charge import Usage, charge
from credits.domain.cycle import period_at
from credits.domain.entry import AnyEntry, Entry
from credits.domain.give import give
from credits.domain.grant import Grant, GrantKind
from credits.domain.hold import Hold
from credits.domain.journal import Posting, seal
from credits.domain.member import Member
from credits.domain.open import open_account
from credits.domain.release import release, release_key
from credits.domain.renew import renewal
from credits.domain.set_aside import extend_hold, open_hold
from credits.domain.subscribe import change_plan
from credits.domain.top_up import draw_line
from credits.ledger.store import EntryKey, moment
from credits.ledger.trail import Trail

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
    """One account that decisions are posted to, its holds and members, and every entry they wrote: the account's in
    `entries`, those of each hold in `of_hold`. One that raises leaves all as it was."""

    def __init__(self, account: Account, catalog: Catalog = CATALOG) -> None:
        self.account = account
        self.entries: list[Entry] = []
        self.holds: dict[str, Hold] = {}
        self.of_hold: dict[str, list[Entry[Hold]]] = {}
        self.members: dict[str, Member] = {}
        self.catalog = catalog
        self._keys = 0

    @classmethod
    def opened(cls, at: str | datetime, catalog: Catalog = CATALOG) -> "Book":
        """A book just opened, with its two entries."""
        now = utc(at) if isinstance(at, str) else at
        posting = seal(open_account(None, catalog, now=now, account_id="acme"), "opened", None)
        (account,) = posting.books
        assert isinstance(account, Account)
        book = cls(account, catalog)
        book.keep(posting)
        return book

    def post(self, decide: Callable[[Account, str], Posting]) -> tuple[Entry, ...]:
        """The account's sealed entries of a decision that is given the account and a key: `c#k1`, `c#k2`, …"""
        self._keys += 1
        key = f"c#k{self._keys}"
        return self.keep(seal(decide(self.account, key), key, "f" * 64))

    def keep(self, posting: Posting) -> tuple[Entry, ...]:
        """Take the books and the entries of a sealed posting. Returns the account's entries."""
        for book in posting.books:
            match book:
                case Account():
                    self.account = book
                case Hold():
                    self.holds[book.hold_id] = book
                case Member():
                    self.members[book.member_id] = book
        written: list[Entry] = []
        for entry in posting.entries:
            match entry.after:
                case Account() as account:
                    written.append(_known(entry, account))
                case Hold() as hold:
                    self.of_hold.setdefault(hold.hold_id, []).append(_known(entry, hold))
        self.entries += written
        return tuple(written)

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

    def hold(
        self,
        credits: int,
        *,
        at: str,
        hold_id: str = "run-1",
        expires_in_seconds: int | None = None,
        member_id: str | None = None,
    ) -> Hold:
        """A hold opened under its own key."""
        key = f"c#{hold_id}"
        posting = open_hold(
            self.account,
            self.holds.get(hold_id),
            self.members.get(member_id or ""),
            catalog=self.catalog,
            now=utc(at),
            key=key,
            hold_id=hold_id,
            credits=credits,
            expires_in_seconds=expires_in_seconds,
            member_id=member_id,
        )
        self.keep(seal(posting, key, "f" * 64))
        return self.holds[hold_id]

    def ends_of(self, hold_id: str) -> tuple[Entry, Entry]:
        """The account's entries that closed the hold and that opened it."""
        by_key = {entry.key: entry for entry in self.entries}
        return by_key[release_key(hold_id)], by_key[f"c#{hold_id}"]

    def extend(
        self, credits: int = 0, *, at: str, hold_id: str = "run-1", expires_in_seconds: int | None = None
    ) -> Hold:
        hold = self.holds[hold_id]
        self._keys += 1
        key = f"c#k{self._keys}"
        posting = extend_hold(
            self.account,
            hold,
            self.members.get(hold.member_id or ""),
            catalog=self.catalog,
            now=utc(at),
            key=key,
            hold_id=hold_id,
            credits=credits,
            expires_in_seconds=expires_in_seconds,
        )
        self.keep(seal(posting, key, "f" * 64))
        return self.holds[hold_id]

    def capture(self, action: str = "message", quantity: int = 1, *, at: str, hold_id: str = "run-1") -> Entry[Hold]:
        """The sealed entry of the capture."""
        self._keys += 1
        key = f"c#k{self._keys}"
        posting = capture(
            self.holds[hold_id],
            catalog=self.catalog,
            now=utc(at),
            key=key,
            account_id=self.account.account_id,
            hold_id=hold_id,
            usage=Usage(action=action, quantity=quantity),
        )
        self.keep(seal(posting, key, "f" * 64))
        return self.of_hold[hold_id][-1]

    def release(self, *, at: str, hold_id: str = "run-1", expired_only: bool = False) -> tuple[Entry, ...]:
        hold = self.holds[hold_id]
        posting = release(
            self.account,
            hold,
            self.members.get(hold.member_id or ""),
            catalog=self.catalog,
            now=utc(at),
            hold_id=hold_id,
            expired_only=expired_only,
        )
        return self.keep(seal(posting, release_key(hold_id), None))

    def problems(self) -> list[str]:
        """Everything that an audit would say of the books as they are now."""
        trail = Trail(self.account, {hold.book_id: hold for hold in self.holds.values() if hold.open})
        entries: list[AnyEntry] = [*self.entries, *(entry for of_one in self.of_hold.values() for entry in of_one)]
        entries.sort(key=lambda entry: (moment(entry.at, entry.seq), entry.book_id))
        by_key = {EntryKey(entry.book_id, entry.key): entry for entry in entries}
        problems = [problem for entry in entries for problem in trail.see(entry, by_key)]
        assert (trail.missing(), trail.unlisted()) == ([], [])
        return [each.problem for each in (*problems, *trail.end(list(self.members.values()), {}, {}))]

    def draw_line(self, below: int | None, *, at: str) -> tuple[Entry, ...]:
        return self.post(
            lambda account, key: draw_line(
                account, self.catalog, now=utc(at), key=key, below=below, description="top-up"
            )
        )

    def renew(self, at: str) -> tuple[Entry, ...]:
        return self.post(lambda account, _: renewal(account, self.catalog, now=utc(at)))


def _known[B: (Account, Hold)](entry: AnyEntry, after: B) -> Entry[B]:
    """The entry, now that the type of its book is known."""
    assert entry.after is after
    return cast("Entry[B]", entry)


def told(entries: Sequence[Entry]) -> list[tuple[str, str, int, int]]:
    """Each entry as its key, its instant to the minute, its credits and what remained."""
    return [(entry.key, minute(entry.at), entry.credits, entry.remaining) for entry in entries]


def drawn(entry: AnyEntry) -> list[tuple[str, str, int]]:
    """Each draw as its grant's id and kind, and its credits."""
    return [(draw.grant_id, draw.kind.value, draw.credits) for draw in entry.draws]


def grants(account: Account) -> list[tuple[str, int, str | None]]:
    """Each open grant as its kind, what remains of it, and its expiry to the minute."""
    return [
        (grant.kind.value, grant.remaining, minute(grant.expires_at) if grant.expires_at else None)
        for grant in account.grants
    ]
