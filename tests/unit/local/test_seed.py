"""The accounts of the local stack: what their history leaves them with, at any time of the year."""

from datetime import UTC, datetime, timedelta

import pytest

from credits.ledger.memory import MemoryStore
from credits.ledger.store import AccountKey, Span
from local.history import happenings
from local.seed import ACCOUNTS, tell

# The day after each month's end, the end of February, and an ordinary day.
DAYS = [datetime(2026, 11, 25, 4, 9, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)] + [
    datetime(2027, month, 1, 23, 59, tzinfo=UTC) for month in range(1, 13)
]


@pytest.mark.parametrize("now", DAYS, ids=str)
def test_what_is_left_today_does_not_depend_on_the_day(now: datetime) -> None:
    left = {}
    for account_id in ACCOUNTS:
        store = MemoryStore()
        tell(store, account_id, now)
        (account,) = store.read(AccountKey(account_id))
        left[account_id] = (account.plan, account.remaining, account.total)

    assert left == {
        "pro": ("pro", 1_269, 1_400),
        "free": ("free", 286, 300),
        "max": ("max", 2_994, 3_000),
        "team": ("team", 11_707, 12_000),
        "low": ("free", 8, 300),
        "exhausted": ("free", 0, 300),
    }


def test_a_history_begins_weeks_ago_and_holds_what_the_page_shows() -> None:
    now = DAYS[0]
    store = MemoryStore()
    tell(store, "pro", now)

    entries = store.entries(Span("pro"), limit=1_000)

    assert entries[-1].at == now - timedelta(days=40)
    assert {entry.kind.value for entry in entries} == {
        "opened",
        "allocation",
        "plan_change",
        "charge",
        "expiry",
        "meter",
        "pack",
    }
    assert {entry.action for entry in entries if entry.action} == {
        "message",
        "agent_step",
        "web_fetch",
        "image_generation",
        "image_edit",
        "deep_research",
        "ai_response",
    }
    assert len({entry.conversation_id for entry in entries if entry.conversation_id}) == 25


def test_a_team_s_chats_are_its_members_and_free_accounts_use_the_one_model_of_free() -> None:
    members = {line.member_id for each in happenings("team") for line in each.lines}
    models = {
        line.model for account in ("free", "low", "exhausted") for each in happenings(account) for line in each.lines
    }

    assert members == {"ana", "ben", "chloe"}
    assert models == {"gpt-5.1"}


@pytest.mark.parametrize("account_id", ACCOUNTS)
def test_every_chat_was_before_now_and_after_the_opening(account_id: str) -> None:
    agos = [each.ago for each in happenings(account_id)]

    assert agos == sorted(agos, reverse=True)
    assert timedelta(0) < agos[-1]
    assert agos[0] < timedelta(days=40)
