"""Top-up: the line below which an account buys a pack by itself. Here is the line; what is bought when it is crossed is
for payments to say."""

from dataclasses import replace
from datetime import datetime

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.entry import EntryKind
from credits.domain.journal import Posting
from credits.domain.renew import renew


def draw_line(
    account: Account, catalog: Catalog, *, now: datetime, key: str, below: int | None, description: str
) -> Posting:
    """Draw the line at `below` credits, or take it away with None.

    A line that is drawn anew is not crossed yet: where the balance is below it already, this entry crosses it.
    """
    journal = renew(account, catalog, now)
    after = replace(journal.account, top_up_below=below, top_up_due=False)
    journal.write(EntryKind.TOP_UP, key, now, after, description=description)
    return journal.posting()
