"""Ledgers that a forger wrote: one who knows the rule of the hash, and writes every chain and every item anew.

No hash gives such a ledger away (the head that was logged on an earlier day does); its sums have to. Each forgery
changes one entry of the whole story, as far as it can be made to agree with itself.
"""

import json
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from credits.domain.entry import AnyEntry
from credits.domain.record import USUAL, chain_hash, entry_from_record, entry_to_record
from credits.ledger.memory import MemoryStore
from credits.ledger.store import place
from tests.whole_story import history

type Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forgery:
    """A change of the entry under `key`, in the account's book or in that of a hold; and how it is found."""

    name: str
    key: str
    change: Callable[[Record], None]
    audit_says: str
    verifier_says: str
    hold_id: str | None = None

    @property
    def book_id(self) -> str:
        return f"acme#hold#{self.hold_id}" if self.hold_id else "acme"


def put(**values: Any) -> Callable[[Record], None]:
    """Another value at `after__grants__0__credits`; None takes it away."""

    def change(record: Record) -> None:
        for path, value in values.items():
            where, name = _inside(record, path)
            _write(where, name, value)

    return change


def more(**credits: int) -> Callable[[Record], None]:
    """So much more, or less, of each of these numbers."""

    def change(record: Record) -> None:
        for path, by in credits.items():
            where, name = _inside(record, path)
            _write(where, name, where.get(name, 0) + by)

    return change


def into_a_pack(record: Record) -> None:
    """One credit given back to a pack that never was, and not to the grant it came from."""
    record["draws"] = [{"grant": "g1", "kind": "pack", "credits": 1}]
    grants = record["after"]["grants"]
    grants[0]["remaining"] -= 1
    grants.append({"id": "g1", "kind": "pack", "credits": 1, "remaining": 1})


def _write(where: Any, name: str, value: Any) -> None:
    """A field that has its usual value is left out of a record."""
    if value is None or (name in USUAL and USUAL[name] == value):
        where.pop(name, None)
    else:
        where[name] = value


def _inside(record: Record, path: str) -> tuple[Any, str]:
    """The object that has the last name of the path, and that name."""
    *names, last = path.split("__")
    where: Any = record
    for name in names:
        where = where[int(name) if name.isdigit() else name]
    return where, last


