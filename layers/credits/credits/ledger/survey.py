"""Survey: the audit of every account, one after the other, from any place on: bounded in memory and in time."""

from collections.abc import Iterator
from dataclasses import dataclass

from credits.domain.instant import to_text
from credits.errors import AccountNotFound
from credits.ledger.audit import Audit, audit
from credits.ledger.page import from_cursor, to_cursor
from credits.ledger.read import answering
from credits.ledger.store import AccountKey, Ledger

ACCOUNTS_AT_ONCE = 100
"""Of the list of accounts: what one batch read takes."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One account's verdict. `seq` and `head` are those of its item just before the audit; whoever keeps them can show
    later that the chain up to there was not written anew."""

    account_id: str
    seq: int
    head: str
    verdict: Audit
    cursor: str


def listed(store: Ledger, cursor: str | None = None) -> Iterator[tuple[str, str]]:
    """The id of every account, the last opened first, each with the cursor of those after it. Raises InvalidRequest for
    a cursor that this did not give."""
    beyond = cursor and from_cursor(cursor, 2)
    after = (beyond[0], beyond[1]) if beyond else None
    # It ends: every page begins after the one before, and who is opened meanwhile stands before all of them.
    while page := store.accounts(limit=ACCOUNTS_AT_ONCE, beyond=after):
        for account in page:
            after = to_text(account.opened_at), account.account_id
            yield account.account_id, to_cursor(*after)


def survey(store: Ledger, cursor: str | None = None) -> Iterator[Audited]:
    """Audit every account, from the cursor on. Raises Unavailable where the store does not answer: who goes on does so
    from the last cursor."""
    accounts = listed(store, cursor)
    following = answering(lambda: next(accounts, None))
    while found := following():
        yield audited(store, *found)


@answering
def audited(store: Ledger, account_id: str, cursor: str = "") -> Audited:
    """The verdict on one account. Raises AccountNotFound."""
    (account,) = store.read(AccountKey(account_id))
    if account is None:
        raise AccountNotFound(account_id)
    return Audited(account_id, account.seq, account.head, audit(store, account_id), cursor)
