"""Entries as CSV: how large a page can become."""

import csv
import io
import json

from credits.domain.charge import Usage
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Span
from credits.runtime.wire.usage import csv_page
from tests.moves import charged, opened


def test_the_longest_page_there_can_be_is_one_that_lambda_returns() -> None:
    store = MemoryStore()
    opened(store)
    widest = "\U0001f600" * 200  # twelve bytes each, in the form that takes the most
    line = Usage(
        action="ai_response",
        quantity=1_000,
        conversation_id="c" * 64,
        conversation_title=widest,
        member_id="m" * 64,
        tool=widest,
        description=widest,
    )
    for number in range(25):
        charged(store, f"{number:060d}", *[line] * 20)

    text = csv_page(store.entries(Span("acme"), limit=500))

    assert len(list(csv.DictReader(io.StringIO(text, newline=""), strict=True))) == 500
    assert len(json.dumps({"body": text})) < 6 * 1024 * 1024