FORGERIES = [
    Forgery(
        "an account that began with something used",
        "opened",
        more(after__used=9, total=9),
        "the first entry is not the opening of an account that has done nothing",
        "line 1 is not the opening of an account that has done nothing",
    ),
    Forgery(
        "a member's count, at a hold",
        "c#run-1",
        put(member_used=999),
        "the member's count is 999, and was 3 before -20 credits",
        "line 19 counts 999 of the member mara, and 3 were before it",
    ),
    Forgery(
        "a member's count, at a refund",
        "refund#c#k1",
        put(member_used=999),
        "the member's count is 999, and was 4 before 1 credits",
        "line 10 counts 999 of the member mara, and 4 were before it",
    ),
    Forgery(
        "a member's count, at a release",
        "close#run-5",
        put(member_used=0),
        "the member's count is 0, and was 10 before 4 credits",
        "line 84 counts 0 of the member mara, and 10 were before it",
    ),
    Forgery(
        "a member's count, in a hold's book",
        "c#step-1",
        put(member_used=4),
        "a hold's entry tells a member's count",
        "line 16 counts a member in a hold's book",
        "run-1",
    ),
    Forgery(
        "a count of nobody",
        "c#k1",
        put(member_id=None),
        "it tells a count and names no member",
        "line 6 counts a member and names none",
    ),
    Forgery(
        "a refund of nothing",
        "refund#c#k1",
        put(key="refund#c#nothing", corrects__key="c#nothing"),
        "what it corrects is not in the ledger",
        "after line 115: c#nothing, which a refund gives back, is not in the file",
    ),
    Forgery(
        "a refund of another time",
        "refund#c#k1",
        put(corrects__at="2020-01-01T00:00:00.000Z"),
        "what it corrects is not in the ledger",
        "line 10 is a refund and a charge of which the one names the other's instant, action or member wrongly",
    ),
    Forgery(
        "a refund of another action",
        "refund#c#k1",
        put(action="web_fetch"),
        "it does not tell the action and the member of what it corrects",
        "line 10 is a refund and a charge of which the one names the other's instant, action or member wrongly",
    ),
    Forgery(
        "a refund under another key",
        "refund#c#k1",
        put(key="refund#c#k2"),
        "it does not stand under the key of what it corrects",
        "line 10 does not stand under the key of what it gives back",
    ),
    Forgery(
        "a refund that names nothing",
        "refund#c#k1",
        put(corrects=None),
        "a refund corrects an entry, and nothing else does",
        "line 10 is a refund of nothing, or no refund and corrects something",
    ),
    Forgery(
        "a gift that corrects a charge",
        "c#gift",
        put(corrects={"book_id": "acme", "key": "c#k1", "at": "2026-11-23T13:00:00.000Z"}),
        "a refund corrects an entry, and nothing else does",
        "line 7 is a refund of nothing, or no refund and corrects something",
    ),
    Forgery(
        "a refund of more than was charged",
        "refund#c#k1",
        put(
            key="refund#c#k2#01",
            corrects={"book_id": "acme", "key": "c#k2#01", "at": "2026-11-23T14:00:00.000Z"},
            action="ai_response",
            member_id=None,
            member_used=None,
        ),
        "it gives back 1 of 0 credits",
        "line 10 gives back 1 of 0 credits",
    ),
    Forgery(
        "a refund into a pack that the charge did not draw on",
        "refund#c#k1",
        into_a_pack,
        "it gives back to a pack that the charge did not draw on",
        "line 10 gives back to a pack that the charge did not draw on",
    ),
    Forgery(
        "a refund in two books",
        "refund#run-1#c#step-2",
        put(key="refund#run-1#c#step-1", corrects__key="c#step-1"),
        "what it corrects was given back in another book as well",
        "line 23 gives back what another book's entry gave back before",
    ),
    Forgery(
        "nothing captured",
        "c#step-2",
        put(after__captured=0),
        "captured is 0, the parts tell 8",
        "line 17 tells of 30 credits and 0 captured, its parts do not",
        "run-1",
    ),
    Forgery(
        "a hold of one credit",
        "c#run-1",
        put(after__credits=1, total=1),
        "the hold has 1 credits, its parts 20",
        "line 14 tells of 1 credits and 0 captured, its parts do not",
        "run-1",
    ),
    Forgery(
        "a larger part of a hold",
        "c#step-1",
        more(after__credits=9, total=9, after__captured=9, after__grants__0__credits=9),
        "grant g59 is of 14 credits, the entries gave 5",
        "line 79 leaves (4, 0, 0) of 14 credits in g59, 5 were given",
        "run-4",
    ),
    Forgery(
        "a close that captures",
        "close#run-5",
        more(after__captured=1),
        "the close changes what was set aside or captured",
        "line 81 changes at the close what was set aside or captured",
        "run-5",
    ),
    Forgery(
        "a hold that is open again",
        "close#run-5",
        put(after__status=None),
        "the hold has 5 credits, its parts 0",
        "line 81 does not empty the hold and end it",
        "run-5",
    ),
    Forgery(
        "a capture that cost nothing",
        "close#run-5",
        more(draws__0__credits=1, credits=1, remaining=1, after__grants__0__remaining=1, after__used=-1),
        "what came back to the account is not what the hold gave up",
        "line 84 gives back other credits than the hold had left",
    ),
    Forgery(
        "a release that lets go of less",
        "close#run-5",
        more(draws__0__held=1, after__grants__0__held=1, after__used=-1),
        "the hold had set aside other credits: {'g59': 1} are left",
        "line 84 lets go of other credits than were set aside",
    ),
    Forgery(
        "another hold's",
        "c#run-1",
        put(hold_id="run-2"),
        "the account's entry and the hold's under this key tell of different things",
        "line 19 tells of another thing than its other half",
        "run-1",
    ),
    Forgery(
        "more used, and more in all",
        "close#run-5",
        more(after__used=9, total=9),
        "used is 10, and was 0 before 4 credits",
        "line 84 leaves 10 used, and 0 were before it",
    ),
    Forgery(
        "more used by a change of plan",
        "sync#2027-04-25#01",
        more(after__used=9, total=9),
        "used is 9, and was 0 before 0 credits",
        "line 76 leaves 9 used, and 0 were before it",
    ),
    Forgery(
        "counted from an hour later",
        "c#forced",
        put(after__counted_from="2026-12-28T13:00:00.000Z"),
        "an entry of the kind adjustment moves the account into another period",
        "line 58 is in another period than the entry before, and of the kind adjustment",
    ),
    Forgery(
        "counted from when nothing began",
        "sync#2027-04-25#01",
        put(after__counted_from="2027-04-24T00:00:00.000Z"),
        "it counts from 2027-04-24T00:00:00.000Z, when nothing began",
        "line 76 counts from 2027-04-24T00:00:00.000Z, when nothing began",
    ),
    Forgery(
        "nothing owed",
        "c#forced",
        put(after__owed=None),
        "owed is 0, and was 0 before -517 credits",
        "line 58 leaves 0 owed, and 0 were before it",
    ),
    Forgery(
        "a debt that nobody paid",
        "owed#47",
        put(after__owed=100),
        "owed is 100, and was 183 before -183 credits",
        "line 61 leaves 100 owed, and 183 were before it",
    ),
    Forgery(
        "a larger grant",
        "sync#2027-04-11",
        more(after__grants__0__credits=100),
        "grant g59 is of 3100 credits, the entries gave 3000",
        "line 74 leaves (3000, 0, 0) of 3100 credits in g59, 3000 were given",
    ),
    Forgery(
        "a grant that lasts longer",
        "sync#2027-04-11",
        put(after__grants__0__expires_at="2028-01-01T00:00:00.000Z"),
        "grant g59 expires at another time than before",
        "line 74 makes something else of the grant g59",
    ),
    Forgery(
        "a recall by a change of plan",
        "sync#2027-04-25#01",
        put(after__grants__0__recalled=5),
        "an entry of the kind plan_change recalls credits of grant g59",
        "line 76 recalls 5 credits of the grant g59, 0 of them owing",
    ),
    Forgery(
        "more recalled than is held",
        "c#all-of-it",
        put(after__grants__1__recalled=500),
        "grant g66 has 500 recalled (0 owing) of 100 held",
        "line 89 recalls 500 credits of the grant g66, 0 of them owing",
    ),
    Forgery(
        "more owing than is recalled",
        "sync#2027-04-28",
        put(after__grants__0__owing=407),
        "grant g59 has 406 recalled (407 owing) of 1405 held",
        "line 110 recalls 406 credits of the grant g59, 407 of them owing",
    ),
    Forgery(
        "a recall by what a pack brings",
        "c#one-more",
        put(after__grants__0__recalled=5),
        "(5, 0) are recalled and owing of g59, (0, 0) were to be",
        "line 87 recalls 5 credits of the grant g59, 0 of them owing",
    ),
    Forgery(
        "a close after which less is recalled",
        "close#run-7",
        put(after__grants__0__recalled=100, after__grants__0__owing=100),
        "(100, 100) are recalled and owing of g59, (386, 386) were to be",
        "line 112 leaves recalled of g59 what no hold has",
    ),
    Forgery(
        "a debt of a hold that is forgiven",
        "close#run-8",
        put(after__owed=None, shortfall=None),
        "owed is 0, and was 0 before 360 credits",
        "line 114 says that 0 recalled credits were spent and are owed, which is not what was owing",
    ),
    Forgery(
        "a debt of a hold that nobody made",
        "close#run-7",
        put(after__owed=300, shortfall=300),
        "owed is 300, and was 0 before 20 credits",
        "line 112 says that 300 recalled credits were spent and are owed, which is not what was owing",
    ),
    Forgery(
        "a pack that comes back as a gift",
        "c#again-all#failed",
        put(kind="promotion", corrects=None, key="c#a-gift"),
        "grant g66 comes into the book by an entry that does not give it",
        "line 94 brings the grant g66 into the book and does not give it",
    ),
    Forgery(
        "a pack that comes back and names nothing",
        "c#again-all#failed",
        put(corrects=None),
        "grant g66 comes into the book by an entry that does not give it",
        "line 94 brings the grant g66 into the book and does not give it",
    ),
    Forgery(
        "a pack that comes back for what was taken of another",
        "c#again-all#failed",
        put(key="c#lost#failed", corrects={"book_id": "acme", "key": "c#lost", "at": "2026-11-27T18:00:00.000Z"}),
        "it gives back 400 credits and leaves 0 out, 190 were to be taken",
        "line 94 brings back 400 credits of 190 that were to be taken, or another pack's",
    ),
    Forgery(
        "a pack that comes back twice",
        "c#again-all#failed",
        put(key="c#once-more"),
        "it does not stand under the key and the instant of what it takes back",
        "line 94 does not stand under the key of what it brings back",
    ),
    Forgery(
        "a pack that comes back and was not taken",
        "c#again-all#failed",
        put(key="c#nothing#failed", corrects__key="c#nothing"),
        "what it takes back is not in the ledger",
        "line 94 brings back what no revocation took",
    ),
    Forgery(
        "a pack that comes back with what was spent",
        "c#what-is-left#failed",
        more(
            credits=150,
            draws__0__credits=150,
            remaining=150,
            total=150,
            after__grants__1__credits=150,
            after__grants__1__remaining=150,
        ),
        "it gives back 400 credits and leaves 150 out, 400 were to be taken",
        "line 99 brings back 400 credits of 400 that were to be taken, or another pack's",
    ),
    Forgery(
        "fewer missing than were spent",
        "c#what-is-left",
        more(after__grants__1__missing=-140),
        "credits of a pack are missing that were not to be taken, or are missing no more that were",
        "line 96 has credits of a pack missing that were not to be taken, or has them missing no more",
    ),
    Forgery(
        "more missing than was to be taken",
        "c#and-more",
        more(after__grants__1__missing=5),
        "credits of a pack are missing that were not to be taken, or are missing no more that were",
        "line 97 has credits of a pack missing that were not to be taken, or has them missing no more",
    ),
    Forgery(
        "credits missing of what the plan gave",
        "c#and-more",
        put(after__grants__0__missing=5),
        "grant g59 has 5 missing, and 0 of them recalled",
        "line 97 has 5 credits missing of the grant g59, and 0 recalled",
    ),
    Forgery(
        "a close that takes what was recalled, and has it missing still",
        "close#run-6#01",
        put(after__grants__1__missing=50),
        "credits of a pack are missing that were not to be taken, or are missing no more that were",
        "line 91 has credits of a pack missing that were not to be taken, or has them missing no more",
    ),
    Forgery(
        "a grant of another kind",
        "sync#2027-04-11",
        put(after__grants__0__kind="pack"),
        "grant g59 is of the kind pack, and was of the kind allocation",
        "line 74 makes something else of the grant g59",
    ),
    Forgery(
        "a gift that takes",
        "c#k2",
        put(kind="promotion"),
        "an entry of the kind promotion does not move g7 like this",
        "line 8 moves g7 as no promotion does",
    ),
    Forgery(
        "an expiry that charges",
        "expire#g57",
        put(kind="charge"),
        "used is 0, and was 0 before -3000 credits",
        "line 72 leaves 0 used, and 0 were before it",
    ),
    Forgery(
        "an expiry before its time",
        "c#half",
        put(kind="expiry"),
        "grant g22 expires before its time",
        "line 37 lets the grant g22 expire before its time",
    ),
    Forgery(
        "a loss that freezes",
        "c#disputed",
        put(kind="revocation"),
        "an entry of the kind revocation does not move g22 like this",
        "line 35 moves g22 as no revocation does",
    ),
    Forgery(
        "a meter that draws",
        "c#words",
        put(draws=[{"grant": "g2", "kind": "allocation", "credits": 0}]),
        "an entry of the kind meter does not move g2 like this",
        "line 12 moves g2 as no meter does",
    ),
    Forgery(
        "a meter in another period",
        "c#words",
        put(after__period_number=3),
        "an entry of the kind meter moves the account into another period",
        "line 12 is in another period than the entry before, and of the kind meter",
    ),
]


