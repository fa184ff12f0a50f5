"""Open: a new account, on Free, with its first allocation."""

from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.journal import Journal, Posting
from credits.domain.renew import FREE, begin_period

OPENED_KEY = "opened"


def open_account(account: Account | None, catalog: Catalog, *, now: datetime, account_id: str) -> Posting:
    """Open the account; its billing date is now. One that is there already stays as it is."""
    if account is not None:
        return Posting((account,), ())
    journal = Journal(Account(account_id=account_id, opened_at=now, plan=FREE, anchor=now, at=now), catalog)
    journal.write(EntryKind.OPENED, OPENED_KEY, now, journal.account)
    begin_period(journal, catalog, journal.account, 0, now)
    return journal.posting()