def forged_lines(store: MemoryStore, forgery: Forgery | None) -> list[str]:
    """The export of the forged ledger."""
    return [json.dumps(entry_to_record(entry)) for entry in _forged(history(store), forgery)]


def forged_store(store: MemoryStore, forgery: Forgery | None) -> MemoryStore:
    """The forged ledger in a store of its own, the items of its books as the last entries leave them."""
    entries = _forged(history(store), forgery)
    forged = MemoryStore()
    for entry in entries:
        plant(forged, entry)
        has = store._books[entry.book_id]
        if has.seq == entry.seq:
            forged._books[entry.book_id] = replace(entry.after, version=has.version)
    for member in store.members("acme", limit=100):
        last = next(
            entry
            for entry in reversed(entries)
            if (entry.member_id, entry.book_id) == (member.member_id, "acme") and entry.member_used is not None
        )
        forged._books[member.book_id] = replace(member, used=last.member_used or 0, head=last.hash)
    forged._due = store._due
    return forged


def plant(store: MemoryStore, entry: AnyEntry) -> None:
    """An entry where its own fields put it."""
    where = place(entry)
    store._entries[entry.book_id, entry.key] = entry
    insort(store._places.setdefault(entry.account_id, []), (where.moment, where.book_id, where.key))


def _forged(entries: Sequence[AnyEntry], forgery: Forgery | None) -> list[AnyEntry]:
    """The entries with the change, every chain written anew, in time."""
    heads: dict[str, str] = {}
    opened: dict[str, str] = {}  # by key: the hash of the account's entry, on which a hold's first one stands
    written: list[AnyEntry] = []
    for entry in _accounts_first(entries):
        record = entry_to_record(entry)
        if forgery and (entry.book_id, entry.key) == (forgery.book_id, forgery.key):
            record = json.loads(json.dumps(record))
            forgery.change(record)
        head = heads.get(entry.book_id, opened.get(entry.key, ""))
        record |= {"prev_hash": head, "hash": chain_hash(head, record)}
        heads[entry.book_id] = record["hash"]
        if entry.book_id == entry.account_id:
            opened[entry.key] = record["hash"]
        written.append(entry_from_record(record))
    return sorted(written, key=lambda entry: (place(entry).moment, entry.book_id, entry.key))


def _accounts_first(entries: Iterable[AnyEntry]) -> list[AnyEntry]:
    return sorted(entries, key=lambda entry: (entry.book_id, entry.seq))
